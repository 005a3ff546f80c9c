"""learn_widths: one call learns the widths of a network of one's own, beside controls, into a results folder."""

import json
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import jaxsize
from jaxsize.data import from_arrays, load

INPUTS = np.random.default_rng(0).normal(size=(240, 4)).astype("f4")
TARGETS = np.abs(INPUTS[:, 0]) + INPUTS[:, 1]  # two kinks and a line: a few relu units do it
FEW: dict[str, Any] = {"penalties": (0.03,), "num_seeds": 2, "epochs": 30, "batch_size": 16, "gate_learning_rate": 0.02}


def init(seed):
    normal = np.random.default_rng(seed).normal
    leaves = {"in": normal(size=(4, 16)) / 2, "shift": normal(size=16) / 2, "out": normal(size=(16, 1)) / 4}
    return {"block": {name: leaf.astype("f4") for name, leaf in leaves.items()} | {"liveness": np.ones(16, "f4")}}


def apply(params, inputs):
    block = params["block"]
    units = jnp.maximum(inputs @ block["in"] + block["shift"][None], 0)
    return jaxsize.liveness_gate(units, block["liveness"]) @ block["out"]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    data = from_arrays(INPUTS, TARGETS, name="kinks", seed=1)
    return jaxsize.learn_widths(apply, init, data, out=tmp_path_factory.mktemp("widths") / "r", **FEW)


def test_units_die_and_the_network_comes_back_smaller(found, capsys):
    rows = [json.loads(line) for path in (found.folder / "rows").glob("*") for line in path.read_text().splitlines()]
    ends = {(row["arm"], row["penalty"], row["seed"]): row for row in rows if row["epoch"] == 30}
    small, end = found.params(penalty=0.03, seed=1)["block"], ends["learned", 0.03, 1]
    assert 0 < end["live_units"] == small["out"].shape[0] < 16
    assert found.params(penalty=0.0)["block"]["out"].shape[0] == ends["learned", 0.0, 0]["live_units"]
    assert (small["liveness"] > 0).all()
    assert end["parameters"] == sum(leaf.size for name, leaf in small.items() if name != "liveness")
    assert end["multiply_adds"] == end["live_units"] * 5
    # the loss in the row is that of the network that comes back, by hand
    dataset = from_arrays(INPUTS, TARGETS, name="kinks", seed=1)
    inputs = dataset.test.inputs * dataset.input_scale + dataset.input_shift
    units = np.maximum(inputs @ small["in"] + small["shift"], 0) * small["liveness"]
    outputs = (units @ small["out"])[:, 0]
    wanted = (dataset.test.targets - dataset.info["target_mean"]) / dataset.info["target_std"]
    assert np.mean((outputs - wanted) ** 2) == pytest.approx(end["test_loss"], rel=1e-4)


def test_a_network_with_its_width_written_out_trains_to_the_same_numbers(found, tmp_path, capsys):
    def written_out(params, inputs):
        block = params["block"]
        units = jnp.maximum((inputs @ block["in"]).reshape(-1, 16) + block["shift"][None], 0)
        return jaxsize.liveness_gate(units, block["liveness"]) @ block["out"]

    data = from_arrays(INPUTS, TARGETS, name="kinks", seed=1)
    few: Any = FEW | {"num_seeds": 1}
    again = jaxsize.learn_widths(written_out, init, data, out=tmp_path / "r", **few)
    small, expected = (one.params(penalty=0.03, seed=0)["block"] for one in (again, found))
    assert small["out"].shape == expected["out"].shape < (16, 1)
    assert all(np.allclose(small[name], expected[name], atol=1e-5) for name in expected)


def test_controls_have_the_width_that_was_found_from_fresh_weights_without_a_price(found):
    rows = [json.loads(line) for path in (found.folder / "rows").glob("*") for line in path.read_text().splitlines()]
    widths = {row["seed"]: row["live_units"] for row in rows if row["arm"] == "learned" and row["epoch"] == 30}
    scratch = [row for row in rows if row["arm"] == "from_scratch"]
    learned = {row["seed"]: row["live_units"] for row in rows if row["penalty"] and row["arm"] == "learned"}
    assert {row["seed"] for row in scratch} == {0, 1} and widths
    assert all(row["live_units"] <= learned[row["seed"]] for row in scratch)
    assert {row["live_units"] for row in scratch if row["epoch"] == 1} == set(learned.values())


def test_the_folder_is_that_of_a_study(found, capsys):
    result = found.summary["results"][1]
    assert result["penalty"] == 0.03 and result["units"] == {"block": result["live_units"]["median"]}
    assert found.report.exists() and "learn_widths" in found.summary["command"]
    assert "A price of 0.03 per unit left" in str(found) and "from scratch" in str(found)
    again = jaxsize.learn_widths(
        apply, init, from_arrays(INPUTS, TARGETS, name="kinks", seed=1), out=found.folder, resume=True, **FEW
    )
    assert again.summary == found.summary and "holds the finished run" in capsys.readouterr().out
    np.testing.assert_array_equal(again.params(0.03)["block"]["in"], found.params(0.03)["block"]["in"])


