"""A run in a folder of a file system."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from vizcnn.errors import ResultError
from vizcnn.files import locked, unwritable, write_file
from vizcnn.runs.storage import Records, Storage, claimed, framed, let_go, whole_records

_OWN = ("", ".json", ".jsonl", ".parquet")
"""Suffixes of the files of a run."""


@dataclass(frozen=True)
class LocalStorage(Storage):
    """A folder; see `Storage`.

    Attributes
    ----------
    root : Path
        The folder.
    argument : str, default "out"
        What errors call it.
    """

    root: Path
    argument: str = "out"

    def address(self, name: str = "") -> str:
        """See `Storage.address`."""
        return str(self.root / name)

    def prepare(self) -> None:
        """See `Storage.prepare`."""
        with self._writing(""):
            self.root.mkdir(parents=True, exist_ok=True)

    def read(self, name: str) -> bytes:
        """See `Storage.read`."""
        try:
            return (self.root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FileNotFoundError(self.address(name)) from error
        except OSError as error:
            raise self._unreadable(name, error) from error

    def write(self, name: str, data: bytes) -> None:
        """See `Storage.write`."""

        def write(file: BinaryIO) -> None:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

        path = self.root / name
        write_file(path, write, (path.suffix.lower(),), self.argument)

    def write_first(self, name: str, data: bytes) -> None:
        """See `Storage.write_first`."""
        if not self.exists(name):
            self.write(name, data)

    def exists(self, name: str) -> bool:
        """See `Storage.exists`."""
        return (self.root / name).exists()

    def names(self, folder: str = "") -> list[str]:
        """See `Storage.names`."""
        try:
            return os.listdir(self.root / folder)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise self._unreadable(folder, error) from error

    def remove(self, name: str) -> None:
        """See `Storage.remove`."""
        with self._writing(name):
            (self.root / name).unlink(missing_ok=True)

    def records(self, name: str) -> RecordFile | None:
        """See `Storage.records`."""
        path = self.root / name
        with self._writing(name):
            file = claimed(path)
            if file is None:
                return None
            try:
                return RecordFile(path, file)
            except BaseException:
                file.close()
                raise

    def tidy(self, folder: str) -> None:
        """See `Storage.tidy`."""
        shutil.rmtree(self.root / folder, ignore_errors=True)
        for partial in self.root.rglob(".vizcnn-*.part"):
            if Path(partial.stem).suffix in _OWN:  # others may be writing tags or pages there
                partial.unlink(missing_ok=True)

    @property
    def free(self) -> int:
        """See `Storage.free`."""
        return shutil.disk_usage(self.root).free

    def changing(self, name: str) -> AbstractContextManager[None]:
        """See `Storage.changing`; of other machines too, where these see the same file system."""
        return locked(self.root / name, self.argument)

    @contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """See `Storage.reading`."""
        try:
            yield
        except (OSError, ValueError) as error:
            raise self._unreadable(name, error) from error

    def for_arrow(self, name: str) -> Path:
        """See `Storage.for_arrow`."""
        return self.root / name

    def for_zarr(self, name: str) -> Path:
        """See `Storage.for_zarr`."""
        return self.root / name

    def _unreadable(self, name: str, error: Exception) -> ResultError:
        return ResultError(
            f"`{self.argument}` {self.address(name)!r} can't be read: {getattr(error, 'strerror', None) or error}."
        )

    @contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise unwritable(self.root / name, error, self.argument) from error


class RecordFile(Records):
    """Records in one file, which is appended to; see `Records`.

    Parameters
    ----------
    path : Path
        The file.
    file : binary file
        It, open and locked.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path, self._file = path, file
        end = 0
        for _ in self:
            self.count, end = self.count + 1, self._file.tell()
        self._cut(end)

    def append(self, data: bytes) -> None:
        """See `Records.append`."""
        end = self._file.tell()
        try:
            for part in framed(data):
                written = 0
                while written < len(part):
                    written += self._file.write(part[written:])
        except OSError as error:
            self._cut(end)
            raise unwritable(self._path, error, "out") from error
        self.count += 1

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(0)
        yield from whole_records(self._file, os.fstat(self._file.fileno()).st_size)

    def close(self, *, remove: bool = False) -> None:
        """See `Records.close`."""
        let_go(self._file, self._path, remove=remove)

    def _cut(self, end: int) -> None:
        self._file.truncate(end)
        self._file.seek(end)
