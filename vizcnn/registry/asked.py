"""What is asked for in one call: one name or several, each with options, and what each is called in what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


def is_one(asked: Any) -> bool:
    """Tell whether one name is asked for, with options or without, rather than several."""
    return isinstance(asked, str) or (isinstance(asked, tuple) and len(asked) == 2 and isinstance(asked[1], Mapping))


def asked_names(asked: Sequence[str | tuple[str, Mapping[str, Any]]]) -> list[str]:
    """Return what was asked for as texts, options included.

    Parameters
    ----------
    asked : sequence of str or (str, mapping)
        Names, with options.

    Returns
    -------
    list of str
        Of options that have no short text, such as arrays, only what they are; of several that would be called alike the later
        ones are numbered.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.registry import asked_names
    >>> asked_names(["saliency", ("rise", {"cells": 5}), ("occlusion", {"baseline": np.zeros((8, 8))})])
    ['saliency', 'rise:cells=5', 'occlusion:baseline=an array']
    """
    known: dict[str, list[Any]] = {}
    names = []
    for one in asked:
        text = one if isinstance(one, str) else _name_of(*one)
        alike = known.setdefault(text, [])
        place = next((place for place, other in enumerate(alike) if _is_same(one, other)), len(alike))
        if place == len(alike):
            alike.append(one)
        names.append(f"{text} ({place + 1})" if place else text)
    return names


def _name_of(name: str, options: Mapping[str, Any]) -> str:
    text = ",".join(f"{option}={_short(value)}" for option, value in options.items())
    return f"{name}:{text}" if text else name


def _short(value: Any) -> str:
    if isinstance(value, Path):
        return value.name
    if isinstance(value, list | tuple) and any(isinstance(entry, Path) or hasattr(entry, "shape") for entry in value):
        return f"{len(value)} images"
    if isinstance(value, np.ndarray) and value.size > 4:
        return "an array"
    return f"a {type(value).__name__}" if hasattr(value, "shape") and not isinstance(value, np.ndarray) else str(value)


def _is_same(one: Any, other: Any) -> bool:
    """Tell whether two that are called alike ask for the same; of arrays only the same one is."""
    return isinstance(one, str) or isinstance(other, str) or _values(one) == _values(other)


def _values(asked: tuple[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {option: id(value) if hasattr(value, "shape") else repr(value) for option, value in asked[1].items()}
