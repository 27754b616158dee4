"""One network, put together in every way that Keras allows, answers the same numbers: those of the NumPy formulas."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import vizcnn as vz
from tests.models import Built, images, reference
from vizcnn.adapter import LAST_SPATIAL

CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def test_outputs_are_what_the_formulas_give(built: Built) -> None:
    x = images()
    expected = reference(x, skip=built.skip)
    (outputs,) = vz.adapt(built.model).outputs(x)
    np.testing.assert_allclose(outputs, expected.probabilities if built.softmax else expected.logits, **CLOSE)


def test_scores_are_logits(built: Built) -> None:
    x = images()
    scores = vz.adapt(built.model).scores(x, [2, 0])
    np.testing.assert_allclose(scores, reference(x, skip=built.skip).logits[[0, 1], [2, 0]], **CLOSE)


def test_default_target_is_the_largest_logit(built: Built) -> None:
    x = images(4)
    scores = vz.adapt(built.model).scores(x)
    np.testing.assert_allclose(scores, reference(x, skip=built.skip).logits.max(axis=-1), **CLOSE)


def test_activations_are_found_by_path(built: Built) -> None:
    x = images()
    expected = reference(x, skip=built.skip)
    found = vz.adapt(built.model).activations(x, [built.first, built.last])
    np.testing.assert_allclose(found[built.first], expected.first, **CLOSE)
    np.testing.assert_allclose(found[built.last], expected.last, **CLOSE)


@pytest.mark.parametrize("rule", ["vanilla", "guided", "relu"])
def test_gradients_by_the_input_follow_the_rule(built: Built, rule: str) -> None:
    x = images()
    taken = vz.adapt(built.model).gradients(x, 1, rule=rule)
    expected = reference(x, 1, skip=built.skip, rule=rule)
    np.testing.assert_allclose(taken.gradients, expected.by_input, **CLOSE)
    np.testing.assert_array_equal(taken.values, x)
    assert (taken.layer, taken.notes) == (None, ())


@pytest.mark.parametrize("rule", ["vanilla", "guided", "relu"])
def test_gradients_by_an_inner_layer_follow_the_rule(built: Built, rule: str) -> None:
    x = images()
    taken = vz.adapt(built.model).gradients(x, 1, of=built.first, rule=rule)
    expected = reference(x, 1, skip=built.skip, rule=rule)
    np.testing.assert_allclose(taken.gradients, expected.by_first, **CLOSE)
    np.testing.assert_allclose(taken.values, expected.first, **CLOSE)
    assert taken.layer == built.first


def test_last_map_is_the_one_before_the_pooling(built: Built) -> None:
    x = images()
    taken = vz.adapt(built.model).gradients(x, 1, of=LAST_SPATIAL)
    expected = reference(x, 1, skip=built.skip)
    np.testing.assert_allclose(taken.gradients, expected.by_last, **CLOSE)
    np.testing.assert_allclose(taken.values, expected.last, **CLOSE)
    np.testing.assert_allclose(taken.scores, expected.logits[:, 1], **CLOSE)
    assert taken.layer == built.last


def test_model_is_bit_for_bit_the_same_afterwards(built: Built) -> None:
    model, x = built.model, images()
    model(x[:1])
    before, keys = np.asarray(model(x)), [set(vars(layer)) for layer in model._flatten_layers()]
    adapter = vz.adapt(model)
    adapter.gradients(x, 0, rule="guided", of=built.first)
    adapter.activations(x, [built.first])
    np.testing.assert_array_equal(np.asarray(model(x)), before)
    assert [set(vars(layer)) for layer in model._flatten_layers()] == keys


def test_mixed_float16_is_near_the_float32_model() -> None:
    from tests.models import functional

    x, before = images(), keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        adapter = vz.adapt(functional().model)
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    taken = adapter.gradients(x, 1, rule="guided")
    expected = reference(x, 1, rule="guided")
    # float16 has 11 bits: a few parts in a thousand of the largest value, after two convolutions.
    np.testing.assert_allclose(taken.scores, expected.logits[:, 1], rtol=0, atol=3e-3)
    np.testing.assert_allclose(taken.gradients, expected.by_input, rtol=0, atol=5e-3 * np.abs(expected.by_input).max())
    assert taken.gradients.dtype == taken.scores.dtype == np.float32
