"""Files that are written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from vizcnn.errors import ResultError

PICTURES = (".png", ".jpg", ".jpeg", ".svg", ".pdf", ".webp", ".tif", ".tiff")
"""Suffixes of the files that `save` draws; ``.npz`` keeps the raw values."""


def write_file(
    path: str | os.PathLike[str], write: Callable[[BinaryIO], None], suffixes: Sequence[str] = (".npz", *PICTURES)
) -> Path:
    """Write a file whole or not at all: what was there before stays until the new one is complete.

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
    file = Path(path)
    if file.suffix.lower() not in suffixes:
        raise ResultError(f"`path` must end in {' or '.join(suffixes)}; got {str(path)!r}.")
    partial = file.with_name(f".{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as stream:
                write(stream)
            partial.replace(file)
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()
    except OSError as error:
        raise ResultError(f"`path` {str(path)!r} can't be written: {error.strerror or error}.") from error
    return file


def write_npz(file: BinaryIO, arrays: Iterable[tuple[str, np.ndarray]]) -> None:
    """Write what `numpy.savez_compressed` writes, with one array in memory at a time."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def read_npz(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read all arrays of an ``.npz`` file."""
    if not zipfile.is_zipfile(path) and Path(path).exists():
        raise ValueError("it is no .npz file")
    # Opened here: NumPy leaves a file open that isn't one of its own.
    with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
