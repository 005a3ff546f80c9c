"""What settles the leaves of an `mlp`, and network.json, which says so: read strictly, for `jaxsize.export`.

Every function raises ValueError, in one line, that begins with the name of the leaf or key that does not fit.
"""

import itertools
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxsize.json_files import differences
from jaxsize.networks import Tree
from jaxsize.paths import named_leaves

FORMAT = 1
GATES = {"none": (), "liveness": ("liveness",), "signed": ("liveness",), "size": ("size", "slope")}
KEYS = ("format", "kind", "widths", "gate", "gated_inputs", "bias", "activation", "survivors", "normalization")
KEYS += ("leaves", "weights_sha256", "extra")


class Form(NamedTuple):
    """What settles the leaves of an `mlp`."""

    widths: list[int]
    gate: str
    gated_inputs: bool
    bias: bool

    def layers(self) -> list[str]:
        return [*(f"hidden.{layer}" for layer in range(len(self.widths) - 2)), "output"]

    def units(self) -> dict[str, int]:
        """How many units every layer has that can lose some."""
        return dict(zip(["inputs", *self.layers()], self.widths[:-1], strict=False))

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every leaf."""
        shapes: dict[str, tuple[int, ...]] = {"inputs.liveness": (self.widths[0],)} if self.gated_inputs else {}
        for name, (fan_in, width) in zip(self.layers(), itertools.pairwise(self.widths), strict=True):
            shapes[f"{name}.kernel"] = (fan_in, width)
            if self.bias:
                shapes[f"{name}.bias"] = (width,)
            for leaf in () if name == "output" else GATES[self.gate]:
                shapes[f"{name}.{leaf}"] = (width,) if leaf == "liveness" else ()
        return shapes


def read_params(params: Tree, signed: bool) -> tuple[dict[str, np.ndarray], Form]:
    """The leaves by name, and what network they are of; ValueError naming the first leaf that does not belong."""
    leaves = {name: np.asarray(leaf) for name, leaf in named_leaves(params).items()}
    owners = {name.rpartition(".")[0] for name in leaves}
    hidden = list(itertools.takewhile(owners.__contains__, (f"hidden.{layer}" for layer in itertools.count())))
    widths = []
    for name in (f"{layer}.kernel" for layer in [*hidden, "output"]):
        shape = np.shape(leaves.get(name, 0))
        if len(shape) != 2 or 0 in shape:
            found = list(shape) if name in leaves else "no such leaf"
            raise ValueError(f"{name}: expected the kernel [D, U] of a dense layer, got {found}")
        widths += shape[-1:] if widths else shape
    gate = "signed" if signed else "none"
    if hidden:
        gate = next((kind for kind in ("liveness", "size") if f"hidden.0.{kind}" in leaves), "none")
        if signed and gate != "liveness":
            raise ValueError(f"hidden.0.liveness: expected a leaf, since gates are signed, got gate {gate!r}")
        gate = "signed" if signed else gate
    form = Form(widths, gate, "inputs.liveness" in leaves, "output.bias" in leaves)
    _require_shapes(form, leaves)
    for name, leaf in leaves.items():
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            raise ValueError(f"{name}: expected a floating dtype, got {leaf.dtype}")
    return leaves, form


def _require_shapes(form: Form, arrays: Mapping[str, np.ndarray]) -> None:
    shapes = form.shapes()
    for name in dict.fromkeys([*shapes, *arrays]):
        expected = list(shapes[name]) if name in shapes else "no such leaf"
        found = list(arrays[name].shape) if name in arrays else "no such leaf"
        if expected != found:
            raise ValueError(f"{name}: expected {expected}, got {found} (widths {form.widths}, gate {form.gate})")


def require_arrays(form: Form, arrays: Mapping[str, np.ndarray]) -> None:
    """All leaves and no others, float32 and finite."""
    _require_shapes(form, arrays)
    for name, array in arrays.items():
        if array.dtype != np.float32:
            raise ValueError(f"{name}: expected float32, got {array.dtype}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name}: expected finite values, got {np.sum(~np.isfinite(array))} others")


def leaf_table(form: Form) -> dict[str, Any]:
    """What network.json says of every leaf."""
    return {name: {"dtype": "float32", "shape": list(shape)} for name, shape in form.shapes().items()}


def require_one_of(what: str, found: Any, known: Iterable[str]) -> None:
    if found not in list(known):  # a list, since a dict cannot be asked for what has no hash
        raise ValueError(f"{what}: expected one of {', '.join(known)}, got {found!r:.60}")


def fill_survivors(given: Mapping[str, Any], form: Form) -> dict[str, np.ndarray]:
    """With all units of layers that are not named, and without other names that lost nothing (`compact` names all)."""
    units = form.units()
    filled: dict[str, Any] = {name: np.arange(units[name]) for name in form.layers()[:-1]}
    for name, ids in given.items():
        if name in units or not np.array_equal(ids, np.arange(np.size(ids))):
            filled[name] = ids
    return _read_survivors(filled, form)


def _read_survivors(given: Mapping[str, Any], form: Form) -> dict[str, np.ndarray]:
    """int64 [U] per layer."""
    units = form.units()
    for name in [*(name for name in units if name != "inputs"), *given]:
        if name not in units or name not in given:
            raise ValueError(f"survivors: expected {', '.join(units)} (inputs may be missing), got {list(given)}")
    survivors = {}
    for name, ids in given.items():
        try:
            array = np.asarray(ids)
        except ValueError:  # ragged
            array = np.asarray(None)
        steps = np.diff(array.astype(np.int64), prepend=-1) if array.dtype.kind in "iu" and array.ndim == 1 else None
        if steps is None or len(steps) != units[name] or (steps < 1).any():
            expected = f"{units[name]} different indices, ascending, none negative"
            raise ValueError(f"survivors of {name}: expected {expected}, got {array.tolist()!r:.60}")
        survivors[name] = array.astype(np.int64)
    return survivors


def read_factor(name: str, given: Any, form: Form) -> np.ndarray:
    """The input scale or shift: float32 [] or [D]."""
    try:
        array = np.asarray(given)
        with np.errstate(over="ignore"):
            factor = array.astype(np.float32) if array.dtype.kind in "iuf" else np.array(np.nan, np.float32)
    except ValueError:  # ragged
        factor = np.array(np.nan, np.float32)
    if factor.shape not in ((), (form.widths[0],)) or not np.isfinite(factor).all():
        told = " ".join(f"{given!r}".split())
        raise ValueError(f"input {name}: expected a finite number or {form.widths[0]} of them, got {told:.60}")
    return factor


def read_description(
    record: Any, activations: Iterable[str]
) -> tuple[Form, dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """What network.json says, compared with itself."""
    found = record.get("format", "none") if isinstance(record, dict) else "no JSON object"
    if type(found) is not int or found != FORMAT:
        raise ValueError(f"format: expected {FORMAT}, got {found!r:.60}")
    _require_keys("keys", record, KEYS)
    require_one_of("kind", record["kind"], ["mlp"])
    require_one_of("gate", record["gate"], GATES)
    require_one_of("activation", record["activation"], activations)
    for key in ("gated_inputs", "bias"):
        if not isinstance(record[key], bool):
            raise ValueError(f"{key}: expected true or false, got {record[key]!r:.60}")
    widths = record["widths"]
    if not isinstance(widths, list) or len(widths) < 2 or any(type(width) is not int or width < 1 for width in widths):
        raise ValueError(f"widths: expected two or more positive integers, got {widths!r:.60}")
    form = Form(widths, record["gate"], record["gated_inputs"], record["bias"])
    for name, expected, found in differences(leaf_table(form), record["leaves"], "leaves"):
        raise ValueError(f"{name}: expected {expected} for widths {widths}, got {found}")
    if not isinstance(record["survivors"], dict):
        raise ValueError(f"survivors: expected an object of lists, got {record['survivors']!r:.60}")
    _require_keys("normalization", record["normalization"], ("scale", "shift"))
    scale, shift = (read_factor(name, record["normalization"][name], form) for name in ("scale", "shift"))
    return form, _read_survivors(record["survivors"], form), scale, shift


def _require_keys(what: str, found: Any, expected: tuple[str, ...]) -> None:
    if not isinstance(found, dict):
        raise ValueError(f"{what}: expected an object of {', '.join(expected)}, got {found!r:.60}")
    if odd := sorted(set(found) ^ set(expected)):
        state = "missing" if odd[0] in expected else "unknown"
        raise ValueError(f"{what}: {odd[0]:.60} is {state}, expected {', '.join(expected)}")


def as_text(value: Any, indent: str = "") -> str:
    """JSON with one line per key, lists in one line."""
    if not isinstance(value, dict) or not value:
        return json.dumps(value, allow_nan=False)
    inner = indent + "  "
    rows = [f"{inner}{json.dumps(key)}: {as_text(entry, inner)}" for key, entry in value.items()]
    return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
