"""Filling pixels of an image in from those around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from vizcnn.algorithms.curves import pixel_ranks

_TOLERANCE = 3e-4
"""Error at which the equations are solved, by that of no solution; a tenth of the noise that ROAD adds, or less."""

_DAMPING = 0.8
_MOST = 60


def imputed_orders(
    images: np.ndarray, maps: np.ndarray, shares: np.ndarray, *, noise: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fill in the highest pixels of maps, and the lowest: ROAD's noisy linear imputation [1]_.

    Parameters
    ----------
    images : ndarray, shape (N, H, W, C)
        The images.
    maps : ndarray, shape (N, H, W)
        Their maps.
    shares : ndarray, shape (K,)
        Shares of the pixels that are filled in.
    noise : float
        Standard deviation of what is added to them, as a share of the image's range.
    seed : int
        Seed of the noise, and of the order among pixels of equal values.

    Returns
    -------
    (ndarray, ndarray)
        float32, (N, K, H, W, C) each: with the highest pixels filled in, and with the lowest.

    References
    ----------
    .. [1] Rong et al., "A Consistent and Efficient Evaluation Strategy for Attribution Methods", ICML 2022. arXiv:2202.00449

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.imputation import imputed_orders
    >>> row = np.array([[[[0.0], [7.0], [4.0]]]])
    >>> highest, lowest = imputed_orders(row, np.array([[[1.0, 3.0, 2.0]]]), np.array([1 / 3]), noise=0.0, seed=0)
    >>> highest[0, 0, 0, :, 0].round(3).tolist(), lowest[0, 0, 0, :, 0].round(3).tolist()
    ([0.0, 2.0, 4.0], [7.0, 7.0, 4.0])
    """
    ranks = pixel_ranks(maps, seed)
    counts = np.rint(shares * maps[0].size).astype(int)
    fields = noise * np.random.default_rng(seed).standard_normal((2, len(counts), *images.shape[1:]), dtype=np.float32)
    filled = np.empty((2, len(images), len(counts), *images.shape[1:]), dtype=np.float32)
    for at, (image, rank) in enumerate(zip(images, ranks, strict=True)):
        spread = np.ptp(image)
        for place, count in enumerate(counts):
            for which, hidden in enumerate((rank < count, rank >= rank.size - count)):
                added = hidden[..., None] * spread * fields[which, place]
                filled[which, at, place] = imputed(image, hidden) + added
    return filled[0], filled[1]


def imputed(image: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Return an image whose hidden pixels are the weighted means of their eight neighbors, hidden ones included.

    Neighbors beside, above and below weigh twice as much as those across a corner; what lies beyond the edge, nothing. That is a
    linear equation for each hidden pixel, and all of them are solved by conjugate gradients with multigrid steps.

    Parameters
    ----------
    image : ndarray, shape (H, W, C)
        The image.
    hidden : ndarray of bool, shape (H, W)
        Which pixels are filled in; not all.

    Returns
    -------
    ndarray of float32, shape (H, W, C)

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.imputation import imputed
    >>> ramp = np.arange(12.0).reshape(3, 4, 1)
    >>> np.abs(imputed(ramp, ramp[..., 0] == 5) - ramp).max() < 1e-5
    np.True_
    """
    values = np.array(np.moveaxis(image, -1, 0), dtype=np.float32, order="C")
    if hidden.any():
        level = _Level(hidden)
        values[:, hidden] = 0
        values += _solution(level, level.hidden * _smeared(values))
    return np.moveaxis(values, 0, -1)


def _solution(level: _Level, right: np.ndarray) -> np.ndarray:
    """Solve the equations of the hidden pixels."""
    x = level.step(right)
    enough = _TOLERANCE**2 * np.vdot(right, x)
    rest = level.rest(right, x)
    way = level.step(rest)
    size = np.vdot(rest, way)
    for _ in range(_MOST):
        if size <= enough:
            break
        turned = level.times(way)
        length = size / np.vdot(way, turned)
        x += length * way
        turned *= length
        rest -= turned
        along = level.step(rest)
        before, size = size, np.vdot(rest, along)
        way = along + size / before * way
    return x


class _Level:
    """The equations on a grid, and on a grid of half the size, where they are known roughly and solved faster.

    Weights are in twelfths: 2 of neighbors beside a pixel, 1 of those across its corner.
    """

    def __init__(self, hidden: np.ndarray) -> None:
        self.hidden = hidden.astype(np.float32)
        self._weights = self.hidden * _smeared(np.ones_like(self.hidden))  # of a pixel itself too, by 4
        of_neighbors = self._weights - 4 * self.hidden
        self._damped = np.divide(_DAMPING, of_neighbors, where=hidden, out=np.zeros_like(self.hidden))
        halved = _blocks(hidden, np.logical_and, True)
        self._coarser = _Level(halved) if min(halved.shape) > 2 and halved.any() else None

    def times(self, x: np.ndarray) -> np.ndarray:
        """Return what the equations make of values of the hidden pixels: their weights times these, less the neighbors'."""
        neighbors = _smeared(x)
        neighbors *= self.hidden
        answer: np.ndarray = self._weights * x
        answer -= neighbors
        return answer

    def rest(self, right: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Return what the equations still lack."""
        rest = self.times(x)
        np.subtract(right, rest, out=rest)
        return rest

    def step(self, right: np.ndarray) -> np.ndarray:
        """Return a rough solution: damped, coarser, damped again."""
        x: np.ndarray = self._damped * right
        if self._coarser is not None:
            blocks = _blocks(self.rest(right, x), np.add, 0)
            blocks *= self._coarser.hidden
            rough = self._coarser.step(blocks).repeat(2, axis=-1).repeat(2, axis=-2)
            x += self.hidden * rough[..., : x.shape[-2], : x.shape[-1]]
        for _ in range(1 if self._coarser is not None else 4):
            rest = self.rest(right, x)
            rest *= self._damped
            x += rest
        return x


def _smeared(x: np.ndarray) -> np.ndarray:
    """Return the weighted sum of each pixel (..., H, W), by 4, and of its neighbors: by 2 beside it, by 1 across the corner."""
    down = x + x
    down[..., 1:, :] += x[..., :-1, :]
    down[..., :-1, :] += x[..., 1:, :]
    both: np.ndarray = down + down
    both[..., 1:] += down[..., :-1]
    both[..., :-1] += down[..., 1:]
    return both


def _blocks(x: np.ndarray, join: Callable[..., np.ndarray], beyond: Any) -> np.ndarray:
    """Return one value for each block of two by two pixels."""
    if x.shape[-2] % 2 or x.shape[-1] % 2:
        odd = [(0, 0)] * (x.ndim - 2) + [(0, size % 2) for size in x.shape[-2:]]
        x = np.pad(x, odd, constant_values=beyond)
    rows = join(x[..., ::2, :], x[..., 1::2, :])
    blocks: np.ndarray = join(rows[..., ::2], rows[..., 1::2])
    return blocks
