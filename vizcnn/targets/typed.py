"""Targets as they are typed, on the command line and in the explorer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from vizcnn.errors import TargetError
from vizcnn.targets.combined import Contrast, resolve
from vizcnn.targets.model import Model
from vizcnn.targets.target import Target

MINUS = " minus "
"""What stands between two targets of which one is explained against the other."""

Readers = Mapping[str, Callable[[str], Any]]
"""Prefixes to what reads the text behind them and their colon."""


def read_target(text: str | None, model: Model, readers: Readers | None = None) -> Any:
    """Read a target: a label, a class index, one of these for an output, as in ``gender=1``, or one that begins with a prefix.

    A class of targets that has a `prefix` reads what stands after it and a colon, as in ``like:FILE``, another image. Between two
    targets `` minus `` may stand: what speaks for the first one rather than the second.

    Parameters
    ----------
    text : str or None
        What was typed; None: the predicted class.
    model : ModelAdapter
        The model, made ready for its images.
    readers : mapping of str to callable, default None
        Prefixes to what reads the text behind them in place of their classes.

    Returns
    -------
    None, int, str, dict, or Target
        What `vizcnn.targets.resolve` takes.

    Raises
    ------
    TargetError
        If the model has no such class.

    Examples
    --------
    >>> import vizcnn as vz
    >>> from vizcnn.targets.typed import read_target
    >>> read_target("3 minus channel:conv5:40", vz.assets.digits_cnn())
    Contrast(target='3', other=Channel(layer='conv5', channel=40, position='mean'))
    """
    if text is None:
        resolve(None, model, 1)
        return None
    names = model.labels or ()
    if text not in names and MINUS in text:
        return _read_contrast(text, model, readers)
    target: Any = text
    if text not in names:
        output, equals, rest = text.partition("=")
        prefix, colon, typed = text.partition(":")
        if colon and prefix in (readers or {}):
            return (readers or {})[prefix](typed)
        if colon and prefix in Target.typed:
            return Target.typed[prefix].read(typed)
        target = {output: _index(rest)} if equals and output in model.output_shapes else _index(text)
    resolve(target, model, 1)
    return target


def _read_contrast(text: str, model: Model, readers: Readers | None) -> Contrast:
    """Read one target against another; a name may hold the word between them, so that each place is tried, the last one first."""
    first: TargetError | None = None
    place = text.rfind(MINUS)
    while place >= 0:
        try:
            return Contrast(
                read_target(text[:place].strip(), model, readers),
                read_target(text[place + len(MINUS) :].strip(), model, readers),
            )
        except TargetError as error:
            first = first or error
        place = text.rfind(MINUS, 0, place)
    raise first or TargetError(f"`target` must have a target on each side of {MINUS.strip()!r}; got {text!r}.")


def target_note(text: str | None, model: Model) -> list[tuple[str, str]]:
    """Say whether a number that was typed as the target was taken for an index or for a label.

    Parameters
    ----------
    text : str or None
        What was typed.
    model : ModelAdapter
        The model.

    Returns
    -------
    list of (str, str)
        "target" and the note; [] where the target isn't a number.
    """
    before, equals, rest = (text or "").rpartition("=")
    output = model.output_name(before if equals and before in model.output_shapes else None)
    number = rest.strip()
    if not re.fullmatch(r"[+-]?\d+", number):
        return []
    names = model.head(output).names
    if text in (model.labels or ()):
        index = names.index(number) if number in names else None
        other = names[int(number)] if index is not None and 0 <= int(number) < len(names) else None
        beside = "" if other is None or int(number) == index else f"; the class of index {int(number)} is {other!r}"
        return [("target", f"{number} was taken for the label {number!r}, of class index {index}{beside}.")]
    return [
        ("target", f"{number} was taken for a class index, that of {names[int(number)]!r}; no label is {number!r}.")
    ]


def _index(text: str) -> int | str:
    return int(text) if re.fullmatch(r"\s*[+-]?\d+\s*", text) else text
