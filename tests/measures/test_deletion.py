"""Deletion against what can be worked out by hand, and against a loop over hidden pixels."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import vizcnn as vz
from tests.models import images
from vizcnn.errors import OptionError
from vizcnn.measures.deletion import deletion

ROW = np.array([[[[1.0], [1.0], [1.0], [1.0]]]], np.float32)
"""An image of four pixels in a row, all seen."""


def seen(inputs: np.ndarray) -> np.ndarray:
    """Return the probabilities of two classes: a tenth of the weighted pixels for the second."""
    share = inputs[:, 0, :, 0] @ np.array([0.4, 0.1, 0.3, 0.2], np.float32)
    return np.stack([1 - share, share], axis=-1)


@pytest.fixture
def model() -> Any:
    return vz.adapt(seen, input_shape=(1, 4, 1), labels=["no", "yes"], batch_size=2)


def measure(model: Any, maps: Any, target: Any = 1, image: np.ndarray = ROW, **options: Any) -> Any:
    score = vz.targets.resolve(target, model, len(image))
    return deletion(model, image, score, np.asarray(maps, np.float32), **{"num_steps": 4, "baseline": 0.0, **options})


def test_best_order_has_the_lowest_area_and_worst_the_highest(model):
    best, worst = measure(model, [[[4, 1, 3, 2]]]), measure(model, [[[1, 4, 2, 3]]])
    np.testing.assert_allclose(best.extras["curve"], [[1, 0.6, 0.3, 0.1, 0]], atol=1e-6)
    np.testing.assert_allclose(worst.extras["curve"], [[1, 0.9, 0.7, 0.4, 0]], atol=1e-6)
    np.testing.assert_allclose(best.values, [(1 / 2 + 0.6 + 0.3 + 0.1) / 4], atol=1e-6)
    np.testing.assert_allclose(worst.values, [(1 / 2 + 0.9 + 0.7 + 0.4) / 4], atol=1e-6)


def test_two_steps_hide_two_pixels_each(model):
    np.testing.assert_allclose(measure(model, [[[4, 1, 3, 2]]], num_steps=2).extras["curve"], [[1, 0.3, 0]], atol=1e-6)


def test_what_hides_them_is_the_baseline(model):
    hidden = measure(model, [[[4, 1, 3, 2]]], baseline=0.5)
    np.testing.assert_allclose(hidden.extras["curve"], [[1, 0.8, 0.65, 0.55, 0.5]], atol=1e-6)
    kept = measure(model, [[[4, 1, 3, 2]]], baseline="mean")  # all pixels are as their mean
    np.testing.assert_allclose(kept.extras["curve"], [[1, 1, 1, 1, 1]], atol=1e-6)


def test_negative_values_are_hidden_last(model):
    np.testing.assert_allclose(measure(model, [[[-9, 1, 0, -1]]]).extras["curve"], [[1, 0.9, 0.6, 0.4, 0]], atol=1e-6)


def test_pixels_of_equal_values_are_hidden_in_an_order_of_chance(model):
    curves = {tuple(measure(model, [[[1, 1, 1, 1]]], seed=seed).extras["curve"][0].round(3)) for seed in range(12)}
    assert len(curves) > 6


def test_class_is_the_one_that_was_explained(model):
    score = vz.targets.resolve(0, model, 1)
    other = deletion(model, ROW, score, np.array([[[4, 1, 3, 2]]], np.float32), num_steps=4, baseline=0.0)
    np.testing.assert_allclose(other.extras["curve"], [[0, 0.4, 0.7, 0.9, 1]], atol=1e-6)


def test_without_a_class_it_is_the_score(model):
    twice = measure(model, [[[4, 1, 3, 2]]], target=lambda outputs: 2 * outputs[:, 1])
    np.testing.assert_allclose(twice.extras["curve"], [[2, 1.2, 0.6, 0.2, 0]], atol=1e-6)


def test_it_is_a_loop_over_images_with_hidden_pixels(cnn):
    batch = images(2, (7, 8, 2))
    result = vz.explain(cnn, batch, [1, 2], methods="saliency", metrics="deletion:num_steps=7,baseline=0.25")[
        "saliency"
    ]
    for index, label in enumerate([1, 2]):
        order = np.argsort(-result.values[index].ravel(), kind="stable")
        curve = []
        for count in np.rint(np.linspace(0, 56, 8)).astype(int):
            image = batch[index].reshape(56, 2).copy()
            image[order[:count]] = 0.25
            curve.append(cnn.outputs(image.reshape(1, 7, 8, 2))[0][0, label])
        area = sum((a + b) / 2 for a, b in pairwise(curve)) / 7
        name = "deletion:num_steps=7,baseline=0.25"
        np.testing.assert_allclose(result.extras[f"{name} curve"][index], curve, rtol=1e-4)
        np.testing.assert_allclose(result.measures[name][index], area, rtol=1e-4)


@pytest.mark.parametrize("number", [0, -1, 2.5, True])
def test_number_of_steps_is_positive_and_whole(model, number):
    with pytest.raises(OptionError, match="`num_steps` must be a positive whole number; got"):
        measure(model, [[[4, 1, 3, 2]]], num_steps=number)
