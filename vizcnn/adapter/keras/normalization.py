"""What a model's first batch normalization remembers of training, to compare inputs with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from vizcnn.adapter.arrays import Array
from vizcnn.adapter.keras.compiled import Traced
from vizcnn.adapter.keras.model_view import ModelView
from vizcnn.adapter.keras.runner import Runner
from vizcnn.adapter.keras.runs import read

_LEAST = 1e-3
"""Scales below this hide what was normalized."""


def normalized_moments(view: ModelView, runner: Runner, inputs: Array) -> Array | None:
    """See `ModelAdapter.normalized_moments`; those of the first batch normalization."""
    path = first_normalization(view.operations)
    if path is None:
        return None
    operation, count = view.operations[path], view.operations[path].moving_mean.shape[0]
    scale, shift = (
        np.full(count, default) if weights is None else runner.value(weights)
        for weights, default in ((getattr(operation, "gamma", None), 1.0), (getattr(operation, "beta", None), 0.0))
    )

    def build(traced: Traced, tensor: Any) -> dict[str, Any]:
        return mean_and_variance(read(view, tensor, (path,), traced)[path])

    found = runner.run(("moments", path), build, inputs).arrays
    return moments(found["mean"], found["variance"], scale, shift)


def first_normalization(operations: Mapping[str, Any]) -> str | None:
    """Return the path of the first layer that remembers the mean and the variance of its inputs in training."""
    for path, operation in operations.items():
        if getattr(operation, "moving_mean", None) is not None and hasattr(operation, "moving_variance"):
            return path
    return None


def mean_and_variance(values: Any) -> dict[str, Any]:
    """Return the mean and the variance of tensors (N, ..., C) over each image's places, by name."""
    values = keras.ops.cast(values, "float32")
    rows = keras.ops.reshape(values, (keras.ops.shape(values)[0], -1, values.shape[-1]))
    mean = keras.ops.mean(rows, axis=1, keepdims=True)
    return {"mean": mean[:, 0], "variance": keras.ops.mean(keras.ops.square(rows - mean), axis=1)}


def moments(mean: np.ndarray, variance: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray | None:
    """Return mean and mean square of what was normalized, which in training had zero and one.

    Parameters
    ----------
    mean, variance : ndarray, shape (N, C)
        Those of what the layer returns, over each image's places.
    scale, shift : ndarray, shape (C,)
        What it does after normalizing.

    Returns
    -------
    ndarray of float64, shape (N, K, 2)
        Of each image and of those channels that the layer doesn't hide; None where it hides all.
    """
    shows = np.abs(scale) > _LEAST
    if not shows.any() or mean.shape[-1] != len(scale):
        return None
    normalized = (mean.astype(np.float64)[:, shows] - shift[shows]) / scale[shows]
    spread = variance.astype(np.float64)[:, shows] / scale[shows] ** 2
    return np.stack([normalized, normalized**2 + spread], axis=-1)
