"""Targets as they are typed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from vizcnn.targets import Target, resolve

if TYPE_CHECKING:
    from vizcnn.adapter import ModelAdapter


def read_target(text: str | None, model: ModelAdapter) -> Any:
    """Read a target: a label, a class index, one of these for an output, as in ``gender=1``, or ``like:FILE``, another image.

    Any other class of targets reads what stands after its `prefix` and a colon.

    Parameters
    ----------
    text : str or None
        What was typed; None: the predicted class.
    model : ModelAdapter
        The model, made ready for its images.

    Returns
    -------
    None, int, str, dict, or Target
        What `vizcnn.targets.resolve` takes.

    Raises
    ------
    TargetError
        If the model has no such class.
    """
    target: Any = text
    if text is not None and text not in (model.labels or ()):
        output, equals, rest = text.partition("=")
        prefix, colon, typed = text.partition(":")
        if colon and prefix in Target.typed:
            return Target.typed[prefix].read(typed)
        target = {output: _index(rest)} if equals and output in model.output_shapes else _index(text)
    resolve(target, model, 1)
    return target


def target_note(text: str | None, model: ModelAdapter) -> list[tuple[str, str]]:
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
