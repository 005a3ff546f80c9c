"""The ways in which `benchmarks.wrong_inputs` edits a file."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _folder(path: Path) -> None:
    _remove(path)
    path.mkdir()


def _file(path: Path) -> None:
    _remove(path)
    path.write_bytes(b"")


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    if content:
        content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


def _missing_key(path: Path) -> None:
    """Take the first key out of a JSON object, or out of every line that is one."""
    lines = []
    for line in path.read_bytes().splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if isinstance(value, dict) and value:
            del value[next(iter(value))]
        lines.append(json.dumps(value).encode())
    path.write_bytes(b"\n".join(lines) + b"\n")


def _middle_line(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[Path], object]:
    """Change the fields of the middle line of a text of fields, of which each is followed by a comma, space or tab."""

    def edit(path: Path) -> None:
        lines = path.read_bytes().split(b"\n")
        fields = re.split(rb"([,\t ]+)", lines[len(lines) // 2])
        lines[len(lines) // 2] = b"".join(change(fields))
        path.write_bytes(b"\n".join(lines))

    return edit


EDITS: dict[str, Callable[[Path], object]] = {
    "delete": _remove,
    "empty": lambda path: path.write_bytes(b""),
    "half": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "flip": _flip,
    "folder": _folder,
    "file": _file,
    "rename": lambda path: path.rename(path.with_name(path.name.replace("1", "9").replace("2", "8") + "9")),
    "list": lambda path: path.write_bytes(b"[]\n"),
    "object": lambda path: path.write_bytes(b"{}\n"),
    "number": lambda path: path.write_bytes(b"3\n"),
    "null": lambda path: path.write_bytes(b"null\n"),
    "foreign row": lambda path: path.write_bytes(
        path.read_bytes() + b'{"run": 99, "epoch": 1, "event": "x", "runs": []}\n'
    ),
    "twice": lambda path: path.write_bytes(2 * path.read_bytes()),
    "missing key": _missing_key,
    "deep": lambda path: path.write_bytes(b"[" * 100_000),
    "nan": _middle_line(lambda fields: [b"nan", *fields[1:]]),
    "label": _middle_line(lambda fields: [*fields[:-1], b"99"]),
    "fewer fields": _middle_line(lambda fields: fields[:-2]),
    "more fields": _middle_line(lambda fields: [*fields, *(fields[-2:] if len(fields) > 1 else [b",1"])]),
    "not text": lambda path: path.write_bytes(b"\xff\xfe\x00" * 50),
}
"""A change of a file (or folder), by name."""


def content_of(folder: Path) -> dict[str, bytes | None]:
    """Return the content of every file below a folder, None for a folder, by relative path; hidden ones left out."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
        if not path.name.startswith(".")
    }
