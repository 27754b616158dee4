"""All images of a source by columns: so a hundred million of them have room in memory, and several processes share one copy."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizcnn.runs.source import Entry

_PART = 2**12
"""Images that are objects of Python at a time, where all are gone through."""


@dataclass(frozen=True, eq=False)
class Listing:
    """All images of a source, by columns of Arrow: an image takes the bytes of its key and 8 more; see `columns`.

    It travels to another process as its columns, which Ray's store of objects holds once for all of a node; or as the name of the
    `file` that they lie in, which all processes of a machine have in memory once.

    Attributes
    ----------
    columns : RecordBatch
        "key", in UTF-8. As far as any image has one, "label" and "target", 4 bytes each: which of the `values`, -1 for none; and
        "place", 8 bytes for each of its numbers.
    values : mapping of str to tuple
        What there is by "label" and "target", as they came first.
    file : Path or None
        The file that other processes map the columns from; None: they are sent.
    """

    columns: pa.RecordBatch
    values: Mapping[str, tuple[Any, ...]]
    file: Path | None = None

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Listing:
        """List all entries, as they come.

        Parameters
        ----------
        entries : iterable of Entry
            The images.

        Returns
        -------
        Listing

        Raises
        ------
        ValueError
            If places have not all as many numbers.

        Examples
        --------
        >>> from vizcnn.runs.listing import Listing
        >>> from vizcnn.runs.source import Entry
        >>> listing = Listing.of([Entry("a.png", "cat"), Entry("b.png"), Entry("c.png", "cat", 3)])
        >>> len(listing), listing[1], listing.labels, listing.targets
        (3, Entry(key='b.png', label=None, target=None, place=None), ['cat'], [3])
        """
        keys, ends, places = bytearray(), array("q", [0]), array("q")
        said = {"label": _Numbered(), "target": _Numbered()}
        labels, targets = said.values()
        for key, label, target, place in entries:
            keys += key.encode("utf-8", "surrogatepass")  # of a path that is no UTF-8
            ends.append(len(keys))
            labels.append(label)
            targets.append(target)
            if place is not None:
                places.extend(place)
        count = len(ends) - 1
        values = {role: found.values for role, found in said.items() if found.values}
        columns = {"key": pa.Array.from_buffers(pa.large_binary(), count, [None, *map(pa.py_buffer, (ends, keys))])}
        columns |= {role: _array(said[role].numbers) for role in values}
        if places:
            width, rest = divmod(len(places), count)
            if rest:
                raise ValueError(f"The places of {count} images have {len(places)} numbers: not all as many.")
            columns["place"] = pa.FixedSizeListArray.from_arrays(_array(places), width)
        return cls(pa.RecordBatch.from_pydict(columns), values)

    def __len__(self) -> int:
        return int(self.columns.num_rows)

    def __getitem__(self, place: int) -> Entry:
        return self.entries(range(place, place + 1))[0]

    def entries(self, places: range) -> list[Entry]:
        """Return some of the images."""
        part = self._part(places)
        said = {
            role: [None if number < 0 else values[number] for number in part.column(role).to_pylist()]
            for role, values in self.values.items()
        }
        if "place" in part.schema.names:
            said["place"] = list(map(tuple, part.column("place").to_pylist()))
        none = [None] * len(places)
        columns = (_texts(part), *(said.get(role, none) for role in ("label", "target", "place")))
        return list(map(Entry._make, zip(*columns, strict=True)))

    def keys(self, places: range) -> list[str]:
        """Return what some of the images are called."""
        return _texts(self._part(places))

    def key_bytes(self, places: range) -> int:
        """Return how many bytes the keys of some of the images have."""
        sizes = pc.binary_length(self._part(places).column("key"))
        return int(pc.sum(sizes, min_count=0).as_py())

    def parts(self) -> Iterator[range]:
        """Yield all places in parts, each so small that there is room for its images as objects of Python."""
        for start in range(0, len(self), _PART):
            yield range(start, min(start + _PART, len(self)))

    @property
    def labels(self) -> list[str]:
        """The labels that some image has."""
        return self._found("label")

    @property
    def targets(self) -> list[str | int]:
        """The targets that some image has."""
        return self._found("target")

    def numbers(self, role: str) -> np.ndarray:
        """Return which of the `values` each image has, (N,), by "label" or "target"; -1 where it has none."""
        if role not in self.values:
            return np.full(len(self), -1, np.int32)
        numbers: np.ndarray = self.columns.column(role).to_numpy()
        return numbers

    def taken(self, places: np.ndarray) -> Listing:
        """Return some of the images, in another order."""
        return replace(self, columns=self.columns.take(pa.array(places, pa.int64())), file=None)

    def written(self, file: Path) -> Listing:
        """Write the columns into a file, which other processes map; this one keeps them in memory, and may remove the file.

        Parameters
        ----------
        file : Path
            The file, in the format of Arrow's IPC.

        Returns
        -------
        Listing
            In another process where memory is scarce the system forgets of it what isn't looked at.

        Raises
        ------
        OSError
            If the disk is full, say.
        """
        with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, self.columns.schema) as writer:
            writer.write_batch(self.columns)
        return replace(self, file=file)

    def __reduce__(self) -> tuple[Any, ...]:
        return (Listing, (self.columns, self.values)) if self.file is None else (_opened, (self.file, self.values))

    def _part(self, places: range) -> pa.RecordBatch:
        is_slice = places.step == 1
        return (
            self.columns.slice(places.start, len(places))
            if is_slice
            else self.columns.take(pa.array(places, pa.int64()))
        )

    def _found(self, role: str) -> list[Any]:
        if role not in self.values:
            return []
        return [self.values[role][number] for number in self.columns.column(role).unique().to_pylist() if number >= 0]


class _Numbered:
    """Values of which few come back often: each of them once, and the number of each one that came; -1 for None."""

    def __init__(self) -> None:
        self.numbers = array("i")
        self._known: dict[tuple[type, Any], int] = {}

    def append(self, value: Any) -> None:
        if value is None:
            self.numbers.append(-1)
        else:
            self.numbers.append(self._known.setdefault((type(value), value), len(self._known)))  # 1 and True are two

    @property
    def values(self) -> tuple[Any, ...]:
        return tuple(value for _, value in self._known)


def _array(numbers: array[int]) -> pa.Array:
    """Return the same numbers, not copied, as Arrow has them."""
    kind = {"i": pa.int32(), "q": pa.int64()}[numbers.typecode]
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(numbers)])


def _texts(part: pa.RecordBatch) -> list[str]:
    return [key.decode("utf-8", "surrogatepass") for key in part.column("key").to_pylist()]


def _opened(file: Path, values: Mapping[str, tuple[Any, ...]]) -> Listing:
    return Listing(pa.ipc.open_file(pa.memory_map(str(file))).get_batch(0), values, file)
