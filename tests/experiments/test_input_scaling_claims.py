"""Verdicts on C45 to C47 from runs that are made up."""

import json
import math

import numpy as np
import pytest

from experiments.input_scaling.claims import CLAIMS
from experiments.input_scaling.recipes import RECIPES, UNSCALED
from jaxsize.results.folder import open_folder
from jaxsize.results.runs import Runs
from jaxsize.studies import Arms

SEEDS, EPOCHS, LONG, STEPS, FACTORS = 6, 2, 4, 5, (0.01, 0.1, 1.0, 10.0)
ASKED = {"R0": 0.5, "R1": 0.1, "R2": 0.43, "R3": 0.5, "R4": 0.1, "R5": 0.1, "R6": 0.2, "R7": 0.49, "R8": 0.5}
ASKED |= {"R6b": 0.1, "R7b": 0.3}
STEP_KEYS = ("loss", "zero_outputs", "dead_share_0", "gradient_norm_0", "gradient_norm_1")


@pytest.fixture
def made_up(tmp_path):
    """Arms of every recipe at scale 4. test, validation: (recipe, factor, epoch from 1 on) -> accuracy; steps: of R1,
    by key [EPOCHS * STEPS]; all others have losses of 1 and are alive; tuned: accuracies on validation and test rows,
    a network each."""

    def make(form, test, validation=lambda *which: 0.5, steps=None, r8_loss=1.0, tuned=()):
        settings = {"dataset": ["cifar10"], "scales": [4.0], "num_seeds": SEEDS, "epochs": EPOCHS}
        settings |= {"long_epochs": LONG, "rate_factors": list(FACTORS)}
        rows, lines = [], {key: [] for key in STEP_KEYS}
        for name in RECIPES:
            for factor in FACTORS if form == "corrected" else (1.0,):
                for seed in range(SEEDS):
                    length = LONG if name in ("R0", "R2") and form == "original" else EPOCHS
                    label = {"run": len(lines["loss"]), "seed": seed, "dataset": "cifar10", "form": form}
                    label |= {"arm": name, "batch": "b", "rate_factor": factor, "num_classes": 10}
                    label |= {"num_epochs": length}
                    label |= {"input_scale": 1.0 if name == UNSCALED else 4.0}
                    for epoch in range(1, length + 1):
                        scores = {"validation_accuracy": validation(name, factor, epoch)}
                        scores |= {"test_accuracy": test(name, factor, epoch) + 1e-3 * (seed % 3)}
                        rows.append(label | {"epoch": epoch, "train_loss": math.log(10)} | scores)
                    for key, made in lines.items():
                        line = np.full(LONG * STEPS, np.nan)
                        line[: length * STEPS] = float(key.startswith(("loss", "gradient")))
                        if name == "R1" and steps is not None:
                            line[: EPOCHS * STEPS] = steps[key]
                        if name == "R8" and key == "loss":
                            line[: EPOCHS * STEPS] = r8_loss
                        made.append(line[: (LONG if form == "original" else EPOCHS) * STEPS])
        for number, (held_out, score) in enumerate(tuned):
            label = {"dataset": "cifar10", "form": form, "arm": "tuned", "batch": f"t{number}", "hidden": "1 x 9"}
            label |= {"learning_rate": 10.0**-number, "weight_decay": 0.1, "epoch": 1, "input_scale": 1.0}
            scores = {"train_loss": 1.0, "validation_accuracy": held_out, "test_accuracy": score}
            rows += [label | scores | {"seed": seed, "run": 10_000 + 6 * number + seed} for seed in range(SEEDS)]
        folder = open_folder(tmp_path / "r", {})
        folder.rows.of("a").append(rows)
        (folder.path / "steps").mkdir()
        for key, made in lines.items():
            np.save(folder.path / "steps" / f"b.{key}.npy", np.array(made, np.float32))
        return Arms.of(Runs(folder, settings))

    return make


def parts_of(claim, informative=True):
    """Verdicts by what they are of."""
    json.dumps(claim)
    return {part["of"]: part["verdict"] for part in claim["parts"] if informative is ("uninformative" not in part)}


def as_asked(name, factor, epoch):
    """R2 is closed after more epochs."""
    return 0.5 if name == "R2" and epoch > EPOCHS else ASKED[name]


def test_c46_holds_of_what_was_asked(made_up):
    arms = made_up("original", as_asked)
    judged = {name: CLAIMS[name].judge(arms, "original") for name in CLAIMS if name.startswith("C46")}
    verdicts = {name: claim["verdict"] for name, claim in judged.items()}
    assert verdicts == dict.fromkeys([f"C46{part}" for part in "abcdefg"], "holds") | {"C46h": "not tested"}
    assert parts_of(judged["C46g"]) == {"R6 less R2": "holds"}
    assert parts_of(judged["C46g"], informative=False)["R6b less R2"] == "holds"
    assert parts_of(judged["C46d"], informative=False)["R7b less R0"] == "refuted"
    (part,) = judged["C46a"]["parts"]
    assert part["estimate"] == pytest.approx(-0.07)  # after EPOCHS, not after LONG


