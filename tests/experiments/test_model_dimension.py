"""The command `python -m experiments.model_dimension`, and its claims on curves whose bends are known."""

import json
from typing import Any

import matplotlib.image
import numpy as np
import pytest
import scipy.special
from helpers.experiments import rows_of

from experiments.common.pixels import EXCESS
from experiments.common.structures import widths_of
from experiments.model_dimension import COMMAND as COMMAND
from experiments.model_dimension import STUDY
from experiments.model_dimension.baseline import logistic_components
from experiments.model_dimension.views import breaks, first_as_good, search_path, still_falling
from jaxsize.data import as_pixels, load
from jaxsize.learners import entropy_floor
from jaxsize.results import Runs, open_folder
from jaxsize.studies import Arms


def test_smoke_trains_searches_and_learns(command, tmp_path):
    folder = tmp_path / "r"
    status, printed, error = command("--smoke", "--structures", "4", "--latents", "8", "--out", str(folder))
    assert (status, error) == (0, "") and "nats per image of the loss are the entropy of the pixels" in printed
    summary, rows = json.loads((folder / "summary.json").read_text()), rows_of(folder)
    floor = entropy_floor(as_pixels(load("digits", form="original")))["train"]
    for row in rows:
        if row["rows"] == 1438:
            assert row["train_loss"] - row["train_excess_loss"] == pytest.approx(floor, rel=1e-4)
    path = [
        (row["hidden"], row["latent"]) for row in rows if row["arm"] == "search" and row["epoch"] == row["seed"] + 1
    ]
    assert list(dict.fromkeys(path)) == [("4", 1), ("4", 2), ("4", 4)]  # the next one would need 8 units
    learned, components = summary["tables"].values()
    assert [(row["rank"], row["rows"]) for row in components] == [(4, 1438)] and 1 < components[0]["excess"] < 10
    assert [row["penalty"] for row in learned] == [0.1] and learned[0]["live_latent"]["n"] == 2
    assert all(matplotlib.image.imread(folder / picture["file"]).size for picture in summary["pictures"])


def test_logits_of_a_rank_are_fitted_down_to_no_excess_and_not_with_less():
    rng = np.random.default_rng(0)
    pixels: Any = scipy.special.expit(rng.normal(size=(40, 3)) @ rng.normal(size=(3, 12)) - 0.5).astype("f4")
    assert logistic_components(pixels, 3) < 1e-3 < 0.05 < logistic_components(pixels, 2)


def arms_of(tmp_path, excess, seeds=6, epochs=10):
    """Arms of rows made by hand: {(arm, hidden, latent, rows): excess, a function of the seed}."""
    folder = open_folder(tmp_path / "r", {})
    batch = []
    for run, ((arm, hidden, latent, rows), of) in enumerate(excess.items()):
        for seed in range(seeds):
            label = {"batch": "a", "run": run * seeds + seed, "dataset": "digits", "form": "corrected", "arm": arm}
            label |= {"seed": seed, "hidden": hidden, "latent": latent, "rows": rows, "epoch": epochs}
            if arm == "learned":
                label |= {"penalty": 0.1, "parameters": 500, "live_units_per_layer": [3, 4, 2]}
            batch.append(label | {"train_loss": 20 + of(seed), EXCESS: of(seed)})
    folder.rows.of("a").append(batch)
    runs = Runs(folder, {"num_seeds": seeds, "epochs": epochs})
    return Arms.of(runs, data={("digits", "corrected"): as_pixels(load("digits", form="original"))})


def bend(place, noise=0.01):
    """An excess that falls by 1 with every doubling of the latent size, and no more beyond a place."""
    return lambda latent: lambda seed: 20 - min(np.log2(latent), np.log2(place)) + noise * (seed - 2.5) * (latent % 3)


def verdicts(arms, name):
    judged = STUDY.claims[name].judge(arms, "corrected")
    return {part.get("of", part.get("against")): part["verdict"] for part in judged["parts"]}


@pytest.mark.parametrize(("place", "verdict"), [(16, "holds"), (8, "refuted"), (4, "refuted")])
def test_where_the_excess_bends_decides_about_the_model_dimension(tmp_path, place, verdict):
    curve = bend(place)
    latents = (1, 2, 4, 8, 16, 32, 64)
    arms = arms_of(tmp_path, {("sweep", "8", latent, 1438): curve(latent) for latent in latents})
    assert np.median(breaks(arms["sweep"].at(hidden="8"))) == pytest.approx(place, rel=0.05)
    falls, bends, _ = verdicts(arms, "C42").values()
    assert (falls, bends) == ("holds", verdict)


