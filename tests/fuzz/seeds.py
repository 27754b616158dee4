"""The whole files that the changes begin with, as small as they can be."""

from __future__ import annotations

import json
import marshal
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

MODELS = (
    "keras",
    "nested",
    "h5",
    "weights",
    "built",
    "tfjs",
    "zip",
    "savedmodel",
    "tflite",
    "onnx",
    "lambda",
    "functions",
)
OTHERS = ("png", "jpg", "gif", "bmp", "tif", "webp", "npy", "idx", "json", "txt", "csv", "attributions", "filters", "activations",
          "diagnosis")  # fmt: skip


def make_seeds(folder: Path) -> None:
    """Write one of each kind; those of more than one file as a folder."""
    _models(folder)
    _images(folder)
    _labels(folder)
    _results(folder)


def tiny() -> Any:
    """Return a small Keras model."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    stack = [layers.Conv2D(2, 3, activation="relu", name="conv"), layers.BatchNormalization(name="norm")]
    head = [layers.GlobalAveragePooling2D(name="pool"), layers.Dense(3, "softmax", name="classes")]
    return keras.Sequential([keras.Input((6, 6, 1), name="image"), *stack, *head], name="tiny")


def _write_tfjs(model: Any, folder: Path) -> None:
    """Write a layers model of TensorFlow.js, its kernels quantized, in two shards."""
    folder.mkdir()
    entries, content = [], b""
    for weight in model.weights:
        values = np.asarray(weight, np.float32)
        entry = {"name": weight.path, "shape": list(values.shape), "dtype": "float32"}
        if values.ndim > 1:
            low, scale = float(values.min()), float(np.ptp(values)) / 255
            values = np.round((values - low) / scale).astype(np.uint8)
            entry["quantization"] = {"dtype": "uint8", "min": low, "scale": scale, "original_dtype": "float32"}
        entries.append(entry)
        content += values.tobytes()
    paths = ["group1-shard1of2.bin", "group1-shard2of2.bin"]
    for path, part in zip(paths, (content[:50], content[50:]), strict=True):
        (folder / path).write_bytes(part)
    config = {"class_name": "Sequential", "config": model.get_config()}
    topology = {"keras_version": "2.15.0", "backend": "tensorflow", "model_config": config}
    manifest = [{"paths": paths, "weights": entries}]
    described = {"format": "layers-model", "modelTopology": topology, "weightsManifest": manifest}
    (folder / "model.json").write_text(json.dumps(described))
    (folder / "classes.txt").write_text("cat\ndog\nbird\n")


def _write_functions(model: Any, folder: Path) -> None:
    """Write a SavedModel without a signature, of an object with several functions."""
    import tensorflow as tf

    module, spec = tf.Module(), [tf.TensorSpec((None, 6, 6, 1), tf.float32)]
    module.layers = tf.Module()
    module.layers.kernel, module.layers.dense = (tf.Variable(model.weights[at].numpy()) for at in (0, -2))
    module.half = tf.constant(0.5)

    def call(image: Any) -> Any:
        maps = tf.nn.relu(tf.nn.conv2d(image - module.half, module.layers.kernel, 1, "SAME"))
        return tf.nn.softmax(tf.reduce_mean(maps, (1, 2)) @ module.layers.dense)

    module.__call__ = tf.function(call, input_signature=spec)
    module.doubled = tf.function(lambda image: {"all": 2 * call(image)}, input_signature=spec)
    tf.saved_model.save(module, str(folder))


def _models(folder: Path) -> None:
    import keras
    import onnx
    import tensorflow as tf
    from keras import layers
    from onnx import TensorProto, helper

    model = tiny()
    model.save(folder / "keras.keras")
    model.save_weights(folder / "built.weights.h5")
    model.save(folder / "h5.h5")
    (folder / "weights").mkdir()
    model.save_weights(folder / "weights" / "m.weights.h5")
    (folder / "weights" / "m.json").write_text(model.to_json())
    _write_tfjs(model, folder / "tfjs")
    with zipfile.ZipFile(folder / "zip.zip", "w") as archive:
        archive.write(folder / "h5.h5", "keras_model.h5")
        archive.writestr("labels.txt", "0 cat\n1 dog\n2 bird\n")
    model.export(folder / "savedmodel", verbose=False)
    (folder / "tflite.tflite").write_bytes(
        tf.lite.TFLiteConverter.from_saved_model(str(folder / "savedmodel")).convert()
    )
    _write_functions(model, folder / "functions")
    base = keras.Sequential([keras.Input((6, 6, 1)), layers.Conv2D(2, 3, name="inner")], name="base")
    base.compile(loss="mse", optimizer="sgd")
    image = keras.Input((6, 6, 1))
    twice = layers.Add(name="sum")([base(image), base(image) + 1.0])
    keras.Model(image, layers.Flatten(name="flat")(twice), name="nested").save(folder / "nested.keras")
    kernel = helper.make_tensor("k", TensorProto.FLOAT, (2, 1, 3, 3), [0.1] * 18)
    nodes = [helper.make_node("Conv", ["image", "k"], ["conv"]), helper.make_node("Flatten", ["conv"], ["flat"])]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in
            {"image": ["n", 1, 6, 6], "flat": ["n", 32]}.items()]  # fmt: skip
    text = "lambda x, axis=-1: x[..., ::-1] / tf.sqrt(tf.reduce_sum(tf.square(x - 0.5), axis=axis, keepdims=True))"
    constants = compile(text, "lambda", "eval").co_consts  # not of a lambda here: `tf` is a global name, as in a script
    squash = next(constant for constant in constants if hasattr(constant, "co_code"))
    (folder / "lambda.code").write_bytes(marshal.dumps(squash))
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], [kernel])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(made, folder / "onnx.onnx")


def _images(folder: Path) -> None:
    from PIL import Image

    values = np.random.default_rng(0).integers(0, 255, (6, 6, 3), dtype=np.uint8)
    for kind in ("png", "jpg", "gif", "bmp", "tif", "webp"):
        Image.fromarray(values).save(folder / f"{kind}.{kind}")
    np.save(folder / "npy.npy", values)
    (folder / "idx.idx").write_bytes(bytes([0, 0, 8, 3]) + np.array([2, 6, 6], ">i4").tobytes() + values.tobytes()[:72])


def _labels(folder: Path) -> None:
    (folder / "json.json").write_text(json.dumps({"0": "cat", "1": "dog", "2": ["n01", "bird"]}))
    (folder / "txt.txt").write_text("cat\ndog\nbird\n", encoding="utf-8")
    (folder / "csv.csv").write_text("index,name\n0,cat\n1,dog\n", encoding="utf-8")


def _results(folder: Path) -> None:
    import vizcnn as vz

    model, digit = vz.assets.digits_cnn(), vz.assets.digits()[3]
    made: dict[str, Any] = {
        "attributions": vz.saliency(model, digit),
        "filters": vz.filters(model),
        "activations": vz.activations(model, digit, layer="conv1"),
        "diagnosis": vz.diagnose(model, vz.assets.digits()[:3]),
    }
    for name, result in made.items():
        result.save(folder / f"{name}.npz")
