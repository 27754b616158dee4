"""What the biases of a model give to a score: all of it adds up, whatever the model is put together of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import vizcnn as vz
from vizcnn.adapter import FullGradients
from vizcnn.targets import Contrast

SHAPE = (7, 6, 2)


def images(count: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, *SHAPE)).astype(np.float32)


def conv(filters: int = 4, **options: Any) -> Any:
    return layers.Conv2D(filters, 3, padding="same", **options)


def head(x: Any) -> Any:
    return layers.Dense(3, "softmax")(layers.Dense(5, "relu")(layers.Flatten()(x)))


def plain() -> Any:
    image = keras.Input(SHAPE)
    return keras.Model(image, head(layers.MaxPooling2D()(conv(activation="relu")(image))))


def normalized() -> Any:
    image = keras.Input(SHAPE)
    x = layers.ReLU()(layers.BatchNormalization()(conv(use_bias=False)(image)))
    return keras.Model(image, head(layers.BatchNormalization(scale=False)(layers.AveragePooling2D(2)(x))))


def residual_and_depthwise() -> Any:
    image = keras.Input(SHAPE)
    x = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, activation="relu")(image)
    x = layers.Add()([x, conv(activation="leaky_relu")(x)])
    x = x + layers.SeparableConv2D(4, 3, padding="same", activation="relu")(x)
    return keras.Model(image, head(layers.Conv2DTranspose(3, 3, strides=2, activation="relu")(x)))


def nested_and_shared() -> Any:
    inner = keras.Input((7, 6, 4))
    block = keras.Model(inner, conv(name="conv", activation="relu")(layers.BatchNormalization()(inner)), name="block")
    image = keras.Input(SHAPE)
    return keras.Model(image, head(block(block(conv()(image)))))


class Blocks(keras.Model):
    """A class of its own, with layers in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = [conv(activation="relu", name=f"conv_{i}") for i in range(2)]
        self.logits = layers.Dense(3)

    def call(self, x: Any) -> Any:
        for block in self.convs:
            x = block(x)
        return self.logits(ops.mean(x, axis=(1, 2)))


def subclassed() -> Any:
    model = Blocks()
    model(images())
    return model


def channels_first() -> Any:
    image = keras.Input((2, 7, 6))
    # Three channels: TensorFlow on a processor adds a bias along the columns where these are as many as the channels.
    x = layers.BatchNormalization(axis=1)(conv(3, activation="relu", data_format="channels_first")(image))
    return keras.Model(image, head(layers.DepthwiseConv2D(3, data_format="channels_first", activation="relu")(x)))


def scaled_inside() -> Any:
    image = keras.Input(SHAPE)
    x = layers.Rescaling(2.0, offset=[-1.0, 0.5])(image)
    x = layers.Normalization(mean=[0.1, 0.3], variance=[0.5, 2.0])(x)
    x = 0.7 - (x + 0.25) / 2
    return keras.Model(image, head(conv(activation="relu")(x)))


def sigmoid_unit() -> Any:
    image = keras.Input(SHAPE)
    return keras.Model(
        image, layers.Dense(1, "sigmoid")(layers.GlobalAveragePooling2D()(conv(activation="relu")(image)))
    )


def an_activation_that_is_a_layer() -> Any:
    image = keras.Input(SHAPE)
    return keras.Model(image, head(conv(activation=layers.ReLU(negative_slope=0.1))(layers.PReLU()(conv()(image)))))


EXACT: list[Callable[[], Any]] = [
    plain,
    normalized,
    residual_and_depthwise,
    nested_and_shared,
    subclassed,
    channels_first,
    scaled_inside,
    sigmoid_unit,
    an_activation_that_is_a_layer,
]


def adapted(make: Callable[[], Any], seed: int = 0) -> vz.ModelAdapter:
    """Return the model with random numbers for all weights, so that no bias is zero."""
    keras.utils.set_random_seed(seed)
    model = make()
    random = np.random.default_rng(seed)
    for variable in model.variables:
        low, high = (0.5, 2.0) if "variance" in variable.path else (-1.0, 1.0)
        if "float" in variable.dtype and not variable.path.endswith(("/mean", "/variance")):
            variable.assign(random.uniform(low, high, variable.shape) * 0.5)
    return vz.adapt(model)


def gaps(full: FullGradients) -> np.ndarray:
    """Return what all parts add up to beyond the score, as a share of all parts' magnitudes."""
    by_input = (full.gradients * full.values).sum(axis=(1, 2, 3), dtype=np.float64)
    parts = np.stack([by_input, *(terms.totals for terms in full.biases)])
    return np.abs(parts.sum(axis=0) - full.scores) / np.abs(parts).sum(axis=0)


@pytest.mark.parametrize("make", EXACT, ids=lambda make: make.__name__)
def test_input_and_biases_add_up_to_the_score(make: Callable[[], Any]) -> None:
    full = adapted(make).full_gradients(images(), None if make is sigmoid_unit else [0, 1, 2])
    assert gaps(full).max() < 1e-5
    assert len(full.biases) >= 2
    assert full.left_out == ()


def test_a_layer_that_is_called_twice_has_terms_of_both_calls() -> None:
    full = adapted(nested_and_shared).full_gradients(images(), 0)
    assert {"block/conv", "block/conv[1]"} <= {terms.layer for terms in full.biases}


