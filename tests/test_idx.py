"""IDX files: what is written comes back, and every kind of damage is named."""

import gzip
import struct
import tracemalloc
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, strategies
from hypothesis.extra import numpy as arrays

from vizcnn.errors import InputError
from vizcnn.inputs.idx import TYPES, read_idx, read_idx_pair

CODES = {np.dtype(name): code for code, name in TYPES.items()}


def packed(array):
    """The IDX format, written a second time from its description."""
    header = bytes([0, 0, CODES[array.dtype], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture
def written(tmp_path):
    def write(content, name="file.idx"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


@contextmanager
def peak_memory_below(limit):
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


@given(
    array=strategies.sampled_from(sorted(CODES, key=str)).flatmap(
        lambda dtype: arrays.arrays(dtype, arrays.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4))
    ),
    zipped=strategies.booleans(),
)
def test_every_type_and_rank_comes_back(tmp_path_factory, array, zipped):
    path = tmp_path_factory.mktemp("idx") / "values"
    path.write_bytes(gzip.compress(packed(array)) if zipped else packed(array))
    read = read_idx(path)
    assert (read.dtype, read.shape) == (array.dtype, array.shape)
    assert read.tobytes() == array.tobytes()  # NaN included


def test_known_bytes_are_read_as_big_endian_and_returned_native(written):
    read = read_idx(written(bytes.fromhex("00000b0200000001000000020102ffff")))
    np.testing.assert_array_equal(read, [[258, -1]])
    assert read.dtype == np.int16
    assert read.dtype.isnative
    assert read.flags.writeable


def test_gzip_is_known_by_content_and_not_by_name(written):
    values = np.arange(6, dtype=np.uint8).reshape(2, 3)
    for content in (packed(values), gzip.compress(packed(values))):
        for name in ("plain.idx", "zipped.gz"):
            np.testing.assert_array_equal(read_idx(written(content, name)), values)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file: it must begin with two zero bytes, .* got no bytes"),
        (b"\x89PNG\r\n", "not an IDX file: .* got 89 50 4e 47"),
        (bytes([0, 0, 0x0A, 1, 0, 0, 0, 0]), r"unknown element type 0x0A; known are 0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E"),
        (bytes([0, 0, 8, 65]), "must have at most 64 axes; got 65"),
        (bytes([0, 0, 8, 2, 0, 0, 0, 1]), "cut off within its header, which has 2 axes"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 20, 1, 2]), r"promises 20 bytes of values, shape \(20,\), but is too short"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 5, 1, 2, 3]), r"promises 5 bytes of values, shape \(5,\), but holds 3: it is cut off"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 1, 1, 2]), r"promises 1 bytes of values, shape \(1,\), but more follow"),
        (bytes([0, 0, 8, 3]) + bytes(4) + b"\xff" * 8, "which no array can have"),
    ],
)  # fmt: skip
def test_damage_is_named(written, content, message):
    with pytest.raises(InputError, match=message):
        read_idx(written(content))
    if content and "too short" not in message:
        with pytest.raises(InputError, match=message):
            read_idx(written(gzip.compress(content)))


def test_damaged_gzip_is_named(written):
    whole = gzip.compress(packed(np.arange(200, dtype=np.int32)))
    flipped = whole[:-6] + bytes([whole[-6] ^ 1]) + whole[-5:]  # in the checksum
    for content in (whole[:-20], whole[:12], flipped, b"\x1f\x8b" + bytes(30)):
        with pytest.raises(InputError, match=r"'.*file.idx' is a damaged gzip file: .* Download it again"):
            read_idx(written(content))


def test_missing_file_and_folder_are_named(tmp_path):
    with pytest.raises(InputError, match=r"'.*none.idx' doesn't exist"):
        read_idx(tmp_path / "none.idx")
    with pytest.raises(InputError, match="can't be read: Is a directory"):
        read_idx(tmp_path)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_absurd_promise_allocates_nothing(written, pack):
    path = written(pack(bytes([0, 0, 0x0E, 3]) + b"\xff" * 12 + bytes(100)))
    with peak_memory_below(1_000_000), pytest.raises(InputError, match=r"promises 633,825,299,.* but is too short"):
        read_idx(path)


def test_bomb_is_read_no_further_than_its_header_promises(written):
    path = written(gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 9]) + bytes(50_000_000), compresslevel=1))
    with peak_memory_below(1_000_000), pytest.raises(InputError, match=r"promises 9 bytes .* but more follow"):
        read_idx(path)


def test_size_is_limited_by_max_bytes(written):
    path = written(packed(np.zeros(10, dtype=np.int32)))
    with pytest.raises(InputError, match=r"promises 40 bytes .* `max_bytes` allows 39. Raise it"):
        read_idx(path, max_bytes=39)
    assert read_idx(path, max_bytes=40).shape == (10,)


def test_pair_is_read_together(written):
    images, labels = np.ones((3, 4, 5), np.uint8), np.array([7, 8, 9], np.uint8)
    read = read_idx_pair(written(packed(images), "i"), written(gzip.compress(packed(labels)), "l"))
    np.testing.assert_array_equal(read[0], images)
    np.testing.assert_array_equal(read[1], labels)


def test_mismatched_counts_and_swapped_files_are_rejected(written):
    images, labels = written(packed(np.ones((3, 4, 5), np.uint8)), "i"), written(packed(np.ones(2, np.uint8)), "l")
    with pytest.raises(InputError, match=r"one label per image; got 2 labels in '.*l' for 3 images in '.*i'"):
        read_idx_pair(images, labels)
    with pytest.raises(InputError, match=r"got shapes \(2,\) and \(3, 4, 5\). Were the files swapped"):
        read_idx_pair(labels, images)
    with pytest.raises(InputError, match="`max_bytes` allows 10"):
        read_idx_pair(images, labels, max_bytes=10)
