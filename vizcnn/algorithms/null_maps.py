"""Maps that know nothing of the model: what a metric says of these is what its number of a real map has to beat."""

from __future__ import annotations

import numpy as np

NULLS = ("edges", "center", "random")
"""The null maps by name: an edge filter, a spot in the middle of the image, and chance."""

_WIDTH = 1 / 4
"""Standard deviation of the spot, in the image's height and width."""


def null_maps(inputs: np.ndarray, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Return the null maps of some images.

    Parameters
    ----------
    inputs : ndarray, shape (N, H, W, C)
        The images, as the model takes them; signals and volumes too.
    seed : int, default 0
        Seed of the random map, which is the same for all images.

    Returns
    -------
    dict of str to ndarray of float32, shape (N, H, W)
        By name, in the order of `NULLS`.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.null_maps import null_maps
    >>> {name: maps.shape for name, maps in null_maps(np.zeros((2, 28, 28, 3))).items()}
    {'edges': (2, 28, 28), 'center': (2, 28, 28), 'random': (2, 28, 28)}
    """
    count, size = len(inputs), inputs.shape[1:-1]
    maps = edge_maps(inputs), center_map(size)[None], random_map(size, seed)[None]
    return {name: np.broadcast_to(each, (count, *size)) for name, each in zip(NULLS, maps, strict=True)}


def random_map(size: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Return a map of chance: each pixel's value is drawn by itself, evenly from 0 to 1.

    Parameters
    ----------
    size : tuple of int
        Height and width.
    seed : int, default 0
        Seed; a map of another seed has nothing to do with this one.

    Returns
    -------
    ndarray of float32, shape (H, W)

    Examples
    --------
    >>> from vizcnn.algorithms.null_maps import random_map
    >>> first, second = random_map((28, 28), 0), random_map((28, 28), 1)
    >>> bool(abs((first - first.mean()) * (second - second.mean())).mean() > 0), bool((first == second).any())
    (True, False)
    """
    return np.random.default_rng([seed, *b"null"]).random(size, dtype=np.float32)


def center_map(size: tuple[int, ...]) -> np.ndarray:
    """Return a Gaussian spot in the middle, as wide as a quarter of the image: what photographers put there.

    Parameters
    ----------
    size : tuple of int
        Height and width.

    Returns
    -------
    ndarray of float32, shape (H, W)
        1 at the center, falling to the edges.

    Examples
    --------
    >>> from vizcnn.algorithms.null_maps import center_map
    >>> center_map((1, 5)).round(2)
    array([[0.28, 0.73, 1.  , 0.73, 0.28]], dtype=float32)
    """
    exponent = np.zeros(size)
    for axis, length in enumerate(size):
        places = (np.arange(length) - (length - 1) / 2) / (_WIDTH * length)
        exponent = exponent + np.reshape(np.square(places), [-1 if at == axis else 1 for at in range(len(size))])
    spot: np.ndarray = np.exp(-exponent / 2).astype(np.float32)
    return spot


def edge_maps(inputs: np.ndarray) -> np.ndarray:
    """Return how strongly the brightness changes at each pixel, by Sobel's filter.

    Parameters
    ----------
    inputs : ndarray, shape (N, H, W, C)
        The images. Their brightness is the mean of the channels, since it isn't known here which of them is which.

    Returns
    -------
    ndarray of float32, shape (N, H, W)
        The length of the gradient. Beyond its edges an image goes on as it ends there.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.null_maps import edge_maps
    >>> step = np.zeros((1, 3, 4, 1))
    >>> step[:, :, 2:] = 1
    >>> edge_maps(step)[0].tolist()
    [[0.0, 4.0, 4.0, 0.0], [0.0, 4.0, 4.0, 0.0], [0.0, 4.0, 4.0, 0.0]]
    """
    brightness = inputs.mean(axis=-1, dtype=np.float64)
    squares = np.zeros_like(brightness)
    axes = range(1, brightness.ndim)
    for along in axes:
        slope = brightness
        for axis in axes:
            slope = _filtered(slope, axis, (-1, 0, 1) if axis == along else (1, 2, 1))
        squares += np.square(slope)
    edges: np.ndarray = np.sqrt(squares).astype(np.float32)
    return edges


def _filtered(values: np.ndarray, axis: int, weights: tuple[int, int, int]) -> np.ndarray:
    """Return the weighted sum of each value and its two neighbors along an axis."""
    padded = np.pad(values, [(int(at == axis),) * 2 for at in range(values.ndim)], mode="edge")
    length = values.shape[axis]
    parts = (np.take(padded, range(start, start + length), axis=axis) for start in range(3))
    total: np.ndarray = np.add.reduce([weight * part for weight, part in zip(weights, parts, strict=True)])
    return total
