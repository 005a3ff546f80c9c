"""The formats of exported programs: how one is written as bytes, and run again by somebody else's library."""

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxsize.errors import require_package

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
"""What a StableHLO program is compiled for when it is read again; none of these need be there when it is written."""
BATCH = "batch"
"""The name of the size that is left open."""
OPSET = 21
"""Of the operators of ONNX."""


class Format(NamedTuple):
    """One format: a function is made bytes, and bytes are made a function that is run outside of this library."""

    write: Callable[[Callable[..., Any], Sequence[Any], bool], bytes]
    """(function of the inputs, their shapes and dtypes, whether the first axis of all is left open) -> content."""
    read: Callable[[bytes], Callable[..., Sequence[Any]]]
    """content -> function of the inputs that returns the leaves of the outputs."""


def _write_stablehlo(function: Callable[..., Any], inputs: Sequence[Any], any_batch: bool) -> bytes:
    require_package("flatbuffers", "export")
    from jax import export

    if any_batch:
        scope = export.SymbolicScope()
        shapes = [export.symbolic_shape(",".join([BATCH, *map(str, array.shape[1:])]), scope=scope) for array in inputs]
        inputs = [jax.ShapeDtypeStruct(shape, array.dtype) for shape, array in zip(shapes, inputs, strict=True)]
    exported = export.export(jax.jit(function), platforms=PLATFORMS)(*inputs)
    return bytes(exported.serialize())


def _read_stablehlo(content: bytes) -> Callable[..., Sequence[np.ndarray]]:
    from jax import export

    exported = export.deserialize(bytearray(content))
    return lambda *inputs: [np.asarray(leaf) for leaf in jax.tree.leaves(exported.call(*inputs))]


def _write_onnx(function: Callable[..., Any], inputs: Sequence[Any], any_batch: bool) -> bytes:
    require_package("jax2onnx", "export")
    with _as_if_nothing_had_been():
        from jax2onnx import to_onnx

        specs = [
            jax.ShapeDtypeStruct((BATCH, *array.shape[1:]) if any_batch else array.shape, array.dtype)
            for array in inputs
        ]
        model: Any = to_onnx(function, specs, opset=OPSET)
    return model.SerializeToString()


def _read_onnx(content: bytes) -> Callable[..., Sequence[Any]]:
    require_package("onnxruntime", "export")
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    return lambda *inputs: session.run(None, dict(zip(names, map(np.asarray, inputs), strict=True)))


@contextlib.contextmanager
def _as_if_nothing_had_been() -> Iterator[None]:
    """Keep from the user what the converter leaves behind: warnings, and functions that it replaces.

    It puts a `jax.numpy.cumsum` of its own, with fewer positional arguments, in place of JAX's.
    """
    before = {module: dict(vars(module)) for module in (jax.numpy, jax.lax, jax.nn, jax.random)}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for module, names in before.items():
            for name, value in names.items():
                if vars(module).get(name) is not value:
                    setattr(module, name, value)


FORMATS = {"stablehlo": Format(_write_stablehlo, _read_stablehlo), "onnx": Format(_write_onnx, _read_onnx)}
