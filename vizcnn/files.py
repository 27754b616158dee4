"""Files that are written whole or not at all, under names that every file system takes."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import BinaryIO

from vizcnn.errors import ResultError

PICTURES = (".png", ".jpg", ".jpeg", ".svg", ".pdf", ".webp", ".tif", ".tiff")
"""Suffixes of the files that `save` draws; ``.npz`` keeps the raw values."""


ANIMATIONS = (".gif", ".mp4")
"""Suffixes of the files that `save` writes of clips, one picture after another."""


def write_file(
    path: str | os.PathLike[str],
    write: Callable[[BinaryIO], None],
    suffixes: Sequence[str] = (".npz", *PICTURES),
    argument: str = "path",
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
    argument : str, default "path"
        What errors call the path.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ResultError
        If the suffix is another, or the file can't be written.
    """
    check_path(path, suffixes, argument)
    file = Path(path)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with _partial(file) as stream:
            write(stream)
    except OSError as error:
        raise unwritable(path, error, argument) from error
    return file


def check_path(path: str | os.PathLike[str], suffixes: Sequence[str], argument: str = "path") -> None:
    """Raise `ResultError` where no file can be written: another suffix, a folder, a pipe or a device in its place.

    Parameters
    ----------
    path : path
        Where to.
    suffixes : sequence of str
        Suffixes that the file may have.
    argument : str, default "path"
        What errors call the path.

    Raises
    ------
    ResultError
        If so.
    """
    file = Path(path)
    if file.suffix.lower() not in suffixes:
        raise ResultError(f"`{argument}` must end in {' or '.join(suffixes)}; got {str(path)!r}.")
    try:
        kind = kind_of(file)
    except (OSError, ValueError) as error:
        raise unwritable(path, error, argument) from error
    if kind == "a folder":
        raise ResultError(f"`{argument}` {str(path)!r} can't be written: Is a directory.")
    if kind not in ("a file", "nothing"):
        raise ResultError(f"`{argument}` {str(path)!r} can't be written: it is {kind}, not a file.")


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


def unwritable(path: str | os.PathLike[str], error: OSError | ValueError, argument: str = "path") -> ResultError:
    """Return what to raise where the system refuses to write."""
    return ResultError(f"`{argument}` {str(path)!r} can't be written: {getattr(error, 'strerror', None) or error}.")


@contextmanager
def _partial(file: Path) -> Iterator[BinaryIO]:
    """Open a new file beside this one, which takes its place when all went well; it is gone when not."""
    partial = file.with_name(f".vizcnn-{os.urandom(8).hex()}{file.suffix}.part")
    try:
        with partial.open("xb") as stream:
            yield stream
        partial.replace(file)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


if sys.platform == "win32":
    import msvcrt

    def _lock(number: int, wait: bool) -> None:
        while True:
            try:
                return msvcrt.locking(number, msvcrt.LK_NBLCK, 1)
            except OSError:
                if not wait:
                    raise
                time.sleep(0.02)

else:
    import fcntl

    def _lock(number: int, wait: bool) -> None:
        fcntl.flock(number, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def take_lock(number: int) -> bool:
    """Take the lock of an open file, which ends where it is closed, or its process ends.

    Parameters
    ----------
    number : int
        The file's descriptor.

    Returns
    -------
    bool
        Whether it is taken; not where somebody else has it.
    """
    try:
        _lock(number, wait=False)
    except (BlockingIOError, PermissionError):  # the latter is Windows's
        return False
    return True


@contextmanager
def locked(path: str | os.PathLike[str], argument: str = "path") -> Iterator[None]:
    """Let one at a time, of threads and of processes, read a file and write it anew; others wait.

    Parameters
    ----------
    path : path
        The file. The lock is another one beside it, which stays.
    argument : str, default "path"
        What errors call the path.

    Raises
    ------
    ResultError
        If the lock can't be made.
    """
    lock = Path(path).with_name(f".{Path(path).name}.lock")
    with contextlib.ExitStack() as stack:
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(lock.open("ab"))
            _lock(file.fileno(), wait=True)
        except OSError as error:
            raise unwritable(path, error, argument) from error
        yield


class DistinctNames:
    """Hands out names, no two alike on file systems that know no upper case either: one that is taken gets a number.

    Parameters
    ----------
    taken : iterable of str, default ()
        Names that aren't free.

    Examples
    --------
    >>> from vizcnn.files import DistinctNames
    >>> names = DistinctNames()
    >>> names.add("cat"), names.add("Cat"), names.add("cat")
    ('cat', 'Cat-2', 'cat-3')
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {name.casefold() for name in taken}
        self._next: dict[str, int] = {}

    def add(self, name: str) -> str:
        """Return a name, with a number where it is taken, and take it.

        Parameters
        ----------
        name : str
            The name.

        Returns
        -------
        str
        """
        key = name.casefold()
        free = name
        if key in self._taken:
            # All numbers below are taken, and stay so.
            number = next(n for n in count(self._next.get(key, 2)) if f"{key}-{n}" not in self._taken)
            self._next[key] = number + 1
            free = f"{name}-{number}"
        self._taken.add(free.casefold())
        return free


def file_stems(names: Iterable[str], most: int = 140) -> list[str]:
    """Return a file's name for each name, no two alike.

    Parameters
    ----------
    names : iterable of str
        The names.
    most : int, default 140
        Bytes of each, before a number.

    Returns
    -------
    list of str

    Examples
    --------
    >>> from vizcnn.files import file_stems
    >>> file_stems(["a/b", "A:B"])
    ['a_b', 'A_B-2']
    """
    distinct = DistinctNames()
    return [distinct.add(safe_name(name, most)) for name in names]


def safe_name(name: str, most: int = 140) -> str:
    """Return a name that every file system takes, and that leaves room for the method's.

    Parameters
    ----------
    name : str
        The name.
    most : int, default 140
        Bytes that it may have.

    Returns
    -------
    str

    Examples
    --------
    >>> from vizcnn.files import safe_name
    >>> safe_name("block1/conv:0")
    'block1_conv_0'
    """
    text = re.sub(r"[^\w.()+ -]+", "_", name).strip(" .") or "image"
    return cut(text, most)


def cut(text: str, most: int) -> str:
    """Return the beginning of a text that takes no more bytes in a file's name.

    Parameters
    ----------
    text : str
        The text.
    most : int
        Bytes.

    Returns
    -------
    str

    Examples
    --------
    >>> from vizcnn.files import cut
    >>> cut("naïve", 3)  # an ï has two
    'na'
    """
    return text.encode(errors="ignore")[:most].decode(errors="ignore")
