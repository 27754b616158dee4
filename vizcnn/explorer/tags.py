"""Tags on images of a run: kept in a table beside what the run wrote, each time that somebody tags."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from vizcnn.errors import OptionError
from vizcnn.files import write_file

FILE = "tags.csv"
"""The table's name in the folder of the run."""

MAX_LENGTH, MAX_TAGS = 60, 1_000_000
"""Characters of a tag; tags of a run."""

_HEAD = ["index", "path", "tag"]


class Tags:
    """Tags by image.

    Parameters
    ----------
    folder : Path
        The folder of the run.
    paths : mapping of int to str
        What the run's images are called, by their indices.
    """

    def __init__(self, folder: Path, paths: Mapping[int, str]) -> None:
        self.file = folder / FILE
        self._paths: dict[int, str] = dict(paths)
        self._tags: dict[int, list[str]] = {}
        if self.file.exists():
            with self.file.open(encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    if str(row.get("index")).isdecimal() and row.get("tag"):
                        self._add(int(row["index"]), row["tag"])

    def about(self) -> dict[str, Any]:
        """Return all tags by image, and where they are kept."""
        return {"tags": self._tags, "file": str(self.file)}

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
            If the table can't be written.
        """
        if not name.strip() or len(name) > MAX_LENGTH or not name.isprintable():
            raise OptionError(f"A tag has from 1 to {MAX_LENGTH} characters; got {name[:MAX_LENGTH]!r}.")
        for index in self._indices(body):
            self._add(index, name.strip())
        write_file(self.file, self._write, (".csv",))
        return self.about()

    def _write(self, file: BinaryIO) -> None:
        text = io.StringIO()
        rows = csv.writer(text)
        rows.writerow(_HEAD)
        for index, tags in sorted(self._tags.items()):
            rows.writerows((index, self._paths.get(index, ""), tag) for tag in tags)
        file.write(text.getvalue().encode("utf-8", "surrogateescape"))

    def _indices(self, body: bytes) -> Iterable[int]:
        try:
            indices = json.loads(body)
        except (ValueError, RecursionError):
            indices = None
        if not isinstance(indices, list) or not all(type(index) is int and index in self._paths for index in indices):
            raise OptionError("What is tagged must be a list of images of the run, by their indices.")
        if len(indices) + sum(map(len, self._tags.values())) > MAX_TAGS:
            raise OptionError(f"A run has up to {MAX_TAGS:,} tags.")
        return indices

    def _add(self, index: int, name: str) -> None:
        tags = self._tags.setdefault(index, [])
        if name not in tags:
            tags.append(name)
