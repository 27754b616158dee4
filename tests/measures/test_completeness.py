"""Completeness on a linear model, whose map is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import vizcnn as vz
from tests.models import images
from vizcnn.measures.completeness import completeness

WEIGHTS = np.random.default_rng(0).normal(size=30).astype(np.float32)


def linear(inputs: np.ndarray) -> np.ndarray:
    values = inputs.reshape(len(inputs), -1) @ WEIGHTS + 3
    return np.stack([-values, values], axis=-1)


@pytest.fixture
def model() -> Any:
    return vz.adapt(linear, input_shape=(6, 5, 1), preprocess="none")


def measure(model: Any, maps: np.ndarray, x: np.ndarray, **options: Any) -> Any:
    return completeness(model, x, vz.targets.resolve(1, model, len(x)), maps.astype(np.float32), **options)


@pytest.mark.parametrize("start", [0.0, 0.25])
def test_true_map_adds_up_and_half_of_it_to_half(model: Any, start: float) -> None:
    x = images(2, (6, 5, 1))
    true = (x[..., 0] - start) * WEIGHTS.reshape(6, 5)
    np.testing.assert_allclose(measure(model, true, x, baseline=start).values, 0, atol=1e-5)
    np.testing.assert_allclose(measure(model, true / 2, x, baseline=start).values, 0.5, rtol=1e-4)
    np.testing.assert_allclose(measure(model, -true, x, baseline=start).values, 2, rtol=1e-4)
    np.testing.assert_allclose(measure(model, 0 * true, x, baseline=start).values, 1)


def test_baseline_of_the_same_score_leaves_no_rise(model: Any) -> None:
    found = measure(model, np.ones((1, 6, 5)), np.full((1, 6, 5, 1), 0.5, np.float32), baseline="mean")
    assert [which.tolist() for which in found.undefined.values()] == [[True]]
