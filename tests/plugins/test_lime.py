"""LIME against scikit-learn's ridge regression over a loop of masked images, and what can be worked out by hand."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.linear_model import Ridge

import vizcnn as vz
from tests.models import images, linear_model
from tests.rounding import rounding
from vizcnn.errors import OptionError

SHAPE = (6, 9, 2)
SAMPLES = 40


@pytest.fixture(scope="module")
def cnn() -> Any:
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(4, 3, activation="tanh"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    return vz.adapt(model)


CLOSE = rounding(18, 112, SAMPLES, size=10)
"""The convolution and the dense layer of this network, and the regression over copies."""


def slow(cnn: Any, image: np.ndarray, target: int, labels: np.ndarray, width: float, ridge: float, fill: float) -> Any:
    """Return weight of each segment and R2, by one copy after another, as the authors' code does it."""
    number = labels.max() + 1
    seen = np.vstack([np.ones(number), np.random.default_rng(0).random((SAMPLES, number)) < 0.5])
    scores = []
    for row in seen:
        copy = image.copy()
        for index in np.flatnonzero(row == 0):
            copy[labels == index] = fill
        scores.append(cnn.scores(copy[None], target)[0])
    cosine = seen.sum(axis=1) / (np.sqrt(seen.sum(axis=1)) * np.sqrt(number) + 1e-12)
    weights = np.sqrt(np.exp(-((1 - cosine) ** 2) / width**2))
    model = Ridge(alpha=ridge).fit(seen, scores, sample_weight=weights)
    return model.coef_, model.score(seen, scores, sample_weight=weights)


@pytest.mark.parametrize(("width", "ridge"), [(0.25, 1.0), (0.5, 0.0)])
def test_lime_equals_a_ridge_regression_over_masked_images(cnn: Any, width: float, ridge: float) -> None:
    batch = images(2, SHAPE)
    options = {"num_segments": 6, "num_samples": SAMPLES, "baseline": 0.25, "kernel_width": width, "ridge": ridge}
    result = vz.lime(cnn, batch, [1, 2], **options)
    labels = result.extras["segments"].astype(int)
    assert labels.max() == 5
    for index, target in enumerate([1, 2]):
        weights, r2 = slow(cnn, batch[index], target, labels[index], width, ridge, 0.25)
        np.testing.assert_allclose(result.values[index], weights[labels[index]], **CLOSE)
        assert result.measures["R2"][index] == pytest.approx(r2, abs=1e-3)


def test_weights_of_a_linear_model_are_what_each_segment_gives() -> None:
    weights, image = images(1, (6 * 9, 1), seed=4)[0], images(1, (6, 9, 1))
    result = vz.lime(
        linear_model(weights, (6, 9, 1)), image, 0, num_segments=6, num_samples=100, baseline=0.0, ridge=0.0
    )
    given = weights.reshape(6, 9) * image[0, ..., 0]
    for label in range(6):
        inside = result.extras["segments"][0] == label
        np.testing.assert_allclose(result.values[0][inside], given[inside].sum(), rtol=1e-4, atol=1e-4)
    assert result.measures["R2"][0] == pytest.approx(1)
    assert result.measures["standard error"][0] < 1e-4


def test_where_two_segments_work_only_together_r2_is_low() -> None:
    both = vz.adapt(lambda x: (x[:, 0, 0] * x[:, 0, -1]).reshape(-1, 1), input_shape=(1, 8, 1))
    one = vz.adapt(lambda x: x[:, 0, 0].reshape(-1, 1), input_shape=(1, 8, 1))
    image = np.ones((1, 1, 8, 1), np.float32)
    linear, joint = (vz.lime(box, image, 0, baseline=0.0, num_segments=8, num_samples=200) for box in (one, both))
    assert linear.measures["R2"][0] > 0.99
    assert 0.3 < joint.measures["R2"][0] < 0.9
    assert set(np.argsort(joint.values[0, 0])[-2:]) == {0, 7}


def test_images_of_other_numbers_of_segments_are_each_as_alone(cnn: Any) -> None:
    batch = images(3, SHAPE)

    def cut(image: np.ndarray) -> np.ndarray:
        return np.arange(6 * 9).reshape(6, 9) // (18 if image[0, 0, 0] > np.median(batch[:, 0, 0, 0]) else 9)

    options = {"segments": cut, "num_samples": SAMPLES, "baseline": "segment_mean"}
    together = vz.lime(cnn, batch, [0, 1, 2], **options)
    assert len(set(together.extras["segments"].max(axis=(1, 2)))) == 2
    for index in range(3):
        alone = vz.lime(cnn, batch[index : index + 1], index, **options)
        np.testing.assert_allclose(together.values[index], alone.values[0], **CLOSE)
    assert together.options["segments"] == "cut"


def test_standard_error_is_how_far_maps_of_other_seeds_are_apart(cnn: Any) -> None:
    image = images(1, SHAPE)
    results = [vz.lime(cnn, image, 1, num_segments=6, num_samples=SAMPLES, seed=seed) for seed in range(30)]
    spread = np.sqrt(np.var([result.values for result in results], axis=0, ddof=1).mean())
    told = np.sqrt(np.mean([np.square(result.extras["standard error"]) for result in results]))
    assert told == pytest.approx(spread, rel=0.4)
    assert spread > 0


def test_own_labels_survive_being_saved(cnn: Any, tmp_path: Any) -> None:
    labels = np.repeat([[0, 0, 0, 1, 1, 1, 5, 5, 5]], 6, axis=0)
    result = vz.lime(cnn, images(1, SHAPE), 1, segments=labels, num_samples=SAMPLES)
    again = vz.load_result(result.save(tmp_path / "lime.npz"))
    np.testing.assert_array_equal(again.extras["segments"][0], np.repeat([[0, 0, 0, 1, 1, 1, 2, 2, 2]], 6, axis=0))
    assert again.options["segments"] == "an array of labels"


def test_seed_repeats_the_map_and_another_changes_it(cnn: Any) -> None:
    image = images(1, SHAPE)
    options = {"num_segments": 6, "num_samples": SAMPLES}
    first, again, other = (vz.lime(cnn, image, 1, seed=seed, **options).values for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"num_samples": 7, "num_segments": 6},
            "`num_samples` must be a whole number from 8 on, two more than the 6 segments; got 7",
        ),
        ({"kernel_width": 0}, "`kernel_width` must be a positive number; got 0"),
        ({"ridge": -1.0}, "`ridge` must be a number that is not negative; got -1.0"),
        ({"baseline": "gray"}, "'black', 'white', 'segment_mean'; got 'gray'"),
    ],
)
def test_wrong_options_are_rejected(cnn: Any, options: Any, text: str) -> None:
    with pytest.raises(OptionError) as error:
        vz.lime(cnn, images(1, SHAPE), 0, **options)
    assert text in str(error.value)
