"""From what was given as a source to one that can be listed and read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vizcnn.errors import InputError, OptionError, check_choice
from vizcnn.runs.files import DELIMITERS, LISTS, PARQUET, Folder, Table
from vizcnn.runs.source import Source

_FORMS = "a folder of images, a list of paths (.txt), or a table with a column of paths (.csv, .tsv, .parquet)"


def open_source(source: Any, *, labels_by: str | None = None, columns: Mapping[str, str] | None = None) -> Source:
    """Return the source that is meant, without listing it.

    Parameters
    ----------
    source : path or Source
        As `explain_dataset` takes it.
    labels_by : {"folders"}, default None
        Where true classes are from.
    columns : mapping, default None
        Names of columns.

    Returns
    -------
    Source

    Raises
    ------
    InputError
        If there is no such file or folder, or it is of another kind.
    """
    check_choice("labels_by", labels_by, (None, "folders"))
    for role in columns or {}:
        check_choice("columns", role, ("path", "label", "target"))
    if isinstance(source, Source):
        return source
    if not isinstance(source, str | os.PathLike):
        raise InputError(f"`source` must be {_FORMS}; got {type(source).__name__}.")
    path = Path(source)
    if not path.exists():
        raise InputError(f"`source` {str(source)!r} doesn't exist.")
    if path.is_dir():
        if columns:
            raise OptionError("`columns` is for tables; `source` is a folder.")
        return Folder(path, labels_by == "folders")
    if path.suffix.lower() not in (*LISTS, *DELIMITERS, *PARQUET):
        raise InputError(f"`source` must be {_FORMS}; got {str(source)!r}.")
    if labels_by is not None:
        raise OptionError(f"`labels_by` {labels_by!r} is for folders; in a table true classes are a column, `label`.")
    return Table(path, dict(columns or {}))


def reopened(about: Mapping[str, Any]) -> Source:
    """Return the source that a manifest describes.

    Returns
    -------
    Source

    Raises
    ------
    InputError
        If it was no file or folder.
    """
    if about["kind"] == "folder":
        return Folder(Path(about["path"]), about["labelled"])
    if about["kind"] == "table":
        return Table(Path(about["path"]), about["columns"])
    raise InputError(f"The images of this run can't be read again: they came from a {about['kind']}.")
