"""Models that tf-keras-vis explains beside us, and its plugins."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import keras
import numpy as np
from keras import layers
from tf_keras_vis.saliency import Saliency
from tf_keras_vis.utils.model_modifiers import ReplaceToLinear

import vizcnn as vz
from tests import models
from vizcnn.plugins import registry


def plugin(method: str, *args: Any, **options: Any) -> Any:
    return registry.get(f"tf-keras-vis/{method}").function(*args, **options)


def assert_same_maps(ours: Any, theirs: Any) -> None:
    """Equal within 1e-4 of the map's range, and not all one value."""
    theirs = np.asarray(theirs)
    span = float(np.ptp(theirs))
    assert np.asarray(ours).shape == theirs.shape
    assert span > 0
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * span)


# The models both are compared on --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Peer:
    model: Any
    adapter: Any
    linear: Any  # what tf-keras-vis makes of the model: its outputs are logits
    images: np.ndarray
    layers: tuple[str, ...]
    classes: list[int]


@cache
def plain_cnn() -> Peer:
    keras.utils.set_random_seed(3)
    x = keras.Input((20, 16, 3))
    y = layers.Conv2D(6, 3, activation="relu", name="first")(x)
    y = layers.Conv2D(8, 3, strides=2, activation="relu", name="second")(y)
    y = layers.Conv2D(8, 3, activation="relu", name="last")(y)
    y = layers.Dense(5, activation="softmax")(layers.Flatten()(y))
    return _peer(keras.Model(x, y), ("last", "second"), [4, 2])


@cache
def mobilenet() -> Peer:
    keras.utils.set_random_seed(3)
    model = keras.applications.MobileNet(alpha=0.25, weights=None, input_shape=(96, 96, 3))
    _randomize_batch_norm(model)
    return _peer(model, ("conv_pw_13_relu",), [7, 300])


@cache
def resnet50() -> Peer:
    keras.utils.set_random_seed(3)
    model = keras.applications.ResNet50(weights=None, input_shape=(64, 64, 3), classes=20)
    _randomize_batch_norm(model)
    return _peer(model, ("conv5_block3_out",), [6, 2])


def _peer(model: Any, layers: tuple[str, ...], classes: list[int]) -> Peer:
    images = models.images(2, model.input_shape[1:], seed=5)
    return Peer(model, vz.adapt(model), linear(model), images, layers, classes)


def linear(model: Any) -> Any:
    return Saliency(model, model_modifier=ReplaceToLinear()).model


def _randomize_batch_norm(model: Any) -> None:
    """Statistics as a trained model has them, so that values neither vanish nor explode on the way."""
    numbers = np.random.default_rng(7)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            size = layer.gamma.shape
            spread = [numbers.uniform(0.5, 1.5, size), numbers.normal(0, 0.3, size)]
            layer.set_weights([*spread, numbers.normal(0, 0.3, size), numbers.uniform(0.5, 1.5, size)])


# Where ours differs on purpose ----------------------------------------------------------------------------------------


def with_head(x: Any, maps: Any) -> Any:
    """Four times the mean of a single map is the logit of class 0; its negative that of class 1."""
    model = keras.Model(x, layers.Dense(2, name="logits")(layers.GlobalAveragePooling2D()(maps)))
    model.get_layer("logits").set_weights([np.float32([[4, -4]]), np.zeros(2, np.float32)])
    return model


def corner_model() -> Any:
    """4x4 pixels -> the means of their 2x2 quarters -> their mean is the logit of class 0."""
    x = keras.Input((4, 4, 1))
    mean = keras.initializers.Constant(0.25)
    quarters = layers.Conv2D(1, 2, strides=2, use_bias=False, kernel_initializer=mean, name="quarters")
    return with_head(x, quarters(x))
