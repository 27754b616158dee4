"""What a shard's journal keeps: the answers to each of its batches, as they come, until all of them are there.

A process may be killed at any moment: what it was writing then is told by its length and its checksum, and cut off.
"""

from __future__ import annotations

import os
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from vizcnn.files import unwritable

_HEAD = struct.Struct("<QI")
"""Before each record: its length and its checksum."""


class Journal:
    """The journal of one shard, which belongs to one process as long as that has it open.

    Attributes
    ----------
    count : int
        Batches that it holds.
    """

    def __init__(self, path: Path, file: Any, schema: pa.Schema) -> None:
        self._path, self._file, self._schema = path, file, schema
        self.count = 0
        end = 0
        for _ in self._records():
            self.count, end = self.count + 1, self._file.tell()
        self._cut(end)

    @classmethod
    def claim(cls, path: Path, schema: pa.Schema) -> Journal | None:
        """Open the journal of a shard, or make it.

        Parameters
        ----------
        path : Path
            Its file.
        schema : Schema
            The columns of its batches.

        Returns
        -------
        Journal or None
            None where another process has it open.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)
            if not _lock(file.fileno()):
                file.close()
                return None
            return cls(path, file, schema)
        except OSError as error:
            raise unwritable(path, error, "out") from error

    def append(self, batch: pa.RecordBatch) -> None:
        """Write the answers to the next batch.

        Raises
        ------
        ResultError
            If the disk is full, say; what was there before stays.
        """
        data = batch.serialize().to_pybytes()
        end = self._file.tell()
        try:
            for part in (_HEAD.pack(len(data), zlib.crc32(data)), data):
                written = 0
                while written < len(part):
                    written += self._file.write(part[written:])
        except OSError as error:
            self._cut(end)
            raise unwritable(self._path, error, "out") from error
        self.count += 1

    def table(self) -> pa.Table:
        """Return the answers to all batches."""
        return pa.Table.from_batches(
            [pa.ipc.read_record_batch(data, self._schema) for data in self._records()], self._schema
        )

    def close(self, *, remove: bool = False) -> None:
        """Let others have it; its file is removed when its shard is written."""
        if remove and sys.platform != "win32":
            self._path.unlink(missing_ok=True)  # while nobody else can have it
        self._file.close()
        if remove:
            self._path.unlink(missing_ok=True)

    def _records(self) -> Iterator[pa.Buffer]:
        """Yield what was written whole."""
        self._file.seek(0)
        while len(head := self._file.read(_HEAD.size)) == _HEAD.size:
            length, checksum = _HEAD.unpack(head)
            if length > os.fstat(self._file.fileno()).st_size:
                return
            data = self._file.read(length)
            if len(data) != length or zlib.crc32(data) != checksum:
                return
            yield pa.py_buffer(data)

    def _cut(self, end: int) -> None:
        self._file.truncate(end)
        self._file.seek(end)


if sys.platform == "win32":
    import msvcrt

    def _lock(number: int) -> bool:
        try:
            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(number: int) -> bool:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
