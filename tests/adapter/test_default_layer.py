"""The layer that Grad-CAM takes where none is named: the last map before the rows and columns are pooled away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import applications, layers

import vizcnn as vz
from tests.models import images
from vizcnn.adapter import LAST_SPATIAL, Gradients

SIZE = 64  # the smallest that all of them take (Xception: 71)


def _last_map(model: Any, size: int = SIZE, channels: int = 3) -> Gradients:
    return vz.adapt(model).gradients(images(1, (size, size, channels)), 0, of=LAST_SPATIAL)


def _application(make: Callable[..., Any], **options: Any) -> Any:
    return make(weights=None, classes=3, **options)


APPLICATIONS: dict[str, tuple[Callable[[], Any], str, tuple[int, int, int]]] = {
    "MobileNet": (
        lambda: _application(applications.MobileNet, alpha=0.25, input_shape=(64, 64, 3)),
        "conv_pw_13_relu", (2, 2, 256)),
    "MobileNetV2": (
        lambda: _application(applications.MobileNetV2, alpha=0.35, input_shape=(64, 64, 3)),
        "out_relu", (2, 2, 1280)),
    "MobileNetV3Small": (
        lambda: _application(applications.MobileNetV3Small, input_shape=(64, 64, 3)),
        "activation before the pooling", (2, 2, 576)),
    "MobileNetV3Large": (
        lambda: _application(applications.MobileNetV3Large, input_shape=(64, 64, 3)),
        "activation before the pooling", (2, 2, 960)),
    "ResNet50": (
        lambda: _application(applications.ResNet50, input_shape=(64, 64, 3)), "conv5_block3_out", (2, 2, 2048)),
    "EfficientNetB0": (
        lambda: _application(applications.EfficientNetB0, input_shape=(64, 64, 3)), "top_activation", (2, 2, 1280)),
    "DenseNet121": (
        lambda: _application(applications.DenseNet121, input_shape=(64, 64, 3)), "relu", (2, 2, 1024)),
    "VGG16": (
        lambda: keras.Sequential([applications.VGG16(weights=None, include_top=False, input_shape=(64, 64, 3)),
                                  layers.MaxPooling2D(), layers.Flatten(), layers.Dense(3)]),
        "vgg16/block5_conv3", (4, 4, 512)),
    "Xception": (
        lambda: _application(applications.Xception, input_shape=(96, 96, 3)), "block14_sepconv2_act", (3, 3, 2048)),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("make", "path", "shape"), APPLICATIONS.values(), ids=APPLICATIONS)
def test_layer_of_keras_applications(make: Callable[[], Any], path: str, shape: tuple[int, int, int]) -> None:
    model = make()
    if path == "activation before the pooling":
        path = _before_the_pooling(model)
    taken = _last_map(model, model.input_shape[1])
    assert taken.layer == path
    assert taken.values.shape == taken.gradients.shape == (1, *shape)
    assert np.abs(taken.gradients).max() > 0


def _before_the_pooling(model: Any) -> str:
    """Return the layer that the only pooling of the whole map over the last activation reads from."""
    pools = [layer for layer in model.layers if isinstance(layer, layers.GlobalAveragePooling2D)]
    source = pools[-1].input._keras_history.operation
    assert isinstance(source, layers.Activation)
    return str(source.name)


def test_layer_is_found_inside_a_nested_base() -> None:
    base = applications.MobileNet(weights=None, include_top=False, alpha=0.25, input_shape=(64, 64, 3))
    x = keras.Input((64, 64, 3))
    y = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(base(layers.Rescaling(1 / 127.5, offset=-1)(x))))
    taken = _last_map(keras.Model(x, layers.Dense(2, activation="softmax")(y)))
    assert taken.layer == f"{base.name}/conv_pw_13_relu"
    assert taken.values.shape == (1, 2, 2, 256)


def test_base_that_pools_by_itself_is_looked_into() -> None:
    base = applications.MobileNetV2(
        weights=None, include_top=False, pooling="avg", alpha=0.35, input_shape=(64, 64, 3), name="base"
    )
    model = keras.Sequential([keras.Input((64, 64, 3)), base, layers.Dense(2, activation="softmax")])
    assert _last_map(model).layer == "base/out_relu"


# What stands between the map and the head is passed over --------------------------------------------------------------------


@pytest.mark.parametrize(
    "between",
    [
        [layers.MaxPooling2D()],
        [layers.AveragePooling2D(2)],
        [layers.ZeroPadding2D(1)],
        [layers.SpatialDropout2D(0.5)],
        [layers.Dropout(0.5)],
        [layers.UpSampling2D()],
        [layers.Cropping2D(1)],
        [layers.Reshape((4, 16, 4))],
        [layers.Permute((2, 1, 3))],
        [layers.MaxPooling2D(), layers.Dropout(0.5)],
        [layers.GlobalAveragePooling2D(keepdims=True), layers.Conv2D(3, 1, activation="relu")],
    ],
    ids=lambda between: "+".join(layer.name for layer in between),
)
def test_layer_before_what_only_moves_values_is_taken(between: list[Any]) -> None:
    front = [keras.Input((8, 8, 3)), layers.Conv2D(4, 3, padding="same", name="conv")]
    model = keras.Sequential([*front, *between, layers.Flatten(), layers.Dense(3)])
    assert _last_map(model, 8).layer == "conv"


@pytest.mark.parametrize("activation", [None, "softmax", "sigmoid"])
def test_output_that_is_a_map_is_not_its_own_explanation(activation: str | None) -> None:
    x = keras.Input((8, 8, 3))
    y = layers.Conv2D(4, 3, padding="same", activation="relu", name="inside")(x)
    y = layers.Conv2D(3, 1, name="classes")(y)
    model = keras.Model(x, y if activation is None else layers.Activation(activation)(y))
    assert _last_map(model, 8).layer == "inside"


def test_output_that_was_resized_is_not_its_own_explanation() -> None:
    front = [layers.Conv2D(4, 3, padding="same", activation="relu", name="inside"), layers.Conv2D(3, 1, name="classes")]
    model = keras.Sequential([keras.Input((8, 8, 3)), *front, layers.Resizing(16, 16), layers.Softmax()])
    assert _last_map(model, 8).layer == "inside"


def test_branch_that_the_score_does_not_use_is_passed_over() -> None:
    x = keras.Input((8, 8, 3))
    first = layers.Conv2D(4, 3, name="first")(x)
    second = layers.Conv2D(4, 3, name="second")(first)
    heads = [layers.Dense(3, name=name)(layers.Flatten()(y)) for name, y in (("early", first), ("late", second))]
    adapter, image = vz.adapt(keras.Model(x, heads)), images(1, (8, 8, 3))
    assert adapter.gradients(image, {"early": 0}, of=LAST_SPATIAL).layer == "first"
    assert adapter.gradients(image, {"late": 0}, of=LAST_SPATIAL).layer == "second"


def test_last_call_of_a_shared_layer_is_taken_with_its_number() -> None:
    shared = layers.Conv2D(3, 3, padding="same", name="shared")
    x = keras.Input((8, 8, 3))
    model = keras.Model(x, layers.Dense(3)(layers.Flatten()(shared(shared(x)))))
    assert _last_map(model, 8).layer == "shared[1]"


def test_result_says_which_layer_was_taken() -> None:
    model = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(2, 3, activation="relu", name="conv"), layers.Flatten()]
    )
    model.add(layers.Dense(3, kernel_initializer="ones"))
    assert vz.gradcam(model, images(1, (8, 8, 3)), 0, relu=False).layer == "conv"


@pytest.mark.parametrize(
    "last",
    [
        layers.Conv2DTranspose(2, 3, strides=2, padding="same", name="last"),
        layers.EinsumDense("bhwc,cd->bhwd", (4, 4, 2), name="last"),
    ],
)
def test_layer_that_makes_a_map_is_taken_whatever_word_is_in_its_name(last: Any) -> None:
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Conv2D(2, 3, strides=2, padding="same"), last])
    model.add(layers.GlobalAveragePooling2D())
    assert _last_map(keras.Sequential([*model.layers, layers.Dense(2)]), 8, 1).layer == "last"