@pytest.mark.parametrize(
    ("name", "recipe", "accuracy", "verdict"),
    [
        ("C46a", "R2", 0.495, "holds"),  # lower at all
        ("C46a", "R2", 0.51, "refuted"),
        ("C46b", "R2", 0.492, "holds"),  # the same in whole per cents
        ("C46b", "R2", 0.48, "refuted"),
        ("C46c", "R3", 0.492, "holds"),
        ("C46c", "R3", 0.48, "refuted"),
        ("C46d", "R7", 0.492, "holds"),
        ("C46d", "R7", 0.42, "refuted"),  # it does less than what merely helps
        ("C46e", "R4", 0.42, "holds"),
        ("C46e", "R4", 0.44, "refuted"),  # it does more than what helps
        ("C47", "R8", 0.48, "holds"),
    ],
)
def test_the_words_of_the_source_decide(made_up, name, recipe, accuracy, verdict):
    arms = made_up("original", lambda arm, *rest: accuracy if arm == recipe else as_asked(arm, *rest))
    first, *_ = parts_of(CLAIMS[name].judge(arms, "original")).values()
    assert first == verdict


def test_what_the_words_of_the_source_do_not_decide(made_up):
    """It says that R7 works, and not how well."""
    claim = CLAIMS["C46d"].judge(
        made_up("original", lambda arm, *rest: 0.46 if arm == "R7" else as_asked(arm, *rest)), "original"
    )
    assert parts_of(claim) == {"R7 less R0": "not decided"} and claim["verdict"] == "not decided"


@pytest.mark.parametrize(("score", "verdict"), [(0.49, "holds"), (0.553, "not decided"), (0.65, "refuted")])
def test_the_tuned_network_that_is_best_on_validation_rows_is_judged(made_up, score, verdict):
    claim = CLAIMS["C46h"].judge(made_up("corrected", as_asked, tuned=[(0.3, 0.9), (0.4, score)]), "corrected")
    (part,) = claim["parts"]
    assert part["estimate"] == score and "rate 0.1" in part["of"] and claim["verdict"] == verdict


def test_rates_are_chosen_on_validation_rows_and_that_is_what_counts(made_up):
    """By validation R4 is best at .1 and R7 at 10, by test both at 1; by rate 1 alone R4 would recover."""

    def test_accuracy(name, factor, epoch):
        return 0.5 if factor == 1 and name != "R2" else ASKED[name] if name in ("R2", "R7") else 0.3

    def validation(name, factor, epoch):
        return 0.6 if factor == {"R4": 0.1, "R7": 10.0}.get(name, 1.0) else 0.4

    arms = made_up("corrected", test_accuracy, validation)
    recovers, works, fails = (CLAIMS[name].judge(arms, "corrected") for name in ("C46c", "C46d", "C46e"))
    assert parts_of(recovers) == {"R3 less R0, rates chosen anew, times 1 and 1": "holds"}
    assert parts_of(works) == {"R7 less R0, rates chosen anew, times 10, an edge and 1": "holds"}
    assert parts_of(fails) == {"R4 less R2, rates chosen anew, times 0.1 and 1": "holds"}
    assert parts_of(fails, informative=False)["R4 less R2"] == "refuted"


def dying(**changes):
    """R1: gradients grow a hundredfold in the second step, from the third step on all units are dead."""
    dead = (np.arange(EPOCHS * STEPS) >= 2).astype(float)
    steps = dict.fromkeys(("zero_outputs", "dead_share_0"), dead) | {"loss": np.ones_like(dead)}
    for key in ("gradient_norm_0", "gradient_norm_1"):
        steps[key] = np.where(np.arange(dead.size) == 1, 100.0, 1 - dead)
    return steps | changes


def test_c45(made_up):
    runs = made_up("original", as_asked, steps=dying())
    claim = CLAIMS["C45"].judge(runs, "original")
    assert claim["verdict"] == "holds" and len(parts_of(claim)) == 3
    described = {part["of"]: part["estimate"] for part in claim["parts"] if "uninformative" in part}
    ends = ("share of batches with all outputs 0, last epoch", "share of dead units, last epoch", "loss / ln(classes)")
    assert described == {"step from which outputs are 0": 3} | dict.fromkeys(ends, 1)
    grown = [part["estimate"] for part in claim["parts"] if part["of"].startswith("log10")]
    assert grown == pytest.approx([2, 2])


@pytest.mark.parametrize(
    ("changes", "of"),
    [
        ({"gradient_norm_1": np.linspace(1, 0.5, 10)}, "log10 of largest later / first gradient, layer 2"),
        ({"zero_outputs": np.arange(10) < 9}, "all outputs are 0 at the last step"),
    ],
)
def test_a_network_that_does_not_die_refutes_c45(made_up, changes, of):
    runs = made_up("original", as_asked, steps=dying(**changes))
    parts = parts_of(CLAIMS["C45"].judge(runs, "original"))
    assert [name for name, outcome in parts.items() if outcome == "refuted"] == [of]


@pytest.mark.parametrize("changes", [{"gradient_norm_1": np.linspace(1, 1.1, 10)}, {"dead_share_0": np.full(10, 0.9)}])
def test_no_margin_of_our_own_decides_c45(made_up, changes):
    """The source does not say how much gradients grow, and speaks of outputs, not of units."""
    runs = made_up("original", as_asked, steps=dying(**changes))
    assert CLAIMS["C45"].judge(runs, "original")["verdict"] == "holds"


@pytest.mark.parametrize(
    ("r8_loss", "verdict"),
    [(1.0, "refuted"), (np.nextafter(np.float32(1), np.float32(2)), "open"), (np.nan, "open")],
)
def test_c47_is_refuted_by_r8_to_the_bit(made_up, r8_loss, verdict):
    """A bit of difference is no evidence that both layers need a lower rate."""
    claim = CLAIMS["C47"].judge(made_up("original", as_asked, r8_loss=r8_loss), "original")
    assert parts_of(claim) == {"R8 less R0": "refuted", "losses that differ from R0's": verdict}
