"""What may be shown of text that comes from outside: file names, labels, names of layers and models."""

from __future__ import annotations

import re
from collections.abc import Sequence

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)
"""What does something in place of being seen: control characters, changes of direction, halves of characters."""


def printable(text: str) -> str:
    r"""Return text with what can't be shown, or would change how the rest is, written as ``\x1b`` or ``\u202e``.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        The same where nothing is amiss; line breaks and tabs stay.

    Examples
    --------
    >>> from vizcnn.text import printable
    >>> print(printable("cat" + chr(0x202E) + "gnp.exe"))
    cat\u202egnp.exe
    """
    return _UNSEEN.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def short(text: str, letters: int) -> str:
    """Return text that is no longer than so many letters: the middle of a longer one is left out.

    Parameters
    ----------
    text : str
        Any text.
    letters : int
        How many there may be, 3 or more.

    Returns
    -------
    str

    Examples
    --------
    >>> from vizcnn.text import short
    >>> short("a very long label", 9)
    'a ve…abel'
    """
    if len(text) <= letters:
        return text
    end = (letters - 1) // 2
    return f"{text[: letters - 1 - end]}…{text[len(text) - end :]}"


def shape_text(shape: Sequence[int | None] | None, times: str = " x ") -> str:
    """Return a shape as text.

    Parameters
    ----------
    shape : sequence of int or None, or None
        Sizes; None: open. None in place of all of them: nothing is known.
    times : str, default " x "
        What stands between two sizes.

    Returns
    -------
    str

    Examples
    --------
    >>> from vizcnn.text import shape_text
    >>> shape_text((112, None, 8)), shape_text(()), shape_text(None)
    ('112 x ? x 8', 'scalar', '?')
    """
    if shape is None:
        return "?"
    return times.join("?" if size is None else str(size) for size in shape) or "scalar"


def size_text(count: float) -> str:
    """Return a number of bytes as text.

    Parameters
    ----------
    count : float
        Bytes.

    Returns
    -------
    str
        Three digits, in units of a thousand.

    Examples
    --------
    >>> from vizcnn.text import size_text
    >>> [size_text(count) for count in (0, 812, 7345, 999_700, 3.92e10)]
    ['0 B', '812 B', '7.34 kB', '1 MB', '39.2 GB']
    """
    value, units = float(count), ["B", "kB", "MB", "GB", "TB", "PB"]
    while round(value) >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.3g} {units[0]}"


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Return what to sort names by, so that numbers in them count as numbers.

    Parameters
    ----------
    name : str
        A name, of a file or an output.

    Returns
    -------
    list

    Examples
    --------
    >>> from vizcnn.text import natural_key
    >>> sorted(["f10.png", "f9.png", "a.png"], key=natural_key)
    ['a.png', 'f9.png', 'f10.png']
    """
    parts = filter(None, re.split(r"(\d+)", name.casefold()))
    return [(0, int(part), "") if part.isdecimal() and len(part) < 1000 else (1, 0, part) for part in parts]
