"""A trained network as a program that runs without its source: StableHLO for JAX, ONNX for everybody else."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxsize.errors import InputError, error_text, require_path
from jaxsize.export._formats import FORMATS
from jaxsize.results.json_files import replace_file
from jaxsize.trees import Tree

MORE_ROWS = 3
"""Outputs are compared for a batch of the given size, and for one of so many rows more."""


class Exported(NamedTuple):
    """What was written, and how far its outputs are from those of the function.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from jaxsize.export import Exported, export_network
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     x = np.ones((2, 3), np.float32)
        ...     exported: Exported = export_network(f"{folder}/a", lambda scale, x: (x * scale).reshape(6), 2.0, x)
        >>> exported.any_batch, exported.why_not[:27], exported.error
        (False, 'TypeError: cannot reshape a', 0.0)
    """

    path: Path
    format: str
    any_batch: bool
    """Whether the program takes inputs with any number of rows."""
    why_not: str
    """Why it takes only the number that was given, "" where it takes any."""
    error: float
    """The largest difference between its outputs and those of the function, as a share of the largest output."""


def export_network(
    path: str | os.PathLike,
    apply: Callable[..., Any],
    params: Tree,
    *inputs: Any,
    format: Literal["stablehlo", "onnx"] = "stablehlo",
    any_batch: bool | None = None,
    tolerance: float = 1e-4,
) -> Exported:
    """Export a network, with its parameters inside, as one file that needs neither its source nor this library.

    The file is read back by the library that users will read it with, `jax.export` or onnxruntime, and its outputs are
    compared with those of the function, on random inputs where shapes are given; only then it is kept. With any batch
    size this is done for two sizes. Dead units should be removed and gates folded before: `compact`, `fold_gates`.

    "stablehlo" runs again on CPUs, GPUs and TPUs:
    `jax.export.deserialize(bytearray(path.read_bytes())).call(*inputs)`; "onnx" in onnxruntime. Either needs
    `pip install "jaxsize[export]"`.

    Args:
        path: the new file, in a folder that exists.
        apply: the function of parameters and inputs, without random numbers; what it returns is a tree of arrays.
        params: its parameters, a tree of arrays.
        inputs: arrays, or shapes and dtypes (`jax.ShapeDtypeStruct`).
        format: "stablehlo" or "onnx".
        any_batch: whether the first axis of all inputs may have any size later. None: where the function allows it,
            which `Exported.why_not` says.
        tolerance: the largest difference of outputs that is accepted, as a share of the largest output.

    Raises:
        FileExistsError: when the file exists.
        InputError: when there are no inputs, the format is unknown, the function cannot be written in that format or
            with any batch size, the outputs of the file differ, or a package is missing.

    Example:
        >>> import tempfile
        >>> import jax
        >>> from jaxsize import mlp
        >>> from jaxsize.export import export_network
        >>> network = mlp((4, 8, 3))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     x = jax.ShapeDtypeStruct((2, 4), "float32")
        ...     exported = export_network(f"{folder}/mlp.stablehlo", network.apply, network.init(0), x)
        ...     program = jax.export.deserialize(bytearray(exported.path.read_bytes()))
        >>> exported.any_batch, program.call(jax.numpy.ones((7, 4))).shape
        (True, (7, 3))
    """
    require_path(path, "path")
    path = Path(path)
    if os.path.lexists(path):
        raise FileExistsError(f"{path} exists: a network is exported to a new file")
    if not path.parent.is_dir():
        raise InputError(f"export_network: expected a path in a folder that exists, got {path}")
    if format not in FORMATS:
        raise InputError(f"export_network: expected one of {', '.join(FORMATS)}, got {format!r}", field="format")
    if not inputs:
        raise InputError("export_network: expected one or more inputs, as arrays or shapes, got none")
    if not 0 <= tolerance < float("inf"):
        raise InputError(f"export_network: expected a finite number from 0 on, got {tolerance}", field="tolerance")
    arrays = [_given(array, number) for number, array in enumerate(inputs)]
    params = jax.tree.map(jnp.asarray, params)

    def function(*arguments: Any) -> Any:
        return apply(params, *arguments)

    cases = [(arrays, _outputs(function, arrays))]  # what is wrong with the function itself is raised as it is
    why_not = _not_one_batch(arrays) if any_batch is not False else "it was not asked for"
    if not why_not:
        try:
            larger = [np.resize(array, (len(array) + MORE_ROWS, *array.shape[1:])) for array in arrays]
            content, error = _written(format, function, [*cases, (larger, _outputs(function, larger))], tolerance)
        except Exception as caught:  # whatever keeps the function from it, the message is the reason
            why_not = str(caught) if isinstance(caught, InputError) else error_text(caught)
            if any_batch:
                raise InputError(f"export_network: with any batch size: {why_not}", field="any_batch") from caught
    elif any_batch:
        raise InputError(f"export_network: with any batch size: {why_not}", field="any_batch")
    if why_not:
        content, error = _written(format, function, cases, tolerance)
    replace_file(path, [content])
    return Exported(path, format, not why_not, why_not, error)


def _given(array: Any, number: int) -> np.ndarray:
    """Return an input, or random numbers of its shape, in the dtype that JAX gives it: float32 for float64."""
    rng = np.random.default_rng(number)
    known = isinstance(array, jax.ShapeDtypeStruct)
    array = array if known else np.asarray(array)
    floating = jnp.issubdtype(array.dtype, jnp.floating)
    if not floating and array.dtype != bool and not jnp.issubdtype(array.dtype, jnp.integer):
        raise InputError(f"export_network: expected inputs of real numbers, got {array.dtype} for input {number}")
    dtype = jax.dtypes.canonicalize_dtype(array.dtype)
    if known:
        array = rng.normal(size=array.shape) if floating else rng.integers(2, size=array.shape)
    return array.astype(dtype)


def _not_one_batch(arrays: list[np.ndarray]) -> str:
    if not all(array.ndim for array in arrays):
        return "an input has no axes"
    sizes = sorted({len(array) for array in arrays})
    return "" if len(sizes) == 1 else f"first axes of different sizes: {', '.join(map(str, sizes))}"


def _outputs(function: Callable[..., Any], arrays: list[np.ndarray]) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(jax.jit(function)(*arrays))]


def _written(
    format: str,
    function: Callable[..., Any],
    cases: list[tuple[list[np.ndarray], list[np.ndarray]]],
    tolerance: float,
) -> tuple[bytes, float]:
    """Write the function, with any batch size if there are several cases, read it back, and compare.

    Args:
        format: one of `FORMATS`.
        function: of the inputs alone.
        cases: inputs with what the function returns for them, as leaves; the first is what it is written for.
        tolerance: see `export_network`.

    Returns:
        The content of the file, and the largest difference.
    """
    one, worst = FORMATS[format], 0.0
    try:
        content = one.write(function, cases[0][0], len(cases) > 1)
        again = one.read(content)
        for arrays, expected in cases:
            worst = max(worst, _apart(expected, again(*arrays)))
    except InputError:
        raise
    except Exception as caught:  # whatever a converter or a runtime does not know, its message is the reason
        raise InputError(f"export_network: {format} cannot hold this function: {error_text(caught)}") from caught
    if not worst <= tolerance:
        raise InputError(
            f"export_network: expected outputs of the {format} file within {tolerance:g} of the function's, "
            f"as a share of the largest, got {worst:.3g}"
        )
    return content, worst


def _apart(expected: list[np.ndarray], actual: Any) -> float:
    """Compute the largest difference of finite outputs, as a share of the largest; infinite where others differ."""
    shapes = [[array.shape for array in arrays] for arrays in (expected, actual)]
    if shapes[0] != shapes[1]:
        return float("inf")
    worst = 0.0
    for one, other in zip(expected, actual, strict=True):
        a, b = one.astype(np.complex128), np.asarray(other).astype(np.complex128)
        known = np.isfinite(a)
        if not np.array_equal(a[~known], b[~known], equal_nan=True) or not np.isfinite(b[known]).all():
            return float("inf")
        scale = max(float(np.abs(a[known]).max(initial=0.0)), float(np.finfo(np.float32).tiny))
        worst = max(worst, float(np.abs(a[known] - b[known]).max(initial=0.0)) / scale)
    return worst
