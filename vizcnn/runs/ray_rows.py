"""Images as the rows of a Ray Dataset, which Ray reads and brings to whoever explains them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from vizcnn.errors import InputError, listed
from vizcnn.runs.files import read_place
from vizcnn.runs.source import Entry, Source

_IMAGES = ("image", "bytes")
"""What Ray's readers call columns of images: `read_images`, `read_binary_files`."""

_FIRST = 128
"""Rows by which the model is got ready."""

_LISTED = 4096
"""Rows that are listed at a time."""


@dataclass(frozen=True)
class HeldRows(Source):
    """Rows that are there, by their paths.

    Attributes
    ----------
    rows : mapping of str to (bytes, ndarray or None)
        The image of each; None: what lies at its path, or at that address.
    dataset : dict
        What the dataset that they are from says of itself.
    """

    rows: Mapping[str, bytes | np.ndarray | None]
    dataset: dict[str, Any]
    in_order = True

    @property
    def about(self) -> dict[str, Any]:
        """See `Source.about`."""
        return self.dataset

    @classmethod
    def of(cls, batch: Mapping[str, Any], dataset: dict[str, Any]) -> HeldRows:
        """Return those of a batch with the columns "path" and, where there are images, "image"."""
        keys = list(map(str, batch["path"]))
        return cls(dict(zip(keys, batch.get("image", [None] * len(keys)), strict=True)), dataset)

    def entries(self) -> Iterator[Entry]:
        """See `Source.entries`."""
        yield from map(Entry, self.rows)

    def read(self, entry: Entry) -> bytes | np.ndarray:
        """See `Source.read`."""
        if entry.key not in self.rows:
            raise InputError(f"`source` row {entry.key!r} isn't among those that were read.")
        image: Any = self.rows[entry.key]
        if image is None:
            return read_place(entry.key)
        if isinstance(image, Mapping):  # as Hugging Face's datasets have it
            image = image["bytes"]
        return image if isinstance(image, bytes) else np.asarray(image)


@dataclass(frozen=True)
class RayRows(Source):
    """The rows of a Ray Dataset, each under the name that its column "path" gives it.

    Attributes
    ----------
    dataset : ray.data.Dataset
        The dataset, which gives the same rows in the same order each time.
    columns : mapping of str to str
        "path", "image", "label" and "target" to the names of their columns, where they are called otherwise.
    """

    dataset: Any = field(repr=False)
    columns: Mapping[str, str]
    in_order = True
    travels = False
    distinct = True

    @property
    def about(self) -> dict[str, Any]:
        """See `Source.about`."""
        return {"kind": "Ray Dataset", "columns": dict(self.columns)}

    @property
    def promised(self) -> tuple[str, ...]:  # type: ignore[override]
        """See `Source.promised`."""
        return tuple(self.columns)

    def entries(self) -> Iterator[Entry]:
        """See `Source.entries`; images are left out, which Ray then needn't read where files have columns."""
        names = {role: name for role, name in self._names.items() if role != "image"}
        with quiet(), self.in_order_of_rows():
            rows = self.dataset.select_columns([*dict.fromkeys(names.values())])
            for batch in rows.iter_batches(batch_size=_LISTED, batch_format="pyarrow"):
                values = {role: batch.column(name).to_pylist() for role, name in names.items()}
                for at, path in enumerate(values["path"]):
                    if path is None:
                        raise InputError("`source` must name each row by a path; got a row without one.")
                    label, target = (values[role][at] if role in values else None for role in ("label", "target"))
                    yield Entry(
                        str(path), None if label in (None, "") else str(label), None if target in (None, "") else target
                    )

    def read(self, entry: Entry) -> bytes | np.ndarray:
        """See `Source.read`; of all rows, Ray alone reads one."""
        raise InputError(f"`source` row {entry.key!r} comes in a shard of its dataset.")

    def first(self) -> HeldRows:
        """Return the first rows."""
        with quiet(), self.in_order_of_rows():
            return HeldRows.of(self._images().take_batch(_FIRST, batch_format="numpy"), self.about)

    def shards(self, size: int) -> Any:
        """Return "path" and "image" of all rows, so many in a block; in the last one are the rest."""
        return self._images().repartition(target_num_rows_per_block=size, strict=True)

    @contextmanager
    def in_order_of_rows(self) -> Iterator[None]:
        """Let Ray keep the order of rows, whichever are ready first."""
        options = self.dataset.context.execution_options
        before, options.preserve_order = options.preserve_order, True
        try:
            yield
        finally:
            options.preserve_order = before

    def _images(self) -> Any:
        names = {self._names[role]: role for role in ("path", "image") if role in self._names}
        return self.dataset.select_columns([*names]).rename_columns(names)

    @cached_property
    def _names(self) -> dict[str, str]:
        """Which column is which."""
        there = self.dataset.columns() or []
        meant = {role: self.columns.get(role, role) for role in ("path", "label", "target")}
        meant["image"] = self.columns.get("image", next((name for name in _IMAGES if name in there), _IMAGES[0]))
        wanted = [*self.columns.values(), meant["path"]]
        missing = [name for name in wanted if name not in there]
        if missing:
            raise InputError(
                f"`source`, a Ray Dataset, must have a column {missing[0]!r}; it has {listed(there)}. Say by `columns` what it "
                f"is called; ray.data.read_images(..., include_paths=True) writes each image's path into 'path'."
            )
        return {role: name for role, name in meant.items() if name in there}


def is_ray_dataset(source: Any) -> bool:
    """Tell whether an object is a Ray Dataset, without importing Ray."""
    data = sys.modules.get("ray.data")
    return data is not None and isinstance(source, data.Dataset)


@contextmanager
def quiet() -> Iterator[None]:
    """Leave what Ray Data tells of its own work to its log files."""
    consoles = [one for one in logging.getLogger("ray.data").handlers if isinstance(one, logging.StreamHandler)]
    before = [console.level for console in consoles]
    for console in consoles:
        console.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for console, level in zip(consoles, before, strict=True):
            console.setLevel(level)
