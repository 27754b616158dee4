"""A run in an object store, by fsspec: S3, Google Cloud Storage, Azure, and whatever else puts an object whole or not at all.

Objects aren't appended to, renamed or locked. So records are kept in memory, and every few seconds those that are new are put as
an object of their own. Processes of one machine tell each other by lock files in its folder for temporary files; two machines
that work on one shard waste time, and write the same bytes.
"""

from __future__ import annotations

import getpass
import hashlib
import io
import os
import re
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from vizcnn.errors import ResultError, VizcnnError
from vizcnn.files import locked, unwritable
from vizcnn.runs.storage import Records, Storage, claimed, framed, let_go, whole_records

SECONDS = 5.0
"""How long records are kept in memory alone: what a killed process loses, at the most."""


def check_url(url: str, argument: str, kind: type[VizcnnError] = ResultError) -> None:
    """Make sure that an address tells no secret: a run's files, its errors and its pages say where it lies and what it read.

    Parameters
    ----------
    url : str
        The address of a folder.
    argument : str
        What errors call it.
    kind : type of VizcnnError, default ResultError
        What is raised.

    Raises
    ------
    ResultError
        Or another one, if it has a password or a query.

    Examples
    --------
    >>> from vizcnn.runs.object_storage import check_url
    >>> check_url("az://photos@account.dfs.core.windows.net/run", "out")
    >>> check_url("s3://key:secret@bucket/run", "out")
    Traceback (most recent call last):
    ...
    vizcnn.errors.ResultError: `out` must be an address without a password or a query; got 's3://...@bucket/run'. Who asks ...
    """
    if url.startswith("github://"):  # github://organization:repository@commit/path
        return
    told = re.sub(r"\?.*", "?...", re.sub(_PASSWORD, "://...@", url))
    if told != url:
        raise kind(
            f"`{argument}` must be an address without a password or a query; got {told!r}. Who asks is said by variables of the "
            f"environment: those of the store, as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
            f"fsspec's, as FSSPEC_SFTP_PASSWORD."
        )


_PASSWORD = r"://[^/@:]*:(?!\d+/)[^@]*@(?:[^/@]*@)*"
"""A user and a password, which may hold a slash, or an @ without one after it; but not a host's port, and an @ later on."""


