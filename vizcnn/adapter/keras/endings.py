"""What a tensor was before its last activation, followed through functions that only move, cast or cut its numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from vizcnn.adapter.heads import LOGARITHMS, PROBABILITIES

KEEPING = frozenset({"cast", "convert_to_tensor", "copy", "identity", "stop_gradient", "clip", "clip_by_value"})
"""Functions after which the logits are still those from before."""

MOVING = frozenset({"reshape", "squeeze", "expand_dims", "ravel", "transpose", "moveaxis", "swapaxes"})
"""Functions that the logits have to go through as their activation's output does."""

FOLLOWED = tuple(sorted(KEEPING | MOVING))


@dataclass(frozen=True)
class Ending:
    """The last activation on the way to a tensor.

    The tensors are kept so that no other can take their `id`.

    Attributes
    ----------
    output : tensor
        What was reached.
    logits : tensor
        The same, had there been no activation.
    name : str
        The activation; "linear" of a layer with weights and without one.
    axis : int or None
        The axis of the classes in `output`, counted from the front; None: it is one unit, and all axes are positions.
    made, source : tensor
        What the activation itself returned, and was given.
    """

    output: Any
    logits: Any
    name: str
    axis: int | None
    made: Any
    source: Any

    @property
    def is_probability(self) -> bool:
        """Whether there are logits behind it."""
        return self.name in PROBABILITIES or self.name in LOGARITHMS

    def copied(self, output: Any) -> Ending:
        """Return the ending of a copy."""
        return replace(self, output=output)

    @property
    def is_single(self) -> bool:
        """Whether it is one unit."""
        return self.axis is None or self.output.shape[self.axis] == 1

    def taken_apart(self, output: Any, key: Any) -> Ending:
        """Return the ending of an entry of one unit."""
        return replace(self, output=output, logits=self.logits[key], axis=None)


def begin(output: Any, source: Any, name: str, axis: int | None) -> Ending:
    """Return the ending that an activation makes."""
    rank = len(output.shape)
    return Ending(output, source, name, None if axis is None or rank < 2 else axis % rank, output, source)


def follow(
    ending: Ending,
    function: str,
    original: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    output: Any,
) -> Ending | None:
    """Return the ending of what a function made of a tensor that has one; None where it changed the numbers.

    Parameters
    ----------
    ending : Ending
        The ending of the function's first argument.
    function : str
        Its name, one of `FOLLOWED`.
    original : callable
        The function.
    args, kwargs
        The rest of its arguments.
    output : tensor
        What it returned.

    Returns
    -------
    Ending or None
    """
    if not _is_float(output) or (function.startswith("clip") and not ending.is_probability):
        return None
    if function in KEEPING:
        return replace(ending, output=output)
    axis = None if ending.axis is None else _moved(ending, function, args, kwargs, output)
    if axis is None and not ending.is_single:
        return None
    return replace(ending, output=output, logits=original(ending.logits, *args, **kwargs), axis=axis)


def _is_float(tensor: Any) -> bool:
    return "float" in keras.backend.standardize_dtype(tensor.dtype)


def _moved(ending: Ending, function: str, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> int | None:
    """Return where the axis of the classes went; None where it is no axis any more."""
    before, after, axis = ending.output.shape, output.shape, int(ending.axis or 0)
    if function in ("transpose", "moveaxis", "swapaxes"):
        marked = np.empty(tuple(range(1, len(before) + 1)), dtype=bool)  # each axis is known by its length
        options = {name.replace("perm", "axes"): value for name, value in kwargs.items() if name != "name"}
        return int(getattr(np, function)(marked, *args, **options).shape.index(axis + 1))
    kept = [
        place
        for place, size in enumerate(after)
        if size == before[axis] and place and _count(after[1:place]) == _count(before[1:axis])
    ]
    return kept[0] if kept else None


def _count(shape: Sequence[int | None]) -> tuple[int, int]:
    """Return how many entries axes have: those that are known, and how many axes are open."""
    known = [size for size in shape if isinstance(size, int)]
    return int(np.prod(known)) if known else 1, len(shape) - len(known)
