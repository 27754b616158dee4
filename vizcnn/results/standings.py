"""Where methods stand beside each other, by numbers on the same images, and whether that is more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vizcnn.algorithms.ranking import CHANCE, half_taus, interval, mean_of_known, ranks, resampled_means

MIN_IMAGES = 6
"""Images below which no order of methods is called repeatable."""


class Standing(NamedTuple):
    """Where a method stands.

    Attributes
    ----------
    method : str
        Its name.
    is_null : bool
        Whether it is no method, but maps without meaning.
    rank : float
        Its mean rank among the methods, over images and metrics: 1 is the best. Of null maps where they would stand among them.
    rank_ends : (float, float)
        Ends of its 95 % interval.
    means : dict of str to float
        The mean over the images, by metric; NaN where it is undefined.
    ends : dict of str to (float, float)
        Ends of their 95 % intervals.
    is_tied : bool
        Whether it can't be told from the first.
    not_above : tuple of str
        The null maps that it isn't better than: over the images it doesn't win more metrics than it loses, but for chance.

    Examples
    --------
    >>> import vizcnn as vz
    >>> compared = vz.evaluate(
    ...     vz.assets.digits_cnn(), vz.assets.digits()[:3], ["gradcam", "saliency"], metrics="sparseness"
    ... )
    >>> first = compared.standings[0]
    >>> first.method, first.rank, first.is_null, list(first.means)
    ('gradcam', 1.0, False, ['sparseness'])
    """

    method: str
    is_null: bool
    rank: float
    rank_ends: tuple[float, float]
    means: dict[str, float]
    ends: dict[str, tuple[float, float]]
    is_tied: bool
    not_above: tuple[str, ...]


class Agreement(NamedTuple):
    """How alike two halves of the images order the methods.

    Attributes
    ----------
    tau : float
        Kendall's tau between the two, the median over many ways to part the images; NaN where there is nothing to order.
    least : float
        What 95 % of these ways reach.
    is_repeatable : bool
        Whether that is above 0, on enough images: only then is one method called better than another.

    Examples
    --------
    >>> import vizcnn as vz
    >>> compared = vz.evaluate(
    ...     vz.assets.digits_cnn(), vz.assets.digits(), ["gradcam", "saliency"], metrics="sparseness"
    ... )
    >>> compared.agreements["rank"].is_repeatable
    True
    """

    tau: float
    least: float
    is_repeatable: bool


def agreement(values: np.ndarray) -> Agreement:
    """Tell how alike halves of the images order methods.

    Parameters
    ----------
    values : ndarray, shape (M, N)
        A number of each method on each image.

    Returns
    -------
    Agreement

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.results.standings import agreement
    >>> noise = np.random.default_rng(0).normal(size=(4, 20))
    >>> agreement(noise).is_repeatable, agreement(noise + 3 * np.arange(4)[:, None]).is_repeatable
    (False, True)
    """
    taus = half_taus(values)
    if not len(taus):
        return Agreement(float("nan"), float("nan"), is_repeatable=False)
    least = float(np.quantile(taus, CHANCE))
    return Agreement(float(np.median(taus)), least, is_repeatable=least > 0 and values.shape[1] >= MIN_IMAGES)


def mean_places(values: np.ndarray, better: Sequence[str], own: Sequence[int]) -> np.ndarray:
    """Return the mean place, over metrics, of each row in each image.

    Parameters
    ----------
    values : ndarray, shape (M, K, N)
        The numbers, by K metrics.
    better : sequence of {"low", "high"}
        Of each metric which are better.
    own : sequence of int
        The rows that are methods, and ranked among each other; the others have the places where they would stand among these.

    Returns
    -------
    ndarray of float64, shape (M, N)
    """
    places = np.full(values.shape, np.nan)
    for at, direction in enumerate(better):
        descending, rows = direction == "high", list(own)
        places[rows, at] = ranks(values[rows, at], descending=descending)
        for row in {*range(len(values))} - {*rows}:
            places[row, at] = ranks(values[[row, *rows], at], descending=descending)[0]
    return mean_of_known(places, axis=1)


def standings(
    values: np.ndarray, methods: Sequence[str], metrics: Sequence[str], better: Sequence[str], nulls: Sequence[str]
) -> tuple[Standing, ...]:
    """Return where each method stands, the best first.

    Parameters
    ----------
    values : ndarray, shape (M, K, N)
        The numbers.
    methods, metrics : sequence of str
        What the rows and the columns are called.
    better : sequence of {"low", "high"}
        Of each metric which are better.
    nulls : sequence of str
        Which rows are null maps.

    Returns
    -------
    tuple of Standing
    """
    own = [row for row, name in enumerate(methods) if name not in nulls]
    places = mean_places(values, better, own)
    ranked, draws = mean_of_known(places, axis=1), resampled_means(places)
    lows, highs = interval(draws)
    first = min(own, key=lambda row: _last_if_nan(float(ranked[row])), default=None)
    means = mean_of_known(values, axis=2)
    ends = [interval(resampled_means(values[:, at])) for at in range(len(metrics))]
    found = []
    for row, name in enumerate(methods):
        is_null = row not in own
        found.append(
            Standing(
                method=name,
                is_null=is_null,
                rank=float(ranked[row]),
                rank_ends=(float(lows[row]), float(highs[row])),
                means={metric: float(means[row, at]) for at, metric in enumerate(metrics)},
                ends={metric: (float(ends[at][0][row]), float(ends[at][1][row])) for at, metric in enumerate(metrics)},
                is_tied=not is_null and first is not None and not _is_below(draws[:, first], draws[:, row]),
                not_above=tuple(
                    null
                    for null in nulls
                    if not is_null and not _wins(values[row], values[list(methods).index(null)], better)
                ),
            )
        )
    return tuple(sorted(found, key=lambda one: _last_if_nan(one.rank)))


def _is_below(one: np.ndarray, other: np.ndarray) -> bool:
    """Tell whether all but a small share of the draws have one mean below another."""
    return bool(np.mean(one < other) > 1 - CHANCE / 2)


def _wins(one: np.ndarray, other: np.ndarray, better: Sequence[str]) -> bool:
    """Tell whether a row (K, N) wins more metrics and images against another than it loses, but for chance."""
    signs = np.array([1 if direction == "high" else -1 for direction in better])[:, None]
    ahead = mean_of_known(np.sign(signs * (one.astype(np.float64) - other)), axis=0)
    return bool(interval(resampled_means(ahead[None]))[0][0] > 0)


def _last_if_nan(value: float) -> float:
    return float("inf") if np.isnan(value) else value
