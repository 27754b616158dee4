"""RISE against a loop over masked images, against occlusion, and what can be worked out by hand."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests.models import images, linear_model
from tests.rounding import rounding
from vizcnn.algorithms.changes import grid_masks, mask_by_grids
from vizcnn.errors import OptionError

SHAPE = (9, 8, 2)
SAMPLES = 12


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


CLOSE = rounding(18, 168, SAMPLES, size=6)
"""The convolution and the dense layer of this network, and the sum over masks."""


def slow(cnn: Any, image: np.ndarray, target: int, fill: float, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the paper's map and ours, by one masked image after another."""
    size = image.shape[:2]
    masks = grid_masks(np, mask_by_grids(SAMPLES, size, **options).numbers(slice(0, SAMPLES)), size)
    scores, total, shown = [], np.zeros(size), np.zeros(size)
    for mask in masks:
        masked = image * mask[..., None] + fill * (1 - mask[..., None])
        scores.append(cnn.scores(masked[None], target)[0])
        total += scores[-1] * mask
        shown += mask
    return total / shown, total / shown - np.mean(scores)


@pytest.mark.parametrize("options", [{"cells": 3}, {"cells": 2, "keep": 0.8, "seed": 4}])
def test_rise_equals_a_loop_over_masked_images(cnn: Any, options: Any) -> None:
    batch = images(2, SHAPE)
    result = vz.rise(cnn, batch, [1, 2], num_samples=SAMPLES, baseline=0.25, **options)
    for index, target in enumerate([1, 2]):
        paper, centered = slow(cnn, batch[index], target, 0.25, **options)
        np.testing.assert_allclose(result.raw[index], paper, **CLOSE)
        np.testing.assert_allclose(result.values[index], centered, **CLOSE)
    assert result.signed


def test_black_box_has_the_same_map(cnn: Any) -> None:
    image = images(1, SHAPE)
    box = vz.adapt(lambda x: cnn.scores(x, 1)[:, None], input_shape=SHAPE)
    ours, its = (vz.rise(model, image, target, num_samples=SAMPLES, cells=3) for model, target in ((cnn, 1), (box, 0)))
    np.testing.assert_allclose(its.values, ours.values, **CLOSE)
    np.testing.assert_allclose(its.extras["standard error"], ours.extras["standard error"], **CLOSE)


@pytest.mark.parametrize("bias", [0.0, 1000.0])
def test_mass_lies_where_the_planted_cause_is_whatever_is_added_to_the_score(bias: float) -> None:
    weights = np.zeros((21, 21, 1), np.float32)
    weights[3:6, 12:15] = 1  # speaks for the class
    weights[15:18, 3:6] = -1  # against it
    model = linear_model(weights.reshape(-1, 1), weights.shape, bias=bias)
    image = np.ones((1, *weights.shape), np.float32)
    values = vz.rise(model, image, 0, num_samples=2000, baseline=0.0).values[0]
    hidden = vz.occlusion(model, image, 0, patch_size=3, stride=1, baseline=0.0).values[0]
    assert values[weights[..., 0] > 0].min() > 0 > values[weights[..., 0] < 0].max()
    assert np.argmax(values) in np.flatnonzero(hidden > 0)
    assert np.argmin(values) in np.flatnonzero(hidden < 0)


def test_symmetric_model_and_image_have_a_symmetric_map_within_its_standard_error() -> None:
    model = linear_model(np.ones((14 * 14, 1)), (14, 14, 1))
    result = vz.rise(model, np.ones((1, 14, 14, 1), np.float32), 0, num_samples=2000, baseline=0.0, cells=2)
    mirrored = result.values[0, :, ::-1]
    assert (np.abs(result.values[0] - mirrored) < 6 * result.extras["standard error"][0]).all()


def test_standard_error_is_how_far_maps_of_other_seeds_are_apart(cnn: Any) -> None:
    image = images(1, SHAPE)
    results = [vz.rise(cnn, image, 1, num_samples=40, cells=3, seed=seed) for seed in range(30)]
    maps, errors = (
        np.array(values)
        for values in ([r.values[0] for r in results], [r.extras["standard error"][0] for r in results])
    )
    spread, told = np.sqrt(maps.var(axis=0, ddof=1).mean()), np.sqrt(np.square(errors).mean())
    assert told == pytest.approx(spread, rel=0.25)
    size = np.sqrt(np.square(maps[0]).mean())
    assert results[0].measures["standard error"][0] == pytest.approx(np.sqrt(np.square(errors[0]).mean()) / size)


def test_model_that_looks_at_nothing_has_an_empty_map_without_error() -> None:
    model = linear_model(np.zeros((72, 1)), (9, 8, 1), bias=3.0)
    with pytest.warns(vz.errors.VizcnnWarning, match="zero"):
        result = vz.rise(model, images(1, (9, 8, 1)), 0, num_samples=8)
    assert not result.values.any()
    assert result.measures["standard error"] == 0
    np.testing.assert_allclose(result.raw, 3.0)


def test_few_masks_have_no_standard_error(cnn: Any) -> None:
    result = vz.rise(cnn, images(1, SHAPE), 1, num_samples=2)
    assert not result.measures
    assert not result.extras


def test_a_batch_is_its_loop(cnn: Any) -> None:
    batch = images(3, SHAPE)
    together = vz.rise(cnn, batch, [0, 1, 2], num_samples=SAMPLES, baseline="noise")
    for index in range(3):
        alone = vz.rise(cnn, batch[index : index + 1], index, num_samples=SAMPLES, baseline="noise")
        np.testing.assert_allclose(together.values[index], alone.values[0], **CLOSE)


def test_seed_repeats_the_map_and_another_changes_it(cnn: Any) -> None:
    image = images(1, SHAPE)
    first, again, other = (vz.rise(cnn, image, 1, num_samples=SAMPLES, seed=seed).values for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_predicted_class_stays_the_explained_one(cnn: Any) -> None:
    image = images(1, SHAPE)
    predicted = int(cnn.outputs(image)[0].argmax())
    unnamed, named = (vz.rise(cnn, image, target, num_samples=SAMPLES, baseline=9.0) for target in (None, predicted))
    np.testing.assert_array_equal(unnamed.values, named.values)


@pytest.mark.parametrize("shape", [(20, 2), (4, 6, 5, 1)])
def test_signals_and_volumes_have_maps_of_their_own_shape(shape: tuple[int, ...]) -> None:
    weights = np.zeros(shape, np.float32)
    weights[:2] = 1
    flat = weights.reshape(-1, 1)
    box = vz.adapt(lambda x: x.reshape(len(x), -1) @ flat, input_shape=shape)
    values = vz.rise(box, np.ones((1, *shape), np.float32), 0, num_samples=400, cells=4, baseline=0.0).values[0]
    assert values.shape == shape[:-1]
    assert values[0].mean() > 0
    assert values[0].mean() > 4 * np.abs(values[-1]).mean()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"num_samples": 0}, "`num_samples` must be a positive whole number; got 0"),
        ({"cells": 0}, "`cells` must be a positive whole number; got 0"),
        ({"keep": 1.0}, "`keep` must be a number between 0 and 1; got 1.0"),
        ({"keep": "half"}, "`keep` must be a number between 0 and 1; got 'half'"),
        ({"baseline": "gray"}, "`baseline` must be a number, one per channel, or one of 'mean', 'blur', 'noise'"),
    ],
)
def test_wrong_options_are_rejected(cnn: Any, options: Any, text: str) -> None:
    with pytest.raises(OptionError) as error:
        vz.rise(cnn, images(1, SHAPE), 0, **options)
    assert text in str(error.value)
