"""Networks that fix their sizes themselves, written as modules and by hand, with all that a program may hold."""

import dataclasses
import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import jaxsize

U = 8  # the width that all these networks have written out


def gated(units, params):
    return units * jnp.expand_dims(jaxsize.relu(params["liveness"]), range(units.ndim - 1))


def drawn(shapes):
    rng = np.random.default_rng(0)
    leaves, structure = jax.tree.flatten(shapes)
    arrays = [rng.normal(size=leaf.shape, scale=0.5) for leaf in leaves]
    return jax.tree.unflatten(structure, arrays)


def sizes(**shapes):
    return {name: jax.ShapeDtypeStruct(shape, np.float64) for name, shape in shapes.items()}


class Linen(nn.Module):
    """Widths written out: convolutions, one of them depthwise, a group norm, and layers after flattening."""

    @nn.compact
    def __call__(self, x, gate):
        x = nn.gelu(nn.Conv(U, (3, 3), param_dtype=np.float64)(x))
        x = nn.silu(nn.Conv(U, (3, 3), feature_group_count=U, param_dtype=np.float64)(x))
        x = nn.GroupNorm(U, use_scale=True, param_dtype=np.float64)(x) * jax.nn.relu(gate)[None, None, None]
        x = nn.avg_pool(x, (2, 2), (2, 2)).reshape((len(x), 2 * 2 * U))
        return nn.Dense(3, param_dtype=np.float64)(x)


def linen(params, x):
    return Linen().apply(params["module"], x, params["liveness"])


def linen_shapes():
    x, gate = jax.ShapeDtypeStruct((2, 4, 4, 3), np.float64), jax.ShapeDtypeStruct((U,), np.float64)
    return {"module": jax.eval_shape(Linen().init, jax.random.key(0), x, gate)} | sizes(liveness=(U,))


@functools.cache
def nnx_module():
    """A depthwise convolution, whose number of groups NNX keeps as an attribute."""

    class Depthwise(nnx.Module):
        def __init__(self, rngs):
            make = functools.partial(nnx.Conv, kernel_size=(3, 3), rngs=rngs, param_dtype=np.float64)
            self.first, self.depthwise = make(3, U), make(U, U, feature_group_count=U)
            self.last = nnx.Linear(U, 3, rngs=rngs, param_dtype=np.float64)
            self.liveness = nnx.Param(jnp.ones(U))

        def __call__(self, x):
            units = nnx.relu(self.depthwise(self.first(x))) * nnx.relu(self.liveness[...])[None, None, None]
            return self.last(units.mean((1, 2)))

    return nnx.split(nnx.eval_shape(lambda: Depthwise(nnx.Rngs(0))))


def nnx_depthwise(params, x):
    return nnx.merge(nnx_module()[0], params)(x)


def attention(params, x):
    """Heads of written-out number and size, each with a gate, behind causal attention."""
    query, key, value = jnp.split((x @ params["in"]).reshape(len(x), -1, 3, U, 2), 3, 2)
    scores = jnp.einsum("bqhd,bkhd->bhqk", query[:, :, 0], key[:, :, 0]) / jnp.sqrt(2.0)
    mask = jnp.tril(jnp.ones(scores.shape[-2:], bool))
    weights = jax.nn.softmax(jnp.where(mask[None, None], scores, -jnp.inf), axis=-1)
    heads = jnp.einsum("bhqk,bkhd->bqhd", weights, value[:, :, 0])
    heads = heads * jaxsize.relu(params["liveness"])[None, None, :, None]
    return heads.reshape(len(x), -1, U * 2) @ params["out"]


@functools.partial(jax.tree_util.register_dataclass, data_fields=["weight"], meta_fields=["size"])
@dataclasses.dataclass
class Layer:
    """A layer as Equinox has them: a pytree that keeps its sizes as static fields, and insists on them."""

    weight: Any
    size: tuple[int, int]

    def __call__(self, x):
        return x @ self.weight.reshape(self.size)


def static_fields(params, x):
    units = jnp.tanh(params["first"](x))
    first, second = units[:, :U], units[:, U : 2 * U]  # by position
    units = gated(first * jax.nn.sigmoid(second), params)
    return params["last"](units)