def test_where_the_fall_only_quickens_nothing_ends(tmp_path):
    latents = 2 ** np.arange(7)
    for slope, share in ((0.5, 0.5), (3.0, np.nan)):  # per doubling beyond 16, after 1 before
        curve = {d: 20 - min(np.log2(d), 4) - slope * max(np.log2(d) - 4, 0) for d in latents}
        rows = {("sweep", "8", int(d), 1438): lambda seed, of=of: of + seed / 99 for d, of in curve.items()}
        arms = arms_of(tmp_path / str(slope), rows)
        np.testing.assert_allclose(still_falling(arms["sweep"].at(hidden="8")), share, rtol=1e-6)
        assert verdicts(arms, "C42")["log2 of the break over 2n"] == ("holds" if slope < 1 else "open")


def test_depth_and_images(tmp_path):
    latents = (1, 2, 4, 8, 16, 32)
    rows = {("sweep", "8", latent, 1438): bend(8)(latent) for latent in latents}
    rows |= {("sweep", "8", latent, 100): bend(2)(latent) for latent in latents}
    rows |= {("sweep", "8-8", latent, 1438): lambda seed, latent=latent: 15 + latent / 8 + seed for latent in latents}
    arms = arms_of(tmp_path, rows)
    assert set(verdicts(arms, "C44, depth").values()) == {"holds"}
    assert set(verdicts(arms, "C44, images").values()) == {"refuted"}
    depth = STUDY.claims["C43, depth"].judge(arms, "corrected")["parts"]
    deeper = [15 + latent / 8 - (20 - min(np.log2(latent), 3)) for latent in latents]  # in the mean over seeds
    assert [part["estimate"] for part in depth] == pytest.approx([value + 2.5 for value in deeper], abs=0.1)


def test_learned_networks_are_compared_with_the_first_step_that_is_as_good(tmp_path):
    steps = {("search", "4", 1, 1438): 9.0, ("search", "4", 2, 1438): 7.0, ("search", "8", 2, 1438): 5.0}
    rows: dict[Any, Any] = {key: lambda seed, value=value: value for key, value in steps.items()}
    rows |= {("learned", "64", 64, 1438): lambda seed: 6.0 + seed}  # 6 to 11
    arms = arms_of(tmp_path, rows)
    assert [step[:2] for step in search_path(arms["search"])] == [(4, 1), (4, 2), (8, 2)]
    parameters, epochs = first_as_good(arms["learned"].at(penalty=0.1), arms["search"])
    assert epochs.tolist() == [30, 20, 20, 10, 10, 10]
    small, large = 2 * 64 * 4 + 2 * 4 * 1 + 2 * 4 + 1 + 64, 2 * 64 * 8 + 2 * 8 * 2 + 2 * 8 + 2 + 64
    assert (parameters[3], parameters[0]) == (small, large)
    assert verdicts(arms, "Learned")["log of learned over searched epochs"] == "open"  # none of them took longer
    rows["learned", "64", 64, 1438] = lambda seed: 4.5 + seed
    arms = arms_of(tmp_path / "b", rows)  # the search of seed 0 never comes so far
    (part, *_) = STUDY.claims["Learned"].judge(arms, "corrected")["parts"]
    assert part["n"] == 5 and "1 of 6 seeds lost" in part["note"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--structures", "32-"], """structures: expected widths such as "256" or "256-128", got '32-'"""),
        (["--structures", "0"], "got '0'"),
        (["--latents", "0"], "latents: expected whole numbers from 1 on, got 0"),
        (["--enough", "-1"], "enough: expected a finite number above 0, got -1"),
        (["--dataset", "teacher"], "teacher: expected rows of numbers from 0 on"),
    ],
)
def test_bad_input_is_one_line(command, tmp_path, arguments, message):
    status, _, error = command("--smoke", "--out", str(tmp_path / "r"), *arguments)
    assert status == 2 and message.split(": ", 1)[-1] in error and error.count("\n") == 1


def test_structures_are_widths():
    assert widths_of("256-128") == (256, 128)
