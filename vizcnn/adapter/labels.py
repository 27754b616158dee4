"""The classes' names, from whatever form they come in."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Iterable, KeysView, Mapping, Sequence, ValuesView
from pathlib import Path
from typing import Any

from vizcnn.adapter.label_files import read_label_file
from vizcnn.errors import OptionError

_CONTAINERS = ("id2label", "names", "labels", "classes", "class_names", "categories", "class_indices")
"""Keys under which files that say more than the names keep them: those of Hugging Face, YOLO and COCO among them."""

_NAMES = ("name", "label", "class_name", "display_name", "class")
"""Keys under which a row of a table keeps the name."""


def read_labels(labels: Any) -> tuple[str, ...] | None:
    """Return the classes' names by index.

    Parameters
    ----------
    labels : sequence of str, mapping, path or None
        A mapping takes an index to a name, or to a row that ends in the name (Keras's ImageNet list: ``{"0": ["n01440764",
        "tench"]}``); or a name to its index, as `class_indices` of Keras's generators does. A path is a JSON file of either, or
        a text file with one name a line, with or without its number.

    Returns
    -------
    tuple of str or None

    Raises
    ------
    OptionError
        If the file or the form can't be read.

    Examples
    --------
    >>> from vizcnn.adapter.labels import read_labels
    >>> read_labels({"0": "cat", "1": "dog"}), read_labels({"0": 0, "1": 1, "10": 2, "2": 3})
    (('cat', 'dog'), ('0', '1', '10', '2'))
    """
    if labels is None:
        return None
    if isinstance(labels, str | os.PathLike):
        return _names(read_label_file(Path(labels)))
    return _names(labels)


def _names(labels: Any, *, containers: Sequence[str] = _CONTAINERS) -> tuple[str, ...]:
    if isinstance(labels, Mapping):
        inside = [labels[key] for key in containers if isinstance(labels.get(key), Mapping | list | tuple)]
        return _names(inside[0], containers=()) if inside else _from_mapping(labels)
    if hasattr(labels, "tolist"):
        labels = labels.tolist()  # of NumPy or pandas
    if isinstance(labels, Sequence | KeysView | ValuesView) and not isinstance(labels, str | bytes | bytearray):
        return tuple(map(_name, labels))
    raise OptionError(f"`labels` must be a list of names, a mapping or a path; got {_short(labels)}.")


def _from_mapping(labels: Mapping[Any, Any]) -> tuple[str, ...]:
    keys, values = list(labels), list(labels.values())
    if _are_indices(values) and not (_are_indices(keys) and all(isinstance(value, str) for value in values)):
        named = not all(isinstance(key, int) for key in keys)  # {0: 7, 1: 8} has numbers for names
        keys, values = (values, keys) if named else (keys, values)
    if not _are_indices(keys):
        raise OptionError(
            f"`labels` as a mapping takes class indices to names, or names to class indices; got {_short(labels)}."
        )
    names = dict(zip(map(int, keys), map(_name, values), strict=True))
    if len(names) < len(keys):
        raise OptionError(f"`labels` must give each class index one name; got {_short(labels)}.")
    largest = max(names, default=-1)
    if largest > 1000 + 10 * len(names):
        raise OptionError(
            f"`labels` must number the classes from 0 on; got {len(names)} name{'s' * (len(names) != 1)}, of which one "
            f"has the index {_short(largest)}."
        )
    return tuple(names.get(index, f"class {index}") for index in range(largest + 1))


def _are_indices(values: Iterable[Any]) -> bool:
    return all(map(_is_index, values))


def _is_index(value: Any) -> bool:
    if isinstance(value, str):
        return value.isascii() and value.isdecimal() and len(value) <= 12
    return not isinstance(value, bool) and hasattr(value, "__index__") and 0 <= int(value) < 10**12


def _name(row: Any) -> str:
    """Return the name that an entry holds: itself, the last part of a row, or a row's field of that name."""
    if isinstance(row, Mapping):
        row = next((row[key] for key in _NAMES if key in row), None)
    if isinstance(row, list | tuple) and row:
        row = row[-1]
    if isinstance(row, bytes):
        row = row.decode("utf-8", "replace")
    if row is None or isinstance(row, Mapping | list | tuple):
        raise OptionError(f"`labels` must have a name for each class; got {_short(row)} for one.")
    return str(row)


def _short(value: Any) -> str:
    """Return a value as it is written, however large it is, in one line."""
    if isinstance(value, Mapping) and len(value) > 4:
        return f"{reprlib.repr(dict(list(value.items())[:4]))[:-1]}, ...}}"
    return reprlib.repr(value)
