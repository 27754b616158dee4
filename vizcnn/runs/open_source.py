"""From what was given as a source to one that can be listed and read."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from vizcnn.errors import InputError, OptionError, check_choice, listed
from vizcnn.runs.archives import TARS, TFRECORDS, Archives, ParquetImages, Tar, TFRecords, image_column
from vizcnn.runs.datasets import elements_of
from vizcnn.runs.files import DELIMITERS, LISTS, PARQUET, Folder, Table, open_parquet
from vizcnn.runs.layout import place_of
from vizcnn.runs.object_source import ObjectFolder
from vizcnn.runs.object_storage import check_url
from vizcnn.runs.ray_rows import RayRows, is_ray_dataset
from vizcnn.runs.source import Source

_FORMS = (
    "a folder of images, here or in an object store, a list of paths (.txt), a table with a column of paths (.csv, .tsv, "
    ".parquet), archives (.tar, .tfrecord, .parquet with a column of bytes), arrays (x, y), a PyDataset, a tf.data.Dataset "
    "or a Ray Dataset"
)
_ARCHIVES: tuple[type[Archives], ...] = (Tar, TFRecords, ParquetImages)


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
        check_choice("columns", role, ("path", "image", "label", "target"))
    if isinstance(source, Source):
        return source
    if is_ray_dataset(source):
        if labels_by is not None:
            raise OptionError(f"`labels_by` {labels_by!r} is for folders; a Ray Dataset has a column, `label`.")
        return RayRows(source, dict(columns or {}))
    if not isinstance(source, str | os.PathLike):
        elements = elements_of(source)
        if elements is None:
            raise InputError(f"`source` must be {_FORMS}; got {type(source).__name__}.")
        return elements
    place = place_of(source)
    if isinstance(place, str):
        return _of_store(place, labels_by == "folders", columns)
    files = [place]
    if glob.has_magic(os.fspath(source)) and not files[0].exists():
        files = [Path(name) for name in sorted(glob.glob(os.fspath(source)))]
    if not files or not files[0].exists():
        raise InputError(f"`source` {os.fspath(source)!r} doesn't exist.")
    if files[0].is_dir() and len(files) == 1:
        if columns:
            raise OptionError("`columns` is for tables and archives; `source` is a folder.")
        return Folder(files[0], labels_by == "folders")
    if labels_by is not None:
        raise OptionError(f"`labels_by` {labels_by!r} is for folders; elsewhere true classes are a column, `label`.")
    return _of_files(tuple(files), dict(columns or {}))


def _of_store(url: str, labelled: bool, columns: Mapping[str, str] | None) -> Source:
    """Return a folder in an object store."""
    check_url(url, "source", InputError)
    suffix = PurePosixPath(url).suffix.lower()
    if suffix in {*TARS, *TFRECORDS, *PARQUET, *DELIMITERS, *LISTS}:
        raise InputError(
            f"`source` in an object store must be a folder of images; got {url!r}. Copy the file here: paths in a list "
            f"or a table may be addresses."
        )
    if columns:
        raise OptionError("`columns` is for tables and archives; `source` is a folder.")
    return ObjectFolder(url, labelled)


def _of_files(files: tuple[Path, ...], columns: dict[str, str]) -> Source:
    """Return the source that is meant by a table, or by archives of one kind."""
    suffixes = {file.suffix.lower() for file in files}
    if len(suffixes) > 1:
        raise InputError(f"`source` must be archives of one kind; got files of {listed(sorted(suffixes))}.")
    if columns and suffixes & {*LISTS, *TARS}:
        raise OptionError(f"`columns` is for tables, Parquet and TFRecord; `source` is of {listed(sorted(suffixes))}.")
    archive = _archive_of(files[0], columns)
    idle, what = ("image", "a table of paths") if archive is None else ("path", "an archive of images")
    if idle in columns:
        raise OptionError(f"`columns` must not name {idle!r}: `source` is {what}.")
    if archive is not None:
        return archive(files, columns)
    if len(files) > 1:
        raise InputError(f"`source` must be one table, or several archives; got {len(files)} tables.")
    if not suffixes & {*LISTS, *DELIMITERS, *PARQUET}:
        raise InputError(f"`source` must be {_FORMS}; got {str(files[0])!r}.")
    return Table(files[0], columns)


def _archive_of(file: Path, columns: Mapping[str, str]) -> type[Archives] | None:
    suffix = file.suffix.lower()
    if suffix in PARQUET and "path" not in columns:
        if "image" not in columns and "path" in open_parquet(file).schema_arrow.names:
            return None
        image_column(file, columns.get("image"))  # which it must have
        return ParquetImages
    return Tar if suffix in TARS else TFRecords if suffix in TFRECORDS else None


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
        place = place_of(about["path"])
        if isinstance(place, str):
            return ObjectFolder(place, about["labelled"])
        return Folder(place, about["labelled"])
    if about["kind"] == "table":
        return Table(Path(about["path"]), about["columns"])
    for kind in _ARCHIVES:
        if about["kind"] == kind.kind:
            return kind(tuple(map(Path, about["files"])), about["columns"])
    raise InputError(f"The images of this run can't be read again: they came from a {about['kind']}.")
