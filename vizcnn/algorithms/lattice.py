"""Asking at some places of a grid: which ones, and what is likely at the others."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np

from vizcnn.algorithms.ranks import rank_correlation

_REGULAR = 0.7
"""Share of what may be asked for that may go into the regular lattice; the rest goes where it matters."""

_NOISE = 0.1
"""Share of the variance that a place has for itself, and no other knows of."""


class Filled(NamedTuple):
    """What is known of a grid.

    Attributes
    ----------
    values : ndarray, shape (N, ...)
        What was answered, and elsewhere what is likely.
    share : float
        How many of the places were asked for.
    foretold : ndarray of float32, shape (N,)
        Rank correlation of what was answered after the regular lattice with what was likely before; 1 where nothing was asked.
    """

    values: np.ndarray
    share: float
    foretold: np.ndarray


def ask_some(
    shape: Sequence[int], share: float, reach: Sequence[float], ask: Callable[[np.ndarray], np.ndarray], images: int
) -> Filled:
    """Ask for the values of some places of a grid: a regular lattice, then places between neighbors that differ most in rank.

    Parameters
    ----------
    shape : sequence of int
        Places along each axis.
    share : float
        How many of the places may be asked for, above 0 and up to 1.
    reach : sequence of float
        In how many places along each axis the correlation of two values falls to a third.
    ask : callable
        Takes places as they are numbered in the grid, (N, n), and returns their values, (N, n).
    images : int
        Of how many images, N.

    Returns
    -------
    Filled

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.lattice import ask_some
    >>> hill = np.exp(-((np.arange(21) - 14.0) ** 2) / 20)
    >>> filled = ask_some((21,), 0.75, (5.0,), lambda places: hill[places], 1)
    >>> round(filled.share, 2), bool(np.abs(filled.values - hill).max() < 0.1)
    (0.71, True)
    """
    total = int(np.prod(shape))
    left, step = max(1, int(share * total + 1e-9)), 1
    while _lattice(shape, step).size > left * (1 if step == 1 else _REGULAR) and step < max(shape):
        step *= 2
    values, known = np.zeros((images, total)), np.zeros((images, total), dtype=bool)
    places = np.repeat(_lattice(shape, step)[None], images, axis=0)
    guesses, answers = [], []
    while places.size:
        answer = ask(places)
        if known.any():
            guesses.append(np.take_along_axis(values, places, axis=1))
            answers.append(answer)
        np.put_along_axis(values, places, answer, axis=1)
        np.put_along_axis(known, places, True, axis=1)
        values = np.stack([likely(*pair, shape, reach) for pair in zip(values, known, strict=True)])
        left, step = left - places.shape[1], step // 2
        if not step:
            break
        places = np.stack([_between(*pair, shape, step)[:left] for pair in zip(values, known, strict=True)])
    foretold = np.ones(images)
    if guesses:
        pairs = zip(np.concatenate(guesses, axis=1), np.concatenate(answers, axis=1), strict=True)
        foretold = np.array([rank_correlation(*pair) for pair in pairs])
    return Filled(values.reshape(images, *shape), float(known[0].mean()), foretold.astype(np.float32))


def _lattice(shape: Sequence[int], step: int) -> np.ndarray:
    """Return every so manieth place along each axis."""
    return np.arange(int(np.prod(shape))).reshape(shape)[tuple(slice(None, None, step) for _ in shape)].ravel()


def _between(values: np.ndarray, known: np.ndarray, shape: Sequence[int], half: int) -> np.ndarray:
    """Return the places between those of a lattice, of which the next ones are `half` away, in the order to ask for them.

    Those in the middle of a cell come first, where all their neighbors are of the lattice; among them those whose neighbors'
    values differ most in rank.
    """
    ranks = _ranks(values, np.sort(values[known])).reshape(shape)
    grid = known.reshape(shape)
    high, low = (
        reduce(extreme, _shifted(np.where(grid, ranks, away), half, away))
        for extreme, away in ((np.maximum, -np.inf), (np.minimum, np.inf))
    )
    differ = (high - low).ravel()
    odd = [np.arange(length) % (2 * half) == half if length > half else np.ones(1, bool) for length in shape]
    middle = reduce(np.logical_and, np.meshgrid(*odd, indexing="ij"))
    places = _lattice(shape, half)
    places = places[~known[places]]
    return np.asarray(places[np.lexsort((places, -differ[places], ~middle.ravel()[places]))])


def _shifted(array: np.ndarray, by: int, outside: float) -> list[np.ndarray]:
    """Return an array as it is seen from its neighbors, to all sides and from itself."""
    padded = np.pad(array, by, constant_values=outside)
    starts = itertools.product((0, by, 2 * by), repeat=array.ndim)
    return [padded[tuple(slice(at, at + n) for at, n in zip(start, array.shape, strict=True))] for start in starts]


def likely(values: np.ndarray, known: np.ndarray, shape: Sequence[int], reach: Sequence[float]) -> np.ndarray:
    """Return what is known, and elsewhere the best linear guess by it, of a correlation that falls off along each axis.

    Parameters
    ----------
    values : ndarray, shape (n,)
        The values of a grid, where they are known.
    known : ndarray of bool, shape (n,)
        Where that is.
    shape : sequence of int
        Places along each axis.
    reach : sequence of float
        In how many places along each axis the correlation falls to a third, ``exp(-1)``.

    Returns
    -------
    ndarray, shape (n,)

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.lattice import likely
    >>> likely(np.array([0.0, 0.0, 2.0]), np.array([True, False, True]), (3,), (2.0,)).round(6).tolist()
    [0.0, 1.0, 2.0]
    """
    if known.all():
        return values
    steps = [np.abs(np.subtract.outer(np.arange(length), np.arange(length))) for length in shape]
    tables = [np.exp(-step / far) for step, far in zip(steps, reach, strict=True)]
    mask, mean = known.reshape(shape), values[known].mean()
    # Weights w of the known ones, by conjugate gradients: (K + noise) w = values.
    left = np.where(mask, values.reshape(shape) - mean, 0)
    weights, direction, size = np.zeros(shape), left, (left**2).sum()
    least = 1e-12 * size
    for _ in range(200):
        if size <= least:
            break
        image = np.where(mask, _correlated(direction, tables) + _NOISE * direction, 0)
        length = size / (direction * image).sum()
        weights, left = weights + length * direction, left - length * image
        before, size = size, (left**2).sum()
        direction = left + size / before * direction
    guess: np.ndarray = mean + _correlated(weights, tables)
    return np.where(known, values, guess.ravel())


def _correlated(values: np.ndarray, tables: Sequence[np.ndarray]) -> np.ndarray:
    for axis, table in enumerate(tables):
        values = np.moveaxis(np.tensordot(table, values, (1, axis)), 0, axis)
    return values


def _ranks(values: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Return how many of sorted values are below each one, those that are equal by half."""
    return (np.searchsorted(among, values, "left") + np.searchsorted(among, values, "right")) / 2