def test_terms_are_bias_times_gradient_place_by_place() -> None:
    keras.utils.set_random_seed(0)
    image = keras.Input(SHAPE)
    sums = conv(name="sums")(image)
    model = keras.Model(image, layers.Dense(3)(layers.Flatten()(layers.ReLU()(sums))))
    fused = keras.Model(image, layers.Dense(3)(layers.Flatten()(conv(name="fused", activation="relu")(image))))
    bias = np.array([0.3, -0.2, 0.5, 0.1], np.float32)
    weights = [model.get_weights()[0], bias, *model.get_weights()[2:]]
    model.set_weights(weights)
    fused.set_weights(weights)
    terms = bias * vz.adapt(model).gradients(images(), 1, of="sums").gradients
    for adapter in (vz.adapt(model), vz.adapt(fused)):
        found = adapter.full_gradients(images(), 1).biases[0]
        np.testing.assert_allclose(found.sums, np.abs(terms).sum(axis=-1), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found.totals, terms.sum(axis=(1, 2, 3)), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.least, np.abs(terms).min(axis=(1, 2, 3)), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found.most, np.abs(terms).max(axis=(1, 2, 3)), rtol=1e-4, atol=1e-6)
        assert found.channels == 4


def test_channels_first_has_the_maps_of_its_twin() -> None:
    first = adapted(channels_first)
    full = first.full_gradients(images(), 0)
    assert [terms.sums is not None and terms.sums.shape[1:] for terms in full.biases] == [
        (7, 6),
        (7, 6),
        (5, 4),
        False,
        False,
    ]
    assert [terms.channels for terms in full.biases[:3]] == [3, 3, 3]


def _bent(x: Any) -> Any:
    squeezed = layers.Dense(4, "sigmoid")(layers.GlobalAveragePooling2D(keepdims=True)(x))
    return layers.Multiply()([x, squeezed])


@pytest.mark.parametrize(
    ("part", "left_out"),
    [
        (lambda x: conv(activation="silu")(conv(activation="silu")(x)), ("silu (2)",)),
        (lambda x: layers.ReLU(6.0)(x), ("relu with a limit (1)",)),
        (_bent, ("sigmoid (1)", "Multiply (1)")),
        (lambda x: layers.LayerNormalization()(x), ("LayerNormalization (1)",)),
        (lambda x: layers.LSTM(3)(layers.Reshape((42, 4))(x)), ("LSTM (1)",)),
        (
            lambda x: layers.MultiHeadAttention(2, 3)(*[layers.Reshape((42, 4))(x)] * 2),
            ("MultiHeadAttention (1)",),
        ),
    ],
    ids=["silu", "relu6", "squeeze and excite", "layer normalization", "lstm", "attention"],
)
def test_what_has_no_bias_and_bends_is_named(part: Callable[[Any], Any], left_out: tuple[str, ...]) -> None:
    def make() -> Any:
        image = keras.Input(SHAPE)
        return keras.Model(image, head(part(conv(activation="relu")(image))))

    assert adapted(make).full_gradients(images(), 0).left_out == left_out


def test_score_of_a_layer_inside_has_no_terms_of_what_comes_after() -> None:
    full = adapted(nested_and_shared).full_gradients(images(), vz.targets.Channel("block", 1))
    assert gaps(full).max() < 1e-5
    assert not any(terms.layer.startswith("dense") for terms in full.biases)


def test_frames_of_a_video_are_added_up_for_each_clip() -> None:
    def make() -> Any:
        clip = keras.Input((3, *SHAPE))
        x = layers.TimeDistributed(conv(activation="relu"))(clip)
        return keras.Model(clip, head(layers.TimeDistributed(layers.GlobalMaxPooling2D())(x)))

    clips = np.random.default_rng(0).uniform(-1, 1, (2, 3, *SHAPE)).astype(np.float32)
    full = adapted(make).full_gradients(clips, 0)
    by_input = (full.gradients * full.values).sum(axis=(1, 2, 3, 4))
    np.testing.assert_allclose(by_input + sum(terms.totals for terms in full.biases), full.scores, rtol=1e-4, atol=1e-5)
    assert full.biases[0].sums is not None
    assert full.biases[0].sums.shape == (2, 3, 7, 6)


def test_nothing_is_traced_for_another_class_or_number_of_images() -> None:
    adapter: Any = adapted(plain)
    adapter.full_gradients(images(4), 0)
    before = adapter.num_traces
    for count, target in ((4, 1), (3, None), (1, 2), (9, 0)):
        adapter.full_gradients(images(count), target)
    assert adapter.num_traces == before
    adapter.full_gradients(images(1), Contrast(0, 1))
    assert adapter.num_traces == before + 1


def test_model_is_the_same_afterwards() -> None:
    adapter: Any = adapted(plain)
    x, activations = images(), [getattr(layer, "activation", None) for layer in adapter.model.layers]
    before = adapter.outputs(x)[0]
    adapter.full_gradients(x, 0)
    np.testing.assert_array_equal(adapter.outputs(x)[0], before)
    assert [getattr(layer, "activation", None) for layer in adapter.model.layers] == activations


def test_batch_is_its_loop() -> None:
    adapter = adapted(normalized)
    x = images(5)
    together = adapter.full_gradients(x, 0)
    for at in range(5):
        alone = adapter.full_gradients(x[at : at + 1], 0)
        for ours, theirs in zip(together.biases, alone.biases, strict=True):
            np.testing.assert_allclose(ours.totals[at], theirs.totals[0], rtol=1e-4, atol=1e-5)


def test_black_box_has_no_answer() -> None:
    box = vz.adapt(lambda batch: batch[:, 0, 0], input_shape=SHAPE)
    with pytest.raises(vz.errors.CapabilityError, match="doesn't answer `full_gradients`"):
        box.full_gradients(images(), 0)
    with pytest.raises(vz.errors.CapabilityError, match="'fullgrad' needs biases and gradients, which model"):
        vz.fullgrad(box, images(), 0)
