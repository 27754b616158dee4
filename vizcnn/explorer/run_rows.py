"""The rows of a run as far as it has come, and its images, which are read again when they are looked at."""

from __future__ import annotations

import functools
import time
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from vizcnn.errors import InputError
from vizcnn.explorer.studio import Later
from vizcnn.explorer.tags import Tags
from vizcnn.inputs.pixels import Fetched
from vizcnn.runs.layout import RunFolder
from vizcnn.runs.redrawing import SourceAgain

if TYPE_CHECKING:
    from vizcnn.runs import Run


LOOK_SECONDS = 2.0
"""Seconds after which it is looked again whether a run has come further."""


class RunRows:
    """The rows of a run at one time.

    Parameters
    ----------
    run : Run
        The run.

    Attributes
    ----------
    table : pandas.DataFrame
        A row for each image that is explained.
    tags : Tags
        Tags on these images.
    made : dict
        What was made of these rows and took long, by what it is.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._shards = RunFolder(
            run.path
        ).finished()  # before they are read: what comes meanwhile makes them look old, and not new
        self._looked = time.monotonic()
        self.table = run.table
        self.tags = Tags(run.path, self.table["path"].to_dict())
        self.made: dict[Hashable, Any] = {}

    @property
    def is_behind(self) -> bool:
        """Whether the run has come further by now, as was seen at most `LOOK_SECONDS` ago."""
        if self._run.is_complete or time.monotonic() < self._looked + LOOK_SECONDS:
            return False
        self._looked = time.monotonic()
        return self._shards != RunFolder(self._run.path).finished()

    @functools.cached_property
    def source(self) -> SourceAgain:
        """What the run's images are read from again."""
        return SourceAgain(self._run.about, set(self.table["path"]))


class _HasRows(Protocol):
    run: Run

    @property
    def rows_now(self) -> RunRows: ...


class RunImages(Sequence[Any]):
    """The images of a run by their places in it, read when they are looked at; of one that isn't finished as far as it has come.

    Parameters
    ----------
    records : Records
        The run.
    """

    def __init__(self, records: _HasRows) -> None:
        self._records = records

    def __len__(self) -> int:
        if self._records.run.is_complete:
            return len(self._records.run)
        table = self._records.rows_now.table
        return int(table.index.max()) + 1 if len(table) else 0

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[at] for at in range(len(self))[index]]
        return RunImage(self._records, range(len(self))[index])


class RunImage(Later):
    """An image of a run.

    Attributes
    ----------
    name : str
        Its path in the run's source.
    """

    def __init__(self, records: _HasRows, index: int) -> None:
        self._records = records
        self._index = index

    @property
    def name(self) -> str:  # type: ignore[override]
        """Its path in the run's source."""
        table = self._records.rows_now.table
        return str(table.loc[self._index, "path"]) if self._index in table.index else f"image {self._index}"

    def open(self) -> Any:
        """Return what it is read from, each time anew, if that is what it was when it was explained."""
        rows = self._records.rows_now
        if self._index not in rows.table.index:
            raise InputError(f"Image {self._index} of the run isn't explained yet.")
        row = rows.table.loc[self._index]

        def fetch() -> bytes:
            data = rows.source.read(row)
            if not isinstance(data, bytes):
                raise InputError(f"Image {self._index} of the run is no file.")
            return data

        return Fetched(fetch, Path(row["path"]).name)
