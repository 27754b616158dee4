"""Running a model from a layer on, and naming the default layer without a gradient."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests.models import functional, images, nested_twice, sequential, subclassed_called
from tests.rounding import assert_same_sums
from vizcnn.adapter import LAST_SPATIAL


def _known() -> keras.Model:
    """Return a model whose score is 2 times the sum of channel 0, and 3 times that of channel 1."""
    conv = layers.Conv2D(2, 1, use_bias=False, name="conv")
    dense = layers.Dense(1, use_bias=False, name="dense")
    pool = layers.GlobalAveragePooling2D()
    model = keras.Sequential([keras.Input((2, 2, 1)), conv, pool, dense])
    model.set_weights([np.array([1, 10], np.float32).reshape(1, 1, 1, 2), np.array([[8], [12]], np.float32)])
    return model


def test_channel_that_is_zero_takes_its_share_of_the_score() -> None:
    adapter = vz.adapt(_known())
    maps = adapter.activations(np.array([1, 2, 3, 4], np.float32).reshape(1, 2, 2, 1), "conv")["conv"].copy()
    assert adapter.scores_from("conv", maps, 0).tolist() == [2 * 10 + 3 * 100]
    maps[..., 1] = 0
    assert adapter.scores_from("conv", maps, 0).tolist() == [2 * 10]


@pytest.mark.parametrize("build", [sequential, functional, nested_twice, subclassed_called])
def test_own_activations_give_the_plain_score_for_any_kind_of_model(build: Any) -> None:
    adapter = vz.adapt(build().model, batch_size=2)
    x = images(3, adapter.input_shape or (6, 5, 3))
    layer = adapter.gradients(x, 1, of=LAST_SPATIAL).layer
    maps = adapter.activations(x, [layer])[layer]
    want = adapter.scores(x, 1)
    assert_same_sums(adapter.scores_from(layer, maps, 1, inputs=x), want, 100, size=float(np.abs(want).max()) + 1)


@pytest.mark.parametrize("build", [sequential, functional, nested_twice, subclassed_called])
def test_default_layer_is_the_one_that_gradients_take_and_nothing_is_compiled(build: Any, monkeypatch: Any) -> None:
    model = build().model
    adapter, x = vz.adapt(model), images(1, vz.adapt(model).input_shape or (6, 5, 3))
    want = vz.adapt(model).gradients(x, 1, of=LAST_SPATIAL).layer
    adapter.prepare(x.shape[1:])
    monkeypatch.setattr(adapter._view.backend, "compile", lambda *args, **options: pytest.fail("compiled"))
    assert adapter.default_layer(1) == want
    assert adapter.num_traces == 0


def test_default_layer_follows_the_target() -> None:
    x = keras.Input((6, 6, 1))
    first = layers.Conv2D(2, 3, name="first")(x)
    second = layers.Conv2D(2, 3, name="second")(first)
    early = layers.Dense(2, name="early")(layers.GlobalAveragePooling2D()(first))
    late = layers.Dense(2, name="late")(layers.GlobalAveragePooling2D()(second))
    adapter = vz.adapt(keras.Model(x, [early, late]))
    assert adapter.default_layer({"early": 0}) == "first"
    assert adapter.default_layer({"late": 0}) == "second"


def test_model_without_maps_has_no_default_layer() -> None:
    model = keras.Sequential([keras.Input((2, 2, 1)), layers.Flatten(), layers.Dense(2)])
    with pytest.raises(vz.errors.LayerError, match="no layer with more than one row and column"):
        vz.adapt(model).default_layer(0)


def test_other_batches_and_classes_are_not_compiled_again() -> None:
    adapter = vz.adapt(sequential().model, batch_size=4)
    layer = adapter.default_layer(0)
    maps = adapter.activations(images(5, adapter.input_shape), [layer])[layer]
    adapter.scores_from(layer, maps[:1], 0)
    before = adapter.num_traces
    adapter.scores_from(layer, maps, [0, 1, 0, 1, 0])
    assert adapter.num_traces == before


def test_what_goes_round_a_layer_has_to_be_given() -> None:
    x = keras.Input((4, 4, 2))
    added = layers.Add()([x, layers.Conv2D(2, 1, name="conv", use_bias=False)(x)])
    adapter = vz.adapt(keras.Model(x, layers.GlobalAveragePooling2D()(added)))
    shown = images(2, (4, 4, 2))
    maps = np.zeros((2, 4, 4, 2), np.float32)
    with pytest.raises(vz.errors.InputError, match=r"`inputs` must be given, .* by other ways than layer 'conv'"):
        adapter.scores_from("conv", maps, 1)
    assert_same_sums(adapter.scores_from("conv", maps, 1, inputs=shown), shown[..., 1].mean(axis=(1, 2)), 16)


def test_second_call_of_a_shared_layer_is_replaced_alone() -> None:
    x = keras.Input((4, 4, 1))
    conv = layers.Conv2D(1, 1, use_bias=False, kernel_initializer=keras.initializers.Constant(2), name="conv")
    adapter = vz.adapt(keras.Model(x, layers.GlobalAveragePooling2D()(conv(conv(x)))))
    ones = np.ones((1, 4, 4, 1), np.float32)
    assert adapter.scores_from("conv", ones, 0).tolist() == [2]
    assert adapter.scores_from("conv[1]", ones, 0).tolist() == [1]


def test_channels_come_last_whatever_the_model_has() -> None:
    conv = layers.Conv2D(3, 1, data_format="channels_first", name="conv", use_bias=False)
    pool = layers.GlobalAveragePooling2D(data_format="channels_first")
    adapter = vz.adapt(keras.Sequential([keras.Input((2, 4, 5)), conv, pool]))
    maps = images(2, (4, 5, 3))
    assert_same_sums(adapter.scores_from("conv", maps, 2), maps[..., 2].mean(axis=(1, 2)), 20)


def test_class_token_goes_round_its_map() -> None:
    x = keras.Input((4, 4, 1))
    patches = layers.Reshape((4, 3))(layers.Conv2D(3, 2, strides=2, name="patches")(x))
    token = layers.Lambda(lambda t: keras.ops.mean(t, axis=1, keepdims=True), output_shape=(1, 3))(patches)
    tokens = layers.Dense(3, name="tokens")(layers.Concatenate(axis=1)([token, patches]))
    mixed = layers.MultiHeadAttention(1, 3, name="attention")(tokens, tokens)
    adapter = vz.adapt(keras.Model(x, layers.Dense(2)(mixed[:, 0])))
    shown = images(2, (4, 4, 1))
    maps = adapter.activations(shown, "tokens")["tokens"]
    assert maps.shape == (2, 2, 2, 3)
    assert_same_sums(adapter.scores_from("tokens", maps, 0, inputs=shown), adapter.scores(shown, 0), 30, size=5)


@pytest.mark.parametrize("shape", [(1, 2, 2, 3), (1, 3, 3, 2), (1, 8)])
def test_activations_of_another_shape_are_refused(shape: Any) -> None:
    with pytest.raises(vz.errors.InputError, match=r"`activations` must have shape \(N, 2, 2, 2\), as layer 'conv'"):
        vz.adapt(_known()).scores_from("conv", np.zeros(shape), 0)


def test_black_box_says_that_it_cannot() -> None:
    box = vz.adapt(lambda batch: batch[:, 0, 0], input_shape=(4, 4, 2))
    with pytest.raises(vz.errors.CapabilityError, match=r"a black box: function, doesn't answer `scores_from`"):
        box.scores_from("conv", np.zeros((1, 4)), 0)
    with pytest.raises(vz.errors.CapabilityError, match="doesn't answer `default_layer`"):
        box.default_layer(0)
