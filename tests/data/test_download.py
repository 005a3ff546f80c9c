"""Downloads, from a server on this machine, and what a user sees without a network."""

import contextlib
import functools
import gzip
import hashlib
import http.server
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.data import FILES, fake_contents, write_files

from jaxsize.data import DatasetNotFoundError, load
from jaxsize.data._files import download
from jaxsize.data._files.download import DownloadError, RemoteFile, registered_files


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("JAXSIZE_DATA_DIR", raising=False)


@pytest.fixture
def served(tmp_path):
    """A folder and the address that serves it."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def remote_file(address: str, path: Path) -> RemoteFile:
    content = path.read_bytes()
    return RemoteFile(f"{address}/{path.name}", len(content), hashlib.sha256(content).hexdigest())


def test_a_missing_set_is_downloaded_into_its_folder_once(tmp_path, served, monkeypatch):
    folder, address = served
    contents = fake_contents()
    write_files(folder, contents)
    remote = {path.name: remote_file(address, path) for path in folder.iterdir()}
    monkeypatch.setattr("jaxsize.data.sets.mnist.registered_files", lambda name: remote)
    target = tmp_path / "data"
    target.mkdir()
    write_files(target / "mnist", {FILES[3]: contents[FILES[3]]}, packed=False)  # one of the four is there already

    dataset = load("mnist", data_dir=target, form="original")
    assert dataset.train.inputs.tobytes() == contents[FILES[0]][16:]
    assert dataset.source == f"idx files in {target / 'mnist'}"
    assert sorted(os.listdir(target / "mnist")) == sorted([*(f"{file}.gz" for file in FILES[:3]), FILES[3]])

    monkeypatch.setattr("jaxsize.data.sets.mnist.registered_files", None)  # a second load asks no one
    np.testing.assert_array_equal(load("mnist", data_dir=target, form="original").train.inputs, dataset.train.inputs)


def test_without_a_named_directory_the_download_goes_to_the_cache(tmp_path, served, monkeypatch):
    folder, address = served
    write_files(folder, fake_contents())
    remote = {path.name: remote_file(address, path) for path in folder.iterdir()}
    monkeypatch.setattr("jaxsize.data.sets.mnist.registered_files", lambda name: remote)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda app: str(tmp_path / "cache" / app))
    assert len(load("mnist", form="original").train) == 300
    assert len(os.listdir(tmp_path / "cache" / "jaxsize" / "datasets" / "mnist")) == 4


@pytest.mark.parametrize(
    "change",
    [
        lambda content: bytes([content[0] ^ 1]) + content[1:],
        lambda content: content[:-1],
        lambda content: content + b"\x00",
        lambda content: b"<html>please log in</html>",
    ],
    ids=["altered", "shorter", "longer", "another page"],
)
def test_what_is_not_the_registered_file_leaves_nothing_behind(tmp_path, served, change):
    folder, address = served
    path = folder / "values.gz"
    path.write_bytes(gzip.compress(bytes(range(256)) * 100))
    remote = remote_file(address, path)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DownloadError, match="is not the registered file"):
        download.download(remote, tmp_path / "target" / "values.gz")
    assert os.listdir(tmp_path / "target") == []


def test_an_error_of_the_server_is_named_and_makes_no_folder(tmp_path, served):
    _, address = served
    with pytest.raises(DownloadError, match=r"missing\.gz: .*[Nn]ot [Ff]ound"):
        download.download(RemoteFile(f"{address}/missing.gz", 1, ""), tmp_path / "target" / "missing.gz")
    assert not (tmp_path / "target").exists()


def test_a_destination_that_cannot_be_written_is_named(tmp_path, served):
    folder, address = served
    (folder / "values.gz").write_bytes(b"content")
    (tmp_path / "target").write_bytes(b"a file where a folder should be")
    with pytest.raises(DownloadError, match="cannot be written"):
        download.download(remote_file(address, folder / "values.gz"), tmp_path / "target" / "values.gz")


@pytest.mark.parametrize(
    ("opening", "limit"),
    [(b"", "_CONTACT_SECONDS"), (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", "_STALL_SECONDS")],
    ids=["never answers", "stops half-way"],
)
def test_a_silent_server_is_given_up(tmp_path, monkeypatch, opening, limit):
    monkeypatch.setattr(download, limit, 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server, contextlib.ExitStack() as stack:
        # The thread of a download that was given up is left waiting; it ends when the connection does.
        before = set(threading.enumerate())

        def accept():
            connection, _ = server.accept()
            stack.enter_context(connection)
            connection.sendall(opening)

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        started = time.monotonic()
        remote = RemoteFile(f"http://127.0.0.1:{server.getsockname()[1]}/values.gz", 100, "")
        with pytest.raises(DownloadError, match="no answer within 0 seconds"):
            download.download(remote, tmp_path / "target" / "values.gz")
        assert time.monotonic() - started < 5
        acceptor.join()
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=5)
    assert not (tmp_path / "target").exists() or os.listdir(tmp_path / "target") == []


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_registered_files_are_the_four_originals(name):
    files = registered_files(name)
    assert set(files) == {f"{file}.gz" for file in FILES}
    for remote in files.values():
        assert remote.url.startswith("http")
        assert remote.size > 4000
        assert len(bytes.fromhex(remote.sha256)) == 32


def test_a_set_without_registered_files_says_so(tmp_path, monkeypatch):
    with pytest.raises(DownloadError, match="registers no address"):
        registered_files("no_such_set")
    monkeypatch.setattr("jaxsize.data.sets.mnist.registered_files", lambda name: {})
    with pytest.raises(DatasetNotFoundError, match="no registered address of 'train-images-idx3-ubyte"):
        load("mnist", data_dir=tmp_path)


@pytest.mark.parametrize(
    ("look_up", "reason"),
    [
        ("raise socket.gaierror(-2, 'Name or service not known')", "Name or service not known"),
        ("time.sleep(600)", "no answer within 6 seconds"),
    ],
    ids=["name unknown", "look-up hangs"],
)
def test_without_a_network_one_line_within_ten_seconds(tmp_path, look_up, reason):
    script = f"""
import socket, sys, time
def getaddrinfo(*args, **kwargs):
    {look_up}
socket.getaddrinfo = getaddrinfo
from jaxsize.data import DatasetNotFoundError, load
try:
    load("fashion_mnist")
except DatasetNotFoundError as error:
    print(error)
assert "tensorflow" not in sys.modules
"""
    places = {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path), "LOCALAPPDATA": str(tmp_path)}
    started = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env={**os.environ, **places},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert time.monotonic() - started < 10
    assert ran.stderr == ""
    (line,) = ran.stdout.splitlines()
    assert line.startswith("fashion_mnist: ")
    for part in (reason, "connect to the network", *FILES):
        assert part in line
    assert os.listdir(tmp_path) == []
