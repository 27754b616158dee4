"""The models, and the least that a gradient and a Grad-CAM can cost: TensorFlow written by hand, without vizcnn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.benchmarks.workloads import TARGET, images

RULES = ("vanilla", "guided", "relu")

MODELS: dict[str, Callable[[], Any]] = {
    "MobileNet 0.25": lambda: keras.applications.MobileNet(alpha=0.25, weights=None),
    "ResNet-50": lambda: keras.applications.ResNet50(weights=None),
}
LAYERS = {"MobileNet 0.25": "conv_pw_13_relu", "ResNet-50": "conv5_block3_out"}
"""The last map before the pooling, which vizcnn's Grad-CAM takes by itself."""


def lively_model(name: str) -> Any:
    """Return a model with random weights, through which signal and gradient come alive.

    MobileNet's outputs fade to 1e-16 unless its batch normalization fits the weights. ResNet-50's don't, and there it stays
    as it is: fitted, the net is so sensitive that two float32 gradients, ours or not, are 2 % apart.
    """
    keras.utils.set_random_seed(0)
    model = MODELS[name]()
    if name.startswith("MobileNet"):
        normalizations = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
        momenta = [layer.momentum for layer in normalizations]
        for layer in normalizations:
            layer.momentum = 0.0
        model(images(4), training=True)
        for layer, momentum in zip(normalizations, momenta, strict=True):
            layer.momentum = momentum
    return model


def logits_model(model: Any, rule: str = "vanilla") -> Any:
    """Return a copy that ends in logits, its ReLUs replaced by ones whose gradient follows the rule."""

    def copy(layer: Any) -> Any:
        if rule != "vanilla" and _is_relu(layer):
            capped = isinstance(layer, keras.layers.ReLU) and layer.max_value == 6
            return keras.layers.Activation(_RELUS[rule, capped], name=layer.name)
        config = layer.get_config()
        if getattr(layer, "activation", None) is keras.activations.softmax:
            config["activation"] = "linear"
        return type(layer).from_config(config)

    changed = keras.models.clone_model(model, clone_function=copy)
    changed.set_weights(model.get_weights())
    return changed


def saliency(model: Any, rule: str = "vanilla") -> Callable[[np.ndarray], np.ndarray]:
    """Return the compiled gradient of the logit by the input, from array to array.

    The logit is computed too, as every user of a map needs it: by the rule "relu" the gradient alone doesn't depend on the
    input, and TensorFlow would leave the forward pass out.
    """
    logits = logits_model(model, rule)

    @tf.function
    def gradient(inputs: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(inputs)
            score = logits(inputs, training=False)[:, TARGET]
        return tape.gradient(score, inputs), score

    def run(array: np.ndarray) -> np.ndarray:
        by_input, score = gradient(tf.constant(array))
        score.numpy()
        return by_input.numpy()

    return run


def gradcam(model: Any, layer: str, rule: str = "vanilla") -> Callable[[np.ndarray], tuple[np.ndarray, ...]]:
    """Return the compiled Grad-CAM: gradient, feature maps and signed map, the backward pass ending at the layer."""
    logits = logits_model(model, rule)
    middle = logits.get_layer(layer).output
    trunk, head = keras.Model(logits.inputs, middle), keras.Model(middle, logits.outputs[0])

    @tf.function
    def weighed(inputs: Any) -> tuple[Any, ...]:
        maps = trunk(inputs, training=False)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(maps)
            score = tf.reduce_sum(head(maps, training=False)[:, TARGET])
        gradient = tape.gradient(score, maps)
        weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
        return gradient, maps, tf.reduce_sum(weights * maps, axis=-1)

    return lambda array: tuple(tensor.numpy() for tensor in weighed(tf.constant(array)))


def _is_relu(layer: Any) -> bool:
    return isinstance(layer, keras.layers.ReLU) or getattr(layer, "activation", None) is keras.activations.relu


@tf.custom_gradient
def _guided(x: Any) -> Any:
    y = tf.nn.relu(x)
    return y, lambda dy: tf.raw_ops.ReluGrad(gradients=tf.nn.relu(dy), features=y)


@tf.custom_gradient
def _guided6(x: Any) -> Any:
    y = tf.nn.relu6(x)
    return y, lambda dy: tf.raw_ops.Relu6Grad(gradients=tf.nn.relu(dy), features=y)


@tf.custom_gradient
def _rectified(x: Any) -> Any:
    return tf.nn.relu(x), tf.nn.relu


@tf.custom_gradient
def _rectified6(x: Any) -> Any:
    return tf.nn.relu6(x), tf.nn.relu


_RELUS = {
    ("guided", False): _guided,
    ("guided", True): _guided6,
    ("relu", False): _rectified,
    ("relu", True): _rectified6,
}
