"""Images of a run, read and decoded by other threads while the model is at work on those before."""

from __future__ import annotations

import hashlib
import io
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.errors import InputError
from vizcnn.inputs import ImageSet
from vizcnn.inputs.pixels import OpenedOnce
from vizcnn.runs.source import Entry, Source, SourceGoneError

Item = TypeVar("Item")

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


@dataclass(frozen=True, eq=False)
class DecodedSet(ImageSet):
    """Images whose sources are `Pixels`: what is read of each is there already.

    Attributes
    ----------
    rows : ndarray of float32, shape (N, H, W, C), or None
        The same, where they lie side by side.
    """

    rows: np.ndarray | None = field(default=None, repr=False)

    def read(self, index: int, row: np.ndarray, longest: int | None = None) -> np.ndarray | None:
        """See `ImageSet.read`."""
        row[...] = self.sources[index].values  # type: ignore[union-attr]
        return None if longest is None else row

    def rows_of(self, part: slice) -> np.ndarray | None:
        """See `ImageSet.rows_of`."""
        return None if self.rows is None else self.rows[part]

    def part(self, part: slice) -> DecodedSet:
        """See `ImageSet.part`."""
        return cast(DecodedSet, replace(super().part(part), rows=self.rows_of(part)))  # type: ignore[call-arg]

    @classmethod
    def join(cls, parts: Sequence[ImageSet], rows: np.ndarray | None = None) -> DecodedSet:
        """See `ImageSet.join`; the rows of all of them are these, or lie apart."""
        return replace(cast(DecodedSet, super().join(parts)), rows=rows)


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

    def __call__(self, entry: Entry, row: np.ndarray | None = None) -> LoadedImage | UnreadImage:
        """Read an image, into a row where one is given; only where the whole source is gone, that is raised."""
        sha256 = None
        try:
            held = self.source.read(entry)
            sha256 = hashlib.sha256(held if isinstance(held, bytes) else held.tobytes()).hexdigest()
            images = self.model.load_images(self._as_read(held, entry.key), self.shape)
            if len(images) != 1:
                raise InputError(f"`images` {entry.key!r} must be one image; it holds {len(images)}.")
            row = np.empty(images.sample_shape, np.float32) if row is None else row
            pixels = Pixels(row, images.shape_of(0))
            images.read(0, pixels.values)
            return LoadedImage(_decoded(images, pixels, entry.key), sha256)
        except SourceGoneError:
            raise
        except InputError as error:
            return UnreadImage(str(error), sha256)

    def _as_read(self, held: bytes | np.ndarray, name: str) -> Any:
        """Return what a source holds of an image as `ModelAdapter.load_images` takes it, for this thread alone."""
        if isinstance(held, bytes) and len(self.shape) == 3:
            return OpenedOnce(held, Path(name).name)
        return as_given(held, name)


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
    batches: Iterable[tuple[Item, Sequence[Entry]]], reader: Reader, size: int
) -> Iterator[tuple[Item, list[LoadedImage | UnreadImage], np.ndarray]]:
    """Yield what is read of the entries of each batch, while threads read those of the next ones.

    Parameters
    ----------
    batches : iterable of (object, sequence of Entry)
        What each batch is, and its entries; asked for as late as that allows.
    reader : Reader
        Reads an entry, to a shape without open sizes.
    size : int
        The most entries of a batch.

    Yields
    ------
    (object, list, ndarray of float32, shape (size, H, W, C))
        The batch, what was read of its entries, and where that lies, in their order: others are read to there once the next batch
        is asked for.
    """
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1), "vizcnn-read") as pool:
        waiting: deque[tuple[Item, list[Future[LoadedImage | UnreadImage]], np.ndarray]] = deque()
        shape = (size, *(int(length or 0) for length in reader.shape))
        free: list[np.ndarray] = []  # memory that is new costs as much as reading a small image

        def first() -> tuple[Item, list[LoadedImage | UnreadImage], np.ndarray]:
            item, futures, rows = waiting.popleft()
            free.append(rows)
            return item, [future.result() for future in futures], rows

        try:
            for item, entries in batches:
                for entry in entries:
                    reader.source.expect(entry)
                rows = free.pop() if free else np.empty(shape, np.float32)
                futures = [pool.submit(reader, entry, row) for entry, row in zip(entries, rows, strict=False)]
                waiting.append((item, futures, rows))
                if len(waiting) > _BATCHES_AHEAD:
                    yield first()
            while waiting:
                yield first()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
