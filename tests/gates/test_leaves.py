import collections

import chex
import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
from flax import struct

from jaxsize.gates._names import is_liveness
from jaxsize.gates.deaths import _absorb, _init_live, count_live
from jaxsize.gates.leaves import hand_in, read_liveness, read_sizes, replace_liveness, units_beside, with_sizes
from jaxsize.gates.ramp import size_gate

Point = collections.namedtuple("Point", ["gate", "liveness"])


@struct.dataclass
class Block:
    kernel: jax.Array
    liveness: jax.Array


def tree():
    """Gates in dicts, lists, tuples, named tuples and dataclasses; leaves whose names only look like a gate's."""
    return {
        "hidden": [{"kernel": jnp.ones((2, 3)), "liveness": jnp.asarray([1.0, 0.0, -1.0])}, {"bias": jnp.ones(2)}],
        "deep": {"er": ({"liveness": jnp.asarray([0.5])}, jnp.zeros(2))},
        "block": Block(jnp.ones(2), jnp.asarray([2.0, 3.0])),
        "point": Point(jnp.ones(1), jnp.asarray([-0.0, 1e-30])),
        "liveness_like": {"my_liveness": jnp.ones(4), "liveness2": jnp.ones(4)},
        "none": None,
    }


def test_gates_are_found_wherever_they_stand():
    expected = {"hidden.0": [1, 0, -1], "deep.er.0": [0.5], "block": [2, 3], "point": [0, 1e-30]}
    expected = {name: np.array(gate, np.float32) for name, gate in expected.items()}
    chex.assert_trees_all_equal(read_liveness(tree()), expected, strict=True)
    assert not is_liveness(()) and read_liveness({}) == {}
    assert list(read_liveness({"liveness": jnp.ones(2)})) == ["liveness"]  # the parameters themselves are one layer


def test_replacing_gates_touches_nothing_else():
    params = tree()
    new = {name: gate + 10 for name, gate in read_liveness(params).items()}
    replaced = replace_liveness(params, new)
    chex.assert_trees_all_equal(read_liveness(replaced), new, strict=True)
    chex.assert_trees_all_equal(replace_liveness(replaced, read_liveness(params)), params, strict=True)


def test_a_trained_size_at_the_top_is_found_replaced_and_handed_in():
    params = {"kernel": np.float32([[1, 2, 4]]), "size": np.float32(2), "slope": np.float32(0.5)}

    def apply(params, inputs):
        return size_gate(inputs @ params["kernel"], params["size"], params["slope"])

    assert (read_sizes(params), read_sizes(params, "slope")) == ({"size": 2}, {"size": 0.5})
    assert with_sizes(params, "size", {"size": 7.0})["size"] == 7.0
    assert units_beside(params, "size") == 3
    handed = hand_in(params, {"size": np.float32([0, 1, 0.5])})
    assert apply(handed, np.ones((1, 1), "f4")).tolist() == [[0, 2, 2]]


def test_only_open_gates_live_and_are_counted_in_the_order_of_names():
    live = _init_live(tree())
    assert {name: gate.tolist() for name, gate in live.items()} == {
        "hidden.0": [True, False, False],
        "deep.er.0": [True],
        "block": [True, True],
        "point": [False, True],
    }
    counts = count_live(live)
    assert counts.dtype == jnp.int32
    assert counts.tolist() == [2, 1, 1, 1]  # block, deep.er.0, hidden.0, point
    assert count_live(jax.jit(lambda live: live)(live)).tolist() == counts.tolist()
    assert count_live({}).shape == (0,)


GATES = st.lists(
    st.floats(-2, 2, width=32, allow_subnormal=False) | st.sampled_from([0.0, -0.0]), min_size=5, max_size=5
)


@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(st.lists(GATES, min_size=1, max_size=12))
def test_whatever_moves_the_gates_death_is_for_good(path):
    """Gates jump anywhere at every step; a unit lives while, and only while, all its gates so far were open."""
    params = {"a": {"liveness": jnp.asarray(path[0], jnp.float32)}, "b": jnp.ones(2)}
    live = _init_live(params)
    ever_shut = np.zeros(5, bool)
    for gates in path:
        params["a"] = {"liveness": jnp.asarray(gates, jnp.float32)}
        params, live = _absorb(params, live)
        moved = np.array(gates, np.float32)
        ever_shut |= moved <= 0
        np.testing.assert_array_equal(live["a"], ~ever_shut)
        held = np.asarray(params["a"]["liveness"])
        assert (held[ever_shut] <= 0).all()
        np.testing.assert_array_equal(held[~ever_shut], moved[~ever_shut])
        np.testing.assert_array_equal(params["b"], np.ones(2))
