"""HSIC against the criterion's own matrices over a loop of masked images, and what can be worked out by hand."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests.models import images, linear_model
from vizcnn.errors import OptionError

SHAPE = (4, 6, 2)
SAMPLES = 40


@pytest.fixture(scope="module")
def cnn() -> Any:
    keras.utils.set_random_seed(3)
    return vz.adapt(
        keras.Sequential([keras.Input(SHAPE), layers.Flatten(), layers.Dense(8, activation="tanh"), layers.Dense(3)])
    )


def slow(cnn: Any, image: np.ndarray, target: int, labels: np.ndarray, fill: float, seed: int) -> np.ndarray:
    """Return HSIC of each segment, by the matrices of the definition."""
    number = labels.max() + 1
    seen = np.random.default_rng(seed).random((SAMPLES, number)) < 0.5
    scores = []
    for row in seen:
        mask = row[labels][..., None]
        scores.append(cnn.scores((image * mask + fill * (1 - mask)).astype(np.float32)[None], target)[0])
    distances = [abs(scores[i] - scores[j]) for i in range(SAMPLES) for j in range(i)]
    kernel = np.array([[np.exp(-((a - b) ** 2) / (2 * np.median(distances) ** 2)) for a in scores] for b in scores])
    center = np.eye(SAMPLES) - 1 / SAMPLES
    return np.array([np.trace((c[:, None] == c) @ center @ kernel @ center) / (SAMPLES - 1) ** 2 for c in seen.T])


@pytest.mark.parametrize("seed", [0, 7])
def test_hsic_equals_the_trace_over_a_loop_of_masked_images(cnn: Any, seed: int) -> None:
    batch = images(2, SHAPE)
    result = vz.hsic(cnn, batch, [1, 2], num_segments=6, num_samples=SAMPLES, baseline=0.25, seed=seed)
    labels = result.extras["segments"].astype(int)
    assert labels.max() == 5
    for index, target in enumerate([1, 2]):
        expected = slow(cnn, batch[index], target, labels[index], 0.25, seed)
        np.testing.assert_allclose(result.values[index], expected[labels[index]], rtol=1e-3, atol=1e-6)
    assert not result.signed


def test_segments_that_do_nothing_lie_about_chance_and_a_constant_changes_nothing() -> None:
    weights = np.zeros((24, 1))
    weights[:2] = [[3.0], [-2.0]]
    image = np.ones((1, 4, 6, 1), np.float32)
    plain, raised = (
        vz.hsic(linear_model(weights, (4, 6, 1), bias=bias), image, 0, num_segments=24, baseline=0.0)
        for bias in (0, 50)
    )
    values = plain.values[0].ravel()
    assert values[:2].min() > 10 * values[2:].max()
    assert np.median(values[2:]) < 2 * plain.measures["chance"][0]
    assert values[2:].mean() == pytest.approx(plain.measures["chance"][0], rel=0.6)
    np.testing.assert_allclose(raised.values, plain.values, rtol=1e-2, atol=1e-5)


def test_standard_error_is_how_far_maps_of_other_seeds_are_apart(cnn: Any) -> None:
    image = images(1, SHAPE)
    results = [vz.hsic(cnn, image, 1, num_segments=6, num_samples=100, seed=seed) for seed in range(40)]
    spread = np.sqrt(np.var([result.values for result in results], axis=0, ddof=1).mean())
    told = np.sqrt(np.mean([np.square(result.extras["standard error"]) for result in results]))
    assert told == pytest.approx(spread, rel=0.5)


def test_score_that_nothing_moves_has_an_empty_map() -> None:
    with pytest.warns(vz.errors.VizcnnWarning, match="zero"):
        result = vz.hsic(linear_model(np.zeros((24, 1)), (4, 6, 1), bias=7.0), images(1, (4, 6, 1)), 0, num_samples=9)
    assert not result.values.any()
    assert result.measures["chance"] == result.measures["standard error"] == 0


def test_images_of_other_numbers_of_segments_are_each_as_alone(cnn: Any) -> None:
    batch = images(3, SHAPE)

    def cut(image: np.ndarray) -> np.ndarray:
        return np.arange(24).reshape(4, 6) // (8 if image[0, 0, 0] > np.median(batch[:, 0, 0, 0]) else 4)

    together = vz.hsic(cnn, batch, [0, 1, 2], segments=cut, num_samples=SAMPLES)
    assert len(set(together.extras["segments"].max(axis=(1, 2)))) == 2
    for index in range(3):
        alone = vz.hsic(cnn, batch[index : index + 1], index, segments=cut, num_samples=SAMPLES)
        np.testing.assert_allclose(together.values[index], alone.values[0], rtol=1e-3, atol=1e-6)


def test_fewer_than_three_copies_are_refused(cnn: Any) -> None:
    with pytest.raises(OptionError, match="`num_samples` must be a whole number from 3 on; got 2"):
        vz.hsic(cnn, images(1, SHAPE), 1, num_samples=2)
