"""The classes' names, from whatever form they come in."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vizcnn.errors import OptionError


def read_labels(labels: Any) -> tuple[str, ...] | None:
    """Return the classes' names by index.

    Parameters
    ----------
    labels : sequence of str, mapping, path or None
        A mapping takes an index to a name, or to a row that ends in the name (Keras's ImageNet list: ``{"0": ["n01440764",
        "tench"]}``). A path is a JSON file of either, or a text file with one name a line, with or without its number.

    Returns
    -------
    tuple of str or None

    Raises
    ------
    OptionError
        If the file or the form can't be read.
    """
    if labels is None:
        return None
    if isinstance(labels, str | os.PathLike):
        return _from_file(Path(labels))
    if isinstance(labels, Mapping):
        return _from_mapping(labels)
    if isinstance(labels, Sequence) or hasattr(labels, "tolist"):
        return tuple(str(name) for name in labels)
    raise OptionError(f"`labels` must be a list of names, a mapping or a path; got {labels!r}.")


def _from_file(path: Path) -> tuple[str, ...]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"`labels` file {str(path)!r} can't be read: {error}.") from error
    if path.suffix.lower() == ".json":
        try:
            content = json.loads(text)
        except json.JSONDecodeError as error:
            raise OptionError(f"`labels` file {str(path)!r} is not JSON: {error}.") from error
        if not isinstance(content, list | dict):
            raise OptionError(f"`labels` file {str(path)!r} must hold a JSON list or object; got {content!r}.")
        return _from_mapping(content) if isinstance(content, dict) else tuple(str(name) for name in content)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    numbered = [re.fullmatch(r"(\d+)[\s:,]+(.+)", line) for line in lines]
    if all(match and int(match[1]) == index for index, match in enumerate(numbered)):
        return tuple(match[2] for match in numbered if match)
    return tuple(lines)


def _from_mapping(labels: Mapping[Any, Any]) -> tuple[str, ...]:
    try:
        rows = {int(index): row for index, row in labels.items()}
    except (TypeError, ValueError) as error:
        raise OptionError(f"`labels` as a mapping takes class indices to names; got {labels!r}.") from error
    names = {index: str(row[-1] if isinstance(row, list | tuple) else row) for index, row in rows.items()}
    return tuple(names.get(index, f"class {index}") for index in range(max(names, default=-1) + 1))
