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


def map_similarity(maps: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return how alike maps are to others by which pixels they stress: Spearman's correlation of magnitudes, without its sign.

    Parameters
    ----------
    maps, others : ndarray, shape (N, H, W)
        As many maps each.

    Returns
    -------
    ndarray of float32, shape (N,)
        From 0 to 1; 0 where one of two maps is the same everywhere.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.ranks import map_similarity
    >>> map_similarity(np.array([[[1.0, -2.0], [0.0, 3.0]]]), np.array([[[10.0, 20.0], [0.0, 30.0]]]))
    array([1.], dtype=float32)
    """
    pairs = zip(np.abs(maps), np.abs(others), strict=True)
    return np.array([abs(rank_correlation(*pair)) for pair in pairs], dtype=np.float32)


def is_flat(maps: np.ndarray) -> np.ndarray:
    """Tell which maps are the same everywhere, as blank ones are.

    Parameters
    ----------
    maps : ndarray, shape (N, H, W)
        The maps.

    Returns
    -------
    ndarray of bool, shape (N,)

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.ranks import is_flat
    >>> is_flat(np.array([[[0.0, 0.0]], [[0.0, 1.0]]]))
    array([ True, False])
    """
    flat: np.ndarray = np.ptp(maps.reshape(len(maps), -1), axis=1) == 0
    return flat
