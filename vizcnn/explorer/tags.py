"""Tags on images of a run: kept in a table beside what the run wrote, each time that somebody tags.

The table alone holds them: it may be edited by hand, and by other explorers of the same run, one after another; in an object
store, where nothing can be locked, only by those of one machine.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vizcnn.errors import OptionError, ResultError
from vizcnn.runs.layout import RunFolder

FILE = "tags.csv"
"""The table's name in the folder of the run."""

MAX_LENGTH, MAX_TAGS = 60, 1_000_000
"""Characters of a tag; tags of a run."""

_HEAD = ["index", "path", "tag"]

_FORMULA = ("=", "+", "-", "@")
"""What a spreadsheet takes for the beginning of a formula."""


class Tags:
    """Tags by image.

    Parameters
    ----------
    folder : Path or str
        The folder of the run, or its URL.
    paths : dict of int to str
        What the run's images are called, by their indices.
    """

    def __init__(self, folder: Path | str, paths: dict[int, str]) -> None:
        self._storage = RunFolder(folder).storage
        self.file = self._storage.address(FILE)
        self._paths = paths

    def about(self) -> dict[str, Any]:
        """Return all tags by image, and where they are kept.

        Returns
        -------
        dict

        Raises
        ------
        ResultError
            If the table can't be read, or is another one.
        """
        return self._told(self._read())

    def add(self, body: bytes, name: str) -> dict[str, Any]:
        """Tag images, and write the table.

        Parameters
        ----------
        body : bytes
            The indices of the images, as JSON.
        name : str
            The tag.

        Returns
        -------
        dict
            As `about`.

        Raises
        ------
        OptionError
            If there are no such images, or it is no tag.
        ResultError
            If the table can't be read or written, or is another one.
        """
        tag = name.strip()
        if not tag or len(tag) > MAX_LENGTH or not tag.isprintable() or tag.startswith(_FORMULA):
            raise OptionError(
                f"A tag has from 1 to {MAX_LENGTH} characters, and begins with none of {' '.join(_FORMULA)}, which a "
                f"spreadsheet would take for a formula; got {name[:MAX_LENGTH]!r}."
            )
        indices = self._indices(body)
        with self._storage.changing(FILE):
            paths = self._read()
            for index in indices:
                paths.setdefault((index, tag), self._paths[index])
            if len(paths) > MAX_TAGS:
                raise OptionError(f"A run has up to {MAX_TAGS:,} tags.")
            self._storage.write(FILE, _table(paths))
        return self._told(paths)

    def _read(self) -> dict[tuple[int, str], str]:
        """Return the table as it is now: the path of each image and tag of it."""
        paths: dict[tuple[int, str], str] = {}
        try:
            data = self._storage.read(FILE)
        except FileNotFoundError:
            return {}
        try:
            rows = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
            head = next(rows, [])
            if head != _HEAD:
                raise ValueError(f"its first line must be {','.join(_HEAD)}; it is {','.join(head)[:MAX_LENGTH]!r}")
            for row in filter(None, rows):
                if len(row) != len(_HEAD) or not row[0].isdecimal():
                    raise ValueError(f"line {rows.line_num} must be a number, a path and a tag")
                if row[2]:
                    paths[int(row[0]), row[2]] = row[1]
        except (ValueError, csv.Error) as error:
            raise ResultError(f"The tags in {self.file!r} can't be read: {error}.") from error
        return paths

    def _told(self, paths: Mapping[tuple[int, str], str]) -> dict[str, Any]:
        tags: dict[int, list[str]] = {}
        for index, tag in paths:
            tags.setdefault(index, []).append(tag)
        return {"tags": tags, "file": self.file}

    def _indices(self, body: bytes) -> list[int]:
        try:
            indices = json.loads(body)
        except (ValueError, RecursionError):
            indices = None
        if not isinstance(indices, list) or not all(type(index) is int and index in self._paths for index in indices):
            raise OptionError("What is tagged must be a list of images of the run, by their indices.")
        return indices


def _table(paths: Mapping[tuple[int, str], str]) -> bytes:
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(_HEAD)
    rows.writerows((index, paths[index, tag], tag) for index, tag in sorted(paths, key=lambda one: one[0]))
    return text.getvalue().encode()
