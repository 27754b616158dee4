"""Where the files of a run lie: in a folder of a file system, or as objects of a store. Nothing else knows which."""

from __future__ import annotations

import errno
import os
import struct
import sys
import time
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from vizcnn.files import take_lock


class Storage(ABC):
    """The place of a run's files, each of which is called by its path there, as ``rows/00000.parquet``.

    What it can't do it says by a `ResultError`, which names the file and what is wrong.

    Attributes
    ----------
    is_shared : bool
        Whether other processes see what one writes.
    reads_at_once : int
        Files that are read at the same time, where many are: as many as it takes until waiting doesn't count.
    """

    is_shared: bool = True
    reads_at_once: int = 1

    @abstractmethod
    def address(self, name: str = "") -> str:
        """Return where a file lies, or all of them, as people are told."""

    @abstractmethod
    def prepare(self) -> None:
        """Make sure that files can be written."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return what a file holds.

        Returns
        -------
        bytes

        Raises
        ------
        FileNotFoundError
            If it isn't there.
        """

    @abstractmethod
    def write(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all; it is there for good when this returns."""

    @abstractmethod
    def write_first(self, name: str, data: bytes) -> None:
        """Write a file that isn't there yet; who finds one there leaves it, as far as the place lets that be known."""

    @abstractmethod
    def changing(self, name: str) -> AbstractContextManager[None]:
        """Let one at a time, of the processes of this machine, read a file and write it anew; others wait."""

    @abstractmethod
    def exists(self, name: str) -> bool:
        """Tell whether a file is there."""

    @abstractmethod
    def names(self, folder: str = "") -> list[str]:
        """Return what lies in a folder, in any order; nothing where there is no such folder."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file, where it is there."""

    @abstractmethod
    def records(self, name: str) -> Records | None:
        """Open the records of that name, or begin them; None where another process of this machine has them open."""

    @abstractmethod
    def tidy(self, folder: str) -> None:
        """Put away what killed processes left, half written or as records in that folder, once all is written."""

    @property
    @abstractmethod
    def free(self) -> int | None:
        """Bytes that it has room for; None where nobody knows."""

    @abstractmethod
    def reading(self, name: str) -> AbstractContextManager[None]:
        """Tell as a `ResultError` what goes wrong while another library reads a file."""

    @abstractmethod
    def for_arrow(self, name: str) -> Any:
        """Return a file as PyArrow reads it."""

    @abstractmethod
    def for_zarr(self, name: str) -> Any:
        """Return a folder as Zarr reads it."""


class Records(ABC):
    """What is known of a shard until it is written, record by record.

    They belong to one process as long as that has them open. It may be killed at any moment: what it was writing then is told by
    its length and its checksum, and cut off.
    """

    count: int = 0

    @abstractmethod
    def append(self, data: bytes) -> None:
        """Keep another one; where that fails, those before stay."""

    @abstractmethod
    def __iter__(self) -> Iterator[Any]:
        """Yield all of them, as buffers of bytes."""

    @abstractmethod
    def close(self, *, remove: bool = False) -> None:
        """Let others have them, or remove them."""


_HEAD = struct.Struct("<QI")
"""Before each record: its length and its checksum."""


def framed(data: bytes) -> Iterator[bytes]:
    """Yield the parts of a record as it is written."""
    yield _HEAD.pack(len(data), zlib.crc32(data))
    yield data


def whole_records(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield the records of an open file of that size, as far as they were written whole."""
    while len(head := file.read(_HEAD.size)) == _HEAD.size:
        length, checksum = _HEAD.unpack(head)
        if not length or length > size:  # zeros stand where a machine went down before its bytes were on the disk
            return
        data = file.read(length)
        if len(data) != length or zlib.crc32(data) != checksum:
            return
        yield data


def claimed(path: Path) -> BinaryIO | None:
    """Open a file, made where it isn't there, that belongs to one process as long as it has it open.

    Returns
    -------
    binary file or None
        None where another process of this machine, or of others on its file system, has it open.

    Raises
    ------
    OSError
        If it can't be opened, or the file system doesn't tell what is open from what was removed.
    """
    for _ in range(_TURNS):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)
        except FileNotFoundError:  # the folder was removed, since it was made here
            continue
        if not take_lock(file.fileno()):
            file.close()
            return None
        with suppress(FileNotFoundError):
            if sys.platform == "win32" or os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()  # who had it has removed it, since it was opened here
        time.sleep(0.01)
    raise OSError(errno.ESTALE, "what is opened there isn't what lies there, time and again")


_TURNS = 100
"""How often a file is opened that somebody else removes meanwhile: a file system that gives one file two numbers has no end."""


def let_go(file: BinaryIO, path: Path, *, remove: bool) -> None:
    """Close a file that was claimed, and remove it, unless it is somebody else's by then."""
    if remove and sys.platform != "win32":
        path.unlink(missing_ok=True)  # while nobody else can have it
    file.close()
    if remove and sys.platform == "win32":
        with suppress(PermissionError):  # where somebody else has opened it; who has it open himself can't remove it
            path.unlink(missing_ok=True)
