"""Metrics against what can be worked out by hand, and against loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

import vizcnn as vz
from tests.models import images
from vizcnn.errors import CapabilityError, OptionError
from vizcnn.measures import registry

ROW = np.array([[[[1.0], [1.0], [1.0], [1.0]]]], np.float32)
"""An image of four pixels in a row, all seen."""

WEIGHTS = np.array([0.4, 0.1, 0.3, 0.2], np.float32)


def seen(inputs: np.ndarray) -> np.ndarray:
    """Return the probabilities of two classes: the weighted pixels for the second."""
    share = inputs[:, 0, :, 0] @ WEIGHTS
    return np.stack([1 - share, share], axis=-1)


@pytest.fixture
def model() -> Any:
    return vz.adapt(seen, input_shape=(1, 4, 1), labels=["no", "yes"], batch_size=2, preprocess="none")


def measure(name: str, model: Any, maps: Any, image: np.ndarray = ROW, target: Any = 1, **options: Any) -> Any:
    score = vz.targets.resolve(target, model, len(image))
    return registry.get(name).run(model, image, score, np.asarray(maps, np.float32), **options)


def test_all_are_listed_with_their_direction():
    better = {name: registry.get(name).better for name in vz.metrics()}
    assert {name: better[name] for name in ("deletion", "insertion", "average_drop", "increase", "average_gain")} == {
        "deletion": "low", "insertion": "high", "average_drop": "low", "increase": "high", "average_gain": "high",
    }  # fmt: skip
    assert {name: better[name] for name in ("mu_fidelity", "sparseness", "complexity")} == {
        "mu_fidelity": "high", "sparseness": "high", "complexity": "low",
    }  # fmt: skip


# Insertion ----------------------------------------------------------------------------------------------------------------


def test_best_order_has_the_highest_area_of_insertion(model):
    best, worst = (
        measure("insertion", model, [[order]], num_steps=4, baseline=0.0) for order in ([4, 1, 3, 2], [1, 4, 2, 3])
    )
    np.testing.assert_allclose(best.extras["curve"], [[0, 0.4, 0.7, 0.9, 1]], atol=1e-6)
    np.testing.assert_allclose(worst.extras["curve"], [[0, 0.1, 0.3, 0.6, 1]], atol=1e-6)
    np.testing.assert_allclose(best.values, [(0.4 + 0.7 + 0.9 + 1 / 2) / 4], atol=1e-6)
    assert worst.values < best.values


def test_insertion_is_deletion_from_the_other_end(model):
    x = images(3, (1, 4, 1))
    maps = np.random.default_rng(0).normal(size=(3, 1, 4))
    shown = measure("insertion", model, maps, x, num_steps=4, baseline=0.0)
    hidden = measure("deletion", model, -maps, x, num_steps=4, baseline=0.0)
    np.testing.assert_allclose(shown.extras["curve"], hidden.extras["curve"][:, ::-1], atol=1e-6)
    np.testing.assert_allclose(shown.values, hidden.values, atol=1e-6)


# Seen through the map -----------------------------------------------------------------------------------------------------


def test_drop_increase_and_gain_are_those_of_the_image_times_its_map(model):
    maps = [[[4, 0, 2, -3]]]  # 1, 0, 1/2, 0 of the pixels: 0.4 + 0.15
    image = np.array([[[[1.0], [1.0], [1.0], [-2.0]]]], np.float32)  # 0.8 - 0.4
    before, after = 0.4, 0.55
    for target, (p, q) in ((1, (before, after)), (0, (1 - before, 1 - after))):
        results = {
            name: measure(name, model, maps, image, target).values[0]
            for name in ("average_drop", "increase", "average_gain")
        }
        assert results["average_drop"] == pytest.approx(max(0, p - q) / p, abs=1e-6)
        assert results["increase"] == float(q > p)
        assert results["average_gain"] == pytest.approx(max(0, q - p) / (1 - p), abs=1e-6)


def test_map_of_ones_loses_nothing_and_a_blank_one_all(model):
    assert measure("average_drop", model, [[[1, 1, 1, 1]]]).values.tolist() == [0]
    assert measure("average_drop", model, [[[0, 0, 0, 0]]]).values.tolist() == [1]
    assert measure("average_drop", model, [[[-1, -1, -1, -1]]]).values.tolist() == [1]


def test_what_has_no_probability_has_no_drop():
    plain = vz.adapt(lambda inputs: inputs.sum(axis=(1, 2)), input_shape=(1, 4, 1))
    with pytest.raises(CapabilityError, match="Metric 'average_drop' needs a class whose probability"):
        measure("average_drop", plain, [[[1, 1, 1, 1]]], target=0)


# mu-Fidelity --------------------------------------------------------------------------------------------------------------


def test_fidelity_is_the_rank_correlation_of_sums_and_drops(model):
    x, maps = images(2, (1, 4, 1)), np.random.default_rng(1).normal(size=(2, 1, 4)).astype(np.float32)
    result = measure("mu_fidelity", model, maps, x, num_samples=12, cells=4, share=0.5, baseline=0.0, seed=3)
    hidden = np.random.default_rng(3).random((12, 4)).argsort(axis=1) < 2
    for image, values, number in zip(x, maps, result.values, strict=True):
        drops = [seen(image[None])[0, 1] - seen(np.where(row[None, :, None], 0, image)[None])[0, 1] for row in hidden]
        sums = [values[0, row].sum() for row in hidden]
        assert number == pytest.approx(stats.spearmanr(np.round(sums, 6), np.round(drops, 6)).statistic, abs=0.02)


def test_true_map_of_a_linear_model_is_perfect_and_its_negative_the_opposite(model):
    exact = WEIGHTS * ROW[0, :, :, 0]
    options = {"cells": 4, "share": 0.25, "baseline": 0.0, "num_samples": 50}
    assert measure("mu_fidelity", model, exact[None], **options).values[0] == pytest.approx(1, abs=1e-3)
    assert measure("mu_fidelity", model, -exact[None], **options).values[0] == pytest.approx(-1, abs=1e-3)


def test_constant_map_or_score_has_no_fidelity(model):
    assert measure("mu_fidelity", model, [[[0, 0, 0, 0]]]).values.tolist() == [0]
    assert measure("mu_fidelity", model, [[[4, 1, 3, 2]]], baseline="mean").values[0] == pytest.approx(0, abs=1e-6)
    with pytest.raises(OptionError, match="`share` must be a number between 0 and 1"):
        measure("mu_fidelity", model, [[[4, 1, 3, 2]]], share=1)


# Of the map alone ---------------------------------------------------------------------------------------------------------


def test_gini_of_magnitudes(model):
    maps = [[[0, 0, 0, 5]], [[1, -1, 1, -1]], [[0, 0, 0, 0]], [[1, 2, 3, 4]]]
    x = np.repeat(ROW, 4, axis=0)
    pairs = np.abs(np.subtract.outer([1, 2, 3, 4], [1, 2, 3, 4])).sum() / (2 * 4**2 * 2.5)
    np.testing.assert_allclose(measure("sparseness", model, maps, x).values, [0.75, 0, 0, pairs], atol=1e-6)


def test_entropy_of_shares(model):
    maps = [[[0, 0, 0, 5]], [[1, -1, 1, -1]], [[0, 0, 0, 0]], [[1, 2, 3, 4]]]
    shares = np.array([0.1, 0.2, 0.3, 0.4])
    expected = [0, np.log(4), np.log(4), -(shares * np.log(shares)).sum()]
    np.testing.assert_allclose(
        measure("complexity", model, maps, np.repeat(ROW, 4, axis=0)).values, expected, atol=1e-6
    )
