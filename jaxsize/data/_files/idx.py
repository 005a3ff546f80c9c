"""The idx file format of MNIST and similar sets: a magic number, the sizes, then the values, plain or gzipped."""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from jaxsize.errors import InputError

_UINT8_CODE = 0x08
_MOST_VALUES = 1 << 31
# A deflate stream holds at most 1032 bytes per compressed byte; what a header claims beyond that is untrue.
_MOST_DEFLATE_RATIO = 1032
_READ_BYTES = 1 << 20


def read_idx(path: Path, *, num_dims: int) -> np.ndarray:
    """Read an idx file of unsigned bytes.

    The layout: two zero bytes, a type byte (8: unsigned byte), the number of axes in one byte, one big-endian
    unsigned 32-bit size per axis, the values with the last axis fastest. A header that claims more values than the file
    can hold is refused before any memory is taken for them.

    Args:
        path: the file, gzipped where its name ends in `.gz`.
        num_dims: the number of axes that the file must have.

    Returns:
        uint8 with `num_dims` axes.

    Raises:
        InputError: in one line with the path, when the file is cut short, too long, corrupt or of another type or
            number of axes.
    """
    packed = path.suffix == ".gz"
    try:
        with path.open("rb") as raw, cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw as stream:
            most_values = path.stat().st_size * (_MOST_DEFLATE_RATIO if packed else 1)
            shape = _read_shape(stream, path, num_dims, min(most_values, _MOST_VALUES))
            values = np.empty(math.prod(shape), np.uint8)
            _fill(stream, values, path)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read, the file may be damaged or cut short ({error})") from None
    return values.reshape(shape)


def _read_shape(stream: BinaryIO, path: Path, num_dims: int, most_values: int) -> tuple[int, ...]:
    size = 4 + 4 * num_dims
    header = stream.read(size)
    if len(header) >= 4 and header[:4] != bytes((0, 0, _UINT8_CODE, num_dims)):
        magic = f"magic {header[:4].hex()}, not 0000{_UINT8_CODE:02x}{num_dims:02x}"
        raise InputError(f"{path}: not an idx file of bytes with {num_dims} axes ({magic})")
    if len(header) < size:
        raise InputError(f"{path}: cut short, {len(header)} bytes are less than the idx header of {size}")
    shape = struct.unpack(f">{num_dims}I", header[4:])
    if min(shape) < 1:
        raise InputError(f"{path}: the header says {list(shape)}, which holds no values")
    if math.prod(shape) > most_values:
        raise InputError(f"{path}: the header says {list(shape)}, more values than the file can hold")
    return shape


def _fill(stream: BinaryIO, values: np.ndarray, path: Path) -> None:
    """Read exactly as many bytes as `values` [n] uint8 has, and make sure that the file ends there."""
    room = values.data
    filled = 0
    while filled < len(room):
        block = stream.read(min(_READ_BYTES, len(room) - filled))
        if not block:
            raise InputError(f"{path}: cut short, {filled} of the {len(room)} values that the header promises")
        room[filled : filled + len(block)] = block
        filled += len(block)
    if stream.read(1):  # at the end of a gzipped stream this also compares its checksum
        raise InputError(f"{path}: too long, bytes are left over after the {len(room)} values that the header promises")
