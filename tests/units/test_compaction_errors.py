"""What compact() refuses, in one line that says what and where; and what was given stays as it was."""

import functools
import re

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.compaction import killed, mlp_model, optimizers, some_live

import jaxsize
from jaxsize.networks.layers import Gate
from jaxsize.trees import named_leaves, with_leaves

LIVE = np.arange(9) % 2 == 0  # units 1, 3, 5 and 7 of hidden.0 are dead
MODEL = mlp_model()
MODEL.params["hidden"][0]["liveness"][~LIVE] = 0
ALONE = {"hidden.0": LIVE}


@functools.cache
def groups_of(gate: Gate | None = "liveness"):
    model = mlp_model(gate=gate)
    return jaxsize.unit_groups(model.apply, model.params, model.inputs)


def refused(groups, params, live, message, **settings):
    leaves = jax.tree.leaves((params, settings.get("opt_state"), settings.get("bookkeeping")))
    given = [leaf for leaf in leaves if isinstance(leaf, np.ndarray)]
    before = [leaf.copy() for leaf in given]
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        jaxsize.compact(groups, params, live, **settings)
    assert "\n" not in str(caught.value)
    chex.assert_trees_all_equal(given, before, strict=True)


@pytest.mark.parametrize(
    ("live", "message"),
    [
        ({"hidden.0": [0, 9]}, "hidden.0: expected indices from 0 to 8, got 9"),
        ({"hidden.0": [-1, 2]}, "hidden.0: expected indices from 0 to 8, got -1"),
        ({"hidden.0": [0, 2, 2]}, "hidden.0: expected different indices, got one twice"),
        ({"hidden.0": np.ones(8, bool)}, "hidden.0: expected live units as bool[9] or as indices, got bool[8]"),
        ({"hidden.0": np.ones(9)}, "hidden.0: expected live units as bool[9] or as indices, got float64[9]"),
        ({"hidden.0": np.ones((2, 9), bool)}, "as bool[9] or as indices, got bool[2, 9]"),
        ({"hidden.0": 3}, "as bool[9] or as indices, got int64[]"),
        ({"hidden.7": LIVE}, "expected one of hidden.0"),
        ({"output.kernel[1]": [0]}, "output.kernel[1] (output.bias) cannot lose units: reaches the outputs"),
        ({"hidden.0.kernel[0]": [0]}, "(hidden.0.kernel) cannot lose units: belongs to the inputs"),
        ({"hidden.0": [0, 2, 4]}, "unit 6 is to be removed but its gate is open, expected hidden.0.liveness <= 0"),
        ({"hidden.1": np.arange(7) > 0}, "hidden.1: unit 0 is to be removed but its gate is open"),
    ],
)  # fmt: skip
def test_live_units(live, message):
    refused(groups_of(), MODEL.params, live, message)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"widths": {"hidden.0": 4}}, "hidden.0: expected a width from 5 to 9, got 4"),
        ({"widths": {"hidden.0": 10}}, "hidden.0: expected a width from 5 to 9, got 10"),
        ({"widths": {"hidden.1": 3}}, "expected widths of groups in `live` (hidden.0), got 'hidden.1'"),
        ({"opt_state": optax.adam(1.0).init(MODEL.params)}, "expected the optimizer that made `opt_state`, got None"),
        ({"survivors": {"hidden.0": np.arange(8)}}, "hidden.0: expected survivors as int[9], got int64[8]"),
        ({"survivors": {"hidden.8": np.arange(9)}}, "expected one of hidden.0"),
        ({"bookkeeping": {"hidden.0": {"age": np.zeros(3)}}}, "hidden.0.liveness [9], got [3] at hidden.0.age"),
        ({"bookkeeping": {"hidden.0": 0.0}}, "the shape of the gate hidden.0.liveness [9], got [] at hidden.0"),
    ],
)  # fmt: skip
def test_widths_survivors_and_bookkeeping(settings, message):
    refused(groups_of(), MODEL.params, ALONE, message, **settings)


def changed(**leaves):
    known = named_leaves(MODEL.params)
    return with_leaves(MODEL.params, {name: leaves.get(name.replace(".", "_"), leaf) for name, leaf in known.items()})


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (changed(hidden_0_bias=np.zeros(8)), "expected hidden.0.bias [9], or one run axis before, got [8]"),
        (changed(hidden_0_kernel=np.zeros(9)), "expected hidden.0.kernel [5, 9], or one run axis before, got [9]"),
        (changed(hidden_0_bias=np.zeros((2, 9))), "hidden.0.kernel [5, 9], or one run axis before, got [5, 9]"),
        ({"hidden": MODEL.params["hidden"]}, "got a difference in output.bias"),
        (jax.tree.map(lambda leaf: leaf[None, None], MODEL.params), "or one run axis before, got [1, 1, 9]"),
    ],
)  # fmt: skip
def test_parameters_of_other_shapes(params, message):
    refused(groups_of(), params, ALONE, message)


def test_a_run_of_a_batch():
    params = jax.tree.map(lambda leaf: np.stack([leaf] * 3), MODEL.params)
    params["hidden"][0]["liveness"][1, 3] = 0.5
    refused(groups_of(), params, {"hidden.0": np.stack([LIVE] * 3)}, "hidden.0: unit 3 of run 1 is to be removed but")
    refused(groups_of(), params, {"hidden.0": LIVE}, "expected live units as bool[3, 9] or as indices, got bool[9]")
    refused(groups_of(), params, {"hidden.0": [[1, 1], [2, 3], [4, 5]]}, "expected different indices, got one twice")


