"""Infidelity against a loop over squares, and on linear models, whose map is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import vizcnn as vz
from tests.models import images
from vizcnn.errors import OptionError
from vizcnn.measures.infidelity import infidelity

SHAPE = (6, 5, 1)
WEIGHTS = np.random.default_rng(0).normal(size=30).astype(np.float32)


def linear(inputs: np.ndarray) -> np.ndarray:
    values = inputs.reshape(len(inputs), -1) @ WEIGHTS
    return np.stack([-values, values], axis=-1)


@pytest.fixture
def model() -> Any:
    return vz.adapt(linear, input_shape=SHAPE, batch_size=7, preprocess="none")


def measure(model: Any, maps: np.ndarray, x: np.ndarray, **options: Any) -> Any:
    score = vz.targets.resolve(1, model, len(x))
    return infidelity(model, x, score, maps.astype(np.float32), **{"baseline": 0.0, "num_samples": 30, **options})


@pytest.mark.parametrize("scale", ["own", "best"])
def test_it_is_what_sums_over_squares_leave_of_the_drops(model: Any, scale: Any) -> None:
    x, maps = images(2, SHAPE), np.random.default_rng(1).normal(size=(2, 6, 5))
    found = measure(model, maps, x, scale=scale, size=0.5, seed=4)
    generator, side = np.random.default_rng(4), round(0.5 * 5)
    starts = [generator.integers(1 - side, length, 30) for length in (6, 5)]
    for image, values, number in zip(x, maps, found.values, strict=True):
        sums, drops = [], []
        for top, left in zip(*starts, strict=True):
            hidden = np.zeros((6, 5), bool)
            hidden[max(0, top) : top + side, max(0, left) : left + side] = True
            sums.append(values[hidden].sum())
            drops.append((image[..., 0].ravel() * WEIGHTS)[hidden.ravel()].sum())
        sums, drops = np.array(sums), np.array(drops)
        factor = max(0, sums @ drops / (sums @ sums)) if scale == "best" else 1
        assert number == pytest.approx(((factor * sums - drops) ** 2).mean() / (drops**2).mean(), rel=1e-3)


def test_true_map_is_perfect_in_any_unit_and_its_negative_as_good_as_none(model: Any) -> None:
    x = images(2, SHAPE)
    true = x[..., 0] * WEIGHTS.reshape(6, 5)
    np.testing.assert_allclose(measure(model, true, x, scale="own").values, 0, atol=1e-6)
    np.testing.assert_allclose(measure(model, 50 * true, x).values, 0, atol=1e-6)
    np.testing.assert_allclose(measure(model, -true, x).values, 1)
    np.testing.assert_allclose(measure(model, -true, x, scale="own").values, 4, rtol=1e-4)


def test_blank_map_explains_nothing_and_a_constant_score_leaves_nothing_to_explain(model: Any) -> None:
    x = images(1, SHAPE)
    np.testing.assert_allclose(measure(model, np.zeros((1, 6, 5)), x).values, 1)
    constant = vz.adapt(lambda inputs: np.ones((len(inputs), 2), np.float32), input_shape=SHAPE)
    found = measure(constant, x[..., 0], x)
    assert [which.tolist() for which in found.undefined.values()] == [[True]]


def test_options_are_checked(model: Any) -> None:
    with pytest.raises(OptionError, match="`size` must be a number between 0 and 1; got 3"):
        measure(model, np.zeros((1, 6, 5)), images(1, SHAPE), size=3)
