from typing import Any

import matplotlib.image
import numpy as np
import pytest

from experiments.compress.pictures import PICTURES
from experiments.compress.prices import FILE
from jaxsize import plots
from jaxsize.data import Dataset, Split
from jaxsize.results import Runs, open_folder
from jaxsize.results.json_files import write_json
from jaxsize.studies import Arms
from jaxsize.studies._drawing import draw_all

PARTNERS = ("from_scratch", "from_found", "random_widths", "half_widths", "double_widths", "pruned")
EPOCHS, SEEDS, PENALTIES = 6, 3, (1e-2, 1e-1)


def dataset_of(name, task):
    inputs, targets = np.zeros((8, 5), np.float32), np.arange(8) % 2
    split = Split(inputs, targets.astype(np.float32 if task == "regression" else np.int32))
    fields: dict[str, Any] = {"train": split, "validation": split, "test": split, "input_shape": (5,)}
    fields |= {"input_scale": np.ones((), np.float32), "input_shift": np.zeros((), np.float32), "source": "made up"}
    return Dataset(name=name, task=task, num_outputs=1 if task == "regression" else 2, **fields)


def path_of(rng, kind, label, widths, epochs=EPOCHS):
    """The rows of a run; widths: of an epoch."""
    for epoch in range(1, epochs + 1):
        live = [int(width) for width in widths(epoch)]
        quality = rng.normal(0.9, 0.02, 3) * (3 ** label["seed"] if kind == "error" else 1)  # errors on a log axis
        sizes = {"live_units": sum(live), "parameters": 8 * sum(live) + 2, "multiply_adds": 8 * sum(live) + 1}
        times = {"epoch": epoch, "seconds": 0.1 * epoch, "run_seconds": 0.02 + 1e-4 * sum(live)}
        scores = {
            f"{split}_{kind}": score for split, score in zip(("train", "validation", "test"), quality, strict=True)
        }
        yield label | times | {"train_loss": 0.5, "live_units_per_layer": live} | sizes | scores


def rows_of(dataset, depths, arms=PARTNERS):
    rng, kind = np.random.default_rng(0), "error" if dataset.task == "regression" else "accuracy"
    rows, run = [], 0
    for depth in depths:
        for penalty in (0.0, *PENALTIES):
            for seed in range(SEEDS):
                label = {"dataset": dataset.name, "form": "corrected", "depth": depth, "seed": seed}
                label |= {"penalty": penalty, "start_width": 60, "batch": "a"}
                rate = 0.1 + 2 * penalty if penalty else 0
                partner, run = run, run + 1
                compress = label | {"arm": "compress", "run": partner}
                rows += path_of(rng, kind, compress, lambda epoch, rate=rate, d=depth: [60 * np.exp(-rate * epoch)] * d)
                for arm in arms if penalty else ():
                    other = label | {"arm": arm, "run": run, "partner": partner}
                    epochs = 3 * EPOCHS if arm == "from_scratch" else EPOCHS
                    rows += path_of(rng, kind, other, lambda _, seed=seed, d=depth: [20 + seed] * d, epochs)
                    run += 1
    return rows


