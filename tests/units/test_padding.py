"""padding.py: units of zeros at all places of a group, which change no output and stay as they are in training."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.groups import conv, normal, row

from jaxsize.errors import InputError
from jaxsize.gates.liveness import liveness_gate, relu
from jaxsize.networks.mlp import mlp
from jaxsize.units.compaction import compact
from jaxsize.units.padding import pad_units
from jaxsize.units.reading import unit_groups


def image_net(params, images):
    """Convolutions with a residual sum, a batch normalisation of given statistics, flattened before dense layers."""
    stream = relu(conv(images, params["stem"]["w"]))
    inner = relu(conv(stream, params["inner"]["w"]) * row(params["inner"]["scale"], 4) + row(params["inner"]["b"], 4))
    stream = stream + liveness_gate(conv(inner, params["back"]["w"]), params["back"]["liveness"])
    hidden = jnp.tanh(stream.reshape(len(images), -1) @ params["dense"])
    return hidden @ params["top"]


def image_params(seed, channels, inner, units):
    sizes = {
        "stem": {"w": (3, 3, 2, channels)},
        "inner": {"w": (3, 3, channels, inner), "scale": (inner,), "b": (inner,)},
        "back": {"w": (3, 3, inner, channels), "liveness": (channels,)},
        "dense": (12 * channels, units),
        "top": (units, 2),
    }
    shapes, tree = jax.tree.flatten(sizes, is_leaf=lambda node: isinstance(node, tuple))
    return tree.unflatten([0.5 * normal((seed, at), *shape) for at, shape in enumerate(shapes)])


def mlp_params(gate):
    def params_of(seed, *hidden):
        return mlp((3, *hidden, 2), gate=gate, initializer="he_normal").init(seed)

    return params_of


CASES = {
    "mlp": (mlp((3, 1, 2), gate=None).apply, mlp_params(None), (5, 1), (8, 9), normal(1, 16, 3)),
    "gated mlp": (mlp((3, 1, 2)).apply, mlp_params("liveness"), (5, 4), (8, 9), normal(1, 16, 3)),
    "images": (image_net, image_params, (3, 2, 5), (6, 4, 7), normal(2, 16, 4, 3, 2)),
}


@pytest.mark.parametrize("case", CASES)
def test_a_padded_network_trains_like_the_original(case):
    apply, params_of, few, many, inputs = CASES[case]
    groups = unit_groups(apply, params_of(0, *many), inputs[:1])
    small = params_of(0, *few)
    targets, optimizer = normal(3, 16, 2), optax.adamw(1e-2, weight_decay=0.1)

    @jax.jit
    def step(params, state):
        gradient = jax.grad(lambda params: jnp.mean((apply(params, inputs) - targets) ** 2))(params)
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state

    padded = pad_units(groups, small)
    chex.assert_trees_all_equal_shapes(padded, params_of(0, *many))
    np.testing.assert_allclose(apply(padded, inputs), apply(small, inputs), rtol=1e-5, atol=1e-5)
    ends = []
    for params in (small, padded):
        state = optimizer.init(params)
        for _ in range(10):
            params, state = step(params, state)
        ends.append(jax.tree.map(np.asarray, params))
    trained, after = ends
    largest = max(np.abs(a - b).max() for a, b in zip(*map(jax.tree.leaves, (trained, small)), strict=True))
    assert largest > 0.05
    chex.assert_trees_all_close(after, pad_units(groups, trained), rtol=1e-3, atol=1e-5, strict=True)
    masks = pad_units(groups, jax.tree.map(np.ones_like, trained))
    for leaf, mask in zip(jax.tree.leaves(after), jax.tree.leaves(masks), strict=True):
        assert not leaf[mask == 0].any()  # exactly 0


def test_padding_undoes_compaction_where_the_last_units_went():
    params, images = image_params(5, 6, 4, 7), normal(6, 1, 4, 3, 2)
    groups = unit_groups(image_net, params, images)
    free = {name: group for name, group in groups.groups.items() if not group.fixed}
    sizes = {name: np.arange(group.size - 2) for name, group in free.items()}
    small = compact(groups, params, sizes, exact=False).params
    chex.assert_trees_all_equal(pad_units(groups, params), params, strict=True)
    padded = pad_units(groups, small)
    for leaf, whole in zip(jax.tree.leaves(padded), jax.tree.leaves(params), strict=True):
        assert ((leaf == whole) | (leaf == 0)).all() and (leaf != whole).any()
    chex.assert_trees_all_equal(compact(groups, padded, sizes, exact=False).params, small, strict=True)


def two_layers(activation, reader=lambda hidden, params: hidden @ params["b"]):
    return lambda params, x: reader(activation(x @ params["a"]), params)


@pytest.mark.parametrize(
    ("apply", "reason"),
    [
        (two_layers(jax.nn.sigmoid), "dot_general at test_padding.py:[0-9]+ would not read 0 of a unit whose weights"),
        (two_layers(jnp.exp), "would not read 0 of a unit whose weights are 0"),
        (two_layers(jnp.tanh, lambda h, p: h.sum(-1, keepdims=True) * p["b"].sum()), "sums over the units without wei"),
        (two_layers(jnp.tanh, lambda h, p: h @ p["b"] / h.shape[-1]), "a constant computed from the number of units"),
        (two_layers(jnp.tanh, lambda h, p: jnp.where(jnp.arange(len(p["b"]))[None] > 2, h, 0) @ p["b"]), "iota at"),
    ],
)
def test_units_that_would_not_stay_inert_are_refused_with_the_reason(apply, reason):
    params = {"a": np.ones((3, 8), np.float32), "b": np.ones((8, 2), np.float32)}
    groups = unit_groups(apply, params, np.ones((1, 3), np.float32))
    fewer = {"a": params["a"][:, :5], "b": params["b"][:5]}
    with pytest.raises(InputError, match=rf"^pad_units: units of zeros in .* would change the network: .*{reason}"):
        pad_units(groups, fewer)
    chex.assert_trees_all_equal(pad_units(groups, params), params)


def test_padding_refuses_sizes_and_shapes_that_no_number_of_units_explains():
    network = mlp((3, 5, 2), gate="size")
    groups = unit_groups(network.apply, network.init(0), np.ones((1, 3), np.float32))
    with pytest.raises(InputError, match=r"counts them, as the price of a size does$"):
        pad_units(groups, mlp((3, 4, 2), gate="size").init(0))
    groups = unit_groups(mlp((3, 5, 2)).apply, mlp((3, 5, 2)).init(0), np.ones((1, 3), np.float32))
    params = mlp((3, 4, 2)).init(0)
    wrong = params | {"output": params["output"] | {"kernel": np.ones((3, 2), np.float32)}}
    with pytest.raises(InputError, match=r"^pad_units: expected output.kernel \[4, 2\], from the other leaves, got"):
        pad_units(groups, wrong)
    with pytest.raises(InputError, match=r"^pad_units: expected hidden.0.bias"):
        pad_units(groups, mlp((3, 6, 2)).init(0))
    with pytest.raises(InputError, match=r"^pad_units: expected the leaves that the groups were read from"):
        pad_units(groups, {"output": params["output"]})
