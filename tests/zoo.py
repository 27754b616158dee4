"""One small model of every kind that people train, with random weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops

SHAPE = (8, 8, 3)

CAMS = "eigencam eigengradcam fem gradcam_plus_plus hirescam layercam xgradcam"
"""What asks a model the same as Grad-CAM does, and reckons with the answer otherwise."""

Kind = Callable[[], Any]
ZOO: dict[str, tuple[Kind, tuple[int, ...], frozenset[str]]] = {}
"""Kinds of models: how to make one, the shape of its images, and the methods that don't apply to it."""


def kind(shape: tuple[int, ...] = SHAPE, without: str = "") -> Callable[[Kind], Kind]:
    def add(make: Kind) -> Kind:
        ZOO[make.__name__] = make, shape, frozenset(without.split())
        return make

    return add


def conv(x: Any, filters: int = 4, **options: Any) -> Any:
    return layers.Conv2D(filters, 3, activation="relu", **options)(x)


def head(x: Any, units: int = 3, activation: str | None = "softmax") -> Any:
    return layers.Dense(units, activation=activation)(layers.GlobalAveragePooling2D()(x))


def images(count: int = 3, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, (count, *shape)).astype(np.float32)


@kind()
def batches_of_two() -> Any:
    image = keras.Input(batch_shape=(2, *SHAPE))
    return keras.Model(image, head(conv(image)))


@kind()
def channels_first() -> Any:
    image = keras.Input((3, 8, 8))
    x = layers.MaxPooling2D(data_format="channels_first")(conv(image, data_format="channels_first", padding="same"))
    x = conv(layers.BatchNormalization(axis=1)(x), data_format="channels_first")
    return keras.Model(
        image, layers.Dense(3, "softmax")(layers.GlobalAveragePooling2D(data_format="channels_first")(x))
    )


@kind()
def mixed_bfloat16() -> Any:
    image = keras.Input(SHAPE)
    x = layers.GlobalAveragePooling2D(dtype="mixed_bfloat16")(conv(image, dtype="mixed_bfloat16"))
    return keras.Model(image, layers.Dense(3, activation="softmax", dtype="float32")(x))


@kind()
def mixed_float16() -> Any:
    image = keras.Input(SHAPE)
    return keras.Model(image, head(conv(image, dtype="mixed_float16")))


@kind()
def int8() -> Any:
    image = keras.Input(SHAPE)
    x = layers.Dense(8, activation="relu")(layers.Flatten()(conv(image)))
    model = keras.Model(image, layers.Dense(3, activation="softmax")(x))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that an input layer has nothing to quantize
        model.quantize("int8")
    return model


