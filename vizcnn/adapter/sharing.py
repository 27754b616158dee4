"""Gradients that several methods ask for of one batch: computed once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from vizcnn.adapter.arrays import Array
from vizcnn.adapter.gradients import Gradients
from vizcnn.targets.score import Score

MOST = 64_000_000
"""Bytes of gradients and values that are kept for the next method: those of an early layer would fill the memory."""


@dataclass
class _Batch:
    model: Any
    inputs: Array
    known: dict[Hashable, Gradients] = field(default_factory=dict)


_batch: ContextVar[_Batch | None] = ContextVar("batch", default=None)


@contextmanager
def sharing(model: Any, inputs: Array) -> Iterator[None]:
    """Compute each gradient of a batch once, while this lasts, however many methods ask this model for it.

    Parameters
    ----------
    model : ModelAdapter
        The model; its weights stay as they are.
    inputs : ndarray, shape (N, H, W, C)
        The batch, as it is handed to each of the methods; of other inputs nothing is kept.

    Yields
    ------
    None

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> from vizcnn.adapter.sharing import sharing
    >>> cnn, inputs = vz.assets.digits_cnn(), np.ones((1, 28, 28, 1), np.float32)
    >>> with sharing(cnn, inputs):
    ...     one, other = (cnn.gradients(inputs, "3", of="conv5").gradients for _ in range(2))
    >>> bool((one == other).all()), np.shares_memory(one, other)
    (True, False)
    """
    token = _batch.set(_Batch(model, inputs))
    try:
        yield
    finally:
        _batch.reset(token)


def shared(
    model: Any, inputs: Array, score: Score, path: str | None, rule: str, find: Callable[[], Gradients]
) -> Gradients:
    """Return gradients as they were found for another method, in arrays of their own; found now where nobody asked before."""
    batch = _batch.get()
    if batch is None or batch.model is not model or batch.inputs is not inputs:
        return find()
    numbers = tuple((param.dtype.str, param.shape, param.tobytes()) for param in score.params)
    key = score.key, numbers, path, rule
    if key not in batch.known:
        found = find()
        if found.gradients.nbytes + found.values.nbytes > MOST:
            return found
        batch.known[key] = found
    found = batch.known[key]
    return replace(
        found,
        gradients=found.gradients.copy(),
        values=inputs if found.values is inputs else found.values.copy(),
        scores=found.scores.copy(),
        outputs=tuple(output.copy() for output in found.outputs),
    )
