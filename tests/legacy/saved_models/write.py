"""Writes tiny SavedModels of Keras 2, and what they and their gradients are: ``python write.py ARCHIVE.tar.xz``.

Runs with tf-keras and tensorflow-hub beside TensorFlow (``pip install tf-keras tensorflow-hub``).
"""

from __future__ import annotations

import os
import sys
import tarfile
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
import tensorflow_hub as hub
import tf_keras
from tf_keras import layers as L


class Features(tf.Module):
    """A module as TF-Hub has them: a function, with no layers of Keras's."""

    def __init__(self):
        super().__init__()
        rng = np.random.default_rng(2)
        self.kernel = tf.Variable(rng.normal(0, 0.4, (3, 3, 3, 4)).astype(np.float32), name="kernel")
        self.trainable_variables_ = [self.kernel]

    @tf.function(input_signature=[tf.TensorSpec((None, 12, 12, 3), tf.float32, name="images")])
    def __call__(self, images):
        maps = tf.nn.relu(tf.nn.conv2d(images, self.kernel, 1, "SAME", name="conv"), name="maps")
        return tf.reduce_mean(maps, (1, 2), name="features")


def plain():
    image = L.Input((12, 12, 3), name="image")
    x = L.BatchNormalization(name="bn")(L.Conv2D(4, 3, activation="relu", name="conv")(image))
    x = L.Add(name="sum")([x, L.DepthwiseConv2D(3, padding="same", activation="swish", name="depthwise")(x)])
    x = L.GlobalAveragePooling2D(name="pool")(L.Conv2D(4, 1, activation="tanh", name="last")(x))
    return tf_keras.Model(image, L.Dense(3, activation="softmax", name="classes")(x), name="plain")


def with_hub(folder):
    module = str(folder / "module")
    features = Features()
    tf.saved_model.save(features, module, signatures=features.__call__)
    return tf_keras.Sequential(
        [L.Input((12, 12, 3)), hub.KerasLayer(module, name="features"), L.Dense(3, "softmax", name="classes")],
        name="with_hub",
    )


def two_and_two():
    left, right = L.Input((12, 12, 3), name="left"), L.Input((5,), name="right")
    x = L.GlobalMaxPooling2D(name="pool")(L.Conv2D(4, 3, activation="relu", name="conv")(left))
    x = L.Concatenate(name="both")([x, right])
    outputs = {
        "kind": L.Dense(3, activation="softmax", name="kind")(x),
        "sure": L.Dense(1, activation="sigmoid", name="sure")(x),
    }
    return tf_keras.Model([left, right], outputs, name="two_and_two")


def write(model, folder, expected):
    rng = np.random.default_rng(0)
    if model.name != "with_hub":
        model.set_weights([rng.uniform(0.05, 1, w.shape) - 0.4 * (w.ndim > 1) for w in model.get_weights()])
    tf_keras.models.save_model(model, str(folder / model.name), include_optimizer=False)
    inputs = [tf.constant(rng.uniform(0, 1, (2, *tensor.shape[1:])), tf.float32) for tensor in model.inputs]
    with tf.GradientTape() as tape:
        tape.watch(inputs[0])
        outputs = model(inputs if len(inputs) > 1 else inputs[0])
        first = outputs["kind"] if isinstance(outputs, dict) else outputs
        score = tf.math.log(first[:, 1])
    expected[f"{model.name}/gradient"] = tape.gradient(score, inputs[0]).numpy()  # of the log-probability of class 1
    for index, tensor in enumerate(inputs):
        expected[f"{model.name}/input_{index}"] = tensor.numpy()
    for name, tensor in (outputs if isinstance(outputs, dict) else {"classes": outputs}).items():
        expected[f"{model.name}/output_{name}"] = tensor.numpy()


def main(archive):
    expected = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        tf.random.set_seed(0)
        for model in (plain(), with_hub(folder), two_and_two()):
            write(model, folder, expected)
        np.savez(folder / "expected.npz", **expected)
        with tarfile.open(archive, "w:xz", preset=9) as packed:
            for path in sorted(folder.iterdir()):
                packed.add(path, path.name)
    print(f"{archive}: tf-keras {tf_keras.__version__}, TensorFlow {tf.__version__}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
