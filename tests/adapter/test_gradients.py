"""Laws that gradients keep, and what is said where there is none."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from keras import layers

import vizcnn as vz
from tests.models import BOTH_WAYS, CLOSE, differences, images, linear_model, nested, operations
from tests.rounding import assert_same_sums, rounding
from vizcnn.adapter import LAST_SPATIAL
from vizcnn.targets import WeightedSum

_float = st.floats(-8, 8, width=32)


@pytest.fixture(scope="module")
def linear() -> Any:
    return vz.adapt(linear_model(np.zeros((12, 3)), (2, 3, 2), "softmax"))


@given(weights=arrays(np.float32, (12, 3), elements=_float), bias=_float, index=st.integers(0, 2))
def test_gradient_of_a_linear_model_is_its_weights(linear: Any, weights: np.ndarray, bias: float, index: int) -> None:
    x = images(2, (2, 3, 2))
    linear.model.set_weights([weights, np.full(3, bias, np.float32)])
    taken = linear.gradients(x, index)
    expected = np.broadcast_to(weights[:, index].reshape(2, 3, 2), x.shape)
    np.testing.assert_allclose(taken.gradients, expected, rtol=1e-6, atol=1e-37)  # TensorFlow flushes denormals to zero
    assert_same_sums(taken.scores, x.reshape(2, -1) @ weights[:, index] + bias, 13, size=13 * 8)


@pytest.fixture(scope="module")
def network() -> Any:
    return vz.adapt(nested().model)


@given(indices=st.lists(st.integers(0, 2), min_size=1, max_size=7), seed=st.integers(0, 99))
def test_batch_is_its_loop(network: Any, indices: list[int], seed: int) -> None:
    x = images(len(indices), seed=seed)
    together = network.gradients(x, indices)
    for i, index in enumerate(indices):
        alone = network.gradients(x[i : i + 1], index)
        assert_same_sums(together.gradients[i], alone.gradients[0], *BOTH_WAYS)
        np.testing.assert_allclose(together.scores[i], alone.scores[0], **CLOSE)


@given(seed=st.integers(0, 99))
def test_gradient_of_a_mix_is_the_mix_of_gradients(network: Any, seed: int) -> None:
    x = images(2, seed=seed)
    mixed = network.gradients(x, WeightedSum((0, 1, 2), (2.0, -1.0, 0.5)))
    parts = [network.gradients(x, index) for index in range(3)]
    for name in ("gradients", "scores"):
        first, second, third = (getattr(part, name) for part in parts)
        np.testing.assert_allclose(getattr(mixed, name), 2 * first - second + third / 2, **rounding(*BOTH_WAYS, size=4))


def test_gradient_is_the_change_that_each_value_makes() -> None:
    adapter, x = vz.adapt(operations().model), images(1)
    taken = adapter.gradients(x, 2)
    numeric = differences(lambda batch: adapter.scores(batch, 2), x[0])
    # A step of 1e-2 may carry a unit of ReLU over its corner, at a few values.
    assert np.mean(np.abs(taken.gradients[0] - numeric) < 2e-3) > 0.95


def test_scores_and_outputs_come_with_the_gradient(network: Any) -> None:
    x = images(3)
    taken = network.gradients(x, 1, of=LAST_SPATIAL)
    np.testing.assert_allclose(taken.scores, network.scores(x, 1), **CLOSE)
    np.testing.assert_allclose(taken.outputs[0], network.outputs(x)[0], **CLOSE)


def test_scores_come_with_the_outputs_of_the_same_run(network: Any) -> None:
    scores, (outputs,) = network.scores_and_outputs(images(3), 1)
    np.testing.assert_allclose(scores, network.scores(images(3), 1), **CLOSE)
    np.testing.assert_allclose(outputs, network.outputs(images(3))[0], **CLOSE)


def test_unknown_rule_is_rejected_with_the_known_ones(network: Any) -> None:
    with pytest.raises(
        vz.errors.OptionError,
        match=r"`rule` must be one of 'vanilla', 'guided', 'relu', 'deconv', 'rectified'; got 'guide'.*guided",
    ):
        network.gradients(images(1), 0, rule="guide")


def test_score_that_the_input_does_not_move_is_an_error() -> None:
    x = keras.Input((2, 2, 1))
    model = keras.Model(x, keras.ops.cast(layers.Flatten()(x) > 0, "float32"), name="steps")
    with pytest.raises(
        vz.errors.CapabilityError, match=r"'class 1' has no gradient by the input of model 'steps': a layer rounds"
    ):
        vz.adapt(model).gradients(images(1, (2, 2, 1)), 1)


def test_model_without_maps_has_no_last_map() -> None:
    model = linear_model(np.ones((4, 2)), (2, 2, 1))
    with pytest.raises(
        vz.errors.LayerError, match=r"Model 'linear' has no layer with more than one row and column .*Flatten, Dense"
    ):
        vz.adapt(model).gradients(images(1, (2, 2, 1)), 0, of=LAST_SPATIAL)
