"""Files of the classes' names: JSON, or text with one name a line."""

from __future__ import annotations

import codecs
import csv
import json
import re
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from vizcnn.errors import OptionError

LARGEST = 4 * 2**20
"""Bytes of the largest file of names: twice what the 21,843 classes of ImageNet take with all their synonyms."""

_NO_TEXT = {
    b"\x80": (
        "a pickle, which may run code when it is opened",
        "Write the mapping as JSON: json.dump(class_indices, file).",
    ),
    b"\x93NUMPY": ("a NumPy file", "Load it, and give the array to vizcnn.adapt."),
    b"PK": ("a zip archive or a spreadsheet", "Save it as text, one name a line."),
}
"""How files begin that are no text: what they are, and what to do."""

_NUMBERED = re.compile(r"[ \t]*(\d{1,9})[ \t]*[ \t:,;)][ \t:,;]*([^ \t].*)")
_NAMED = re.compile(r"(.*[^ \t])[ \t]*[\t,;:][ \t]*(\d{1,9})")
_BULLET = re.compile(r"[-*][ \t]+(.*)")


def read_label_file(path: Path) -> Any:
    """Read a file of names.

    Parameters
    ----------
    path : Path
        A regular file of text, in UTF-8 or with the mark of UTF-16.

    Returns
    -------
    list of str, or what JSON holds
        Names in the order of the classes; or a list or mapping that may be more than names.

    Raises
    ------
    OptionError
        If it can't be read, or isn't text.
    """
    text = _text(path)
    if path.suffix.lower() == ".json" or text.lstrip()[:1] in ("{", "["):
        return _json(text, path)
    return _lines(text)


def _text(path: Path) -> str:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or a device"
            raise OptionError(f"`labels` must be a file of names; got {str(path)!r}, which is {kind}.")
        if status.st_size > LARGEST:
            raise OptionError(
                f"`labels` file {str(path)!r} must not be larger than {LARGEST:,} bytes; it has {status.st_size:,}."
            )
        content = path.read_bytes()
    except (OSError, ValueError) as error:  # a ValueError of a path that holds a NUL
        if isinstance(error, OptionError):
            raise
        raise OptionError(
            f"`labels` file {str(path)!r} can't be read: {getattr(error, 'strerror', None) or error}."
        ) from error
    for start, (what, remedy) in _NO_TEXT.items():
        if content.startswith(start) or (start == b"\x80" and path.suffix.lower() in (".pkl", ".pickle")):
            raise OptionError(f"`labels` file {str(path)!r} can't be read: it is {what}. {remedy}")
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise OptionError(
            f"`labels` file {str(path)!r} can't be read as text in UTF-8: {error.reason} at byte {error.start}. Save it as UTF-8."
        ) from error
    if "\0" in text:
        raise OptionError(f"`labels` file {str(path)!r} can't be read: it holds NUL, so it is not text.")
    return text


def _json(text: str, path: Path) -> Any:
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        if path.suffix.lower() != ".json":
            return _lines(text)  # a name may begin with a bracket
        raise OptionError(f"`labels` file {str(path)!r} is not JSON: {error}.") from error
    except (ValueError, RecursionError) as error:
        what = "is nested too deeply" if isinstance(error, RecursionError) else "holds a number of thousands of digits"
        raise OptionError(f"`labels` file {str(path)!r} can't be read: it {what}.") from error
    if not isinstance(content, list | dict):
        raise OptionError(f"`labels` file {str(path)!r} must hold a JSON list or object; got {str(content)[:60]!r}.")
    return content


def _lines(text: str) -> list[str]:
    """Return one name a line, without numbers, bullets and the heading of a table."""
    # Not str.splitlines, which also splits at characters that may stand within a name.
    lines = [line.strip(" \t") for line in re.split(r"\r\n|\n|\r", text)]
    lines = [line for line in lines if line]
    for candidates in (lines, lines[1:]):  # with a heading, what is numbered begins on the second line
        names = _bullets(candidates) or _numbered(candidates) or _numbered(_turned(candidates))
        if names:
            return names
    return lines


def _bullets(lines: Sequence[str]) -> list[str]:
    matches = [_BULLET.fullmatch(line) for line in lines]
    return [match[1] for match in matches if match] if all(matches) else []


def _turned(lines: Iterable[str]) -> list[str]:
    """Return lines of a name and its number with the number first; [] where they are not."""
    matches = [_NAMED.fullmatch(line) for line in lines]
    return [f"{match[2]}\t{match[1]}" for match in matches if match] if all(matches) else []


def _numbered(lines: Sequence[str]) -> list[str]:
    """Return the names by their numbers, where these are those of all classes; else []."""
    matches = [_NUMBERED.fullmatch(line) for line in lines]
    names = {int(match[1]): _unquoted(match[2]) for match in matches if match}
    return [names[index] for index in range(len(lines))] if sorted(names) == list(range(len(lines))) else []


def _unquoted(name: str) -> str:
    """Return a field of a table without its quotes."""
    if len(name) > 1 and name[0] == name[-1] == '"':
        fields = next(csv.reader([name]))
        return fields[0] if len(fields) == 1 else name
    return name