def test_own_loss_and_scores_reach_the_table(tmp_path, capsys):
    found = jaxsize.learn_widths(
        apply,
        init,
        (INPUTS, TARGETS),
        loss=lambda outputs, targets: jnp.abs(outputs[:, 0] - targets),
        scores={"within": lambda outputs, targets: (jnp.abs(outputs[:, 0] - targets) < 0.5) * 1.0},
        out=tmp_path / "r",
        penalties=(0.1,),
        num_seeds=1,
        epochs=2,
    )
    assert "12 steps at gate rate 0.01: no gate can close" in capsys.readouterr().out
    assert {"train_within", "test_within", "gain_over_unpenalised"} <= set(found.summary["results"][1])
    assert all(0 <= row["test_within"]["median"] <= 1 for row in found.summary["results"])


def past_the_gate(params, inputs):
    return apply(params, inputs) + inputs @ params["block"]["in"][:, :1]


WRONG = [
    ({"apply": lambda params, inputs: inputs @ params["nothing"]}, "apply: expected a function of parameters"),
    ({"apply": lambda params, inputs: (apply(params, inputs), 0)}, "apply: expected one array of outputs, got tuple"),
    ({"apply": past_the_gate}, "the units of 'block' are cut into (1+15), expected those of one group"),
    ({"apply": lambda params, inputs: jnp.sum(apply(params, inputs))}, "apply: expected outputs [B, ...]"),
    ({"apply": lambda params, inputs: apply(params, inputs)[:, [0, 0]]}, "regression: expected outputs (2, 1)"),
    ({"loss": lambda outputs, targets: jnp.mean((outputs[:, 0] - targets) ** 2)}, "loss: expected a number for every"),
    ({"loss": lambda outputs, targets: (outputs - targets) ** 2}, "loss: expected functions of outputs"),
    ({"init": None}, "init: expected a function of a seed, or parameters, got None"),
    ({"init": lambda seed: {"block": {"in": np.ones(2)}}}, "init: expected parameters named liveness"),
    ({"init": lambda seed: 1 / 0}, "init: expected a function of a seed that returns arrays, got ZeroDivisionError"),
    ({"init": lambda seed: {"block": {"in": np.ones(2, int)}}}, "init: expected floating numbers"),
    ({"penalties": ()}, "penalties: expected different numbers above 0"),
    ({"penalties": "many"}, "penalties: expected numbers"),
    ({"scores": {"loss": lambda outputs, targets: outputs[:, 0]}}, "scores: expected another name than loss"),
    ({"data": INPUTS}, "data: expected a Dataset"),
    ({"penalties": (0.0,)}, "penalties: expected different numbers above 0"),
    ({"gate_learning_rate": 0.0}, "gate_learning_rate: expected a finite number above 0"),
    ({"prices": (1.0,)}, "expected settings of WidthsFlags, got 'prices'"),
    ({"num_seeds": 0}, "num_seeds: expected whole numbers from 1 on"),
    ({"batch_size": 1000}, "batch_size"),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_wrong_arguments_are_one_line_and_write_nothing(change, message, tmp_path):
    arguments: dict[str, Any] = {
        "apply": apply,
        "init": init,
        "data": (INPUTS, TARGETS),
        "out": tmp_path / "r",
    } | change
    with pytest.raises(jaxsize.InputError) as error:
        jaxsize.learn_widths(arguments.pop("apply"), arguments.pop("init"), arguments.pop("data"), **arguments)
    assert message in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "r").exists()


def test_another_network_does_not_go_on_in_its_folder(found):
    data = from_arrays(INPUTS, TARGETS, name="kinks", seed=1)
    with pytest.raises(jaxsize.InputError, match="network"):
        jaxsize.learn_widths(lambda *args: 2 * apply(*args), init, data, out=found.folder, resume=True, **FEW)


def test_parameters_that_are_given_have_no_control_from_fresh_weights(tmp_path, capsys):
    few: dict[str, Any] = FEW | {"epochs": 20, "num_seeds": 1}
    found = jaxsize.learn_widths(apply, init(3), (INPUTS, TARGETS), out=tmp_path / "r", **few)
    assert "from_scratch" not in {row["arm"] for row in found.summary["results"]}
    assert found.summary["claims"]["corrected"]["start large"]["verdict"] == "not tested"


def test_gated_inputs_and_a_layer_of_one_unit(tmp_path, capsys):
    network = jaxsize.mlp((4, 6, 1, 1), gate_inputs=True)
    few: dict[str, Any] = FEW | {"penalties": (3.0,), "epochs": 12, "num_seeds": 1}
    found = jaxsize.learn_widths(network, None, (INPUTS, TARGETS), out=tmp_path / "r", **few)
    (row,) = (row for row in found.summary["results"] if row["penalty"])
    assert row["live_units"]["median"] == 0  # the layer of one unit died as well, and the study went on


def test_a_network_of_jaxsize_with_signed_gates(tmp_path, capsys):
    network = jaxsize.mlp((64, 12, 10), gate="signed")
    found = jaxsize.learn_widths(
        network, None, load("digits"), out=tmp_path / "r", penalties=(0.1,), num_seeds=1, epochs=1
    )
    assert found.params(penalty=0.1)["output"]["kernel"].shape[1] == 10
    with pytest.raises(jaxsize.InputError, match=r"expected a penalty of 0, 0\.1 and a seed below 1"):
        found.params(penalty=0.5)
