"""TensorFlow Lite and ONNX files that are damaged, or reach for other files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vizcnn as vz
from tests import framework
from vizcnn.errors import ModelFileError

if framework.BACKEND != "tensorflow":
    pytest.skip("neither is in the environment of the other backends", allow_module_level=True)

import onnx
import tensorflow as tf
from onnx import TensorProto, helper


def converted(function: Any, *, flex: bool = False) -> bytes:
    run = tf.function(function, input_signature=[tf.TensorSpec((1, 4, 4, 1), tf.float32)])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([run.get_concrete_function()])
    if flex:
        converter.target_spec.supported_ops = [tf.lite.OpsSet.SELECT_TF_OPS]
        converter.allow_custom_ops = True
    return converter.convert()


def refused(path: Path, match: str) -> None:
    with pytest.raises(ModelFileError, match=match):
        vz.adapt(path)


def test_tflite_that_runs_an_operation_of_tensorflow_on_a_file_is_refused(tmp_path: Path) -> None:
    victim = tmp_path / "victim.txt"

    def write(x: Any) -> Any:
        tf.raw_ops.WriteFile(filename=str(victim), contents="x")
        return tf.reshape(x, (1, 16)) + tf.strings.to_number(tf.io.read_file("/proc/sys/kernel/pid_max"))

    (tmp_path / "m.tflite").write_bytes(converted(write, flex=True))
    refused(tmp_path / "m.tflite", r"may reach outside of itself by TensorFlow's .*ReadFile")
    assert not victim.exists()


def test_tflite_that_runs_an_operation_of_tensorflow_that_computes_is_not_refused_for_it(tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(converted(lambda x: tf.math.erfinv(tf.reshape(x, (1, 16))), flex=True))
    said = ""
    try:
        vz.adapt(tmp_path / "m.tflite")
    except ModelFileError as error:  # not every build of TensorFlow Lite has TensorFlow's operations
        said = str(error)
    assert "reach outside" not in said


def test_damaged_tflite_is_an_error_and_does_not_end_the_process(tmp_path: Path) -> None:
    whole = converted(lambda x: tf.nn.softmax(tf.reshape(x, (1, 16))))
    for place in range(8, len(whole), len(whole) // 40):
        damaged = bytearray(whole)
        damaged[place : place + 4] = b"\xff\xff\xff\x7f"
        (tmp_path / "m.tflite").write_bytes(damaged)
        try:
            vz.adapt(tmp_path / "m.tflite")
        except ModelFileError:
            continue


def test_name_that_is_not_text_is_an_error_of_ours(tmp_path: Path) -> None:
    whole = converted(lambda x: tf.nn.softmax(tf.reshape(x, (1, 16))))
    (tmp_path / "m.tflite").write_bytes(whole)
    (name,) = vz.adapt(tmp_path / "m.tflite").output_shapes
    (tmp_path / "m.tflite").write_bytes(whole.replace(name.encode(), b"\xd0" + name[1:].encode()))
    refused(tmp_path / "m.tflite", "is a TensorFlow Lite model that can't be run")
    whole = with_weights_in("m.bin", tmp_path).read_bytes()
    (tmp_path / "m.bin").write_bytes(bytes(72))
    (tmp_path / "m.onnx").write_bytes(whole.replace(b"image", b"\xd0mage"))
    refused(tmp_path / "m.onnx", "is an ONNX model that can't be run")


def with_weights_in(location: str, folder: Path) -> Path:
    """Write an ONNX model whose weights lie in another file."""
    kernel = TensorProto(name="k", data_type=TensorProto.FLOAT, dims=(2, 1, 3, 3), data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, "offset": "0", "length": "72"}.items():
        kernel.external_data.add(key=key, value=value)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["image", "k"], ["conv"])],
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, 6, 6])],
        [helper.make_tensor_value_info("conv", TensorProto.FLOAT, ["n", 2, 4, 4])],
        [kernel],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path = folder / "m.onnx"
    path.write_bytes(made.SerializeToString())
    return path


@pytest.mark.parametrize(
    "location",
    ["/etc/passwd", "../secret.bin", "inner/../../secret.bin", "missing.bin", "linked.bin", "C:\\secret.bin"],
)
def test_onnx_whose_weights_lie_elsewhere_is_refused(tmp_path: Path, location: str) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(72))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "linked.bin").symlink_to(tmp_path / "secret.bin")
    refused(with_weights_in(location, folder), r"isn't opened: it reads '.*', which is not a file of its folder")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_onnx_whose_weights_are_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    refused(with_weights_in("pipe", tmp_path), "which is not a file of its folder")


def test_onnx_whose_weights_lie_beside_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "m.bin").write_bytes(np.ones(18, np.float32).tobytes())
    box = vz.adapt(with_weights_in("m.bin", tmp_path))
    np.testing.assert_allclose(box.outputs(np.ones((1, 6, 6, 1), np.float32))[0], np.full((1, 2, 4, 4), 9.0))


def test_weights_of_an_inner_graph_are_looked_at(tmp_path: Path) -> None:
    made = onnx.load(str(with_weights_in("/etc/passwd", tmp_path)), load_external_data=False)
    inner = onnx.GraphProto()
    inner.CopyFrom(made.graph)
    del made.graph.initializer[:]
    made.graph.node.append(helper.make_node("If", ["c"], ["d"], then_branch=inner, else_branch=inner))
    (tmp_path / "m.onnx").write_bytes(made.SerializeToString())
    refused(tmp_path / "m.onnx", "it reads '/etc/passwd'")
