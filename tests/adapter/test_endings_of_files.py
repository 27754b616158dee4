"""Whether an output of a SavedModel, TensorFlow Lite or ONNX file is a probability or a logit is read from the file's graph."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from keras import layers, ops
from onnx import TensorProto, helper
from PIL import Image
from typer.testing import CliRunner

import vizcnn as vz
from tests import framework
from vizcnn.adapter.runtimes.graph_endings import last_activation
from vizcnn.adapter.runtimes.onnx_check import endings
from vizcnn.cli.app import app

pytestmark = [
    pytest.mark.skipif(framework.BACKEND != "tensorflow", reason="the files are written by TensorFlow"),
    pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated:UserWarning"),
]

SHAPE = (6, 6, 3)
LOGIT = float(np.log(99))  # of the probability 0.99
KINDS = ("savedmodel", "tflite", "quantized", "onnx")


def _write(kind: str, end: str, folder: Path) -> Path:
    """Write a model that answers the logit of 0.99 to a white image, and its negative to a black one, with that end."""
    if kind == "onnx":
        return _onnx(end, folder / "model.onnx")
    image = keras.Input(SHAPE)
    unit = layers.Dense(1, activation="sigmoid" if "sigmoid" in end else None)
    units = unit(layers.Flatten()(image))
    unit.set_weights([np.full((108, 1), 2 * LOGIT / 108, np.float32), np.array([-LOGIT], np.float32)])
    model = keras.Model(image, ENDS[end](units))
    model.export(folder / "saved", verbose=False)
    if kind == "savedmodel":
        return folder / "saved"
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved"))
    if kind == "quantized":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([np.full((1, *SHAPE), i / 20, np.float32)] for i in range(21))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    (folder / "model.tflite").write_bytes(converter.convert())
    return folder / "model.tflite"


ENDS: dict[str, Callable[[Any], Any]] = {
    "logit": lambda units: units,
    "tanh": lambda units: ops.tanh(units),
    "sigmoid": lambda units: units,
    "sigmoid squeezed": lambda units: ops.squeeze(units, axis=-1),
    "sigmoid clipped": lambda units: ops.reshape(ops.clip(units, 1e-5, 1 - 1e-5), (-1, 1)),
}


def _onnx(end: str, file: Path) -> Path:
    arrays = {
        "w": np.full((108, 1), 2 * LOGIT / 108),
        "b": np.array([-LOGIT]),
        "low": np.array(1e-5),
        "high": np.array(1 - 1e-5),
    }
    constants = [helper.make_tensor(n, TensorProto.FLOAT, v.shape, v.ravel().tolist()) for n, v in arrays.items()]
    constants.append(helper.make_tensor("last", TensorProto.INT64, (1,), [1]))
    nodes = [helper.make_node("Flatten", ["image"], ["flat"]), helper.make_node("Gemm", ["flat", "w", "b"], ["logit"])]
    if "sigmoid" in end:
        nodes.append(helper.make_node("Sigmoid", ["logit"], ["p"]))
    ends = {
        "logit": helper.make_node("Identity", ["logit"], ["out"]),
        "sigmoid": helper.make_node("Identity", ["p"], ["out"]),
        "sigmoid squeezed": helper.make_node("Squeeze", ["p", "last"], ["out"]),
        "sigmoid clipped": helper.make_node("Clip", ["p", "low", "high"], ["out"]),
    }
    shape = ["n"] if end == "sigmoid squeezed" else ["n", 1]
    graph = helper.make_graph(
        [*nodes, ends[end]],
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 6, 6])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, shape)],
        constants,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), file)
    return file


@pytest.mark.parametrize(
    "end", ["logit", "sigmoid", "sigmoid squeezed", pytest.param("sigmoid clipped", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("kind", KINDS)
def test_one_unit_of_a_file_is_two_classes(kind: str, end: str, tmp_path: Path) -> None:
    model = vz.adapt(_write(kind, end, tmp_path), labels=["cat", "dog"])
    for value, name in ((1.0, "dog"), (0.0, "cat")):  # one image alone: no other tells what its number is
        outputs = model.outputs(np.full((1, *SHAPE), value, np.float32))
        (best,) = model.predictions(outputs)
        assert (best.label, best.probability) == (name, None if end == "logit" else pytest.approx(0.99, abs=0.01))
        cat, dog = model.class_outputs(outputs)[1][0]
        assert cat == pytest.approx(-dog if end == "logit" else 1 - dog, abs=1e-6)
        scores = [model.scores(np.full((1, *SHAPE), value, np.float32), target)[0] for target in ("cat", "dog")]
        sign = 1 if name == "dog" else -1
        assert scores == pytest.approx([-sign * LOGIT, sign * LOGIT], abs=0.5 if kind == "quantized" else 1e-2)
    read = [note for note in model.notes if "read as" in note]
    assert len(read) == (end == "logit"), read  # what the file says needs no guess; that a number is a logit is said


@pytest.mark.parametrize("kind", ["savedmodel", "tflite", "onnx"])
def test_command_names_the_class_of_one_unit_of_a_file(kind: str, tmp_path: Path) -> None:
    file = _write(kind, "sigmoid", tmp_path)
    (tmp_path / "labels.txt").write_text("cat\ndog\n", encoding="utf-8")
    for value, name in ((255, "dog"), (0, "cat")):
        Image.fromarray(np.full((*SHAPE[:2], 3), value, np.uint8)).save(tmp_path / f"is_{name}.png")
    images = [str(tmp_path / f"is_{name}.png") for name in ("cat", "dog")]
    options = ["--method", "occlusion", "--preprocess", "0..1", "--labels", str(tmp_path / "labels.txt")]
    run = CliRunner().invoke(app, ["explain", str(file), *images, *options, "--out", str(tmp_path / "out"), "--json"])
    assert run.exit_code == 0, run.output
    rows = [json.loads(line) for line in run.stdout.splitlines()]
    assert [(row["class"], row["label"]) for row in rows] == [(0, "cat"), (1, "dog")]
    assert [row["probability"] for row in rows] == pytest.approx([0.99, 0.99], abs=1e-3)


@pytest.mark.parametrize("kind", ["savedmodel", "tflite"])
def test_unit_of_tanh_is_no_probability_though_it_is_within_0_to_1_on_all_images(kind: str, tmp_path: Path) -> None:
    model = vz.adapt(_write(kind, "tanh", tmp_path), labels=["cat", "dog"])
    (best,) = model.predictions(model.outputs(np.ones((1, *SHAPE), np.float32)))
    assert (best.label, best.probability) == ("dog", None)
    (worst,) = model.predictions(model.outputs(np.zeros((1, *SHAPE), np.float32)))
    assert (worst.label, worst.probability) == ("cat", None)


def test_activation_counts_only_where_nothing_changed_its_numbers() -> None:
    graph = {
        "p": ("Sigmoid", "logit"),
        "logit": ("BiasAdd", "product"),
        "product": ("MatMul", "features"),
        "features": ("Relu", "image"),
        "rounded": ("DEQUANTIZE", "p"),
        "moved": ("StridedSlice", "p"),
        "added": ("AddV2", "p"),
        "scaled": ("Mul", "p"),
        "cut": ("RELU_0_TO_1", "logit"),
        "clipped": ("ClipByValue", "logit"),
        "classes": ("LOG_SOFTMAX", "logit"),
        "one class": ("Gather", "classes"),
        "circle": ("Identity", "circle"),
        "side": ("Tanh", "logit"),
        "shifted": ("Add", "side"),
    }
    assert {name: last_activation(name, graph.get) for name in graph} == {
        "p": "sigmoid",
        "logit": "linear",
        "product": "linear",
        "features": "relu",
        "rounded": "sigmoid",
        "moved": "sigmoid",
        "added": None,
        "scaled": None,
        "cut": None,
        "clipped": None,
        "classes": "log_softmax",
        "one class": None,
        "circle": None,
        "side": "tanh",
        "shifted": None,
    }


@pytest.mark.parametrize(
    ("node", "shape", "ending"),
    [
        (helper.make_node("HardSigmoid", ["logit"], ["out"]), ["n", 3], "hard_sigmoid"),
        (helper.make_node("Softmax", ["logit"], ["out"], axis=1), ["n", 3], "softmax"),
        (helper.make_node("Softmax", ["logit"], ["out"]), ["n", 3], "softmax"),
        (helper.make_node("LogSoftmax", ["logit"], ["out"], axis=-1), ["n", 3], "log_softmax"),
        (
            helper.make_node("Softmax", ["logit"], ["out"], axis=1),
            ["n", 3, 4, 5],
            None,
        ),  # over channels: the values tell
        (helper.make_node("Sigmoid", ["logit"], ["out"], domain="somebody"), ["n", 3], None),
        (helper.make_node("Tanh", ["logit"], ["out"]), ["n", 3], "tanh"),
    ],
)
def test_ending_of_an_onnx_graph(node: Any, shape: list[Any], ending: str | None) -> None:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("logit", "out")]
    content = helper.make_model(helper.make_graph([node], "net", ends[:1], ends[1:])).SerializeToString()
    assert endings(content, {"out": len(shape)}).get("out") == ending
