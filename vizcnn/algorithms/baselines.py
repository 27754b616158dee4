"""What stands in place of an image, or of a part of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Number
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from vizcnn.algorithms.changes import fill
from vizcnn.errors import OptionError, listed
from vizcnn.resample import blur

if TYPE_CHECKING:
    from vizcnn.adapter import ModelAdapter

Baseline: TypeAlias = Any
"""A number, one per channel, a name of `BASELINES`, a path, or an image."""

PIXELS = {"black": 0, "white": 255}
"""Baselines by name that are an image of one pixel value, which goes through the model's preprocessing as every image does."""

UNIFORM = "uniform"
"""The background that is no images, but colors."""

BASELINES = ("mean", "blur", "noise", *PIXELS)
"""Baselines by name."""


def with_images(options: Mapping[str, Any], model: ModelAdapter, shape: Sequence[int]) -> dict[str, Any]:
    """Return a method's options with the images among them read, as the model takes them.

    Parameters
    ----------
    options : mapping
        All options; "baseline" and "background" are looked at.
    model : ModelAdapter
        The model.
    shape : sequence of int
        The shape (H, W, C) of an input.

    Returns
    -------
    dict
        Where "baseline" was "black", "white", a path or an image, it is an array (1, H, W, C) in the units of the model's inputs;
        of a list of several, a list. Where "background" was images, it is an array (M, H, W, C).

    Raises
    ------
    InputError
        If an image can't be read, or doesn't fit the model.

    Examples
    --------
    >>> import vizcnn as vz
    >>> from vizcnn.algorithms.baselines import with_images
    >>> white = with_images({"baseline": "white"}, vz.assets.digits_cnn(), (28, 28, 1))["baseline"]
    >>> white.shape, float(white.min())  # this network takes pixels as they are
    ((1, 28, 28, 1), 255.0)
    """
    read = dict(options)
    if "baseline" in options:
        given = options["baseline"]
        several = isinstance(given, list | tuple) and not all(isinstance(one, Number) for one in given)
        read["baseline"] = [_image(one, model, shape) for one in given] if several else _image(given, model, shape)
    background = options.get("background", UNIFORM)
    if not (isinstance(background, str) and background == UNIFORM):
        read["background"] = model.load_images(background).inputs(slice(None))
    return read


def _image(baseline: Any, model: ModelAdapter, shape: Sequence[int]) -> Any:
    """Return the image that a baseline is, as the model takes it; what is none as it is."""
    if isinstance(baseline, str) and baseline in PIXELS:
        baseline = np.full((1, *shape), PIXELS[baseline], dtype=np.uint8)
    elif isinstance(baseline, str):
        if not Path(baseline).suffix:
            return baseline
    elif isinstance(baseline, Number) or (isinstance(baseline, list | tuple | np.ndarray) and np.ndim(baseline) < 2):
        return baseline
    loaded = model.load_images(baseline)
    if len(loaded) != 1:
        raise OptionError(f"`baseline` must be one image; got {len(loaded)}.")
    return loaded.inputs(slice(None))


def shown(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a method's options as they stand in its result: an image by its path, or as what it is."""
    return {
        option: _shown(value) if option in ("baseline", "background") else value for option, value in options.items()
    }


def _shown(value: Any) -> Any:
    if isinstance(value, str | Path):
        return str(value)
    if isinstance(value, Number) or (isinstance(value, list | tuple) and all(isinstance(one, Number) for one in value)):
        return value
    if isinstance(value, list | tuple):
        return [_shown(one) for one in value]
    if isinstance(value, np.ndarray) and value.ndim < 2:
        return value.tolist()
    return "an image" if np.ndim(value) < 4 or len(value) == 1 else f"{len(value)} images"


def baselines(images: np.ndarray, baseline: Any, sigma: Sequence[float], *, seed: int = 0) -> np.ndarray:
    """Return what stands in place of each image, as a companion of its changed copies.

    Parameters
    ----------
    images : ndarray, shape (N, H, W, C)
        The images.
    baseline : float, sequence of float, "mean", "blur", "noise", or ndarray of shape (1, H, W, C)
        In the units of the images: one number, one per channel, each image's mean color, the image blurred by a Gaussian,
        uniform noise between its lowest and highest value, or an image, as `with_images` reads it.
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
    if isinstance(baseline, np.ndarray) and baseline.ndim == images.ndim:
        if baseline.shape[1:] != images.shape[1:]:
            raise OptionError(
                f"`baseline` must be an image of the size of the inputs, {images.shape[1:]}; got {baseline.shape[1:]}."
            )
        return np.broadcast_to(baseline, images.shape).astype(np.float32)
    color = np.asarray(baseline, dtype=np.float32)
    channels = images.shape[-1]
    if color.ndim > 1 or (color.ndim == 1 and color.size != channels) or not np.isfinite(color).all():
        raise OptionError(f"`baseline` must be one number or one for each of {channels} channels; got {baseline!r}.")
    return fill(images, color)


def _noise(image: np.ndarray, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.uniform(image.min(), image.max(), image.shape).astype(np.float32)
