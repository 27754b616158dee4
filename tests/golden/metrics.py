"""The maps, regions and hidden pixels that references of metrics are asked about."""

from __future__ import annotations

import numpy as np

from tests.golden.model import SIZE, given

HIDDEN = (np.add.outer(np.arange(SIZE) ** 2, 7 * np.arange(SIZE)) % 10 < 6) | (np.arange(SIZE) > 11)
"""Scattered pixels, and a band at an edge."""

REGIONS = np.zeros((2, SIZE, SIZE), dtype=bool)
"""A part of each image, with the highest pixel of the first map, and without that of the second."""
REGIONS[0, 2:12, 3:12] = REGIONS[1, 5:16, 0:6] = True


def maps() -> np.ndarray:
    """Return signed maps (2, 16, 16) of different values everywhere."""
    ramp = np.linspace(0, 1e-3, SIZE * SIZE).reshape(SIZE, SIZE)
    weighted: np.ndarray = given().images @ np.array([1.0, -2.0, 1.25]) + ramp
    return weighted