class ObjectStorage(Storage):
    """What lies behind a URL; see `Storage`.

    Parameters
    ----------
    url : str
        The URL, as ``s3://bucket/run``. Who asks, and where the store is, comes from where the package of the store looks for it:
        variables of the environment and its files.
    argument : str, default "out"
        What errors call it.

    Raises
    ------
    ResultError
        If fsspec, or the package of this store, isn't installed, or nobody knows such a store.
    """

    reads_at_once = 16

    def __init__(self, url: str, argument: str = "out") -> None:
        self._url, self._argument = url, argument
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise ResultError(
                f"`{argument}` {url!r} needs fsspec, which isn't installed: pip install 'vizcnn[remote]'."
            ) from error
        try:
            # A listing that is kept would hide what other processes write.
            self._files, self._root = url_to_fs(url, use_listings_cache=False)
        except Exception as error:
            raise ResultError(f"`{argument}` {url!r} can't be reached: {_reason(error)}.") from error
        self.is_shared = not url.startswith("memory:")

    def address(self, name: str = "") -> str:
        """See `Storage.address`."""
        return f"{self._url}/{name}" if name else self._url

    def prepare(self) -> None:
        """See `Storage.prepare`; what is put and removed for that says whether both may be done."""
        probe = f".vizcnn-{os.urandom(8).hex()}.part"
        self.write(probe, b"")
        self.remove(probe)

    def read(self, name: str) -> bytes:
        """See `Storage.read`."""
        with self._asking(name):
            return bytes(self._files.cat_file(self._path(name)))

    def write(self, name: str, data: bytes) -> None:
        """See `Storage.write`."""
        with self._writing(name):
            self._files.pipe_file(self._path(name), data)

    def write_first(self, name: str, data: bytes) -> None:
        """See `Storage.write_first`."""
        if self.exists(name):  # a store may leave out the mode without a word
            return
        try:
            self._files.pipe_file(self._path(name), data, mode="create")
        except Exception:  # noqa: BLE001 - it is there, or the store knows no such mode: each says so in its own way
            if not self.exists(name):
                self.write(name, data)

    def exists(self, name: str) -> bool:
        """See `Storage.exists`."""
        try:
            with self._asking(name):
                self._files.info(self._path(name))
        except FileNotFoundError:
            return False
        return True

    def names(self, folder: str = "") -> list[str]:
        """See `Storage.names`."""
        path = self._path(folder)
        try:
            with self._asking(folder):
                found = [str(one).rstrip("/") for one in self._files.ls(path, detail=False)]
        except FileNotFoundError:
            return []
        return [one.rpartition("/")[2] for one in found if one != path]  # an empty object may stand for the folder

    def all_names(self) -> Iterator[str]:
        """Yield what all files are called, those of one folder after another.

        Yields
        ------
        str

        Raises
        ------
        FileNotFoundError
            If there are none.
        """
        with self._asking(""):
            for folder, _, names in self._files.walk(self._root, on_error="raise"):
                inside = str(folder).strip("/").removeprefix(self._root.strip("/")).strip("/")
                yield from (f"{inside}/{name}" if inside else name for name in names if name)

    def remove(self, name: str) -> None:
        """See `Storage.remove`."""
        with self._writing(name), suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def records(self, name: str) -> RecordObjects | None:
        """See `Storage.records`."""
        path = self._lock_file(name)
        try:
            file = claimed(path)
        except OSError as error:
            raise unwritable(path, error, "TMPDIR") from error
        if file is None:
            return None
        try:
            return RecordObjects(self, name, path, file)
        except BaseException:
            let_go(file, path, remove=True)
            raise

    def tidy(self, folder: str) -> None:
        """See `Storage.tidy`."""
        for records in self.names(folder):
            for name in self.names(f"{folder}/{records}"):
                self.remove(f"{folder}/{records}/{name}")
        for name in self.names():
            if name.startswith(".vizcnn-") and name.endswith(".part"):
                self.remove(name)

    @property
    def free(self) -> None:
        """See `Storage.free`."""
        return None

    def changing(self, name: str) -> AbstractContextManager[None]:
        """See `Storage.changing`."""
        return locked(self._lock_file(name), "TMPDIR")

    @contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """See `Storage.reading`."""
        try:
            with self._asking(name):
                yield
        except FileNotFoundError as error:
            raise ResultError(f"`{self._argument}` {self.address(name)!r} isn't there.") from error

    def for_arrow(self, name: str) -> Any:
        """See `Storage.for_arrow`; the whole of it, which is faster than several parts."""
        import pyarrow as pa

        return pa.BufferReader(self.read(name))

    def for_zarr(self, name: str) -> Any:
        """See `Storage.for_zarr`."""
        return self._files.get_mapper(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    @contextmanager
    def _asking(self, name: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, ResultError):
            raise
        except Exception as error:
            raise ResultError(f"`{self._argument}` {self.address(name)!r} can't be read: {_reason(error)}.") from error

    @contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            raise ResultError(
                f"`{self._argument}` {self.address(name)!r} can't be written: {_reason(error)}."
            ) from error

    def _lock_file(self, name: str) -> Path:
        key = hashlib.sha256(self._url.encode()).hexdigest()[:16]
        return _own_folder() / key / name.replace("/", "-")


class RecordObjects(Records):
    """Records in objects, each called by the number of its first one; see `Records`.

    Parameters
    ----------
    storage : ObjectStorage
        Where they lie.
    name : str
        What they are called.
    path, lock : Path, binary file
        What tells other processes of this machine that they are taken.
    """

    def __init__(self, storage: ObjectStorage, name: str, path: Path, lock: BinaryIO) -> None:
        self._storage, self._name, self._path, self._lock = storage, name, path, lock
        self._records: list[bytes] = []
        self._objects = sorted(filter(str.isdecimal, storage.names(name)))
        for one in self._objects:
            self._take(int(one), one)
        self.count = self._put = len(self._records)
        self._since = time.monotonic()

    def append(self, data: bytes) -> None:
        """See `Records.append`."""
        self._records.append(data)
        self.count += 1
        if time.monotonic() - self._since >= SECONDS:
            self._put_new()

    def __iter__(self) -> Iterator[bytes]:
        yield from self._records

    def close(self, *, remove: bool = False) -> None:
        """See `Records.close`; once it is closed, it stays as it is."""
        if self._lock.closed:
            return
        try:
            if remove:
                for one in self._objects:
                    self._storage.remove(f"{self._name}/{one}")
            else:
                with suppress(ResultError):  # it is computed again
                    self._put_new()
        finally:
            let_go(self._lock, self._path, remove=True)

    def _take(self, first: int, name: str) -> None:
        """Take what an object adds to those before it; another machine may have cut them elsewhere, or removed them."""
        try:
            data = self._storage.read(f"{self._name}/{name}")
        except FileNotFoundError:
            return
        found = list(whole_records(io.BytesIO(data), len(data)))
        if first <= len(self._records) < first + len(found):
            self._records[first:] = found

    def _put_new(self) -> None:
        new, first = self._records[self._put :], self._put
        if new:
            self._put, self._since = (
                len(self._records),
                time.monotonic(),
            )  # once: a store that is gone isn't asked again
            self._objects.append(f"{first:06d}")
            self._storage.write(f"{self._name}/{first:06d}", b"".join(part for one in new for part in framed(one)))


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.strip().splitlines()[0].rstrip(".")


def _own_folder() -> Path:
    """Return this user's folder of lock files, which anybody could have laid there: then it isn't written into."""
    has_owners = hasattr(os, "getuid")
    user = os.getuid() if has_owners else getpass.getuser()  # a container may know no name
    folder = Path(tempfile.gettempdir(), f"vizcnn-{user}")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = folder.lstat()
    except OSError as error:
        raise unwritable(folder, error, "TMPDIR") from error
    if has_owners and (about.st_uid != user or not stat.S_ISDIR(about.st_mode) or about.st_mode & _OF_OTHERS):
        raise ResultError(
            f"`TMPDIR` {str(folder.parent)!r} must be where {folder.name!r} is this user's own folder; others can write into it. "
            f"Remove it, or name another folder for temporary files."
        )
    return folder


_OF_OTHERS = stat.S_IWGRP | stat.S_IWOTH
