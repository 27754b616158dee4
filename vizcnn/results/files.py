"""Arrays in ``.npz`` files, read within limits."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from vizcnn.files import kind_of

_MOST, _RATIO = 2**30, 20
"""Bytes that the arrays of a file may take, or so many times those of the file: whichever is more."""

_DEFLATE = 1040
"""No more than so many bytes come out of one, whatever they are."""


def write_npz(file: BinaryIO, arrays: Iterable[tuple[str, np.ndarray]]) -> None:
    """Write what `numpy.savez_compressed` writes, with one array in memory at a time."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def read_npz(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read all arrays of an ``.npz`` file; what they take is known before any of them is unpacked.

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    ValueError
        If it isn't one, its parts contradict each other, or it would fill the memory.
    """
    kind = kind_of(Path(path))
    if kind == "nothing":
        raise FileNotFoundError(path)
    if kind != "a file":
        raise ValueError(f"it is {kind}")
    with Path(path).open("rb") as stream:
        if not zipfile.is_zipfile(stream):
            raise ValueError("it is not an .npz file")
        with zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
            _check_sizes(members, os.fstat(stream.fileno()).st_size)
            return {member.filename.removesuffix(".npy"): _array(archive, member) for member in members}


def _check_sizes(members: Sequence[zipfile.ZipInfo], size: int) -> None:
    names = [member.filename for member in members]
    if len(set(names)) < len(names) or not all(name.endswith(".npy") for name in names):
        raise ValueError("it must hold .npy files, each once")
    packed = sum(member.compress_size for member in members)
    whole = sum(member.file_size for member in members)
    if packed > size or whole > _DEFLATE * packed + 1000 * len(members):
        raise ValueError("the sizes that it gives can't be true")
    if whole > max(_MOST, _RATIO * size):
        raise ValueError(f"it would take {whole / 2**30:.1f} GiB from {size / 2**20:.1f} MiB")


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """Read an array whose header promises just as many bytes as there are."""
    name = member.filename
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"{name!r} is of another version, {version}")
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(stream)
        if dtype.hasobject or dtype.kind not in "fiubU":
            raise ValueError(f"{name!r} holds objects of Python, or other things that are no numbers")
        promised = math.prod(shape) * dtype.itemsize
        if any(length < 0 for length in shape) or promised != member.file_size - stream.tell():
            raise ValueError(f"{name!r} doesn't hold the {'x'.join(map(str, shape))} values that it promises")
    with archive.open(member) as stream:
        array: np.ndarray = np.lib.format.read_array(stream, allow_pickle=False)
        return array
