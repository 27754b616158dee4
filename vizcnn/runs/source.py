"""Where the images of a run come from: listed without being read, each under a name of its own."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from vizcnn.errors import InputError


class Entry(NamedTuple):
    """An image before it is read.

    Attributes
    ----------
    key : str
        What it is called in its source: a path, relative to the source where it lies in it.
    label : str or None
        Its true class, as the source says it.
    target : str, int or None
        What is explained of it; None: what the run explains.
    place : tuple of int, optional
        Where it is, for the source to find it: of all images of a source as many numbers.
    """

    key: str
    label: str | None = None
    target: str | int | None = None
    place: tuple[int, ...] | None = None


class SourceGoneError(InputError):
    """The source as a whole is no longer there, so that none of its images says anything."""


class Source(ABC):
    """Images that can be listed without being read, and read one by one, by several threads.

    One that travels to other processes holds nothing that is open.

    Attributes
    ----------
    in_order : bool
        Whether its images are read in the order in which they are listed: those of archives, where another one is slow.
    travels : bool
        Whether other processes can read it too.
    distinct : bool
        Whether no two of its images may be called alike.
    promised : tuple of str
        "label" and "target", as far as it was said where they are: at least one of its images must have one.
    """

    in_order: bool = False
    travels: bool = True
    distinct: bool = False
    promised: tuple[str, ...] = ()

    @property
    @abstractmethod
    def about(self) -> dict[str, Any]:
        """What it is, as JSON takes it: `kind` and where it lies."""

    @abstractmethod
    def entries(self) -> Iterator[Entry]:
        """List the images.

        Yields
        ------
        Entry

        Raises
        ------
        InputError
            If the source can't be read, or lacks what it should have.
        """

    def expect(self, entry: Entry) -> None:
        """Be told that an image will be read; in the order of the run, whichever of them is read first."""
        del entry  # most sources find it whenever they are asked

    @abstractmethod
    def read(self, entry: Entry) -> bytes | np.ndarray:
        """Return the bytes of an image's file, or the image.

        Parameters
        ----------
        entry : Entry
            Which one.

        Returns
        -------
        bytes or ndarray

        Raises
        ------
        SourceGoneError
            If the source isn't there any more.
        InputError
            If this image can't be read.
        """


def entries_of(source: Source, keys: Collection[str]) -> dict[str, Entry]:
    """Return some images of a source by what they are called, as far as it has them; an archive is gone through once.

    Parameters
    ----------
    source : Source
        The source.
    keys : collection of str
        What the rows of a run call them.

    Returns
    -------
    dict of str to Entry
        Of a source that isn't read in order all of them: whether an image is there shows when it is read.

    Raises
    ------
    InputError
        If the source can't be read.
    """
    if not source.in_order:
        return {key: entry_of(key) for key in keys}
    wanted, found = set(keys), {}
    for entry in source.entries():
        key = as_written(entry.key)
        if key in wanted:
            found[key] = entry
            if len(found) == len(wanted):
                break
    return found


def entries_along(source: Source, keys: Iterable[str]) -> Iterator[Entry]:
    """Yield the entries of images in the order of a run, as their rows call them; none of them is held.

    Parameters
    ----------
    source : Source
        The source; one that is read in order is gone through once.
    keys : iterable of str
        What the rows of a run call its images, or some of them.

    Yields
    ------
    Entry
        Without a place, where the source has no such image any more.
    """
    entries = source.entries() if source.in_order else iter(())
    for key in keys:
        yield next((entry for entry in entries if as_written(entry.key) == key), entry_of(key))


def as_written(key: str) -> str:
    """Return what an image is called in the rows of a run, which are UTF-8."""
    return key.encode("utf-8", "backslashreplace").decode()


def entry_of(written: str) -> Entry:
    """Return an image by what the rows of a run call it: the bytes of its path that are no UTF-8 are what they were.

    Returns
    -------
    Entry
    """
    return Entry(re.sub(r"\\u(dc[89a-f][0-9a-f])", lambda found: chr(int(found[1], 16)), written))
