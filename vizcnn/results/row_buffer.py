"""One array out of many batches: in memory while it is small, in a temporary file where it is not."""

from __future__ import annotations

import mmap
import tempfile

import numpy as np

IN_MEMORY = 64 * 2**20
"""Bytes from which on an array lives in a temporary file, which goes when the array does."""


class RowBuffer:
    """Collects batches of rows.

    Parameters
    ----------
    count : int
        How many rows there will be, at most.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._filled = 0
        self._array: np.ndarray | None = None

    def add(self, rows: np.ndarray) -> None:
        """Append the rows of one batch."""
        if self._array is None:
            if len(rows) == self._count:
                self._array, self._filled = rows, len(rows)
                return
            self._array = _empty((self._count, *rows.shape[1:]), rows.dtype)
        self._array[self._filled : self._filled + len(rows)] = rows
        self._filled += len(rows)
        if isinstance(self._array, np.memmap):
            _release(self._array)

    def result(self) -> np.ndarray:
        """Return the rows that were added."""
        if self._array is None:
            raise RuntimeError("got no rows")
        rows = np.asarray(self._array)  # a plain array, whatever holds its memory
        return rows if self._filled == self._count else rows[: self._filled]


def _empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    if int(np.prod(shape)) * dtype.itemsize <= IN_MEMORY:
        return np.empty(shape, dtype)
    with tempfile.TemporaryFile(prefix="vizcnn-") as file:
        return np.memmap(file, dtype=dtype, mode="w+", shape=shape)


def _release(array: np.memmap) -> None:
    """Let the pages that were written go from this process to the system, which writes them to disk when it has to."""
    pages = getattr(array, "_mmap", None)
    if pages is not None and hasattr(mmap, "MADV_DONTNEED"):
        pages.madvise(mmap.MADV_DONTNEED)