def pictures(path, data, depths, rows, events=()):
    """Draws and returns the pictures by file name, none of which is empty. The first data set has a price list."""
    folder = open_folder(path, {})
    folder.rows.of("a").append(rows)
    folder.events.of("a").append(events)
    names = [dataset.name for dataset in data]
    priced = [{"gated": kind, "multiply_adds": 10**n, "seconds": 0.1 * n} for kind in (0, 1) for n in (1, 2)]
    table = {"dataset": names[0], "form": "corrected", "devices": 1, "epochs": priced}
    write_json(path / FILE, [table | {"depth": depth} for depth in depths])
    runs = Runs(folder, {"num_seeds": SEEDS, "epochs": EPOCHS})
    draw_all(PICTURES, Arms.of(runs, data={(dataset.name, "corrected"): dataset for dataset in data}), path)
    images = {file.name: matplotlib.image.imread(file) for file in path.glob("*.png")}
    assert set(images) == {f"{kind}_{name}_corrected.png" for kind in PICTURES for name in names}
    for name, image in images.items():
        assert min(image.shape[:2]) > 300 and np.ptp(image[..., :3]) > 0.5, name
    return images


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("depths", [(1,), (1, 3)])
def test_every_data_set_has_its_pictures(tmp_path, task, depths):
    data = [dataset_of(name, task) for name in ("first", "second")]
    rows = rows_of(data[0], depths) + [row | {"run": row["run"] + 1000} for row in rows_of(data[1], depths[:1])]
    events = [
        {"event": "compaction", "runs": [0, 1, 7], "epoch": 2, "cohorts": [], "seconds": 0.1},
        {"event": "collapse", "runs": [1], "epoch": 3, "gate": "hidden.0"},
    ]
    pictures(tmp_path, data, depths, rows, events)


@pytest.mark.parametrize("arms", [(), ("from_found",), ("from_scratch",)])
def test_partners_may_be_missing(tmp_path, arms):
    data = dataset_of("tiny", "classification")
    rows = [row for row in rows_of(data, (2,), arms) if row["seed"] or row["arm"] != "from_scratch"]
    pictures(tmp_path, [data], (2,), rows)


def test_runs_that_diverged_or_collapsed_do_not_hide_the_others(tmp_path, monkeypatch):
    data = dataset_of("tiny", "classification")
    rows = rows_of(data, (2,))
    for row in rows:
        if row["arm"] != "compress" or row["penalty"] != PENALTIES[0]:
            continue
        if row["seed"] == 0 and row["epoch"] > 2:  # diverged: its units count as dead
            row |= dict.fromkeys(("train_loss", "train_accuracy", "validation_accuracy", "test_accuracy"))
            row |= {"live_units": 0, "live_units_per_layer": [0, 0]}
        if row["seed"] == 1 and row["epoch"] > 3:  # collapsed
            row |= {"live_units": 5, "live_units_per_layer": [5, 0], "validation_accuracy": 0.1, "test_accuracy": 0.1}
        if row["seed"] == 2:  # never learned
            row |= {"validation_accuracy": 0.1, "test_accuracy": 0.1}
    figures, save = {}, plots.save
    monkeypatch.setattr(plots, "save", lambda figure, path: (figures.update({path.name: figure}), save(figure, path)))
    pictures(tmp_path, [data], (2,), rows)
    for name in ("scores_tiny_corrected.png", "sizes_tiny_corrected.png", "best_tiny_corrected.png"):
        low, high = figures[name].axes[0].get_ylim()
        assert 0.75 < low < high < 1, name
    above, below = figures["widths_tiny_corrected.png"].axes
    assert (above.get_yscale(), below.get_yscale()) == ("log", "symlog")  # no unit is left of the second layer
    ends = [axes.lines[1].get_ydata()[-1] for axes in (above, below)]
    assert ends == [(5 + 29) / 2, (0 + 29) / 2]  # the median of the seeds that collapsed and never learned


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_pictures_exist_where_every_run_failed(tmp_path, task):
    data = dataset_of("tiny", task)
    nothing = {"train_loss": None, "live_units": 0, "live_units_per_layer": [0]}
    rows = [row | nothing for row in rows_of(data, (1,), ())]
    rows = [{key: None if key.endswith(("accuracy", "error")) else value for key, value in row.items()} for row in rows]
    pictures(tmp_path, [data], (1,), rows)


def test_equal_scores_and_sizes_have_no_density(tmp_path):
    data = dataset_of("tiny", "classification")
    equal = {f"{split}_accuracy": 1.0 for split in ("train", "validation", "test")}
    pictures(tmp_path, [data], (1,), [row | equal for row in rows_of(data, (1,))])