class Blocks(keras.Model):
    """Layers in a list and in a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = [layers.Conv2D(4, 3, activation="relu", name=f"block_{i}") for i in range(2)]
        self.heads = {"classes": layers.Dense(3, activation="softmax", name="classes")}

    def call(self, x: Any) -> Any:
        for block in self.blocks:
            x = block(x)
        return self.heads["classes"](ops.mean(x, axis=(1, 2)))


@kind(without="activation_maximization")  # of what size?
def layers_in_lists_and_dicts() -> Any:
    return Blocks()


@kind()
def wrapped_three_times() -> Any:
    image = keras.Input(SHAPE)
    model = keras.Model(image, head(conv(image)))
    for _ in range(3):
        image = keras.Input(SHAPE)
        model = keras.Model(image, model(image))
    return model


@kind(without="activation_maximization")  # of what size?
def never_called() -> Any:
    return keras.Sequential(
        [layers.Conv2D(4, 3, activation="relu"), layers.GlobalAveragePooling2D(), layers.Dense(3, "softmax")]
    )


@kind()
def shared_layer() -> Any:
    shared = layers.Conv2D(3, 3, padding="same", activation="relu", name="shared")
    image = keras.Input(SHAPE)
    return keras.Model(image, head(shared(shared(image))))


@kind()
def segmentation() -> Any:
    image = keras.Input(SHAPE)
    return keras.Model(image, layers.Conv2D(3, 1, activation="softmax")(conv(image, padding="same")))


@kind()
def image_to_image() -> Any:
    image = keras.Input(SHAPE)
    return keras.Model(image, layers.Conv2D(3, 3, padding="same")(conv(image, padding="same")))


@kind()
def regression() -> Any:
    image = keras.Input(SHAPE)
    return keras.Model(image, head(conv(image), 1, None))


@kind()
def embedding() -> Any:
    image = keras.Input(SHAPE)
    return keras.Model(image, layers.UnitNormalization()(head(conv(image), 6, None)))


@kind()
def one_number_without_an_axis() -> Any:
    image = keras.Input(SHAPE)
    return keras.Model(image, ops.mean(conv(image), axis=(1, 2, 3)))


@kind()
def outputs_in_a_dict() -> Any:
    image = keras.Input(SHAPE)
    x = conv(image)
    return keras.Model(image, {"class": head(x), "yes": head(x, 1, "sigmoid")})


@kind()
def recurrent_over_a_map() -> Any:
    image = keras.Input(SHAPE)
    x = layers.LSTM(5)(layers.Reshape((36, 4))(conv(image)))
    return keras.Model(image, layers.Dense(3, activation="softmax")(x))


class ClassToken(layers.Layer):
    def build(self, shape: Any) -> None:
        self.token = self.add_weight(shape=(1, 1, shape[-1]), initializer="normal")

    def call(self, x: Any) -> Any:
        return ops.concatenate([ops.repeat(self.token, ops.shape(x)[0], axis=0), x], axis=1)


def transformer(*, token: bool, blocks: int = 1) -> Any:
    image = keras.Input(SHAPE)
    x = layers.Reshape((16, 8))(layers.Conv2D(8, 2, strides=2, name="patches")(image))
    x = ClassToken(name="token")(x) if token else x
    for i in range(blocks):
        y = layers.LayerNormalization(name=f"norm_{i}")(x)
        x = x + layers.MultiHeadAttention(2, 4, name=f"attention_{i}")(y, y)
        x = x + layers.Dense(8, activation="gelu")(layers.LayerNormalization()(x))
    pooled = x[:, 0] if token else layers.GlobalAveragePooling1D()(x)
    return keras.Model(image, layers.Dense(3, activation="softmax")(pooled))


@kind(without="guided_gradcam")  # no ReLU
def vision_transformer() -> Any:
    return transformer(token=True)


@kind(without="guided_gradcam")  # no ReLU
def vision_transformer_without_a_class_token() -> Any:
    return transformer(token=False)


@kind()
def separable_and_transposed() -> Any:
    image = keras.Input(SHAPE)
    x = layers.Conv2DTranspose(4, 3, strides=2, activation="relu")(layers.DepthwiseConv2D(3)(image))
    return keras.Model(image, head(layers.SeparableConv2D(4, 3)(x)))


@kind((20, 12, 3), without="receptive_field")  # which depends on the size of the image
def preprocessing_inside() -> Any:
    inside = [layers.Resizing(8, 8), layers.Rescaling(1 / 255), layers.RandomFlip()]
    top = [layers.Conv2D(4, 3, activation="relu"), layers.GlobalMaxPooling2D(), layers.Dense(1, activation="sigmoid")]
    return keras.Sequential([keras.Input((None, None, 3)), *inside, *top])


@kind(without="guided_gradcam")  # no ReLU
def noise_dropout_and_prelu() -> Any:
    image = keras.Input(SHAPE)
    x = layers.BatchNormalization()(layers.Conv2D(4, 3)(layers.GaussianNoise(0.1)(image)))
    return keras.Model(image, head(layers.PReLU()(layers.SpatialDropout2D(0.2)(x))))


@kind(
    without="fullgrad gradient_x_input guided_gradcam integrated_gradients saliency smoothgrad"
)  # a cast has no gradient
def uint8_inputs() -> Any:
    image = keras.Input(SHAPE, dtype="uint8")
    return keras.Model(image, head(conv(ops.cast(image, "float32") / 255)))


@kind((8, 8, 4))
def four_channels() -> Any:
    image = keras.Input((8, 8, 4))
    return keras.Model(image, head(conv(image)))


@kind((8, 8, 1))
def rows_and_columns_only() -> Any:
    image = keras.Input((8, 8))
    return keras.Model(image, head(conv(layers.Reshape((8, 8, 1))(image))))


@kind((16, 2), without="activation_maximization activations filters top_patches")  # which make or show images
def one_dimensional() -> Any:
    signal = keras.Input((16, 2))
    x = layers.GlobalAveragePooling1D()(layers.Conv1D(4, 3, activation="relu")(signal))
    return keras.Model(signal, layers.Dense(3, activation="softmax")(x))


@kind((6, 6, 6, 1), without="activation_maximization activations filters top_patches")
def three_dimensional() -> Any:
    volume = keras.Input((6, 6, 6, 1))
    x = layers.GlobalAveragePooling3D()(layers.Conv3D(4, 3, activation="relu")(volume))
    return keras.Model(volume, layers.Dense(3, activation="softmax")(x))


@kind()
def no_pooling_and_a_sigmoid() -> Any:
    image = keras.Input(SHAPE)
    return keras.Model(image, layers.Dense(1, activation="sigmoid")(layers.Flatten()(conv(image))))


@kind(without="activations filters gradcam guided_gradcam receptive_field top_patches " + CAMS)
def dense_only() -> Any:
    image = keras.Input(SHAPE)
    return keras.Model(image, layers.Dense(3, "softmax")(layers.Dense(5, "relu")(layers.Flatten()(image))))
