"""Attention as an adapter returns it: that of Keras's own layers, and why that of other models is refused."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import vizcnn as vz
from tests.models import images
from tests.vit import ATTENTION, SHAPE, Twin, adapted, vit
from vizcnn.adapter.keras.attention_steps import attention_in_steps
from vizcnn.algorithms.attention import positive_gradients
from vizcnn.errors import CapabilityError

X = images(3, SHAPE)


@pytest.mark.parametrize("kind", ATTENTION)
def test_probabilities_are_those_of_every_layer_in_order(kind: str) -> None:
    found = adapted(kind).attentions(X, 1)
    assert [values.shape for values in found.values] == [(3, 2, 5, 5)] * 2
    assert (found.grid, found.num_extra, found.per_block) == ((2, 2), 1, False)
    for image, *values in zip(X, *found.values, strict=True):
        for ours, theirs in zip(values, Twin(image).run(1)[1], strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-5)
    np.testing.assert_allclose(found.scores, [Twin(image).run(1)[0] for image in X], atol=1e-4)


def test_score_reads_the_class_token_or_all() -> None:
    assert adapted().attentions(X, 1).read.tolist() == [[1, 0, 0, 0, 0]] * 3
    assert adapted(extra=0).attentions(X, 1).read.tolist() == [[0.25] * 4] * 3


def tokens(x: Any, width: int = 8) -> Any:
    return layers.Reshape((16, width))(layers.Conv2D(width, 2, strides=2, name="patches")(x))


def model(attend: Any, shape: tuple[int, ...] = (8, 8, 3)) -> vz.ModelAdapter:
    keras.utils.set_random_seed(0)
    image = keras.Input(shape)
    y = attend(tokens(image))
    y = layers.GlobalAveragePooling1D()(y) if len(y.shape) == 3 else layers.GlobalAveragePooling2D()(y)
    return vz.adapt(keras.Model(image, layers.Dense(3)(y)))


IMAGES = images(2, (8, 8, 3))


def shared(x: Any) -> Any:
    layer = layers.GroupQueryAttention(4, 4, 2, name="grouped")
    return layer(layer(x, x), layer(x, x))


OWN = {
    "grouped": lambda x: layers.GroupQueryAttention(4, 4, 2, name="grouped")(x, x),
    "luong": lambda x: layers.Attention(name="luong")([x, x]),
    "causal": lambda x: layers.MultiHeadAttention(2, 4, name="causal")(x, x, use_causal_mask=True),
}


@pytest.mark.parametrize("name", OWN)
def test_other_attention_of_keras_is_as_its_layer_returns_it(name: str) -> None:
    adapter = model(OWN[name])
    found = adapter.attentions(IMAGES, 0)
    layer = adapter.model.get_layer(name)
    x = ops.reshape(adapter.model.get_layer("patches")(IMAGES), (-1, 16, 8))
    options = {"use_causal_mask": True} if name == "causal" else {}
    theirs = ops.convert_to_numpy(
        layer([x, x], return_attention_scores=True)[1]
        if name == "luong"
        else layer(x, x, return_attention_scores=True, **options)[1]
    )
    assert found.layers == (name,)
    ours = found.values[0][:, 0] if name == "luong" else found.values[0]
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_layer_that_is_called_again_attends_again() -> None:
    found = model(shared).attentions(IMAGES, 0)
    assert found.layers == ("grouped",) * 3


def test_attention_in_steps_is_that_in_one_go() -> None:
    random = np.random.default_rng(0)
    q, k, v = (random.normal(size=(2, 5, 4, 3)).astype(np.float32) for _ in range(3))
    mask, bias = random.random((2, 4, 5, 5)) < 0.7, random.normal(size=(1, 4, 5, 5)).astype(np.float32)
    mask |= np.eye(5, dtype=bool)
    for options in ({}, {"mask": mask}, {"bias": bias}, {"is_causal": True}, {"scale": 0.3}):
        np.testing.assert_allclose(
            ops.convert_to_numpy(attention_in_steps(q, k, v, **options)),
            ops.convert_to_numpy(ops.dot_product_attention(q, k, v, flash_attention=False, **options)),
            atol=1e-5,
        )
    fewer = attention_in_steps(q, k[:, :, :2], v[:, :, :2])
    np.testing.assert_allclose(
        ops.convert_to_numpy(fewer),
        ops.convert_to_numpy(
            attention_in_steps(q, np.repeat(k[:, :, :2], 2, axis=2), np.repeat(v[:, :, :2], 2, axis=2))
        ),
        atol=1e-6,
    )


def test_model_answers_as_before_when_its_attention_was_seen() -> None:
    adapter = vz.adapt(vit("in one go"))
    before = adapter.model.predict(X, verbose=0)
    adapter.attentions(X, 1, formula=positive_gradients, gradients=True, per_block=True)
    np.testing.assert_array_equal(adapter.model.predict(X, verbose=0), before)
    np.testing.assert_allclose(adapter.outputs(X)[0], before, atol=1e-6)


def test_half_precision_attends_too() -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        adapter = vz.adapt(vit())
    finally:
        keras.config.set_dtype_policy("float32")
    found = adapter.attentions(X, 1, formula=positive_gradients, gradients=True)
    full = adapted("layer").attentions(X, 1, formula=positive_gradients, gradients=True)
    assert found.values[0].dtype == np.float32
    np.testing.assert_allclose(found.values[0], full.values[0], rtol=0, atol=0.1 * full.values[0].max())


# Why not --------------------------------------------------------------------------------------------------------------------


def windowed(x: Any) -> Any:
    y = ops.reshape(ops.transpose(ops.reshape(x, (-1, 2, 2, 2, 2, 8)), (0, 1, 3, 2, 4, 5)), (-1, 4, 8))
    y = layers.MultiHeadAttention(2, 4, name="window")(y, y)
    return ops.reshape(y, (-1, 16, 8))


def pooled(x: Any) -> Any:
    return layers.MultiHeadAttention(2, 4, name="pooled")(x[:, :1], x)


def shrinking(x: Any) -> Any:
    x = layers.MultiHeadAttention(2, 4, name="fine")(x, x)
    x = layers.AveragePooling1D(4)(x)
    return layers.MultiHeadAttention(2, 4, name="coarse")(x, x)


def of_channels(x: Any) -> Any:
    x = layers.Permute((2, 1))(layers.Dense(3)(x))
    return layers.MultiHeadAttention(2, 4, name="channels")(x, x)


REFUSED = {
    "windowed": (windowed, r"isn't over the whole input: the weights of layer 'window' have .*windows, or heads, are folded"),
    "pooled": (pooled, r"attends from some tokens to others: layer 'pooled' has weights of shape"),
    "shrinking": (shrinking, r"different numbers of tokens \('fine' 16, 'coarse' 4\)"),
    "channels": (of_channels, r"'channels' .* attends among 3 tokens, which lie on no known grid"),
    "none": (lambda x: layers.Softmax()(layers.Dense(8)(x)), "has no attention: nothing in it takes a softmax over pairs"),
    "hidden": (
        lambda x: layers.Reshape((16, 8))(layers.MultiHeadAttention(2, 4, attention_axes=(1, 2), name="square")(
            layers.Reshape((4, 4, 8))(x), layers.Reshape((4, 4, 8))(x))),
        r"\('square'\) take no softmax over pairs of tokens that can be seen",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_attention_that_is_not_among_the_patches_is_refused_with_the_reason(name: str) -> None:
    attend, why = REFUSED[name]
    adapter = model(attend)
    with pytest.raises(CapabilityError, match=why):
        adapter.attentions(IMAGES, 0)
    with pytest.raises(CapabilityError, match=why):
        vz.attention_rollout(adapter, IMAGES)


def test_token_that_looks_at_all_at_the_end_is_left_out_and_told() -> None:
    adapter = model(lambda x: pooled(layers.MultiHeadAttention(2, 4, name="attention")(x, x)))
    found = adapter.attentions(IMAGES, 0)
    assert found.layers == ("attention",)
    assert "Layer 'pooled' attends from 1 tokens to 16 others, and is left out of the map." in found.notes


def test_softmax_over_a_map_of_classes_is_no_attention() -> None:
    image = keras.Input((8, 8, 3))
    classes = layers.Softmax()(layers.Conv2D(8, 1)(image))
    with pytest.raises(CapabilityError, match="has no attention"):
        vz.adapt(keras.Model(image, classes)).attentions(IMAGES, 0)


def test_adapter_that_does_not_know_of_attention_says_so() -> None:
    with pytest.raises(CapabilityError, match="doesn't answer `attentions`"):
        vz.adapt(lambda x: x[:, 0, 0], input_shape=SHAPE).attentions(X)
