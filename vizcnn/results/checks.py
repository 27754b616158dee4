"""Whether what a file says of a result is such a result: kinds of values, and shapes beside each other."""

from __future__ import annotations

import types
from collections.abc import Iterable, Sequence
from typing import Any, Union, get_args, get_origin

import numpy as np

Size = int | str | None
"""A length; a letter for one that is the same wherever the letter stands; None for any."""


def check_kind(name: str, value: Any, hint: Any) -> None:
    """Raise ValueError unless a value that was read from JSON is what a field's annotation says.

    Parameters
    ----------
    name : str
        The field.
    value : optional
        What was read, with tuples in place of lists.
    hint : type
        The annotation.

    Raises
    ------
    ValueError
        If it is something else.
    """
    if not _is(value, hint):
        raise ValueError(f"`{name}` holds something else than it should: {str(value)[:80]!r}")


def check_notes(notes: Any) -> None:
    """Raise ValueError unless these are notes as a file holds them: texts, or what `Note.to_dict` returned.

    Parameters
    ----------
    notes : optional
        What was read.

    Raises
    ------
    ValueError
        If it is something else.
    """
    check_kind("notes", notes, tuple[str | dict[str, Any], ...])
    for note in notes:
        if isinstance(note, dict):
            _check_note(note)


_NOTE = {
    "text": str,
    "kind": str,
    "images": tuple[int, ...],
    "quiet": bool,
    "template": str,
    "facts": dict[str, tuple[Any, ...]],
}


def _check_note(note: dict[str, Any]) -> None:
    for name, value in note.items():
        check_kind("notes", value, _NOTE.get(name, ()))
    images = note.get("images", ())
    if "text" not in note or list(images) != sorted({*images}) or (images and images[0] < 0):
        raise ValueError("`notes` hold one about no images")
    for values in note.get("facts", {}).values():
        alike = any(all(_is(value, kind) for value in values) for kind in (float, str, tuple[int, ...]))
        if len(values) != len(images) or not alike:
            raise ValueError("`notes` hold one whose facts aren't those of its images")


def _is(value: Any, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (types.UnionType, Union):
        return any(_is(value, one) for one in inner)
    if origin is tuple and inner[-1] is Ellipsis:
        return isinstance(value, tuple) and all(_is(one, inner[0]) for one in value)
    if origin is tuple or hasattr(hint, "_fields"):
        parts = inner or tuple(_hints(hint).values())
        return isinstance(value, tuple) and len(value) == len(parts) and all(map(_is, value, parts))
    if origin is dict:
        return isinstance(value, dict) and all(_is(k, inner[0]) and _is(v, inner[1]) for k, v in value.items())
    if hint is float:
        return isinstance(value, float | int) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, hint or type(None))


def _hints(kind: Any) -> dict[str, Any]:
    from typing import get_type_hints

    return get_type_hints(kind)


class Shapes:
    """Shapes that must fit each other: a letter is one and the same length in all of them.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.results.checks import Shapes
    >>> shapes = Shapes()
    >>> shapes.check("values", np.zeros((2, 4, 4)), "N", None, None)
    >>> shapes.check("scores", np.zeros(3), "N")
    Traceback (most recent call last):
    ...
    ValueError: `scores` has shape (3,), which doesn't fit N = 2
    """

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def check(self, name: str, array: np.ndarray, *sizes: Size, kinds: str = "f", empty: bool = False) -> None:
        """Raise ValueError unless an array has this shape, and numbers of these kinds.

        Parameters
        ----------
        name : str
            The field.
        array : ndarray
            What it holds.
        *sizes : int, str or None
            Its lengths.
        kinds : str, default "f"
            Kinds of numbers that it may hold, as `numpy.dtype.kind` calls them.
        empty : bool, default False
            Whether it may hold nothing.

        Raises
        ------
        ValueError
            If it has another.
        """
        if array.dtype.kind not in kinds:
            raise ValueError(f"`{name}` holds {array.dtype}")
        if empty and not array.size:
            return
        if array.ndim != len(sizes) or 0 in array.shape:
            raise ValueError(f"`{name}` has shape {array.shape}, which isn't one of {len(sizes)} axes")
        for size, length in zip(sizes, array.shape, strict=True):
            self._same(f"`{name}` has shape {array.shape}", size, length)

    def count(self, name: str, values: Sequence[Any], size: Size, *, empty: bool = False) -> None:
        """Raise ValueError unless a field holds so many values; none where it may be `empty`."""
        if values or not empty:
            self._same(f"`{name}` holds {len(values)} values", size, len(values))

    def _same(self, what: str, size: Size, length: int) -> None:
        expected = self._known.setdefault(size, length) if isinstance(size, str) else size
        if expected is not None and expected != length:
            raise ValueError(f"{what}, which doesn't fit {size if isinstance(size, int) else f'{size} = {expected}'}")


def check_indices(name: str, values: Iterable[int], count: int) -> None:
    """Raise ValueError unless all of these are places among so many."""
    wrong = [value for value in values if not 0 <= value < count]
    if wrong:
        raise ValueError(f"`{name}` names {wrong[0]!r} of {count}")


def check_images(images: Sequence[np.ndarray]) -> None:
    """Raise ValueError unless these are signals, images or volumes of numbers."""
    for index, image in enumerate(images):
        if image.ndim not in (2, 3, 4) or image.dtype.kind not in "fiub" or not image.size:
            raise ValueError(f"image {index} has shape {image.shape} of {image.dtype}")
