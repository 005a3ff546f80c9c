"""The idx file format against bytes written by hand."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jaxsize.data._files.idx import read_idx

# 2 images of 2 rows x 3 columns
HEADER = b"\x00\x00\x08\x03" + b"\x00\x00\x00\x02" + b"\x00\x00\x00\x02" + b"\x00\x00\x00\x03"
VALUES = bytes([0, 1, 2, 250, 251, 252, 7, 8, 9, 10, 11, 255])
WHOLE = HEADER + VALUES
EXPECTED = [[[0, 1, 2], [250, 251, 252]], [[7, 8, 9], [10, 11, 255]]]


def write(folder, content: bytes, packed: bool):
    path = folder / ("images-idx3-ubyte" + (".gz" if packed else ""))
    path.write_bytes(gzip.compress(content, mtime=0) if packed else content)
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_axes_and_values_are_in_order(tmp_path, packed):
    images = read_idx(write(tmp_path, WHOLE, packed), num_dims=3)
    assert images.dtype == np.uint8
    assert images.tolist() == EXPECTED


def test_sizes_are_big_endian_and_labels_have_one_axis(tmp_path):
    content = struct.pack(">BBBBI", 0, 0, 8, 1, 258) + bytes(range(256)) + b"\x05\x06"
    labels = read_idx(write(tmp_path, content, packed=True), num_dims=1)
    assert labels.tolist() == [*range(256), 5, 6]


def test_a_gzip_of_several_members_is_one_file(tmp_path):
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(WHOLE[:17]) + gzip.compress(WHOLE[17:]))
    assert read_idx(path, num_dims=3).tolist() == EXPECTED


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cut short, 0 bytes are less than the idx header of 16"),
        (WHOLE[:10], "cut short, 10 bytes are less than the idx header of 16"),
        (WHOLE + b"\x00", "too long"),
        (b"\x00\x00\x0d\x03" + WHOLE[4:], "magic 00000d03, not 00000803"),
        (b"\x00\x00\x08\x01" + WHOLE[4:], "magic 00000801, not 00000803"),
        (b"\x03\x08\x00\x00" + WHOLE[4:], "magic 03080000"),
        (b"<html>no such file</html>", "not an idx file"),
        (HEADER[:4] + struct.pack(">3I", 0, 2, 3), "holds no values"),
        (HEADER[:4] + struct.pack(">3I", 2**32 - 1, 2**32 - 1, 2**32 - 1) + VALUES, "more values than the file can"),
        (HEADER[:4] + struct.pack(">3I", 60_000, 28, 28) + VALUES, "more values than the file can hold"),
    ],
)
def test_wrong_files_are_refused_in_one_line_with_their_name(tmp_path, content, message, packed):
    path = write(tmp_path, content, packed)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError) as caught:
            read_idx(path, num_dims=3)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20  # bytes: nothing was allocated for what a header claims
    finally:
        tracemalloc.stop()
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_plain_file_with_values_missing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="cut short, 11 of the 12 values"):
        read_idx(write(tmp_path, WHOLE[:-1], packed=False), num_dims=3)


def test_gzip_with_values_missing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="cut short, 11 of the 12 values"):
        read_idx(write(tmp_path, WHOLE[:-1], packed=True), num_dims=3)


def test_missing_file_is_a_value_error(tmp_path):
    with pytest.raises(ValueError, match="no-such-file"):
        read_idx(tmp_path / "no-such-file", num_dims=3)


@pytest.mark.parametrize("packed", [False, True])
@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_file_cut_anywhere_is_refused(tmp_path, packed, data):
    path = write(tmp_path, WHOLE, packed)
    content = path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(ValueError) as caught:
        read_idx(path, num_dims=3)
    assert str(path) in str(caught.value)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_a_gzip_with_a_changed_byte_gives_the_values_or_an_error_never_others(tmp_path, data):
    path = write(tmp_path, WHOLE, packed=True)
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        images = read_idx(path, num_dims=3)
    except ValueError as error:
        assert str(path) in str(error)
    else:
        assert images.tolist() == EXPECTED  # the byte was in the gzip header: time, system, flags
