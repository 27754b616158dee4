"""The whole files that the changes begin with, as small as they can be."""

from __future__ import annotations

import json
import marshal
from pathlib import Path
from typing import Any

import numpy as np

MODELS = ("keras", "nested", "h5", "weights", "savedmodel", "tflite", "onnx", "lambda")
OTHERS = ("png", "jpg", "gif", "bmp", "tif", "webp", "npy", "idx", "json", "txt", "csv", "attributions", "filters", "activations",
          "diagnosis")  # fmt: skip


def make_seeds(folder: Path) -> None:
    """Write one of each kind; those of more than one file as a folder."""
    _models(folder)
    _images(folder)
    _labels(folder)
    _results(folder)


def _models(folder: Path) -> None:
    import keras
    import onnx
    import tensorflow as tf
    from keras import layers
    from onnx import TensorProto, helper

    keras.utils.set_random_seed(0)
    stack = [layers.Conv2D(2, 3, activation="relu", name="conv"), layers.BatchNormalization(name="norm")]
    head = [layers.GlobalAveragePooling2D(name="pool"), layers.Dense(3, "softmax", name="classes")]
    model = keras.Sequential([keras.Input((6, 6, 1), name="image"), *stack, *head], name="tiny")
    model.save(folder / "keras.keras")
    model.save(folder / "h5.h5")
    (folder / "weights").mkdir()
    model.save_weights(folder / "weights" / "m.weights.h5")
    (folder / "weights" / "m.json").write_text(model.to_json())
    model.export(folder / "savedmodel", verbose=False)
    (folder / "tflite.tflite").write_bytes(
        tf.lite.TFLiteConverter.from_saved_model(str(folder / "savedmodel")).convert()
    )
    base = keras.Sequential([keras.Input((6, 6, 1)), layers.Conv2D(2, 3, name="inner")], name="base")
    base.compile(loss="mse", optimizer="sgd")
    image = keras.Input((6, 6, 1))
    twice = layers.Add(name="sum")([base(image), base(image) + 1.0])
    keras.Model(image, layers.Flatten(name="flat")(twice), name="nested").save(folder / "nested.keras")
    kernel = helper.make_tensor("k", TensorProto.FLOAT, (2, 1, 3, 3), [0.1] * 18)
    nodes = [helper.make_node("Conv", ["image", "k"], ["conv"]), helper.make_node("Flatten", ["conv"], ["flat"])]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in
            {"image": ["n", 1, 6, 6], "flat": ["n", 32]}.items()]  # fmt: skip
    squash = (
        lambda x, axis=-1: x[..., ::-1] / tf.sqrt(tf.reduce_sum(tf.square(x - 0.5), axis=axis, keepdims=True))
    ).__code__
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
