"""Reads what an HDF5 file says of itself, in a process of its own: `python hdf5_reader.py`, asked on its standard input.

The C library loops for ever on some damaged files, deaf to Ctrl-C, or fills the memory; here it can be given up. So this script
needs only h5py, and nothing of vizcnn.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import signal
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
from typing_extensions import override

_MEMORY = 2**30
_PIECE = 2**20
_SECONDS = 2.0
"""Seconds of work that reading any file may take."""

_RATE = 20 * 2**20
"""Bytes of a file for each second more."""


class Refusal(Exception):
    """What a file holds is not read, for the reason that is given."""


def main() -> None:
    """Answer one question: JSON in, JSON out."""
    asked = json.load(sys.stdin)
    try:
        with _opened(asked) as stream:
            _limit(asked["size"])
            with h5py.File(stream, "r") as file:
                answer = read(file, asked["size"], asked["largest"], asked["largest_attribute"])
    except Refusal as error:
        answer = {"refused": str(error)}
    except MemoryError:
        answer = {"damaged": "reading it requires too much memory"}
    except Exception as error:  # noqa: BLE001  h5py raises any kind
        answer = {"damaged": str(error) or type(error).__name__}
    json.dump(answer, sys.stdout)


def read(file: Any, size: int, largest: int, largest_attribute: int) -> dict[str, Any]:
    """Read attributes and structure; refuse what is kept elsewhere or unpacks without measure.

    Parameters
    ----------
    file : h5py.File
        The file.
    size : int
        Its bytes.
    largest : int
        Bytes that its arrays may have in all.
    largest_attribute : int
        Bytes that its attributes may have in all.

    Returns
    -------
    dict
        "attributes" of the file that are text, the "names" of all of them, its "groups", and the "bytes" of all arrays.

    Raises
    ------
    Refusal
        If it is refused.
    """
    unpacked = attributes = 0
    for entry in _objects(file):
        for name in entry.attrs:
            attributes += _attribute(entry, name, largest_attribute)
        if attributes > largest_attribute:
            raise Refusal(f"its attributes take more than {largest_attribute:,} bytes")
        if isinstance(entry, h5py.Dataset):
            if entry.external or entry.is_virtual:
                raise Refusal(f"its {entry.name!r} is kept in another file")
            unpacked += math.prod((0,) if entry.shape is None else entry.shape) * entry.dtype.itemsize
            if unpacked > largest:
                raise Refusal(f"its {size:,} bytes would unpack to {unpacked:,} or more")
            _read_in_pieces(entry)
    return {
        "attributes": {
            name: _text(file.attrs[name])
            for name in ("keras_version", "model_config", "training_config")
            if name in file.attrs
        },
        "names": list(file.attrs),
        "groups": list(file),
        "bytes": unpacked,
    }


def _objects(file: Any) -> Iterator[Any]:
    """Yield each group, array and type once; a link may lead back to where it lies."""
    groups, visited = [file], set()
    yield file
    while groups:
        group = groups.pop()
        for name in group:
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise Refusal(f"its {name!r} is a link to another file, {link.filename!r}")
            if isinstance(link, h5py.SoftLink):
                continue
            entry = group[name]
            address = h5py.h5o.get_info(entry.id).addr
            if address not in visited:
                visited.add(address)
                yield entry
                if isinstance(entry, h5py.Group):
                    groups.append(entry)


def _attribute(entry: Any, name: str, largest: int) -> int:
    """Return the bytes of an attribute, read only where it says that they are few; texts lie elsewhere, and are read."""
    attribute = h5py.h5a.open(entry.id, name.encode("utf-8", "surrogateescape"))
    stored = attribute.get_type().get_size() * attribute.get_space().get_simple_extent_npoints()
    if stored > largest:
        raise Refusal(f"its attribute {name!r} has {stored:,} bytes")
    value = entry.attrs[name]
    if isinstance(value, str | bytes):
        return len(value)
    array = np.asarray(value)
    return array.nbytes + (
        sum(len(item) for item in array.flat if hasattr(item, "__len__")) if array.dtype == object else 0
    )


def _read_in_pieces(entry: Any) -> None:
    """Read an array whose pieces are found by a tree or a filter, which may be damaged; others lie in one piece."""
    if not entry.chunks:
        if entry.dtype == object:
            entry[()]
        return
    piece_size = math.prod(entry.chunks) * entry.dtype.itemsize
    if piece_size > _MEMORY // 4:
        raise Refusal(f"its {entry.name!r} unpacks in pieces of {piece_size:,} bytes")
    for piece in entry.iter_chunks():
        entry[piece]


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


@contextlib.contextmanager
def _opened(asked: dict[str, Any]) -> Iterator[Any]:
    if asked["member"] is None:
        yield asked["path"]
        return
    with open(asked["path"], "rb") as file:
        if asked["offset"] is not None:
            yield Window(file, asked["offset"], asked["size"])
        else:
            with (
                zipfile.ZipFile(file) as archive,
                archive.open(asked["member"]) as packed,
                tempfile.TemporaryFile() as whole,
            ):
                while piece := packed.read(_PIECE):
                    whole.write(piece)
                yield whole


class Window(io.RawIOBase):
    """A part of a file, read as if it were one: HDF5 that lies in an archive as it is.

    Parameters
    ----------
    file : binary file
        The whole.
    start, size : int
        Where the part begins, and its bytes.
    """

    def __init__(self, file: Any, start: int, size: int) -> None:
        self._file, self._start, self._size, self._place = file, start, size, 0

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        return self._place

    @override
    def readinto(self, buffer: Any) -> int:
        self._file.seek(self._start + self._place)
        wanted = max(0, min(len(buffer), self._size - self._place))
        count = int(self._file.readinto(memoryview(buffer)[:wanted]))
        self._place += count
        return count


def _limit(size: int) -> None:
    """Let this process be ended by the system where the library doesn't come to an end, or fills the memory."""
    try:
        import resource
    except ImportError:  # Windows: the one who asks waits for a limited time
        return
    signal.setitimer(signal.ITIMER_PROF, _SECONDS + size / _RATE)  # of its own work: others may have the processor
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError), open("/proc/self/statm") as pages:  # Linux; others know no size of a process
        used = int(pages.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + _MEMORY, used + _MEMORY))


if __name__ == "__main__":
    main()
