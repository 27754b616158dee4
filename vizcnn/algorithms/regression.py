"""Weighted least squares, with the errors of the coefficients."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Fit(NamedTuple):
    """What a regression gives.

    Attributes
    ----------
    coefficients : ndarray of float64, shape (K,)
        One for each feature.
    covariance : ndarray of float64, shape (K, K)
        Of the coefficients, whatever the variance of each residual (Huber and White).
    r2 : float
        Share of the weighted variance that the features explain; 1 where there is none to explain.
    """

    coefficients: np.ndarray
    covariance: np.ndarray
    r2: float


def fit(
    features: np.ndarray,
    values: np.ndarray,
    weights: np.ndarray,
    *,
    ridge: float = 0.0,
    intercept: bool = True,
    group: int = 1,
) -> Fit:
    """Fit values by a weighted sum of features.

    Parameters
    ----------
    features : ndarray, shape (n, K)
        The features.
    values, weights : ndarray, shape (n,)
        What is fitted, and how much each of them counts. Values that differ by no more than float32 rounds are taken for one.
    ridge : float, default 0.0
        What is added to the sum of squares for each squared coefficient.
    intercept : bool, default True
        Whether a constant is fitted too, which `ridge` leaves alone.
    group : int, default 1
        How many rows behind each other were drawn together; the groups are independent.

    Returns
    -------
    Fit

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.regression import fit
    >>> features = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> fitted = fit(features, 5 + features @ [2.0, -1.0], np.ones(4))
    >>> fitted.coefficients.round(6), round(fitted.r2, 6)
    (array([ 2., -1.]), 1.0)
    """
    x, y, w = (np.asarray(array, dtype=np.float64) for array in (features, values, weights))
    if intercept:
        constant = np.ptp(y) <= np.finfo(np.float32).eps * np.abs(y).max()
        x, y = x - np.average(x, axis=0, weights=w), np.zeros_like(y) if constant else y - np.average(y, weights=w)
    weighted = x * w[:, None]
    inverse = np.linalg.pinv(weighted.T @ x + ridge * np.eye(x.shape[1]), hermitian=True)
    coefficients = inverse @ (weighted.T @ y)
    left = y - x @ coefficients
    moments = (weighted * left[:, None]).reshape(-1, group, x.shape[1]).sum(axis=1)
    free = len(moments) - x.shape[1] - intercept
    covariance = inverse @ (moments.T @ moments) @ inverse * (len(moments) / max(free, 1))
    total = float((w * y**2).sum())
    return Fit(coefficients, covariance, 1 - float((w * left**2).sum()) / total if total > 0 else 1.0)