def test_a_group_that_is_not_exact_is_named_with_what_reads_it():
    def apply(params, inputs):
        units = jnp.tanh(inputs @ params["first"])
        return (units * jnp.expand_dims(params["liveness"], 0)) @ params["second"] + units.sum(-1, keepdims=True)

    params = {"first": np.ones((5, 4)), "liveness": np.zeros(4), "second": np.ones((4, 3))}
    groups = jaxsize.unit_groups(apply, params, MODEL.inputs)
    (name,) = (name for name, group in groups.groups.items() if not group.fixed)
    refused(groups, params, {name: [0]}, "cannot lose units: reduce_sum at test_compaction_errors.py")
    ungated = groups_of(None)
    refused(ungated, mlp_model(gate=None).params, {"hidden.0.kernel[1]": [0]}, "cannot lose units: dot_gen")


def test_a_gate_that_is_not_a_number_counts_as_open():
    params = changed(hidden_0_liveness=np.where(LIVE, 1, np.nan).astype(np.float32))
    refused(groups_of(), params, ALONE, "hidden.0: unit 1 is to be removed but its gate is open")


MIXES = "this optimiser's next steps would change when units are removed"
NOT_CUT = "this optimiser's state cannot be cut"
UNKNOWN = "cannot tell how this optimiser goes on"
ADAM = optax.adam(1e-2)
REFUSED = {
    "adafactor": (optax.adafactor(1e-2), MIXES),
    "adafactor_factored": (optax.adafactor(1e-2, min_dim_size_to_factor=2), MIXES),
    "adaptive_grad_clip": (optax.chain(optax.adaptive_grad_clip(0.1), ADAM), MIXES),
    "add_noise": (optax.chain(optax.add_noise(0.1, 0.5, key=jax.random.key(0)), ADAM), MIXES),
    "centralize": (optax.chain(optax.centralize(), ADAM), "a constant computed from the number of units: 9 becomes 8"),
    "clip_accumulated": (optax.MultiSteps(optax.chain(optax.clip_by_global_norm(1.0), ADAM), 2), MIXES),
    "clip_by_block_rms": (optax.chain(optax.clip_by_block_rms(1.0), ADAM), "computed from the number of units"),
    "clip_updates": (optax.chain(ADAM, optax.clip_by_global_norm(1.0)), MIXES),
    "dadapt_adamw": (optax.contrib.dadapt_adamw(1.0), MIXES),
    "dog": (optax.contrib.dog(1.0), MIXES),
    "dowg": (optax.contrib.dowg(1.0), MIXES),
    "fromage": (optax.fromage(1e-2), MIXES),
    "galore": (optax.contrib.galore(1e-2), MIXES),
    "lamb": (optax.lamb(1e-2), MIXES),
    "lars": (optax.lars(1e-2), MIXES),
    "lbfgs": (optax.lbfgs(), NOT_CUT),
    "lbfgs_plain": (optax.lbfgs(1e-2, linesearch=None), MIXES),
    "mechanize": (optax.contrib.mechanize(ADAM), MIXES),
    "momo": (optax.contrib.momo(), MIXES),
    "muon": (optax.contrib.muon(1e-2), MIXES),
    "noisy_sgd": (optax.noisy_sgd(1e-2, 1e-2, key=jax.random.key(0)), MIXES),
    "novograd": (optax.novograd(1e-2), "next steps stay the same only if dead units have no gradient (reduce_sum at"),
    "prodigy": (optax.contrib.prodigy(1.0), MIXES),
    "sam": (optax.contrib.sam(ADAM, ADAM, opaque_mode=True), UNKNOWN),
    "sm3": (optax.sm3(1e-2), NOT_CUT),
    "sophia": (optax.contrib.sophia(1e-2), UNKNOWN),
    "trust_ratio": (optax.chain(ADAM, optax.scale_by_trust_ratio()), MIXES),
}


@pytest.mark.parametrize("name", REFUSED)
def test_optimisers_that_mix_units(name):
    optimizer, message = REFUSED[name]
    refused(groups_of(), MODEL.params, ALONE, message, optimizer=optimizer, opt_state=optimizer.init(MODEL.params))


@pytest.mark.parametrize("name", sorted(set(optimizers()) - set(optimizers(signed=True))))
def test_norms_of_all_gradients_feel_dead_signed_gates(name):
    groups, model, optimizer = groups_of("signed"), mlp_model(gate="signed"), optimizers()[name]
    params, _ = killed(groups, model.params, some_live(groups, model.params))
    refused(groups, params, groups.live(params), MIXES, optimizer=optimizer, opt_state=optimizer.init(params))


def test_a_state_of_another_optimiser_or_of_other_parameters():
    state, smaller = ADAM.init(MODEL.params), jaxsize.compact(groups_of(), MODEL.params, ALONE).params
    refused_state = functools.partial(refused, groups_of(), MODEL.params, ALONE)
    message = NOT_CUT + ": the state given has"
    refused_state(message + " 17 arrays, a new one 0", optimizer=optax.sgd(0.1), opt_state=state)
    message += " 0.mu.hidden.0.bias [5], a new one [9]"
    refused_state(message, optimizer=ADAM, opt_state=ADAM.init(smaller))
