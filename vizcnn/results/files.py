"""Files that are written whole or not at all, and arrays that are read within limits."""

from __future__ import annotations

import contextlib
import math
import os
import secrets
import stat
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from vizcnn.errors import ResultError

PICTURES = (".png", ".jpg", ".jpeg", ".svg", ".pdf", ".webp", ".tif", ".tiff")
"""Suffixes of the files that `save` draws; ``.npz`` keeps the raw values."""

_MOST, _RATIO = 2**30, 20
"""Bytes that the arrays of a file may take, or so many times those of the file: whichever is more."""

_DEFLATE = 1040
"""No more than so many bytes come out of one, whatever they are."""


def write_file(
    path: str | os.PathLike[str], write: Callable[[BinaryIO], None], suffixes: Sequence[str] = (".npz", *PICTURES)
) -> Path:
    """Write a file whole or not at all: what was there before stays until the new one is complete.

    Each writer has a file of its own until then, so that two of them don't get in each other's way.

    Parameters
    ----------
    path : path
        Where to; folders on the way are made.
    write : callable
        Takes the open binary file.
    suffixes : sequence of str
        Suffixes that the file may have.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ResultError
        If the suffix is another, or the file can't be written.
    """
    check_path(path, suffixes)
    file = Path(path)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with _partial(file) as stream:
            write(stream)
    except OSError as error:
        raise unwritable(path, error) from error
    return file


def check_path(path: str | os.PathLike[str], suffixes: Sequence[str]) -> None:
    """Raise `ResultError` where no file can be written: another suffix, a folder, a pipe or a device in its place.

    Parameters
    ----------
    path : path
        Where to.
    suffixes : sequence of str
        Suffixes that the file may have.

    Raises
    ------
    ResultError
        If so.
    """
    file = Path(path)
    if file.suffix.lower() not in suffixes:
        raise ResultError(f"`path` must end in {' or '.join(suffixes)}; got {str(path)!r}.")
    try:
        kind = kind_of(file)
    except (OSError, ValueError) as error:
        raise unwritable(path, error) from error
    if kind == "a folder":
        raise ResultError(f"`path` {str(path)!r} can't be written: Is a directory.")
    if kind not in ("a file", "nothing"):
        raise ResultError(f"`path` {str(path)!r} can't be written: it is {kind}, not a file.")


def kind_of(path: Path) -> str:
    """Return what there is at a path: "a file", "a folder", "a pipe", "a socket", "a device", or "nothing".

    Returns
    -------
    str
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "nothing"
    kinds = {stat.S_IFREG: "a file", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def unwritable(path: str | os.PathLike[str], error: OSError | ValueError) -> ResultError:
    """Return what to raise where the system refuses to write."""
    return ResultError(f"`path` {str(path)!r} can't be written: {getattr(error, 'strerror', None) or error}.")


@contextmanager
def _partial(file: Path) -> Iterator[BinaryIO]:
    """Open a new file beside this one, which takes its place when all went well; it is gone when not."""
    partial = file.with_name(f".vizcnn-{secrets.token_hex(8)}.part")
    try:
        with partial.open("xb") as stream:
            yield stream
        partial.replace(file)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


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
            raise ValueError("it is no .npz file")
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
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
        if dtype.hasobject or dtype.kind not in "fiubU":
            raise ValueError(f"{name!r} holds objects of Python, or other things that are no numbers")
        promised = math.prod(shape) * dtype.itemsize
        if any(length < 0 for length in shape) or promised != member.file_size - stream.tell():
            raise ValueError(f"{name!r} doesn't hold the {'x'.join(map(str, shape))} values that it promises")
    with archive.open(member) as stream:
        array: np.ndarray = np.lib.format.read_array(stream, allow_pickle=False)
        return array
