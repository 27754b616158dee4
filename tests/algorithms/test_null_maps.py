"""Null maps against what can be worked out by hand, and against SciPy's Sobel."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from vizcnn.algorithms.null_maps import NULLS, center_map, edge_maps, null_maps, random_map


@pytest.mark.parametrize("shape", [(2, 9, 7, 3), (2, 11, 1), (1, 4, 6, 5, 2)], ids=["images", "signals", "volumes"])
def test_edges_are_those_of_scipy(shape):
    inputs = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    for found, image in zip(edge_maps(inputs), inputs.mean(axis=-1, dtype=np.float64), strict=True):
        slopes = [ndimage.sobel(image, axis, mode="nearest") for axis in range(image.ndim)]
        np.testing.assert_allclose(found, np.sqrt(np.square(slopes).sum(axis=0)), rtol=1e-5)


def test_edges_do_not_depend_on_the_order_of_the_channels_or_on_what_is_added():
    inputs = np.random.default_rng(0).random((1, 8, 8, 3))
    np.testing.assert_allclose(edge_maps(inputs), edge_maps(5 + inputs[..., ::-1]), rtol=1e-5)


def test_spot_is_highest_in_the_middle_and_a_quarter_wide():
    spot = center_map((9, 41))
    assert np.unravel_index(spot.argmax(), spot.shape) == (4, 20)
    np.testing.assert_allclose(spot, spot[::-1, ::-1])
    np.testing.assert_allclose(spot[4, 20 + 10], np.exp(-((10 / (41 / 4)) ** 2) / 2), rtol=1e-6)


def test_random_maps_of_two_seeds_have_nothing_in_common():
    first, again, second = random_map((50, 50), 0), random_map((50, 50), 0), random_map((50, 50), 1)
    np.testing.assert_array_equal(first, again)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.06


def test_maps_of_an_image_are_the_same_however_the_images_are_cut():
    inputs = np.random.default_rng(0).random((3, 6, 5, 2))
    whole, last = null_maps(inputs, seed=4), null_maps(inputs[2:], seed=4)
    assert tuple(whole) == NULLS
    for name in NULLS:
        assert whole[name].shape == (3, 6, 5)
        np.testing.assert_array_equal(whole[name][2:], last[name])
