"""Ranks, and how alike two orders are."""

from __future__ import annotations

import numpy as np


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Return Spearman's correlation of two arrays, 0 where all values of one are the same.

    Parameters
    ----------
    first, second : ndarray
        As many values each.

    Returns
    -------
    float

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.ranks import rank_correlation
    >>> round(rank_correlation(np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 15.0])), 6)
    0.5
    >>> rank_correlation(np.array([1.0, 2.0]), np.array([3.0, 3.0]))
    0.0
    """
    from scipy import stats  # costs a while to import

    ranks = [stats.rankdata(values.ravel()) for values in (first, second)]
    centered = [each - each.mean() for each in ranks]
    size = float(np.sqrt(np.prod([np.square(each).sum() for each in centered])))
    return float((centered[0] * centered[1]).sum() / size) if size > 0 else 0.0
