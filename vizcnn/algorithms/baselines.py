"""What stands in place of an image, or of a part of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from vizcnn.algorithms.changes import fill
from vizcnn.errors import OptionError, listed
from vizcnn.resample import blur

Baseline: TypeAlias = float | Sequence[float] | str

BASELINES = ("mean", "blur", "noise")
"""Baselines by name."""


def baselines(images: np.ndarray, baseline: Any, sigma: Sequence[float], *, seed: int = 0) -> np.ndarray:
    """Return what stands in place of each image, as a companion of its changed copies.

    Parameters
    ----------
    images : ndarray, shape (N, H, W, C)
        The images.
    baseline : float, sequence of float, "mean", "blur" or "noise"
        In the units of the images: one number, one per channel, each image's mean color, the image blurred by a Gaussian, or
        uniform noise between its lowest and highest value.
    sigma : sequence of float
        Standard deviation of that Gaussian, in pixels along each axis.
    seed : int, default 0
        Seed of the noise, which is the same for all images.

    Returns
    -------
    ndarray of float32
        (N, H, W, C), or (N, 1, 1, C) where it is one color.

    Raises
    ------
    OptionError
        If the baseline is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.baselines import baselines
    >>> image = np.array([[[[0.0], [1.0]]]])
    >>> baselines(image, "mean", (1.0, 1.0)), baselines(image, "blur", (1.0, 1.0)).shape
    (array([[[[0.5]]]], dtype=float32), (1, 1, 2, 1))
    """
    if isinstance(baseline, str):
        if baseline == "mean":
            return fill(images, images.mean(axis=tuple(range(1, images.ndim - 1))))
        if baseline == "blur":
            return np.stack([blur(image, tuple(sigma)) for image in images])
        if baseline == "noise":
            return np.stack([_noise(image, seed) for image in images])
        raise OptionError(
            f"`baseline` must be a number, one per channel, or one of {listed(BASELINES)}; got {baseline!r}."
        )
    color = np.asarray(baseline, dtype=np.float32)
    channels = images.shape[-1]
    if color.ndim > 1 or (color.ndim == 1 and color.size != channels) or not np.isfinite(color).all():
        raise OptionError(f"`baseline` must be one number or one for each of {channels} channels; got {baseline!r}.")
    return fill(images, color)


def _noise(image: np.ndarray, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.uniform(image.min(), image.max(), image.shape).astype(np.float32)
