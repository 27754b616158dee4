"""Smooth masks of a few cells, as extremal perturbations optimize them: how they become masks of pixels, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from vizcnn.resample import linear_weights

COLDNESS = 20.0
"""How near the smooth maximum comes to the maximum."""

_FINENESS = 1.5
"""Cells per standard deviation of the smoothing."""

Back = Callable[[np.ndarray], np.ndarray]
"""Takes the gradient by what a function returned, and returns that by what it was given."""


class SmoothMasks:
    """Masks that are 1 or 0 in places and smooth between them, made of a few numbers each.

    A mask is the maximum, at each place, of Gaussian bumps about the cells, each as high as its cell: so it may have wide places
    of 1 and is nowhere rougher than a bump. The maximum is a smooth one, ``sum(f exp(c f)) / sum(exp(c f))`` with c = 20, taken
    along one axis after the other; beyond the edges the cells are mirrored. What comes out is enlarged linearly.

    Parameters
    ----------
    size : sequence of int
        Height and width of the masks in pixels; one number of a signal, three of a volume.
    smoothness : float
        Standard deviation of the bumps, as a share of the shorter side.

    Attributes
    ----------
    cells : tuple of int
        How many cells there are along each axis.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.masks import SmoothMasks
    >>> masks = SmoothMasks((40, 60), 0.1)
    >>> grid, _ = masks.smooth(np.ones((1, *masks.cells)))
    >>> masks.cells, masks.enlarge(grid).shape, bool(np.ptp(grid) < 1e-12)
    ((15, 22), (1, 40, 60), True)
    """

    def __init__(self, size: Sequence[int], smoothness: float) -> None:
        pixels = smoothness * min(size)
        self.cells = tuple(int(np.clip(round(_FINENESS * length / pixels), 1, length)) for length in size)
        scale = [count / length for count, length in zip(self.cells, size, strict=True)]
        self._bumps = [_bump(pixels * each, count) for each, count in zip(scale, self.cells, strict=True)]
        self._matrices = [
            linear_weights((np.arange(length) + 0.5) * each - 0.5, count)
            for length, each, count in zip(size, scale, self.cells, strict=True)
        ]

    def smooth(self, cells: np.ndarray) -> tuple[np.ndarray, Back]:
        """Return smooth grids of cells, and the way back.

        Parameters
        ----------
        cells : ndarray, shape (N, h, w)
            In 0..1.

        Returns
        -------
        (ndarray of the same shape, callable)
            The grids, and what takes the gradient by them and returns that by the cells.
        """
        ways: list[Back] = []
        for axis, bump in enumerate(self._bumps, start=1):
            cells, back = _highest(cells, axis, bump)
            ways.append(back)
        return cells, partial(_backwards, ways)

    def enlarge(self, grids: np.ndarray) -> np.ndarray:
        """Return grids (N, h, w) as masks of pixels (N, H, W)."""
        return _along(grids, self._matrices)

    def enlarge_back(self, gradients: np.ndarray) -> np.ndarray:
        """Return the gradient by the grids (N, h, w) of a gradient by the masks (N, H, W)."""
        return _along(gradients, [matrix.T for matrix in self._matrices])


def in_order(values: np.ndarray, share: float, tolerance: float = 1e-3) -> np.ndarray:
    """Return the mask of a given area that has the order of another: 1 where its values are highest, 0 elsewhere.

    Parameters
    ----------
    values : ndarray
        A mask, of any shape.
    share : float
        The area, as a share of the whole.
    tolerance : float, default 1e-3
        Values that are the same after rounding to it are of one rank, and get the mean of what they would get.

    Returns
    -------
    ndarray of float64
        Of the shape of `values`; its mean is `share`.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.masks import in_order
    >>> in_order(np.array([0.2, 0.9, 0.2, 0.1]), 0.5)
    array([0.5, 1. , 0.5, 0. ])
    """
    ranks = np.round(values.ravel() / tolerance)
    _, rank, counts = np.unique(-ranks, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    covered = np.clip(share * values.size - (ends - counts), 0, counts) / counts
    return np.asarray(covered[rank].reshape(values.shape))


def _bump(deviation: float, count: int) -> np.ndarray:
    """Return a Gaussian of height 1 as far as it counts, and no farther than an axis of `count` cells can be mirrored."""
    reach = min(int(np.ceil(3 * deviation)), count)
    return np.asarray(np.exp(-((np.arange(-reach, reach + 1) / deviation) ** 2) / 2))


def _highest(values: np.ndarray, axis: int, bump: np.ndarray) -> tuple[np.ndarray, Back]:
    """Return the smooth maximum of bumps along an axis, and the way back."""
    rows, reach = np.moveaxis(values, axis, 0), len(bump) // 2
    count = len(rows)
    wide = np.concatenate([rows[:reach][::-1], rows, rows[count - reach :][::-1]])
    heights = np.stack([height * wide[at : at + count] for at, height in enumerate(bump)])
    weights = np.exp(COLDNESS * (heights - heights.max(axis=0)))
    weights /= weights.sum(axis=0)
    highest = (weights * heights).sum(axis=0)

    def back(gradient: np.ndarray) -> np.ndarray:
        slopes = weights * (1 + COLDNESS * (heights - highest)) * np.moveaxis(gradient, axis, 0)
        by_wide = np.zeros(wide.shape)
        for at, height in enumerate(bump):
            by_wide[at : at + count] += height * slopes[at]
        by_rows = by_wide[reach : reach + count].copy()
        by_rows[:reach] += by_wide[:reach][::-1]
        by_rows[count - reach :] += by_wide[reach + count :][::-1]
        return np.moveaxis(by_rows, 0, axis)

    return np.moveaxis(highest, 0, axis), back


def _backwards(ways: Sequence[Back], gradient: np.ndarray) -> np.ndarray:
    for back in reversed(ways):
        gradient = back(gradient)
    return gradient


def _along(values: np.ndarray, matrices: Sequence[np.ndarray]) -> np.ndarray:
    """Multiply each axis but the first by its matrix."""
    for axis, matrix in enumerate(matrices, start=1):
        values = np.moveaxis(np.tensordot(values, matrix, (axis, 1)), -1, axis)
    return values
