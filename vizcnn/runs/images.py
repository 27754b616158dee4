"""Images of a run, read and decoded by other threads while the model is at work on those before."""

from __future__ import annotations

import hashlib
import io
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any, TypeVar, cast

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.errors import InputError
from vizcnn.inputs import ImageSet
from vizcnn.runs.source import Entry, Source, SourceGoneError

Item = TypeVar("Item")
Made = TypeVar("Made")

_BATCHES_AHEAD = 3
"""Batches that are read before they are due."""


@dataclass(frozen=True, eq=False)
class Pixels:
    """An image at the model's size, before its numbers are changed; only its shape is known of what it was.

    Attributes
    ----------
    values : ndarray of float32, shape (H, W, C)
        The image.
    own_shape : tuple of int
        Its shape before.
    """

    values: np.ndarray
    own_shape: tuple[int, ...]

    def shape(self, channels: int) -> tuple[int, ...]:
        """Return the shape that the image had."""
        return (*self.own_shape[:-1], channels)

    def read(self, channels: int) -> np.ndarray:
        """Return the image at the model's size."""
        del channels
        return self.values


class DecodedSet(ImageSet):
    """Images whose sources are `Pixels`: what is read of each is there already."""

    def read(self, index: int, row: np.ndarray, longest: int | None = None) -> np.ndarray | None:
        """See `ImageSet.read`."""
        row[...] = self.sources[index].values  # type: ignore[union-attr]
        return None if longest is None else row

    @classmethod
    def of_images(cls, images: Sequence[DecodedSet]) -> DecodedSet:
        """Return several as one set."""
        return cast(DecodedSet, cls.join(images))


@dataclass(frozen=True)
class LoadedImage:
    """An image that was read.

    Attributes
    ----------
    images : DecodedSet
        The image, alone.
    sha256 : str
        That of its file, or of the values of an array.
    """

    images: DecodedSet
    sha256: str


@dataclass(frozen=True)
class UnreadImage:
    """An image that can't be read, and why."""

    reason: str
    sha256: str | None = None


@dataclass(frozen=True)
class Reader:
    """Reads the images of a source as a model takes them.

    Attributes
    ----------
    source : Source
        The source.
    model : ModelAdapter
        The model.
    shape : tuple of (int or None)
        Shape (H, W, C) that they are brought to; None where the image decides.
    """

    source: Source
    model: ModelAdapter
    shape: tuple[int | None, ...]

    def __call__(self, entry: Entry) -> LoadedImage | UnreadImage:
        """Read an image; only where the whole source is gone, that is raised."""
        sha256 = None
        try:
            held = self.source.read(entry)
            sha256 = hashlib.sha256(held if isinstance(held, bytes) else held.tobytes()).hexdigest()
            images = self.model.load_images(as_given(held, entry.key), self.shape)
            if len(images) != 1:
                raise InputError(f"`images` {entry.key!r} must be one image; it holds {len(images)}.")
            row = np.empty(images.sample_shape, np.float32)
            images.read(0, row)
            return LoadedImage(_decoded(images, Pixels(row, images.shape_of(0)), entry.key), sha256)
        except SourceGoneError:
            raise
        except InputError as error:
            return UnreadImage(str(error), sha256)


def as_given(held: bytes | np.ndarray, name: str) -> Any:
    """Return what a source holds of an image as `ModelAdapter.load_images` takes it: of a file an open one of that name."""
    if not isinstance(held, bytes):
        return held
    file = io.BytesIO(held)
    file.name = name
    return file


def _decoded(images: ImageSet, pixels: Any, name: str) -> DecodedSet:
    ends = images.float_range_of(0)
    about = {field.name: getattr(images, field.name) for field in fields(ImageSet)}
    return DecodedSet(
        **{**about, "sources": [pixels], "names": (name,), "file_ranges": {} if ends is None else {pixels: ends}}
    )


def read_ahead(
    batches: Iterable[tuple[Item, Sequence[Entry]]], read: Callable[[Entry], Made]
) -> Iterator[tuple[Item, list[Made]]]:
    """Yield what is made of the entries of each batch, while threads read those of the next ones.

    Parameters
    ----------
    batches : iterable of (object, sequence of Entry)
        What each batch is, and its entries; asked for as late as that allows.
    read : callable
        Reads an entry.

    Yields
    ------
    (object, list)
        The batch, and what was read of its entries.
    """
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1), "vizcnn-read") as pool:
        waiting: deque[tuple[Item, list[Future[Made]]]] = deque()

        def first() -> tuple[Item, list[Made]]:
            item, futures = waiting.popleft()
            return item, [future.result() for future in futures]

        try:
            for item, entries in batches:
                waiting.append((item, [pool.submit(read, entry) for entry in entries]))
                if len(waiting) > _BATCHES_AHEAD:
                    yield first()
            while waiting:
                yield first()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
