"""What the parameters of an `mlp` are of: its widths, gates and biases, and the leaves that follow from them."""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxsize.errors import InputError
from jaxsize.trees import Tree, named_leaves

GATES = {"none": (), "liveness": ("liveness",), "signed": ("liveness",), "size": ("size", "slope")}
"""The kinds of gates, and the leaves of a hidden layer that each has."""


class Form(NamedTuple):
    """The facts about an `mlp` that determine which leaves it has, and their shapes."""

    widths: list[int]
    """(inputs, hidden ..., outputs)."""
    gate: str
    """The kind of gate of the hidden layers: a key of `GATES`."""
    gated_inputs: bool
    """Whether the inputs have gates."""
    bias: bool
    """Whether the layers have biases."""

    def layers(self) -> list[str]:
        """Return the names of the layers in order: `hidden.0`, ..., `output`."""
        return [*(f"hidden.{layer}" for layer in range(len(self.widths) - 2)), "output"]

    def units(self) -> dict[str, int]:
        """Return the number of units of every layer that can lose some, `inputs` included."""
        return dict(zip(["inputs", *self.layers()], self.widths[:-1], strict=False))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of every leaf by its name."""
        shapes: dict[str, tuple[int, ...]] = {"inputs.liveness": (self.widths[0],)} if self.gated_inputs else {}
        for name, (fan_in, width) in zip(self.layers(), itertools.pairwise(self.widths), strict=True):
            shapes[f"{name}.kernel"] = (fan_in, width)
            if self.bias:
                shapes[f"{name}.bias"] = (width,)
            for leaf in () if name == "output" else GATES[self.gate]:
                shapes[f"{name}.{leaf}"] = (width,) if leaf == "liveness" else ()
        return shapes


def read_params(params: Tree, signed: bool) -> tuple[dict[str, np.ndarray], Form]:
    """Read the leaves of an `mlp` by name, and work out the form of the network.

    Args:
        params: the parameters of an `mlp`, with gates of any kind or none.
        signed: whether a leaf `liveness` is a signed gate.

    Raises:
        InputError: when a leaf is missing, unknown, of another shape, or not floating; names the first such leaf.
    """
    leaves = {name: np.asarray(leaf) for name, leaf in named_leaves(params).items()}
    hidden = hidden_layers(leaves)
    widths = []
    for name in (f"{layer}.kernel" for layer in [*hidden, "output"]):
        shape = np.shape(leaves.get(name, 0))
        if len(shape) != 2 or 0 in shape:
            shape_text = list(shape) if name in leaves else "no such leaf"
            raise InputError(f"expected the kernel [D, U] of a dense layer, got {shape_text}", field=name)
        widths += shape[-1:] if widths else shape
    gate = "signed" if signed else "none"
    if hidden:
        gate = next((kind for kind in ("liveness", "size") if f"hidden.0.{kind}" in leaves), "none")
        if signed and gate != "liveness":
            raise InputError(f"hidden.0.liveness: expected a leaf, since gates are signed, got gate {gate!r}")
        gate = "signed" if signed else gate
    form = Form(widths, gate, "inputs.liveness" in leaves, "output.bias" in leaves)
    _require_shapes(form, leaves)
    for name, leaf in leaves.items():
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            raise InputError(f"expected a floating dtype, got {leaf.dtype}", field=name)
    return leaves, form


def _require_shapes(form: Form, arrays: Mapping[str, np.ndarray]) -> None:
    shapes = form.shapes()
    for name in dict.fromkeys([*shapes, *arrays]):
        expected = list(shapes[name]) if name in shapes else "no such leaf"
        actual = list(arrays[name].shape) if name in arrays else "no such leaf"
        if expected != actual:
            raise InputError(f"expected {expected}, got {actual} (widths {form.widths}, gate {form.gate})", field=name)


def require_arrays(form: Form, arrays: Mapping[str, np.ndarray]) -> None:
    """Check that the arrays are all leaves of a network of this form and no others, float32 and finite.

    Raises:
        InputError: when one is missing, unknown, of another shape or dtype, or not finite.
    """
    _require_shapes(form, arrays)
    for name, array in arrays.items():
        if array.dtype != np.float32:
            raise InputError(f"expected float32, got {array.dtype}", field=name)
        if not np.isfinite(array).all():
            raise InputError(f"expected finite values, got {np.sum(~np.isfinite(array))} others", field=name)


def leaf_table(form: Form) -> dict[str, Any]:
    """Return the entry `leaves` of network.json: dtype and shape of every leaf by its name."""
    return {name: {"dtype": "float32", "shape": list(shape)} for name, shape in form.shapes().items()}


def layer_leaves(leaves: Mapping[str, np.ndarray], layer: str) -> dict[str, np.ndarray]:
    """Return the leaves of one layer, such as `hidden.0`, by their last name, such as `kernel`."""
    return {name.rpartition(".")[2]: leaf for name, leaf in leaves.items() if name.rpartition(".")[0] == layer}


def params_of(form: Form, layers: Mapping[str, Mapping[str, np.ndarray]]) -> Tree:
    """Put the leaves of all layers together to the parameters of an `mlp`.

    Args:
        form: what the parameters are of.
        layers: the leaves of every layer by its name, and of `inputs` where the inputs have gates.
    """
    params: dict[str, Any] = {"inputs": dict(layers["inputs"])} if form.gated_inputs else {}
    *hidden, output = form.layers()
    return params | {"hidden": [dict(layers[name]) for name in hidden], "output": dict(layers[output])}


def hidden_layers(leaves: Iterable[str]) -> list[str]:
    """List the names of the hidden layers that leaves of these names belong to, in order: `hidden.0`, ..."""
    owners = {name.rpartition(".")[0] for name in leaves}
    return list(itertools.takewhile(owners.__contains__, (f"hidden.{layer}" for layer in itertools.count())))
