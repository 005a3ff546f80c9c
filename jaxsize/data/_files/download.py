"""Fetching original files: tensorflow-datasets has their addresses, sizes and checksums."""

import contextlib
import dataclasses
import hashlib
import http.client
import importlib.util
import os
import queue
import secrets
import threading
import urllib.request
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import BinaryIO

# Without a network a user must know within ten seconds in all, start of the program included.
_CONTACT_SECONDS = 6.0
_STALL_SECONDS = 15.0
_BLOCK_BYTES = 1 << 18


class DownloadError(Exception):
    """The error raised where a file cannot be fetched; its message says why in a few words."""


@dataclasses.dataclass(frozen=True)
class RemoteFile:
    """A file to fetch: its address, and what it must be."""

    url: str
    size: int
    """In bytes."""
    sha256: str
    """In hexadecimal digits."""


def registered_files(name: str) -> dict[str, RemoteFile]:
    """List the files that tensorflow-datasets has registered for a data set, by file name.

    They are read from the list that the package ships, without importing the package.

    Raises:
        DownloadError: when there is no such list, or no file in it.
    """
    spec = importlib.util.find_spec("tensorflow_datasets")
    if spec is None:
        raise DownloadError(
            'tensorflow-datasets, which knows its address, is not installed: pip install "jaxsize[data]"'
        )
    files = {}
    for place in spec.submodule_search_locations or []:
        for listing in (Path(place, "url_checksums", f"{name}.txt"), Path(place, "datasets", name, "checksums.tsv")):
            for line in listing.read_text(encoding="utf-8").splitlines() if listing.is_file() else []:
                url, size, sha256, *_ = [*line.split("\t"), "", ""]
                if size.isdigit():
                    files[url.rsplit("/", 1)[-1]] = RemoteFile(url, int(size), sha256)
    if not files:
        raise DownloadError("the installed tensorflow-datasets registers no address for it")
    return files


def download(remote: RemoteFile, destination: Path) -> None:
    """Fetch one file: write it beside `destination`, compare its size and sha256, then rename it.

    `destination` appears whole or not at all, and its folder is created only once the server has answered.

    Raises:
        DownloadError: when the server has not answered within 6 seconds, a hanging name look-up included; when it
            sends nothing for 15 seconds; when it sends another file; or when `destination` cannot be written. There is
            no second try.
    """
    with contextlib.closing(arriving_blocks(remote.url)) as blocks:
        next(blocks)
        try:
            destination.parent.mkdir(parents=True, exist_ok=True)
            aside = destination.with_name(f"{destination.name}.{secrets.token_hex(4)}.part")
            try:
                with aside.open("xb") as file:
                    _write_checked(blocks, file, remote)
                os.replace(aside, destination)
            finally:
                aside.unlink(missing_ok=True)
        except OSError as error:
            raise DownloadError(f"{destination} cannot be written ({error.strerror or error})") from error


def _write_checked(blocks: Iterator[bytes], file: BinaryIO, remote: RemoteFile) -> None:
    digest, received = hashlib.sha256(), 0
    for block in blocks:
        received += len(block)
        if received > remote.size:
            break
        file.write(block)
        digest.update(block)
    if received != remote.size or digest.hexdigest() != remote.sha256:
        raise DownloadError(f"what {remote.url} sent is not the registered file (its size or sha256 differs)")


def arriving_blocks(url: str) -> Generator[bytes]:
    """Yield b"" once the server has answered, then the bytes as they come.

    Raises:
        DownloadError: when the server cannot be reached, has not answered within 6 seconds, or sends nothing for 15.
    """
    arrived: queue.SimpleQueue[bytes | Exception | None] = queue.SimpleQueue()
    given_up = threading.Event()
    # Name look-ups heed no timeout. They hang in this thread, which nobody waits for, and not in the caller's.
    threading.Thread(target=_fetch, args=(url, arrived, given_up), daemon=True).start()
    patience = _CONTACT_SECONDS
    try:
        while (block := arrived.get(timeout=patience)) is not None:
            if isinstance(block, Exception):
                cause = getattr(block, "reason", block)
                if isinstance(cause, TimeoutError):  # the socket's own limit, reached at the same time as ours
                    raise queue.Empty
                reason = str(cause) or type(block).__name__
                raise DownloadError(f"{url}: {' '.join(reason.split())}") from block
            yield block
            patience = _STALL_SECONDS
    except queue.Empty:
        raise DownloadError(f"{url}: no answer within {patience:.0f} seconds") from None
    finally:
        given_up.set()


def _fetch(url: str, arrived: "queue.SimpleQueue[bytes | Exception | None]", given_up: threading.Event) -> None:
    """Put b"" into the queue when the server has answered, then the blocks, then None; or the exception on the way."""
    try:
        with urllib.request.urlopen(url, timeout=_STALL_SECONDS) as response:
            arrived.put(b"")
            while not given_up.is_set() and (block := response.read1(_BLOCK_BYTES)):
                arrived.put(block)
        arrived.put(None)
    except (OSError, http.client.HTTPException, ValueError) as error:
        arrived.put(error)
