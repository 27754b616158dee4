"""Where in an image a region lies, in words."""

from __future__ import annotations

Region = tuple[float, float, float, float]
"""Left, top, right and bottom, as shares of the image."""

_EDGE, _WIDE = 0.1, 0.4
"""Shares of an image: what is its border along an axis, and from which area on a region is no place."""


def place_of(region: Region) -> str:
    """Return what kind of place a region is: "corner", "border", "inside" or "wide"."""
    left, top, right, bottom = region
    if (right - left) * (bottom - top) > _WIDE:
        return "wide"
    edges = [low < _EDGE or high > 1 - _EDGE for low, high in ((left, right), (top, bottom))]
    return ("inside", "border", "corner")[sum(edges)]


def where(region: Region) -> str:
    """Return where a region lies, in words.

    Parameters
    ----------
    region : tuple of float
        Left, top, right and bottom, as shares of the image.

    Returns
    -------
    str

    Examples
    --------
    >>> from vizcnn.results.place import where
    >>> where((0.8, 0, 1, 0.1)), where((0, 0.4, 0.1, 0.6)), where((0.4, 0.2, 0.6, 0.3)), where((0, 0, 1, 0.9))
    ('in the top right corner', 'at the left border', 'inside, at the top', 'all over the image')
    """
    left, top, right, bottom = region
    down = _third((top + bottom) / 2, ("top", "", "bottom"))
    across = _third((left + right) / 2, ("left", "", "right"))
    kind = place_of(region)
    if kind == "wide":
        return "all over the image"
    if kind == "corner":
        return f"in the {'bottom' if top + bottom > 1 else 'top'} {'right' if left + right > 1 else 'left'} corner"
    if kind == "border":
        vertical = top < _EDGE or bottom > 1 - _EDGE
        at = ("bottom" if top + bottom > 1 else "top") if vertical else ("right" if left + right > 1 else "left")
        beside = across if vertical else down
        return f"at the {at} border{f', {_SIDES[beside]}' if beside else ''}"
    return f"inside, at the {' '.join(filter(None, (down, across)))}" if down or across else "in the middle"


_SIDES = {"left": "on the left", "right": "on the right", "top": "above", "bottom": "below"}


def _third(at: float, names: tuple[str, str, str]) -> str:
    return names[min(2, int(3 * at))]
