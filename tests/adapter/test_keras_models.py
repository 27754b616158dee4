"""One network, put together in every way that Keras allows, answers the same numbers: those of the NumPy formulas."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest

import vizcnn as vz
from tests import models
from tests.models import BOTH_WAYS, CLOSE, FORWARD, Built, images, reference
from tests.rounding import assert_same_sums
from vizcnn.adapter import LAST_SPATIAL, as_adapter


def test_outputs_are_what_the_formulas_give(built: Built) -> None:
    x = images()
    expected = reference(x, skip=built.skip)
    (outputs,) = as_adapter(built.model).outputs(x)
    np.testing.assert_allclose(outputs, expected.probabilities if built.softmax else expected.logits, **CLOSE)


def test_scores_are_logits(built: Built) -> None:
    x = images()
    scores = as_adapter(built.model).scores(x, [2, 0])
    np.testing.assert_allclose(scores, reference(x, skip=built.skip).logits[[0, 1], [2, 0]], **CLOSE)


def test_default_target_is_the_largest_logit(built: Built) -> None:
    x = images(4)
    scores = as_adapter(built.model).scores(x)
    np.testing.assert_allclose(scores, reference(x, skip=built.skip).logits.max(axis=-1), **CLOSE)


def test_activations_are_found_by_path(built: Built) -> None:
    x = images()
    expected = reference(x, skip=built.skip)
    found = as_adapter(built.model).activations(x, [built.first, built.last])
    np.testing.assert_allclose(found[built.first], expected.first, **CLOSE)
    np.testing.assert_allclose(found[built.last], expected.last, **CLOSE)


@pytest.mark.parametrize("rule", ["vanilla", "guided", "relu"])
def test_gradients_by_the_input_follow_the_rule(built: Built, rule: str) -> None:
    x = images()
    taken = as_adapter(built.model).gradients(x, 1, rule=rule)
    expected = reference(x, 1, skip=built.skip, rule=rule)
    np.testing.assert_allclose(taken.gradients, expected.by_input, **CLOSE)
    np.testing.assert_array_equal(taken.values, x)
    assert (taken.layer, taken.notes) == (None, ())


@pytest.mark.parametrize("rule", ["vanilla", "guided", "relu"])
def test_gradients_by_an_inner_layer_follow_the_rule(built: Built, rule: str) -> None:
    x = images()
    taken = as_adapter(built.model).gradients(x, 1, of=built.first, rule=rule)
    expected = reference(x, 1, skip=built.skip, rule=rule)
    np.testing.assert_allclose(taken.gradients, expected.by_first, **CLOSE)
    np.testing.assert_allclose(taken.values, expected.first, **CLOSE)
    assert taken.layer == built.first


def test_last_map_is_the_one_before_the_pooling(built: Built) -> None:
    x = images()
    taken = as_adapter(built.model).gradients(x, 1, of=LAST_SPATIAL)
    expected = reference(x, 1, skip=built.skip)
    np.testing.assert_allclose(taken.gradients, expected.by_last, **CLOSE)
    np.testing.assert_allclose(taken.values, expected.last, **CLOSE)
    np.testing.assert_allclose(taken.scores, expected.logits[:, 1], **CLOSE)
    assert taken.layer == built.last


@pytest.mark.parametrize("build", [models.nested_twice, models.wrapped, models.preprocessing_inside])
def test_model_is_bit_for_bit_the_same_afterwards(build: models.Builder) -> None:
    built, x = build(), images()
    model = built.model
    model(x, training=False)
    before, keys = (
        keras.ops.convert_to_numpy(model(x, training=False)),
        [set(vars(layer)) for layer in model._flatten_layers()],
    )
    adapter = vz.adapt(model)
    adapter.gradients(x, 0, rule="guided", of=built.first)
    adapter.activations(x, [built.first])
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model(x, training=False)), before)
    assert [set(vars(layer)) for layer in model._flatten_layers()] == keys


# Models that have made no layer yet: whichever question comes first is answered -----------------------------------------

NEVER_CALLED = [models.sequential_never_called, models.subclassed, models.wrapped]


@pytest.mark.parametrize("build", NEVER_CALLED)
def test_model_never_called_can_be_asked_for_scores_first(build: models.Builder) -> None:
    built, x = build(), images()
    scores = vz.adapt(built.model).scores(x, 2)
    np.testing.assert_allclose(scores, reference(x, skip=built.skip).logits[:, 2], **CLOSE)


@pytest.mark.parametrize("build", NEVER_CALLED)
def test_model_never_called_can_be_asked_for_activations_first(build: models.Builder) -> None:
    built, x = build(), images()
    found = vz.adapt(built.model).activations(x, [built.first])
    np.testing.assert_allclose(found[built.first], reference(x, skip=built.skip).first, **CLOSE)


@pytest.mark.parametrize("build", NEVER_CALLED)
def test_model_never_called_can_be_asked_for_gradients_first(build: models.Builder) -> None:
    built, x = build(), images()
    taken = vz.adapt(built.model).gradients(x, 1, of=built.first)
    np.testing.assert_allclose(taken.gradients, reference(x, 1, skip=built.skip).by_first, **CLOSE)


@pytest.mark.parametrize("build", NEVER_CALLED)
def test_model_never_called_says_so_when_asked_without_an_image(build: models.Builder) -> None:
    with pytest.raises(
        vz.errors.UnsupportedModelError, match="doesn't say what inputs it takes; show it an image first"
    ):
        vz.adapt(build().model).num_classes()


@pytest.mark.parametrize("called_by", ["its user", "an adapter"])
def test_parameters_that_were_none_are_counted_once_the_model_has_made_them(called_by: str) -> None:
    built = models.subclassed()
    adapter = vz.adapt(built.model)
    assert sum(info.num_params for info in adapter.layers) == adapter.num_params == 0
    built.model(images(1)) if called_by == "its user" else adapter.prepare(images(1).shape[1:])
    assert sum(info.num_params for info in adapter.layers) == adapter.num_params == built.model.count_params() > 0


# Inputs ------------------------------------------------------------------------------------------------------------------


def test_open_size_takes_images_of_several_sizes() -> None:
    adapter = vz.adapt(models.open_size().model)
    for shape in ((6, 5, 3), (9, 8, 3), (6, 5, 3)):
        x = images(shape=shape)
        taken = adapter.gradients(x, 1, of=LAST_SPATIAL)
        np.testing.assert_allclose(taken.gradients, reference(x, 1).by_last, **CLOSE)
    assert adapter.input_shape == (None, None, 3)
    assert adapter.num_traces == 2


def test_units_of_a_layer_are_counted_at_the_size_of_the_image() -> None:
    adapter = vz.adapt(models.open_size().model)
    adapter.scores(images(shape=(6, 5, 3)), 0)
    x = images(shape=(9, 8, 3))
    scores = adapter.scores(x, vz.targets.Neuron("out", (8, 7, 2)))
    np.testing.assert_allclose(scores, reference(x).last[:, 8, 7, 2], **CLOSE)


def test_regions_of_an_output_are_counted_at_the_size_of_the_image() -> None:
    x = keras.Input((None, None, 3))
    adapter = vz.adapt(keras.Model(x, models.conv("maps", models.CONV1)(x)))
    adapter.scores(images(shape=(6, 5, 3)), 0)
    large = images(shape=(9, 8, 3))
    scores = adapter.scores(large, vz.targets.Region((7, 6, 9, 8), 1))
    expected = models.convolve(large, *models.CONV1)[:, 7:9, 6:8, 1].mean(axis=(1, 2))
    np.testing.assert_allclose(scores, expected, **CLOSE)


def test_input_without_a_channel_axis_is_one_channel() -> None:
    weights = np.arange(12, dtype=np.float32).reshape(6, 2)
    adapter = vz.adapt(models.linear_model(weights, (2, 3)))
    taken = adapter.gradients(images(shape=(2, 3, 1)), 1)
    assert adapter.input_shape == (2, 3, 1)
    np.testing.assert_allclose(taken.gradients, np.broadcast_to(weights[:, 1].reshape(2, 3, 1), (2, 2, 3, 1)))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_any_number_of_channels_is_taken(channels: int) -> None:
    weights = np.arange(4 * channels * 2, dtype=np.float32).reshape(-1, 2)
    adapter = vz.adapt(models.linear_model(weights, (2, 2, channels)))
    taken = adapter.gradients(images(1, (2, 2, channels)), 0)
    np.testing.assert_allclose(taken.gradients, weights[:, 0].reshape(1, 2, 2, channels))


def test_model_of_a_dict_is_given_a_dict() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Keras warns of any other structure
        (outputs,) = vz.adapt(models.functional_of_a_dict().model).outputs(images())
    np.testing.assert_allclose(outputs, reference(images()).probabilities, **CLOSE)


def test_integers_and_doubles_are_taken_as_float32() -> None:
    weights = np.arange(8, dtype=np.float32).reshape(4, 2)
    adapter = vz.adapt(models.linear_model(weights, (2, 2, 1)))
    taken = adapter.gradients(np.ones((1, 2, 2, 1), np.uint8), 0)
    assert taken.values.dtype == taken.gradients.dtype == np.float32
    np.testing.assert_array_equal(taken.scores, [0 + 2 + 4 + 6])


@pytest.mark.parametrize("shape", [(6, 5, 3), (1, 6, 5, 1), (1, 6, 6, 3), (0, 6, 5, 3)])
def test_inputs_of_another_shape_are_rejected(shape: tuple[int, ...]) -> None:
    adapter = vz.adapt(models.sequential().model)
    with pytest.raises(vz.errors.InputError, match=r"must have shape \(N, H, W, C\) = \(N, 6, 5, 3\); got"):
        adapter.outputs(np.zeros(shape, np.float32))


def test_model_of_two_inputs_is_rejected() -> None:
    x, y = keras.Input((4, 4, 1)), keras.Input((4, 4, 1))
    model = keras.Model([x, y], keras.layers.Dense(2)(keras.layers.Flatten()(x + y)), name="two")
    with pytest.raises(
        vz.errors.UnsupportedModelError, match="'two' takes 2 inputs, 'input_0', 'input_1'; one is explained at a time"
    ):
        vz.saliency(model, np.zeros((1, 4, 4, 1), np.float32))


def test_model_of_vectors_is_rejected() -> None:
    model = keras.Sequential([keras.Input((7,)), keras.layers.Dense(2)], name="vectors")
    with pytest.raises(
        vz.errors.UnsupportedModelError, match=r"takes inputs of shape \(7,\); vizcnn explains models of images"
    ):
        vz.saliency(model, np.zeros((1, 7), np.float32))


def test_mixed_float16_is_near_the_float32_model() -> None:
    x, before = images(), keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        adapter = vz.adapt(models.functional().model)
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    taken = adapter.gradients(x, 1, rule="guided")
    expected = reference(x, 1, rule="guided")
    # float16 has 11 bits: a few parts in a thousand of the largest value, after two convolutions.
    np.testing.assert_allclose(taken.scores, expected.logits[:, 1], rtol=0, atol=3e-3)
    np.testing.assert_allclose(taken.gradients, expected.by_input, rtol=0, atol=5e-3 * np.abs(expected.by_input).max())
    assert taken.gradients.dtype == taken.scores.dtype == np.float32


def test_mixed_float16_gradient_of_a_layer_is_float32() -> None:
    x, before = images(), keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        adapter = vz.adapt(models.nested().model)
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    taken = adapter.gradients(x, 1, of=LAST_SPATIAL)
    np.testing.assert_allclose(taken.gradients, reference(x, 1).by_last, rtol=2e-3, atol=1e-4)
    assert taken.gradients.dtype == taken.values.dtype == np.float32


# Kinds of batch ----------------------------------------------------------------------------------------------------------


def test_batch_is_its_loop() -> None:
    adapter, x = vz.adapt(models.nested().model), images(5)
    together = adapter.gradients(x, [0, 1, 2, 0, 1], of=LAST_SPATIAL)
    for i, index in enumerate([0, 1, 2, 0, 1]):
        alone = adapter.gradients(x[i : i + 1], index, of=LAST_SPATIAL)
        assert_same_sums(together.gradients[i], alone.gradients[0], *BOTH_WAYS)
        assert_same_sums(together.values[i], alone.values[0], *FORWARD)


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_batch_size_changes_nothing(batch_size: int) -> None:
    x = images(5)
    taken = vz.adapt(models.functional().model, batch_size=batch_size).gradients(x, [0, 1, 2, 0, 1])
    for i, index in enumerate([0, 1, 2, 0, 1]):
        np.testing.assert_allclose(taken.gradients[i], reference(x, index).by_input[i], **CLOSE)


def test_flat_input_that_the_model_makes_an_image_of_is_that_image() -> None:
    keras.utils.set_random_seed(0)
    layers = keras.layers
    flat = keras.Sequential(
        [keras.Input((12,)), layers.Reshape((3, 4, 1)), layers.Conv2D(2, 2), layers.Flatten(), layers.Dense(2)]
    )
    cnn, x = vz.adapt(flat), np.random.default_rng(0).normal(size=(2, 3, 4, 1)).astype(np.float32)
    assert cnn.input_shape == (3, 4, 1)
    assert_same_sums(cnn.outputs(x)[0], flat.predict(x.reshape(2, 12), verbose=0), 4, 12, size=4)
    inner = keras.Sequential(flat.layers[1:])
    assert_same_sums(vz.saliency(cnn, x, 1).raw, vz.saliency(inner, x, 1).raw, 8)
