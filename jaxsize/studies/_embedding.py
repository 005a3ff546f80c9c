"""Pictures as data URIs, so that a page is one file."""

import base64
import struct
from pathlib import Path
from typing import NamedTuple

from jaxsize.errors import InputError

PNG = b"\x89PNG\r\n\x1a\n"


class Embedded(NamedTuple):
    """A PNG picture as a data URI, with its size in pixels."""

    source: str
    width: int
    height: int


def embed(path: Path) -> Embedded:
    """Read a PNG picture.

    Args:
        path: the file.

    Raises:
        InputError: when there is no such file, or it is no PNG picture.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: expected a picture, found none: {error.strerror or error}") from None
    if not content.startswith(PNG) or len(content) < 33:
        raise InputError(f"{path}: expected a PNG picture, found something else")
    width, height = struct.unpack(">II", content[16:24])
    return Embedded(f"data:image/png;base64,{base64.b64encode(content).decode()}", width, height)
