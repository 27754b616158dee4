"""Sobol indices against a loop over the design, and against what can be worked out by hand."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from scipy.stats import qmc

import vizcnn as vz
from tests.models import images, linear_model
from vizcnn.errors import OptionError

SHAPE = (4, 6, 2)


@pytest.fixture(scope="module")
def cnn() -> Any:
    keras.utils.set_random_seed(3)
    return vz.adapt(
        keras.Sequential([keras.Input(SHAPE), layers.Flatten(), layers.Dense(8, activation="tanh"), layers.Dense(3)])
    )


def slow(
    cnn: Any, image: np.ndarray, target: int, labels: np.ndarray, samples: int, fill: float, seed: int
) -> np.ndarray:
    """Return the total index of each segment, by one dimmed image after another."""
    number = labels.max() + 1
    points = qmc.Sobol(2 * number, rng=np.random.default_rng(seed)).random_base2(4)[:samples]
    first, second = points[:, :number], points[:, number:]

    def scored(seen: np.ndarray) -> float:
        mask = seen[labels][..., None]
        return cnn.scores((image * mask + fill * (1 - mask)).astype(np.float32)[None], target)[0]

    whole = np.array([scored(row) for row in first])
    indices = []
    for at in range(number):
        swapped = first.copy()
        swapped[:, at] = second[:, at]
        indices.append(np.mean((whole - [scored(row) for row in swapped]) ** 2) / 2 / whole.var(ddof=1))
    return np.array(indices)


@pytest.mark.parametrize(("samples", "seed"), [(16, 0), (11, 5)])
def test_sobol_equals_jansens_estimator_over_a_loop(cnn: Any, samples: int, seed: int) -> None:
    batch = images(2, SHAPE)
    result = vz.sobol(cnn, batch, [1, 2], num_segments=6, num_samples=samples, baseline=0.25, seed=seed)
    labels = result.extras["segments"].astype(int)
    assert labels.max() == 5
    for index, target in enumerate([1, 2]):
        expected = slow(cnn, batch[index], target, labels[index], samples, 0.25, seed)
        np.testing.assert_allclose(result.values[index], expected[labels[index]], rtol=1e-3, atol=1e-4)
    assert not result.signed


def test_indices_of_a_linear_model_are_the_shares_of_squared_weights_within_their_error() -> None:
    weights = np.array([3.0, -2.0, 1.0, 0.0])
    image = np.ones((1, 1, 4, 1), np.float32)
    result = vz.sobol(
        linear_model(weights[:, None], (1, 4, 1)), image, 0, num_segments=4, num_samples=256, baseline=0.0
    )
    expected = weights**2 / (weights**2).sum()
    np.testing.assert_allclose(result.values[0, 0], expected, atol=0.05)
    assert (np.abs(result.values[0, 0] - expected) <= 3 * result.extras["standard error"][0, 0] + 1e-6).all()
    assert result.extras["standard error"].max() < 0.1


def test_of_two_segments_that_only_work_together_each_has_its_own_part_and_the_joint_one() -> None:
    both = vz.adapt(lambda x: ((x[:, 0, 0] - 0.5) * (x[:, 0, -1] - 0.5)).reshape(-1, 1), input_shape=(1, 4, 1))
    image = np.ones((1, 1, 4, 1), np.float32)
    values = vz.sobol(both, image, 0, num_segments=4, num_samples=512, baseline=0.0).values[0, 0]
    np.testing.assert_allclose(values, [1, 0, 0, 1], atol=0.1)


def test_score_that_nothing_moves_has_an_empty_map() -> None:
    with pytest.warns(vz.errors.VizcnnWarning, match="zero"):
        result = vz.sobol(linear_model(np.zeros((24, 1)), (4, 6, 1), bias=7.0), images(1, (4, 6, 1)), 0, num_segments=4)
    assert not result.values.any()
    assert result.measures["standard error"] == 0


def test_images_of_other_numbers_of_segments_are_each_as_alone(cnn: Any) -> None:
    batch = images(3, SHAPE)

    def cut(image: np.ndarray) -> np.ndarray:
        return np.arange(24).reshape(4, 6) // (8 if image[0, 0, 0] > np.median(batch[:, 0, 0, 0]) else 4)

    together = vz.sobol(cnn, batch, [0, 1, 2], segments=cut, num_samples=8)
    assert len(set(together.extras["segments"].max(axis=(1, 2)))) == 2
    for index in range(3):
        alone = vz.sobol(cnn, batch[index : index + 1], index, segments=cut, num_samples=8)
        np.testing.assert_allclose(together.values[index], alone.values[0], rtol=1e-3, atol=1e-5)


def test_fewer_than_three_points_are_refused(cnn: Any) -> None:
    with pytest.raises(OptionError, match="`num_samples` must be a whole number from 3 on; got 2"):
        vz.sobol(cnn, images(1, SHAPE), 1, num_samples=2)
