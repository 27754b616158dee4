"""The maps, regions, hidden pixels and chance that references of metrics are asked about, and ours too."""

from __future__ import annotations

import numpy as np

from tests.golden.model import SIZE, given

EXPLAINED = (4, 3)
"""The class that is explained, of each image: one whose probability neither is 0 nor 1."""

HIDDEN = (np.add.outer(np.arange(SIZE) ** 2, 7 * np.arange(SIZE)) % 10 < 6) | (np.arange(SIZE) > 11)
"""Scattered pixels, and a band at an edge."""

REGIONS = np.zeros((2, SIZE, SIZE), dtype=bool)
"""A part of each image, with the highest pixel of the first map, and without that of the second."""
REGIONS[0, 2:12, 3:12] = REGIONS[1, 5:16, 0:6] = True

SIDE = 4
"""Of hidden squares and cells, in pixels."""

CORNERS = np.stack([np.arange(30) * factor % (SIZE + SIDE - 1) + 1 - SIDE for factor in (7, 11)], axis=1)
"""Where squares begin, row and column; beyond the edges too."""

RADIUS = 0.02
"""Of the noise that a map should withstand, as a share of the image's range."""

OTHER_CLASSES = (1, 0)
"""The class that is explained in place of the other, of each image; two further on."""


def maps() -> np.ndarray:
    """Return signed maps (2, 16, 16) of different values everywhere."""
    ramp = np.linspace(0, 1e-3, SIZE * SIZE).reshape(SIZE, SIZE)
    weighted: np.ndarray = given().images @ np.array([1.0, -2.0, 1.25]) + ramp
    return weighted


def shown_through() -> np.ndarray:
    """Return the maps from 0 to 1: cut at 0, and divided by their largest values."""
    positive = np.maximum(maps(), 0)
    shares: np.ndarray = positive / positive.max(axis=(1, 2), keepdims=True)
    return shares


def order_of_cells() -> np.ndarray:
    """Return orders (36, 16) of the cells of a grid of 4 x 4; the first four are hidden."""
    noise = np.moveaxis(given().noise[:, :4, :4], -1, 1).reshape(36, 16)
    return noise.argsort(axis=1, kind="stable").argsort(axis=1)


def squares() -> np.ndarray:
    """Return which pixels lie in each of the squares, bool (30, 16, 16)."""
    row, column = (np.arange(SIZE) - CORNERS[:, axis, None] for axis in (0, 1))
    inside = [(places >= 0) & (places < SIDE) for places in (row, column)]
    return inside[0][:, :, None] & inside[1][:, None, :]


def moved(image: np.ndarray) -> np.ndarray:
    """Return an image (16, 16, 3) with weak noise, twelve times."""
    noise = np.clip(given().noise, -1, 1)
    noisy: np.ndarray = image + RADIUS * np.ptp(image) * noise
    return noisy


def untrained(values: np.ndarray) -> np.ndarray:
    """Return what stands for a weight before its training: the weight turned around along all axes."""
    return np.flip(values).copy()
