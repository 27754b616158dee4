"""Cutting and joining what has an entry for each image: arrays, tuples, images and arrays by name."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, Self, TypeVar

import numpy as np

from vizcnn.errors import ResultError
from vizcnn.inputs import ImageSet
from vizcnn.notes import join_notes
from vizcnn.results.row_buffer import RowBuffer

if TYPE_CHECKING:
    from vizcnn.errors import Note


class _Joinable(Protocol):
    """A result with an entry for each image: a dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def notes(self) -> tuple[Note, ...]: ...

    @property
    def image_names(self) -> tuple[str, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, which: slice, /) -> Self: ...


R = TypeVar("R", bound=_Joinable)


def part_of_rows(values: Any, part: slice) -> Any:
    """Return some of the entries; images stay where they are, and are not read."""
    if isinstance(values, Mapping):
        return {name: array[part] for name, array in values.items()}
    return values.part(part) if isinstance(values, ImageSet) else values[part]


class RowJoin(Generic[R]):
    """Puts results on different images together: each is let go when it was added.

    Parameters
    ----------
    count : int
        How many images there will be, at most.
    rows : sequence of str
        The fields with an entry for each image.
    """

    def __init__(self, count: int, rows: Sequence[str]) -> None:
        self._count, self._rows = count, rows
        self._first: R | None = None
        self._whole: R | None = None
        self._joins: dict[str, Any] = {}
        self._notes: list[tuple[int, tuple[Note, ...]]] = []
        self.length = 0

    def add(self, part: R) -> None:
        """Append the result on some more images.

        Parameters
        ----------
        part : Attributions
            The result.

        Raises
        ------
        ResultError
            If it differs from those before in what belongs to all their images.
        """
        if self.length == 0 and len(part) == self._count:  # as most are: one batch, and nothing to put together
            self._whole, self.length = part, len(part)
            return
        if self._whole is not None:
            _check_same(self._whole, part, self._rows)
            if len(part):
                raise ResultError(f"`parts` must hold at most {self._count} images; got more.")
            return
        if self._first is None:
            self._first = _without_rows(part, self._rows)
            self._joins = {name: _join_of(getattr(part, name), self._count) for name in self._rows}
        _check_same(self._first, part, self._rows)
        self._notes.append((self.length, part.notes))
        self.length += len(part)
        if self.length <= self._count:
            for name, join in self._joins.items():
                join.add(getattr(part, name), len(part))

    def result(self) -> R:
        """Return one result of all that were added."""
        if self._whole is not None:
            return self._whole
        if self._first is None:
            raise ResultError("`parts` must hold at least one result; got none.")
        joined = replace(self._first, **{name: join.result() for name, join in self._joins.items()})
        return replace(joined, notes=join_notes(self._notes, joined.image_names))


def _without_rows(result: R, rows: Sequence[str]) -> R:
    """Return a result of no images, which keeps no array of that result in memory."""
    none = result[:0]
    empty = {name: copy.deepcopy(getattr(none, name)) for name in rows if name != "images"}
    return replace(result, **empty, images=[])


class _Array:
    def __init__(self, count: int) -> None:
        self._buffer = RowBuffer(count)

    def add(self, rows: np.ndarray, count: int) -> None:
        del count
        self._buffer.add(rows)

    def result(self) -> np.ndarray:
        return self._buffer.result()


class _Tuples:
    """Entries, which a part may leave out; then the whole has none, or they would be those of other images."""

    def __init__(self) -> None:
        self._entries: list[Any] | None = []

    def add(self, entries: Sequence[Any], count: int) -> None:
        if len(entries) != count:
            self._entries = None
        elif self._entries is not None:
            self._entries += entries

    def result(self) -> tuple[Any, ...]:
        return tuple(self._entries or ())


class _Arrays:
    """Arrays by name."""

    def __init__(self, names: Iterable[str], count: int) -> None:
        self._buffers = {name: RowBuffer(count) for name in names}

    def add(self, arrays: Mapping[str, np.ndarray], count: int) -> None:
        del count
        for name, buffer in self._buffers.items():
            buffer.add(arrays[name])

    def result(self) -> dict[str, np.ndarray]:
        return {name: buffer.result() for name, buffer in self._buffers.items()}


class _Images:
    """Images, which are not read where all parts are sets of the same kind."""

    def __init__(self) -> None:
        self._parts: list[Sequence[np.ndarray]] = []

    def add(self, images: Sequence[np.ndarray], count: int) -> None:
        del count
        self._parts.append(images)

    def result(self) -> Sequence[np.ndarray]:
        if len(self._parts) == 1:
            return self._parts[0]
        sets = [part for part in self._parts if isinstance(part, ImageSet)]
        if len(sets) == len(self._parts) and all(images.is_like(sets[0]) for images in sets):
            return type(sets[0]).join(sets)
        return [image for part in self._parts for image in part]


def _join_of(values: Any, count: int) -> Any:
    if isinstance(values, np.ndarray):
        return _Array(count)
    if isinstance(values, Mapping):
        return _Arrays(values, count)
    return _Tuples() if isinstance(values, tuple) else _Images()


def _check_same(first: _Joinable, part: _Joinable, rows: Sequence[str]) -> None:
    """Raise `ResultError` unless two parts agree in all that belongs to the whole result."""
    for name in sorted((field.name for field in fields(first)), key=rows.__contains__):  # what they are of comes first
        one, other = getattr(first, name), getattr(part, name)
        if isinstance(one, np.ndarray):
            one, other = _kind_of(one), _kind_of(other)
        elif name in rows and isinstance(one, Mapping):
            one, other = ({key: _kind_of(held[key]) for key in sorted(held)} for held in (one, other))
        elif name in (*rows, "notes"):
            continue
        if one is not other and _plain(one) != _plain(other):
            raise ResultError(f"`parts` must agree in `{name}`; got {one!r} and {other!r}.")


def _kind_of(array: np.ndarray) -> str:
    """Say what rows of an array are."""
    return f"{array.dtype} of shape (N, {', '.join(map(str, array.shape[1:]))})"


def _plain(value: Any) -> str:
    return json.dumps(
        value, default=lambda held: held.tolist() if isinstance(held, np.generic | np.ndarray) else repr(held)
    )
