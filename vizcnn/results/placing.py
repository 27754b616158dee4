"""Maps of a layer to maps of the input: stretched over the whole of it, or put where the layer looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vizcnn.adapter.placement import Along, Placement
from vizcnn.errors import Note
from vizcnn.notes import noted
from vizcnn.resample import linear_weights, resize

if TYPE_CHECKING:
    from vizcnn.adapter.base import ModelAdapter


def over_inputs(
    values: np.ndarray, layer: str | None, model: ModelAdapter, sample_shape: tuple[int, ...]
) -> tuple[np.ndarray, bool, tuple[Note, ...]]:
    """Bring maps to the size of a model's inputs.

    Parameters
    ----------
    values : ndarray, shape (N, h, w[, C])
        The maps.
    layer : str or None
        The layer that they are of; None: the inputs themselves.
    model : ModelAdapter
        The model.
    sample_shape : tuple of int
        The shape of one input, (H, W, C).

    Returns
    -------
    (ndarray of float32, bool, tuple of Note)
        The maps (N, H, W[, C]); whether they lie nowhere in the inputs, and so are as they were; and what is to be said of that.
    """
    placement = None if layer is None else model.placement(layer, values.shape[1:], sample_shape)
    return laid_over(values, layer, placement, sample_shape[:-1])


def laid_over(
    values: np.ndarray, layer: str | None, placement: Placement | None, size: tuple[int, ...]
) -> tuple[np.ndarray, bool, tuple[Note, ...]]:
    """Bring maps to the size of a model's inputs, where it is known how they lie in these.

    Parameters
    ----------
    values : ndarray, shape (N, h, w[, C])
        The maps.
    layer : str or None
        The layer that they are of, for the notes.
    placement : Placement or None
        As `ModelAdapter.placement` returns it.
    size : tuple of int
        Height and width of an input.

    Returns
    -------
    (ndarray of float32, bool, tuple of Note)
        See `over_inputs`.
    """
    if placement is None:
        return stretched(values, size), False, ()
    notes = (noted(placement.note(str(layer)), "placement"),)
    if not placement.is_known:
        return stretched(values, size), False, notes
    if not placement.is_possible:
        return np.asarray(values, dtype=np.float32), True, notes
    return placed(values, placement), False, notes


def stretched(values: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Enlarge maps (N, h, w[, C]) to the input's size."""
    values = np.asarray(values, dtype=np.float32)
    return values if values.shape[1 : 1 + len(size)] == size else np.stack([resize(value, size) for value in values])


def placed(values: np.ndarray, placement: Placement) -> np.ndarray:
    """Put maps where they lie in the input; what the layer doesn't see is zero.

    Parameters
    ----------
    values : ndarray, shape (N, h, w[, C])
        The maps, at the layer's size.
    placement : Placement
        Where they lie; it must be possible.

    Returns
    -------
    ndarray of float32, shape (N, H, W[, C])
        Between the centers of cells the values go over linearly, and beyond the outer ones they stay.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.adapter.placement import Along, Placement
    >>> from vizcnn.results.placing import placed
    >>> lower = Placement((Along(axis=0, start=2.0, step=2.0, count=2),), (6,))
    >>> placed(np.array([[1.0, 3.0]]), lower)
    array([[0. , 0. , 1. , 1.5, 2.5, 3. ]], dtype=float32)
    """
    values, matrices = separated(values, placement)
    for axis, matrix in enumerate(matrices, start=1):
        values = np.moveaxis(np.tensordot(matrix, values, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(values)


def separated(values: np.ndarray, placement: Placement) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return maps whose axes run along those of the input, and what puts each of these axes in its place.

    Parameters
    ----------
    values : ndarray, shape (N, h, w[, C])
        The maps, at the layer's size.
    placement : Placement
        Where they lie; it must be possible.

    Returns
    -------
    (ndarray of float32, list of ndarray)
        The maps, and for each axis of the input a matrix (length, cells).
    """
    values = np.asarray(values, dtype=np.float32)
    free = tuple(axis for axis, along in enumerate(placement.axes, start=1) if along is None)
    values = values.mean(axis=free)
    runs = {along.axis: along for along in placement.axes if along is not None}
    # Of one pixel, or the frames of a video, on all of which the map is the same.
    missing = [axis for axis in range(len(placement.size)) if axis not in runs]
    values = np.expand_dims(values, tuple(range(len(runs) + 1, len(runs) + 1 + len(missing))))
    order = [*runs, *missing]
    values = np.moveaxis(values, range(1, len(order) + 1), [axis + 1 for axis in order])
    lengths = enumerate(placement.size)
    ones = [np.ones((length, 1), dtype=np.float32) for length in placement.size]
    return values, [_weights(runs[axis], length) if axis in runs else ones[axis] for axis, length in lengths]


def stretching(grid: tuple[int, ...], size: tuple[int, ...]) -> list[np.ndarray]:
    """Return what stretches a map over the whole input: for each axis a matrix (length, cells)."""
    pairs = enumerate(zip(grid, size, strict=True))
    return [_weights(Along(axis, 0.0, length / cells, cells), length) for axis, (cells, length) in pairs]


def _weights(along: Along, length: int) -> np.ndarray:
    """Return the matrix (length, cells) that enlarges an axis; rows of zero where no cell lies."""
    at = (np.arange(length) + 0.5 - along.start) / along.step
    inside = (at >= 0) & (at <= along.count)
    weights = linear_weights(at - 0.5, along.count)
    return np.asarray(weights * inside[:, None], dtype=np.float32)
