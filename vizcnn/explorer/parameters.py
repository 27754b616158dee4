"""Reads what the page's addresses ask for; whatever else stands there is refused in a sentence."""

from __future__ import annotations

from collections.abc import Mapping

from vizcnn.adapter import LayerInfo, ModelAdapter
from vizcnn.errors import LayerError, OptionError


def whole(asked: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """Return a whole number within a range.

    Parameters
    ----------
    asked : mapping
        The address's parameters.
    name : str
        Which one.
    default : int
        What it is where it is left out.
    low, high : int
        Its lowest and its highest value.

    Returns
    -------
    int

    Raises
    ------
    OptionError
        If it is something else.
    """
    text = asked.get(name, "")
    if not text:
        return default
    # More digits than any of these numbers has would take Python long to read.
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None
    if number is None or not low <= number <= high:
        raise OptionError(f"`{name}` must be a whole number from {low} to {high}; got {text[:40]!r}.")
    return number


def layer_of(model: ModelAdapter, asked: Mapping[str, str]) -> LayerInfo:
    """Return the layer that "layer" names.

    Parameters
    ----------
    model : ModelAdapter
        The model.
    asked : mapping
        The address's parameters.

    Returns
    -------
    LayerInfo

    Raises
    ------
    LayerError
        If none is named, or there is none of that name.
    """
    path = asked.get("layer", "")
    if not path:
        raise LayerError("The link names no layer.")
    return model.layer(path)


def unit_of(asked: Mapping[str, str], count: int) -> int:
    """Return the channel, or unit, that "unit" names of so many.

    Parameters
    ----------
    asked : mapping
        The address's parameters.
    count : int
        How many there are.

    Returns
    -------
    int

    Raises
    ------
    OptionError
        If there is no such one.
    """
    return whole(asked, "unit", 0, 0, count - 1)
