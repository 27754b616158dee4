"""KernelSHAP against Shapley's own formula over all coalitions, and what can be worked out by hand."""

from __future__ import annotations

import itertools
from math import factorial
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests.models import images, linear_model
from tests.rounding import rounding
from vizcnn.errors import OptionError

SHAPE = (4, 6, 2)


@pytest.fixture(scope="module")
def cnn() -> Any:
    keras.utils.set_random_seed(3)
    hidden = layers.Dense(8, activation="tanh", kernel_initializer=keras.initializers.RandomNormal(stddev=0.5, seed=0))
    return vz.adapt(keras.Sequential([keras.Input(SHAPE), layers.Flatten(), hidden, layers.Dense(3)]))


CLOSE = rounding(48, 8, 64, size=6)
"""Both dense layers of this network, and the sum over coalitions."""


def slow(cnn: Any, image: np.ndarray, target: int, labels: np.ndarray, fill: float) -> np.ndarray:
    """Return the Shapley value of each segment, by what it adds to every coalition of the others."""
    number = labels.max() + 1
    scores = {}
    for seen in itertools.product([0, 1], repeat=number):
        mask = np.array(seen)[labels][..., None]
        scores[seen] = cnn.scores((image * mask + fill * (1 - mask)).astype(np.float32)[None], target)[0]
    values = np.zeros(number)
    for seen, score in scores.items():
        size = sum(seen)
        for index in range(number):
            if not seen[index]:
                other = (*seen[:index], 1, *seen[index + 1 :])
                values[index] += (
                    factorial(size) * factorial(number - size - 1) / factorial(number) * (scores[other] - score)
                )
    return values


def test_few_segments_have_their_exact_shapley_values(cnn: Any) -> None:
    batch = images(2, SHAPE)
    result = vz.kernel_shap(cnn, batch, [1, 2], num_segments=6, num_samples=62, baseline=0.25)
    labels = result.extras["segments"].astype(int)
    assert labels.max() == 5
    for index, target in enumerate([1, 2]):
        expected = slow(cnn, batch[index], target, labels[index], 0.25)
        np.testing.assert_allclose(result.values[index], expected[labels[index]], **CLOSE)
    assert not result.measures["standard error"].any()


def test_sampled_values_lie_about_the_exact_ones_by_their_standard_error(cnn: Any) -> None:
    image = images(1, SHAPE)
    exact = vz.kernel_shap(cnn, image, 1, num_segments=6, baseline=0.25).values
    results = [vz.kernel_shap(cnn, image, 1, num_segments=6, num_samples=40, baseline=0.25, seed=s) for s in range(30)]
    off = np.sqrt(np.mean([np.square(result.values - exact) for result in results]))
    told = np.sqrt(np.mean([np.square(result.extras["standard error"]) for result in results]))
    assert told == pytest.approx(off, rel=0.4)
    assert off > 1e-3


@pytest.mark.parametrize("samples", [24, 25, 200])
def test_values_add_up_to_the_rise_over_the_baseline(cnn: Any, samples: int) -> None:
    image = images(1, SHAPE)
    result = vz.kernel_shap(cnn, image, 1, num_segments=12, num_samples=samples, baseline=0.25)
    pixels = np.bincount(result.extras["segments"].ravel().astype(int))
    total = (result.values[0].ravel() / pixels[result.extras["segments"][0].ravel().astype(int)]).sum()
    black = cnn.scores(np.full((1, *SHAPE), 0.25, np.float32), 1)
    np.testing.assert_allclose(total, result.scores[0] - black[0], **CLOSE)


def test_values_of_a_linear_model_are_what_each_pixel_gives() -> None:
    weights, image = images(1, (24, 1), seed=4)[0], images(1, (4, 6, 1))
    result = vz.kernel_shap(linear_model(weights, (4, 6, 1)), image, 0, num_segments=24, num_samples=60, baseline=0.0)
    np.testing.assert_allclose(result.values[0], weights.reshape(4, 6) * image[0, ..., 0], rtol=1e-4, atol=1e-4)
    assert result.measures["standard error"][0] < 1e-4


def test_two_segments_that_only_work_together_share_alike() -> None:
    both = vz.adapt(lambda x: (x[:, 0, 0] * x[:, 0, -1]).reshape(-1, 1), input_shape=(1, 8, 1))
    result = vz.kernel_shap(both, np.ones((1, 1, 8, 1), np.float32), 0, baseline=0.0, num_segments=8)
    np.testing.assert_allclose(result.values[0, 0], [0.5, 0, 0, 0, 0, 0, 0, 0.5], atol=1e-6)


def test_single_segment_has_the_whole_rise(cnn: Any) -> None:
    image = images(1, SHAPE)
    with pytest.warns(vz.errors.VizcnnWarning, match="one value everywhere"):
        result = vz.kernel_shap(cnn, image, 1, num_segments=1, baseline=0.0)
    np.testing.assert_allclose(result.values, result.scores[0] - cnn.scores(np.zeros_like(image), 1)[0], **CLOSE)


def test_images_of_other_numbers_of_segments_are_each_as_alone(cnn: Any) -> None:
    batch = images(3, SHAPE)

    def cut(image: np.ndarray) -> np.ndarray:
        return np.arange(24).reshape(4, 6) // (8 if image[0, 0, 0] > np.median(batch[:, 0, 0, 0]) else 2)

    together = vz.kernel_shap(cnn, batch, [0, 1, 2], segments=cut, num_samples=30)
    assert len(set(together.extras["segments"].max(axis=(1, 2)))) == 2
    for index in range(3):
        alone = vz.kernel_shap(cnn, batch[index : index + 1], index, segments=cut, num_samples=30)
        np.testing.assert_allclose(together.values[index], alone.values[0], **CLOSE)


def test_seed_repeats_the_map_and_another_changes_it(cnn: Any) -> None:
    image, options = images(1, SHAPE), {"num_segments": 12, "num_samples": 30}
    first, again, other = (vz.kernel_shap(cnn, image, 1, seed=seed, **options).values for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_fewer_copies_than_the_segments_need_are_refused(cnn: Any) -> None:
    with pytest.raises(
        OptionError, match="`num_samples` must be a whole number from 24 on, two for each of the 12 segments; got 23"
    ):
        vz.kernel_shap(cnn, images(1, SHAPE), 1, num_segments=12, num_samples=23)
