"""How far two results may lie apart that differ in the order of their sums alone, as they do on another processor."""

from __future__ import annotations

import math

import numpy as np

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
