"""Images in files of their own: a folder, a list of paths, and tables with a column of paths."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vizcnn.errors import InputError, listed
from vizcnn.inputs.files import MAX_BYTES, check_file
from vizcnn.inputs.pixels import SUFFIXES
from vizcnn.runs.layout import place_of
from vizcnn.runs.object_source import read_object
from vizcnn.runs.source import Entry, Source, SourceGoneError


@dataclass(frozen=True)
class Folder(Source):
    """The image files of a folder and of all folders in it.

    Attributes
    ----------
    root : Path
        The folder.
    labelled : bool
        Whether the first folder on an image's path is its class.
    """

    root: Path
    labelled: bool = False

    @property
    def about(self) -> dict[str, Any]:
        """See `Source.about`."""
        return {"kind": "folder", "path": str(self.root.absolute()), "labelled": self.labelled}

    @property
    def promised(self) -> tuple[str, ...]:  # type: ignore[override]
        """See `Source.promised`."""
        return ("label",) if self.labelled else ()

    def entries(self) -> Iterator[Entry]:
        """See `Source.entries`; hidden files and folders are left out, and links to where the images are found anyway."""
        waiting: list[tuple[str, tuple[str, ...]]] = [("", (os.path.realpath(self.root),))]
        while waiting:
            inside, homes = waiting.pop()
            for one in self._scan(inside):
                key = f"{inside}{one.name}"
                if one.name.startswith("."):
                    continue
                if one.is_dir():
                    home = os.path.realpath(one.path) if one.is_symlink() else None
                    if home is None:
                        waiting.append((f"{key}/", homes))
                    elif not any(_lie_together(home, other) for other in homes):
                        waiting.append((f"{key}/", (*homes, home)))
                elif os.path.splitext(one.name)[1].lower() in SUFFIXES:
                    yield Entry(key, key.partition("/")[0] if self.labelled and "/" in key else None)

    def _scan(self, inside: str) -> Iterator[os.DirEntry[str]]:
        path = os.path.join(self.root, inside)
        try:
            with os.scandir(path) as found:
                yield from found
        except OSError as error:
            raise InputError(f"`source` folder {path!r} can't be read: {error.strerror or error}.") from error

    def read(self, entry: Entry) -> bytes:
        """See `Source.read`."""
        return read_bytes(self.root / entry.key, self.root)


@dataclass(frozen=True)
class Table(Source):
    """Files that a list or a table names: a path a line, or CSV, TSV or Parquet with columns.

    Attributes
    ----------
    file : Path
        The list; paths in it are relative to its folder, or addresses in an object store.
    columns : mapping of str to str
        "path", "label" and "target" to the names of their columns, where they are called otherwise.
    """

    file: Path
    columns: Mapping[str, str]

    @property
    def about(self) -> dict[str, Any]:
        """See `Source.about`."""
        return {"kind": "table", "path": str(self.file.absolute()), "columns": dict(self.columns)}

    @property
    def promised(self) -> tuple[str, ...]:  # type: ignore[override]
        """See `Source.promised`."""
        return tuple(self.columns)

    def entries(self) -> Iterator[Entry]:
        """See `Source.entries`."""
        check_file(self.file, "`source` file")
        suffix = self.file.suffix.lower()
        rows = _parquet_rows if suffix in PARQUET else _csv_rows if suffix in DELIMITERS else _lines
        for number, row in enumerate(rows(self.file, self.columns), start=1):
            if not row["path"]:
                raise InputError(f"`source` {str(self.file)!r} must name a file in every row; row {number} names none.")
            target = row.get("target")
            label = row.get("label")
            yield Entry(
                str(row["path"]),
                None if label in (None, "") else str(label),
                None if target in (None, "") else target if isinstance(target, int) else _number(str(target)),
            )

    def read(self, entry: Entry) -> bytes:
        """See `Source.read`."""
        return read_place(entry.key, self.file.parent)


PARQUET = (".parquet", ".pq")
DELIMITERS = {".csv": ",", ".tsv": "\t"}
LISTS = (".txt", ".lst", ".list")


def _lie_together(one: str, other: str) -> bool:
    """Tell whether one of two folders is, or lies in, the other."""
    return os.path.commonpath([one, other]) in (one, other)


def read_bytes(path: Path, root: Path | None = None) -> bytes:
    """Return what a file holds; where the folder that all of them lie in, if any, is gone too, it isn't the image's fault.

    Returns
    -------
    bytes
    """
    try:
        check_file(path, "`images` file")
        with path.open("rb") as file:
            is_too_large = os.fstat(file.fileno()).st_size > MAX_BYTES
            data = b"" if is_too_large else file.read()
    except (InputError, OSError) as error:
        if root is not None and not root.is_dir():
            raise SourceGoneError(
                f"`source` {str(root)!r} isn't there any more. Bring it back, and start the run again."
            ) from error
        if isinstance(error, InputError):
            raise
        raise InputError(f"`images` file {str(path)!r} can't be read: {error.strerror or error}.") from error
    if is_too_large:
        raise InputError(f"`images` file {str(path)!r} has more than 4 GiB.")
    return data


def read_place(path: str, root: Path | None = None) -> bytes:
    """Return what lies at a path, from `root` on if that is given, or at an address in an object store.

    Returns
    -------
    bytes
    """
    place = place_of(path)
    if isinstance(place, str):
        return read_object(place)
    return read_bytes(place if root is None else root / place, root)


def wanted_columns(names: Sequence[str], columns: Mapping[str, str], file: Path, first: str) -> dict[str, str]:
    """Return which column of a table is which: those that were named must be there, and so must the first."""
    missing = [name for name in columns.values() if name not in names]
    if not missing and columns.get(first, first) not in names:
        missing = [first]
    if missing:
        raise InputError(
            f"`source` {str(file)!r} must have a column {missing[0]!r}; it has {listed(names)}. Say by `columns` (--column "
            f"{first}=NAME) what it is called."
        )
    meant = {role: columns.get(role, role) for role in (first, "label", "target")}
    return {role: name for role, name in meant.items() if name in names}


def _lines(file: Path, columns: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    del columns  # it has none
    with _text(file) as lines:
        yield from ({"path": line.strip()} for line in lines if line.strip())


def _csv_rows(file: Path, columns: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    with _text(file) as lines:
        reader = csv.DictReader(lines, delimiter=DELIMITERS[file.suffix.lower()])
        names = wanted_columns(list(reader.fieldnames or []), columns, file, "path")
        yield from ({role: row[name] for role, name in names.items()} for row in reader)


def _parquet_rows(file: Path, columns: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    table = open_parquet(file)
    names = wanted_columns(table.schema_arrow.names, columns, file, "path")
    for batch in table.iter_batches(columns=[*dict.fromkeys(names.values())]):
        by_name = {name: batch.column(name).to_pylist() for name in set(names.values())}
        yield from ({role: by_name[name][at] for role, name in names.items()} for at in range(batch.num_rows))


def open_parquet(file: Path) -> Any:
    """Open a Parquet file, without reading its rows."""
    import pyarrow.parquet

    try:
        return pyarrow.parquet.ParquetFile(file)
    except (OSError, ValueError) as error:
        raise InputError(
            f"`source` file {str(file)!r} can't be read as Parquet: {' '.join(str(error).split())}."
        ) from error


@contextmanager
def _text(file: Path) -> Iterator[Any]:
    """Open a file of text; what isn't text is told with its name."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            yield lines
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"`source` file {str(file)!r} isn't a list in UTF-8: {error}.") from error


def _number(text: str) -> int | str:
    return int(text) if text.lstrip("+-").isdecimal() else text