def static_shapes():
    layer = sizes(first=(4, 2 * U), last=(U, 3))
    return {name: Layer(leaf, leaf.shape) for name, leaf in layer.items()} | sizes(liveness=(U,))


@jax.custom_jvp
def bent(x):
    return jnp.sin(x)


@bent.defjvp
def _(primals, tangents):
    (x,), (moved,) = primals, tangents
    return bent(x), 3 * jnp.cos(x) * moved + 0 * jnp.ones((len(x), 1)) * moved  # three times the true derivative


@jax.custom_vjp
def scaled(x, weight, number):
    return x * weight[None] * number


def _scaled_fwd(x, weight, number):
    return scaled(x, weight, number), (x, weight, number, jnp.tanh(x))


def _scaled_bwd(saved, ct):
    x, weight, number, more = saved
    return ct * weight[None] * number + more, jnp.zeros(weight.shape) + (ct * x).sum(0), None  # and more than the truth


scaled.defvjp(_scaled_fwd, _scaled_bwd)


def derivatives(params, x):
    units = (x @ params["first"]).reshape(-1, U)
    units = scaled(bent(units), params["scale"], jnp.array(2))
    units = jax.checkpoint(jnp.cosh)(units) * jax.nn.relu(units)
    return jaxsize.gates.gated_matmul(units, jaxsize.relu(params["liveness"]), params["last"])


def loops(params, x):
    units = (x @ params["first"]).reshape(-1, U)

    def layer(units, scale):
        units = jnp.tanh(units * scale[None] + jnp.ones((1, U)))
        return units, units.sum(0)

    units, sums = jax.lax.scan(layer, units, params["scales"])
    units = jax.lax.cond(x[0, 0] > 0, lambda u: u * 2, lambda u: jnp.sin(u) * jnp.ones(U)[None], units)
    units = jax.lax.fori_loop(0, 2, lambda _, u: jnp.tanh(u) + jnp.ones((1, U)), units)
    units = jax.lax.associative_scan(jnp.add, units)  # of two rows: some of its slices are empty
    means = (gated(units, params) ** 2).sum(1, keepdims=True) / U  # the n of a mean stays that of the function
    return gated(units + sums.sum(0)[None], params) @ params["last"] + means


def batch_norm(params, x):
    units = (x @ params["first"]).reshape(-1, U)
    units = (units - units.mean(0)[None]) / jnp.sqrt(units.var(0) + 1e-3)[None]
    return gated(jax.nn.softplus(units), params) @ params["last"]


def depthwise(x, kernel):
    return jax.lax.conv_general_dilated(
        x, kernel, (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC"), feature_group_count=kernel.shape[-1]
    )


depthwise_by_hand = jax.custom_vjp(depthwise)
depthwise_by_hand.defvjp(lambda *x: (depthwise(*x), x), lambda x, ct: jax.vjp(depthwise, *x)[1](2 * ct))


def convolved_back(params, x):
    """A backward pass by hand, in which the units are groups of examples, as in the gradient of a depthwise kernel."""
    units = depthwise_by_hand((x @ params["first"]).reshape(len(x), -1, U), params["kernel"])
    return gated(jnp.tanh(units), params).mean(1) @ params["last"]


PLAIN = sizes(first=(4, U), liveness=(U,), last=(U, 3))
NETWORKS = {
    "linen": (linen, linen_shapes, (2, 4, 4, 3)),
    "nnx": (nnx_depthwise, lambda: nnx_module()[1], (2, 4, 4, 3)),
    "attention": (attention, lambda: sizes(**{"in": (4, 6 * U), "liveness": (U,), "out": (2 * U, 3)}), (2, 3, 4)),
    "static fields": (static_fields, static_shapes, (2, 4)),
    "derivatives": (derivatives, lambda: PLAIN | sizes(scale=(U,)), (2, 4)),
    "loops": (loops, lambda: PLAIN | sizes(scales=(3, U)), (2, 4)),
    "batch norm": (batch_norm, lambda: PLAIN, (2, 4)),
    "convolved back": (convolved_back, lambda: PLAIN | sizes(kernel=(3, 1, U)), (2, 5, 4)),
}
