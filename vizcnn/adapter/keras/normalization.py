"""What a model's first batch normalization remembers of training, to compare inputs with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

_LEAST = 1e-3
"""Scales below this hide what was normalized."""


def first_normalization(operations: Mapping[str, Any]) -> str | None:
    """Return the path of the first layer that remembers the mean and the variance of its inputs in training."""
    for path, operation in operations.items():
        if getattr(operation, "moving_mean", None) is not None and hasattr(operation, "moving_variance"):
            return path
    return None


def moments(values: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray | None:
    """Return mean and mean square of what was normalized, which in training had zero and one.

    Parameters
    ----------
    values : ndarray, shape (N, ..., C)
        What the layer returns.
    scale, shift : ndarray, shape (C,)
        What it does after normalizing.

    Returns
    -------
    ndarray of float64, shape (N, K, 2)
        Of each image and of those channels that the layer doesn't hide; None where it hides all.
    """
    shows = np.abs(scale) > _LEAST
    if not shows.any() or values.shape[-1] != len(scale):
        return None
    rows = values.reshape(len(values), -1, len(scale))[..., shows].astype(np.float64)
    normalized = (rows - shift[shows]) / scale[shows]
    return np.stack([normalized.mean(axis=1), (normalized**2).mean(axis=1)], axis=-1)
