"""The command `python -m experiments.compress`: what it leaves, that a kill changes nothing, what it refuses."""

import dataclasses
import json
import math

import jax
import jax.numpy as jnp
import matplotlib.image
import numpy as np
import pytest
from helpers.experiments import rows_of
from helpers.shrinking import EAGER

from experiments.compress import study as compress
from jaxsize import load_network
from jaxsize.data import load
from jaxsize.results import BatchRows
from jaxsize.studies import study as frame
from jaxsize.training import epoch_times
from jaxsize.training.progress import Progress

SMALL = ["--num-seeds", "2", "--penalties", "0.3", "--start-width", "12", "--batch-size", "256", "--epochs", "5"]
SMALL += ["--learning-rate", "0.1", "--static-epochs", "6"]


COMMAND = compress.COMMAND


@pytest.fixture(autouse=True)
def _hastily(monkeypatch):
    """Epochs are timed no more often than they must be."""
    monkeypatch.setattr(epoch_times, "SPAN", 0)


def final_rows(rows, arm):
    return {row["run"]: row for row in rows if row["arm"] == arm}


def test_smoke_gives_a_person_everything(command, tmp_path):
    out, arguments = tmp_path / "r", ["--smoke", "--depths", "2", "--epochs", "2", "--static-epochs", "2"]
    status, printed, error = command(*arguments, "--out", str(out))
    assert (status, error) == (0, "")
    for text in (
        "of 28 units in 2 hidden layers; test accuracy",
        "digits, corrected form, 2 seeds",
        "C33",
        "C34",
        "C39",
    ):
        assert text in " ".join(printed.split())
    rows = rows_of(out)
    arms = ["from_found", "half_widths", "double_widths", "pruned", "random_widths", "group_lasso", "from_scratch"]
    counts = {arm: len(final_rows(rows, arm)) for arm in ("compress", *arms)}
    assert counts == {"compress": 6, **dict.fromkeys(arms, 4)}  # two seeds, two penalties and none
    assert len(rows) == 2 * sum(counts.values())
    compressed = final_rows(rows, "compress")
    best = {  # the epoch that counts, in which fewer units may have died than in the last one
        run: max((row for row in rows if row["run"] == run), key=lambda row: row["validation_accuracy"])
        for run in compressed
    }
    assert any(row["live_units"] < 28 for row in best.values())
    for arm in arms[:-2]:
        for row in final_rows(rows, arm).values():
            partner = compressed[row["partner"]]
            assert all(
                row[key] == partner[key] for key in ("dataset", "form", "depth", "seed", "penalty", "start_width")
            )
            widths, other = row["live_units_per_layer"], best[row["partner"]]["live_units_per_layer"]
            double, half = [2 * width for width in other], [max(1, width // 2) for width in other]
            expected = {"half_widths": half, "double_widths": double}.get(arm, other)
            assert widths == expected or (arm == "random_widths" and sum(widths) == sum(other))
    config = json.loads((out / "config.json").read_text())["config"]
    assert config["epochs"] == 2 and config["start_width"] == 24 and "digits" in config["data"]
    summary = json.loads((out / "summary.json").read_text())
    assert (
        set(summary["claims"]["corrected"]) == {"C33", "C34", "C39", "C39, a little worse"}
        and len(summary["results"]) == 3
    )
    gains, (overhead,), stops = summary["tables"].values()
    assert [row["budget"] for row in gains[:3]] == ["steps", "time", "multiply_adds"] and stops == []
    assert {row["compressed_minus"] for row in gains} == set(arms) and overhead["ratio"] > 0
    (table,) = json.loads((out / "epoch_seconds.json").read_text())
    assert all(epoch["seconds"] > 0 for epoch in table["epochs"]) and {e["gated"] for e in table["epochs"]} == {1, 0}
    for picture in ("scores", "sizes", "best", "widths", "epochs"):
        assert matplotlib.image.imread(out / f"{picture}_digits_corrected.png").shape[0] > 200
    events = [event["event"] for event in BatchRows(out / "events").read()]
    assert events.count("programs") >= 3
    test = load("digits").test
    for run, row in compressed.items():
        network = load_network(out / "networks" / f"run_{run}")
        right = np.asarray(jax.jit(network.outputs)(test.inputs)).argmax(1) == test.targets
        assert right.mean() == pytest.approx(best[run]["test_accuracy"], abs=1e-6)
        assert (
            network.description["extra"]["epoch"] == best[run]["epoch"]
            and best[run]["start_width"] == row["start_width"]
        )
    steps = np.load(out / "steps" / "digits.corrected.compress.2.live_units_1.npy")
    assert steps.shape[0] == 6 and steps.max() <= 14
    again = command(*arguments, "--out", str(out))
    assert again[0] == 0 and "finished" in again[1] and rows_of(out) == rows


def test_the_original_form_trains_in_whole_batches_and_partners_with_gates(command, tmp_path):
    arguments = ["--form", "original", "--dataset", "add10", "--depths", "1", "--start-width", "12", "--epochs", "2"]
    arguments += ["--num-seeds", "1", "--penalties", "0.001", "--partners", "from_scratch", "pruned", "group_lasso"]
    status, printed, error = command(*arguments, "--static-epochs", "2", "--out", str(tmp_path / "r"))
    assert (status, error) == (0, "") and "Gain in test error" in printed
    rows = rows_of(tmp_path / "r")
    assert {row["arm"] for row in rows} == {"compress", "group_lasso", "from_scratch", "pruned"}
    assert all({"validation_error", "test_error"} <= set(row) for row in rows)
    assert len(rows) == 2 * (2 + 1 + 1 + 1)
    penalised = np.load(tmp_path / "r" / "steps" / "add10.original.compress.1.objective.npy")
    plain = np.load(tmp_path / "r" / "steps" / "add10.original.compress.1.loss.npy")
    np.testing.assert_array_equal(penalised[0], plain[0])  # unpenalised
    assert penalised[1, 0] - plain[1, 0] == pytest.approx(0.001 * 1e4 / 100 * 12, rel=1e-4)


def comparable(folder):
    """The summary without what depends on how fast the machine was."""
    summary = json.loads((folder / "summary.json").read_text())
    gains, overhead, _ = summary["tables"].values()
    assert len(overhead) == 1
    overhead.clear()
    gains[:] = [row for row in gains if row["budget"] != "time"]
    parts = summary["claims"]["corrected"]["C33"]["parts"]
    summary["claims"]["corrected"]["C33"] = [part for part in parts if part["budget"] != "time"]
    for part in summary["claims"]["corrected"]["C33"]:
        del part["p_value_holm"]
    return summary


def test_killed_while_units_are_removed_and_again_among_partners_it_ends_the_same(command, tmp_path, monkeypatch):
    """Of epochs 1 to 5 the compressed networks, then those cut out of them, then those from scratch."""
    monkeypatch.setattr(frame, "draw_all", lambda *_: [])
    monkeypatch.setattr(compress, "Shrinking", lambda: dataclasses.replace(EAGER, factor=1.0, multiple=4))
    arguments = [*SMALL, "--num-seeds", "1", "--partners", "from_scratch", "from_found", "pruned", "--out"]
    whole, out, advance = tmp_path / "whole", tmp_path / "r", Progress.advance
    assert command(*arguments, str(whole))[0] == 0
    for number, epochs in enumerate((3, 9)):
        done = []

        def stop(self, name, num_epochs, rows=(), *, done=done, epochs=epochs):
            advance(self, name, num_epochs, rows)
            done.extend([name] * num_epochs)
            if len(done) == epochs:
                raise SystemExit

        with monkeypatch.context() as patch:
            patch.setattr(Progress, "advance", stop)
            with pytest.raises(SystemExit):
                command(*arguments, str(out), *["--resume"] * number)
        assert done[-1].endswith(".compress.1") == (epochs <= 5)
        assert (
            "compaction" in {event["event"] for event in BatchRows(out / "events").read()}
            and not (out / "summary.json").exists()
        )
    assert command(*arguments, str(out))[0] == 2  # only --resume may go on
    assert command(*arguments, str(out), "--resume")[::2] == (0, "")
    assert sorted(map(str, rows_of(out))) == sorted(map(str, rows_of(whole)))
    assert comparable(out) == comparable(whole)
    rows = final_rows(rows_of(out), "compress")
    assert any(0 < row["live_units"] < 12 for row in rows.values() if row["penalty"])
    for run in rows:
        one, other = (load_network(folder / "networks" / f"run_{run}") for folder in (out, whole))
        inputs = jnp.asarray(load("digits").test.inputs)
        np.testing.assert_array_equal(one.outputs(inputs), other.outputs(inputs))


def test_networks_with_dead_units_have_the_same_partners(command, tmp_path):
    arguments = [*SMALL, "--no-shrink", "--partners", "from_found", "--out", str(tmp_path / "r")]
    assert command(*arguments)[::2] == (0, "")
    rows = rows_of(tmp_path / "r")
    assert any(row["live_units"] < 12 for row in final_rows(rows, "from_found").values())
    starts = {row["partner"]: row["validation_accuracy"] for row in rows if row["arm"] == "from_found"}
    assert len(starts) == 2 and all(math.isfinite(score) for score in starts.values())
