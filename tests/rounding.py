"""How far two results may lie apart that differ in the order of their sums alone, as they do on another processor."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

_SURE = 5.0
"""Deviations of the rounding errors' sum that all but surely hold (Higham and Mary 2019, doi:10.1137/18M1226312)."""


def rounding(*lengths: int, dtype: type[np.floating] = np.float32, size: float = 1.0) -> dict[str, float]:
    """Return the tolerances of `numpy.testing.assert_allclose` for sums behind sums.

    Parameters
    ----------
    *lengths : int
        How many products each sum has, one after the other: a 5x5 convolution of one channel and a dense layer of 100: 25, 100.
        Backwards the same again, and the length of each sum over positions.
    dtype : type, default numpy.float32
        What they are computed in.
    size : float, default 1.0
        How large the summed products are, all together.

    Returns
    -------
    dict
        `rtol` and `atol`.
    """
    # Errors of sums of n grow with the root of n; two results have them, of half a unit in the last place each.
    bound = _SURE * float(np.finfo(dtype).eps) * sum(map(math.sqrt, lengths))
    return {"rtol": bound, "atol": bound * size}


def assert_same_sums(actual: ArrayLike, expected: ArrayLike, *lengths: int, size: float | None = None) -> None:
    """Compare float32 sums that were computed in two ways: other kernels, batches, threads, or float64.

    Parameters
    ----------
    actual, expected : array_like
        Both results.
    *lengths : int
        As in `rounding`.
    size : float, optional
        How large the summed products are, all together; by default as large as the largest value that is expected. To be
        given where they cancel out.
    """
    largest = float(np.abs(expected).max())
    np.testing.assert_allclose(actual, expected, **rounding(*lengths, size=largest if size is None else size))
