"""IDX files, the format of MNIST: a magic number, the size of each axis, then the values, all big-endian.

Read as they come from strangers: the values are read in pieces up to the size that the header promises, so that neither a
false header nor a gzip bomb fills the memory.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from vizcnn.errors import InputError
from vizcnn.inputs.files import MAX_BYTES, check_file

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: "i2", 0x0C: "i4", 0x0D: "f4", 0x0E: "f8"}
"""Element types by the third byte of the magic number, as NumPy names them."""

_PIECE = 2**20
_GZIP_RATIO = 1040  # deflate can't pack more than 1032 bytes into one
_MAX_RANK = 64  # NumPy's own limit


def read_idx(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> np.ndarray:
    """Read an IDX file, plain or gzipped; which of the two is seen from its content.

    Parameters
    ----------
    path : path
        The file.
    max_bytes : int, default 4 GiB
        Largest size of the values, unpacked; a larger file is an error.

    Returns
    -------
    ndarray
        The values in the machine's own byte order: uint8, int8, int16, int32, float32 or float64, in the file's shape.

    Raises
    ------
    InputError
        If the file is missing, is not an IDX file, is damaged, or holds fewer or more bytes than its header promises.

    Examples
    --------
    >>> import pathlib, tempfile, vizcnn as vz
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "labels.idx1-ubyte"
    >>> path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))  # uint8, one axis of 3
    11
    >>> vz.inputs.read_idx(path)
    array([7, 2, 1], dtype=uint8)
    """
    name = repr(os.fspath(path))
    with _opened(Path(path), name) as (stream, most):
        dtype, shape = _read_header(stream, name)
        size = math.prod(shape) * dtype.itemsize
        promised = f"IDX file {name} promises {size:,} bytes of values, shape {shape}"
        if size > most:
            raise InputError(f"{promised}, but is too short to hold them: it is cut off, or no IDX file.")
        if size > max_bytes:
            raise InputError(f"{promised}; `max_bytes` allows {max_bytes:,}. Raise it if the file can be trusted.")
        values = _read_up_to(stream, size)
        if len(values) < size:
            raise InputError(f"{promised}, but holds {len(values):,}: it is cut off. Download it again.")
        if stream.read(1):
            raise InputError(f"{promised}, but more follow: its header is wrong, or something was added to it.")
    try:
        array = np.frombuffer(values, dtype=dtype).reshape(shape)
    except ValueError as error:
        raise InputError(f"IDX file {name} has the shape {shape}, which no array can have: {error}.") from error
    return array.astype(dtype.newbyteorder("="), copy=False)


def read_idx_pair(
    images: str | os.PathLike[str], labels: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES
) -> tuple[np.ndarray, np.ndarray]:
    """Read a file of images and the file of their labels.

    Parameters
    ----------
    images : path
        The file of the images, as `read_idx` takes it.
    labels : path
        The file of the labels.
    max_bytes : int, default 4 GiB
        Largest size of the values of each.

    Returns
    -------
    (ndarray, ndarray)
        The images (N, ...) and the labels (N,).

    Raises
    ------
    InputError
        If either can't be read, the labels have more than one axis, or there aren't as many labels as images.

    Examples
    --------
    >>> import pathlib, tempfile, vizcnn as vz
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> (folder / "labels").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 1, 7]))
    9
    >>> (folder / "images").write_bytes(bytes([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 9, 8, 7, 6]))
    20
    >>> images, labels = vz.inputs.read_idx_pair(folder / "images", folder / "labels")
    >>> images.shape, labels
    ((1, 2, 2), array([7], dtype=uint8))
    """
    values, classes = read_idx(images, max_bytes=max_bytes), read_idx(labels, max_bytes=max_bytes)
    if values.ndim < 2 or classes.ndim != 1:
        raise InputError(
            f"`images` must have two axes or more and `labels` one; got shapes {values.shape} and {classes.shape}. Were the "
            f"files swapped?"
        )
    if len(values) != len(classes):
        raise InputError(
            f"`labels` must have one label per image; got {len(classes):,} labels in {os.fspath(labels)!r} for {len(values):,} "
            f"images in {os.fspath(images)!r}."
        )
    return values, classes


@contextmanager
def _opened(path: Path, name: str) -> Iterator[tuple[BinaryIO, int]]:
    """Open the file, unpacked if it is packed, with the most bytes that it can hold; say which file it is that fails."""
    if not path.is_dir():  # which is told below, as whatever else the system refuses
        check_file(path, "IDX file")
    try:
        with path.open("rb") as file:
            length = os.fstat(file.fileno()).st_size
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if packed:
                with gzip.open(file) as unpacked:
                    yield cast(BinaryIO, unpacked), length * _GZIP_RATIO
            else:
                yield file, length
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"IDX file {name} is a damaged gzip file: {error}. Download it again.") from error
    except OSError as error:
        raise InputError(f"IDX file {name} can't be read: {error.strerror or error}.") from error


def _read_header(stream: BinaryIO, name: str) -> tuple[np.dtype, tuple[int, ...]]:
    """Return the element type, big-endian, and the shape."""
    magic = _read_up_to(stream, 4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise InputError(
            f"{name} is not an IDX file: it must begin with two zero bytes, its element type and its number of axes; got "
            f"{bytes(magic).hex(' ') or 'no bytes'}."
        )
    code, rank = magic[2], magic[3]
    if code not in TYPES:
        known = ", ".join(f"0x{known:02X}" for known in TYPES)
        raise InputError(f"IDX file {name} has the unknown element type 0x{code:02X}; known are {known}.")
    if rank > _MAX_RANK:
        raise InputError(f"IDX file {name} must have at most {_MAX_RANK} axes; got {rank}.")
    sizes = _read_up_to(stream, 4 * rank)
    if len(sizes) < 4 * rank:
        raise InputError(f"IDX file {name} is cut off within its header, which has {rank} axes.")
    return np.dtype(">" + TYPES[code]), struct.unpack(f">{rank}I", sizes)


def _read_up_to(stream: BinaryIO, size: int) -> bytearray:
    """Read `size` bytes, or fewer where the file ends; memory grows with what is there, not with what was promised."""
    values = bytearray()
    while len(values) < size:
        piece = stream.read(min(_PIECE, size - len(values)))
        if not piece:
            break
        values += piece
    return values
