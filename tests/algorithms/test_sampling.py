"""Sampling until the error is small enough: of each image no more than it needs, and the samples that a run of as many has."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests.models import images
from tests.rounding import rounding
from vizcnn.algorithms.changes import add_noise
from vizcnn.algorithms.sampling import rounds, sampled
from vizcnn.errors import OptionError

SHAPE = (6, 8, 1)
OPTIONS: dict[str, dict[str, Any]] = {
    "smoothgrad": {"num_samples": 400, "tolerance": 0.12},
    "rise": {"num_samples": 4000, "tolerance": 0.3, "cells": 3},
    "expected_gradients": {"num_samples": 400, "tolerance": 0.1},
    "lime": {"num_samples": 1500, "tolerance": 0.1, "num_segments": 8},
    "kernel_shap": {"num_samples": 1500, "tolerance": 0.05, "num_segments": 12},
    "sobol": {"num_samples": 256, "tolerance": 0.2, "num_segments": 4},
    "hsic": {"num_samples": 800, "tolerance": 0.25, "num_segments": 6},
}
every = pytest.mark.parametrize("method", OPTIONS)
noted = pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")


@pytest.fixture(scope="module")
def cnn() -> Any:
    keras.utils.set_random_seed(3)
    start = keras.initializers.RandomNormal(stddev=0.5, seed=0)
    hidden = layers.Dense(16, activation="tanh", kernel_initializer=start)
    return vz.adapt(keras.Sequential([keras.Input(SHAPE), layers.Flatten(), hidden, layers.Dense(3)]))


def batch() -> np.ndarray:
    """Return images that need different numbers of samples."""
    return images(3, SHAPE) * np.array([0.1, 1, 3], np.float32).reshape(-1, 1, 1, 1)


@noted
@every
def test_error_is_below_the_tolerance_or_all_samples_were_used(cnn: Any, method: str) -> None:
    options = OPTIONS[method]
    result = getattr(vz, method)(cnn, batch(), 1, **options)
    errors, used = result.measures["standard error"], result.measures["samples"]
    assert ((errors <= options["tolerance"]) | (used == options["num_samples"])).all()
    assert (used < options["num_samples"]).any()
    assert (errors > 0).all()


@noted
@every
def test_map_is_that_of_a_run_of_as_many_samples(cnn: Any, method: str) -> None:
    options = dict(OPTIONS[method])
    result = getattr(vz, method)(cnn, batch(), 1, **options)
    del options["tolerance"]
    for index, used in enumerate(result.measures["samples"]):
        alone = getattr(vz, method)(cnn, batch()[index : index + 1], 1, **{**options, "num_samples": int(used)})
        close = rounding(48, 16, int(used), size=float(np.abs(alone.values).max()))
        np.testing.assert_allclose(result.values[index], alone.values[0], **close)
        np.testing.assert_allclose(
            result.measures["standard error"][index], alone.measures["standard error"][0], rtol=1e-3
        )


@noted
@every
def test_images_together_take_as_many_samples_as_each_alone(cnn: Any, method: str) -> None:
    together = getattr(vz, method)(cnn, batch(), 1, **OPTIONS[method]).measures["samples"]
    alone = [getattr(vz, method)(cnn, one[None], 1, **OPTIONS[method]).measures["samples"][0] for one in batch()]
    np.testing.assert_array_equal(together, alone)


@noted
@every
def test_rounds_are_traced_once(cnn: Any, method: str) -> None:
    options = dict(OPTIONS[method])
    getattr(vz, method)(cnn, batch(), 1, **options)
    before = cnn.num_traces
    getattr(vz, method)(cnn, batch()[:2], 2, **options)
    del options["tolerance"]
    getattr(vz, method)(cnn, batch()[:2], 2, **options)
    assert cnn.num_traces == before


@noted
@every
def test_tolerance_that_is_not_reached_is_told(cnn: Any, method: str) -> None:
    options = {**OPTIONS[method], "num_samples": 100, "tolerance": 1e-6}
    result = getattr(vz, method)(cnn, batch()[1:2], 1, **options)
    (note,) = [note for note in result.notes if note.kind == "tolerance"]
    assert "above the `tolerance` of 1e-06: more `num_samples` make it smaller" in note
    assert result.measures["samples"] == 100


@noted
@every
def test_without_a_tolerance_nothing_is_said_of_samples(cnn: Any, method: str) -> None:
    options = {**OPTIONS[method], "num_samples": 70, "tolerance": None}
    assert "samples" not in getattr(vz, method)(cnn, batch()[1:2], 1, **options).measures


@every
@pytest.mark.parametrize("tolerance", [0, -0.1, "small"])
def test_tolerance_that_is_none_is_refused(cnn: Any, method: str, tolerance: Any) -> None:
    with pytest.raises(OptionError, match="`tolerance` must be a"):
        getattr(vz, method)(cnn, batch()[1:2], 1, tolerance=tolerance)


@noted
def test_black_box_takes_as_many_samples(cnn: Any) -> None:
    box = vz.adapt(lambda x: cnn.scores(x, 1)[:, None], input_shape=SHAPE)
    ours, its = (vz.rise(model, batch(), at, **OPTIONS["rise"]) for model, at in ((cnn, 1), (box, 0)))
    np.testing.assert_array_equal(its.measures["samples"], ours.measures["samples"])
    np.testing.assert_allclose(its.values, ours.values, **rounding(48, 16, 4000, size=6))


def test_exact_shapley_values_stay_exact(cnn: Any) -> None:
    result = vz.kernel_shap(cnn, batch()[1:2], 1, num_segments=6, num_samples=100, tolerance=0.5)
    assert (result.measures["samples"], result.measures["standard error"]) == (62, 0)


def test_variance_has_no_tolerance(cnn: Any) -> None:
    with pytest.raises(OptionError, match="`tolerance` must be None for the variance"):
        vz.smoothgrad(cnn, batch()[1:2], 1, statistic="variance", tolerance=0.1)


def test_rounds_are_even_and_end_with_all_samples() -> None:
    assert rounds(16, 25) == [16, 25]
    assert rounds(16, 10) == [10]
    assert rounds(16, 128, growth=2) == [16, 32, 64, 128]
    assert all(count % 2 == 0 for count in rounds(16, 5001)[:-1])


def test_images_themselves_are_run_once_however_many_rounds_there_are() -> None:
    rows: list[int] = []

    def mean(inputs: np.ndarray) -> np.ndarray:
        rows.append(len(inputs))
        return inputs.mean(axis=(1, 2))

    model, inputs = vz.adapt(mean, input_shape=(4, 4, 2)), np.zeros((2, 4, 4, 2), np.float32)
    inputs[1, ..., 1] = 1
    target = vz.targets.resolve(None, model, 2)
    companions = {"scale": np.array([0.1, 10.0])}
    rows.clear()
    changed, counts = sampled(
        model.changed_scores,
        inputs,
        target,
        add_noise(64, (4, 4, 2)),
        companions=companions,
        tolerance=0.02,
        error=lambda changed, counts, _: changed.copy_scores.std(axis=1) / np.sqrt(counts),
        stops=[16, 64],
    )
    assert counts.tolist() == [16, 64]
    assert sum(rows) == 2 + 2 * 16 + 48
    at_once = model.changed_scores(inputs, target, add_noise(64, (4, 4, 2)), companions=companions)
    assert changed.score.classes == at_once.score.classes == (0, 1)
    np.testing.assert_array_equal(changed.copy_scores[1], at_once.copy_scores[1])
