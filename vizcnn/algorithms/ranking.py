"""Which of several is best, by numbers on the same images: means with intervals, ranks, and whether the order is repeatable."""

from __future__ import annotations

import warnings

import numpy as np

NUM_RESAMPLES = 1000
"""Times that the images are drawn anew, of which an interval is made."""

NUM_HALVES = 200
"""Times that the images are parted in two halves by chance."""

CHANCE = 0.05
"""Share that is left to chance, at both ends of an interval together."""


def ranks(values: np.ndarray, *, descending: bool = False) -> np.ndarray:
    """Return the place of each row in every column, 1 for the first; of equal ones the mean of their places.

    Parameters
    ----------
    values : ndarray, shape (M, ...)
        M to be ranked. NaN: isn't, and has no place.
    descending : bool, default False
        Whether the largest comes first.

    Returns
    -------
    ndarray of float64, shape (M, ...)

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.ranking import ranks
    >>> ranks(np.array([0.2, np.nan, 0.1, 0.2]), descending=True)
    array([1.5, nan, 3. , 1.5])
    """
    from scipy import stats  # costs a while to import

    values = -values if descending else values
    return np.asarray(stats.rankdata(values, axis=0, nan_policy="omit"), dtype=np.float64)


def resampled_means(values: np.ndarray, *, num_resamples: int = NUM_RESAMPLES, seed: int = 0) -> np.ndarray:
    """Return means over images that are drawn anew with replacement: the same draw for all rows, which so can be compared.

    Parameters
    ----------
    values : ndarray, shape (M, N)
        A number for each of N images; NaN is left out.
    num_resamples : int, default 1000
        How many draws.
    seed : int, default 0
        Of the draws.

    Returns
    -------
    ndarray of float64, shape (num_resamples, M)
        NaN where a draw has no number of a row.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.ranking import resampled_means
    >>> draws = resampled_means(np.array([[1.0, 1.0, 1.0], [0.0, 3.0, 6.0]]))
    >>> draws.shape, bool((draws[:, 0] == 1).all()), bool(abs(draws[:, 1].mean() - 3) < 0.2)
    ((1000, 2), True, True)
    """
    count = values.shape[1]
    drawn = np.random.default_rng(seed).integers(0, count, (num_resamples, count))
    times = np.stack([np.bincount(row, minlength=count) for row in drawn]).astype(np.float64)
    return _means(values, times)


def interval(draws: np.ndarray, *, chance: float = CHANCE) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends between which all but a share of draws lies.

    Parameters
    ----------
    draws : ndarray, shape (K, ...)
        The draws; NaN is left out.
    chance : float, default 0.05
        That share, half of it beyond each end.

    Returns
    -------
    (ndarray, ndarray)

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.ranking import interval
    >>> [float(end) for end in interval(np.arange(101.0), chance=0.2)]
    [10.0, 90.0]
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of nothing but NaN the ends are NaN
        low, high = np.nanquantile(draws, [chance / 2, 1 - chance / 2], axis=0)
    return low, high


def half_taus(values: np.ndarray, *, num_halves: int = NUM_HALVES, seed: int = 0) -> np.ndarray:
    """Return how alike two halves of the images order the rows, for many ways to part them: Kendall's tau of their means.

    Parameters
    ----------
    values : ndarray, shape (M, N)
        A number for each of N images; NaN is left out.
    num_halves : int, default 200
        How many ways.
    seed : int, default 0
        Of the parting.

    Returns
    -------
    ndarray of float64, shape (num_halves,)
        1 where both order them alike, -1 the other way round; 0 where a half tells none from another. Empty where there are fewer
        than two rows or two images.

    Notes
    -----
    With two rows, 95 % of these are 1 exactly where a paired z test of the two means would call them different at the level of
    5 %: the halves' differences are the whole's, more and less the same.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.ranking import half_taus
    >>> noise = np.random.default_rng(0).normal(size=(3, 20))
    >>> half_taus(noise + np.array([[0.0], [9.0], [18.0]])).min()
    np.float64(1.0)
    """
    rows, count = values.shape
    if rows < 2 or count < 2:
        return np.empty(0)
    generator = np.random.default_rng(seed)
    first = generator.permuted(np.tile(np.arange(count) < count // 2, (num_halves, 1)), axis=1).astype(np.float64)
    one, other = (_pairs(_means(values, half)) for half in (first, 1 - first))
    untied = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    taus: np.ndarray = (one * other).sum(axis=1) / np.where(untied > 0, untied, 1)
    return taus


def _pairs(means: np.ndarray) -> np.ndarray:
    """Return of each pair of M columns which is larger: 1, -1, or 0 for neither."""
    first, second = np.triu_indices(means.shape[1], 1)
    signs: np.ndarray = np.nan_to_num(np.sign(means[:, first] - means[:, second]))
    return signs


def mean_of_known(values: np.ndarray, axis: int) -> np.ndarray:
    """Return the mean of what isn't NaN along an axis; NaN where nothing is.

    Parameters
    ----------
    values : ndarray
        The numbers.
    axis : int
        The axis.

    Returns
    -------
    ndarray of float64

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.ranking import mean_of_known
    >>> mean_of_known(np.array([[1.0, np.nan], [np.nan, np.nan]]), axis=1)
    array([ 1., nan])
    """
    known = np.isfinite(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0).sum(axis=axis, dtype=np.float64)
    mean: np.ndarray = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean


def _means(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return weighted means (K, M) of rows (M, N) by K sets of weights (K, N), without what is NaN."""
    known = np.isfinite(values)
    total = weights @ known.T.astype(np.float64)
    summed = weights @ np.where(known, values, 0).T.astype(np.float64)
    means: np.ndarray = np.divide(summed, total, out=np.full_like(summed, np.nan), where=total > 0)
    return means
