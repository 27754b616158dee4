"""TensorFlow graphs that reach outside of the model: refused before anything in them is run."""

from __future__ import annotations

import os
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests import framework
from vizcnn.errors import ModelFileError

if framework.BACKEND != "tensorflow":
    pytest.skip("TensorFlow's own files", allow_module_level=True)

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

TEXT = 7


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graphs") / "saved"
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((4, 4, 1)), layers.Conv2D(2, 3, name="conv"), layers.Flatten(), layers.Dense(3, "softmax")]
    )
    model.export(folder, verbose=False)
    return folder


def changed(exported: Path, folder: Path, change: Callable[[Any], Any]) -> Path:
    """Copy the SavedModel, with another graph."""
    copy = folder / "saved"
    (copy / "variables").mkdir(parents=True)
    for file in (exported / "variables").iterdir():
        (copy / "variables" / file.name).write_bytes(file.read_bytes())
    stored = saved_model_pb2.SavedModel.FromString((exported / "saved_model.pb").read_bytes())
    change(stored.meta_graphs[0])
    (copy / "saved_model.pb").write_bytes(stored.SerializeToString())
    return copy


def refused(path: Path, match: str) -> None:
    with pytest.raises(ModelFileError, match=match):
        vz.adapt(path).outputs(np.zeros((1, 4, 4, 1), np.float32))


def node(where: Any, op: str, name: str, inputs: Any = (), **attributes: Any) -> Any:
    made = where.add(name=name, op=op, input=inputs)
    for key, value in attributes.items():
        made.attr[key].CopyFrom(value)
    return made


def kind(number: int) -> Any:
    return tf.compat.v1.AttrValue(type=number)


def text(value: str) -> Any:
    return tf.compat.v1.AttrValue(s=value.encode())


def answered_by(meta: Any, name: str) -> None:
    """Let the model answer with another node of its graph."""
    for info in meta.signature_def["serving_default"].outputs.values():
        info.name = f"{name}:0"


def answering(meta: Any) -> Any:
    """Return the node by which the model answers."""
    (info,) = meta.signature_def["serving_default"].outputs.values()
    return next(entry for entry in meta.graph_def.node if entry.name == info.name.partition(":")[0])


def constant_from_a_file(meta: Any) -> None:
    shape = tf.compat.v1.AttrValue(shape=tf.TensorShape([1, 3]).as_proto())
    node(
        meta.graph_def.node,
        "ImmutableConst",
        "secret",
        dtype=kind(1),
        shape=shape,
        memory_region_name=text("/etc/passwd"),
    )
    answered_by(meta, "secret")


def abort(meta: Any) -> None:
    node(meta.graph_def.node, "Abort", "end", error_msg=text("x"))
    answering(meta).input.append("^end")


def disguised(meta: Any) -> None:
    """Call a function that is named like an operation."""
    function = attrgetter("library.function")(meta.graph_def).add()
    function.signature.name = "WriteFile"
    call = node(meta.graph_def.node, "WriteFile", "write")
    assert call.op == function.signature.name
    answering(meta).input.append("^write")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (constant_from_a_file, "may reach outside of itself by ImmutableConst"),
        (abort, "may reach outside of itself by Abort"),
        (disguised, "a function named like the operation WriteFile"),
    ],
)
def test_graph_that_reaches_outside_by_an_option_or_a_name_is_refused(
    exported: Path, tmp_path: Path, change: Any, match: str
) -> None:
    refused(changed(exported, tmp_path, change), match)


def restoring(meta: Any) -> Any:
    """Return the call that restores, and the function that it calls."""
    name = meta.saver_def.restore_op_name.partition(":")[0]
    call = next(entry for entry in meta.graph_def.node if entry.name == name)
    function = next(
        f for f in attrgetter("library.function")(meta.graph_def) if f.signature.name == call.attr["f"].func.name
    )
    return call, function


def constant(where: Any, name: str, path: str) -> None:
    value = tf.compat.v1.AttrValue(tensor=tf.make_tensor_proto(path))
    node(where, "Const", name, dtype=kind(TEXT), value=value)


def of_the_graph(meta: Any, copies: int = 0) -> None:
    constant(meta.graph_def.node, "elsewhere", "/etc/variables")
    name = "elsewhere"
    for number in range(copies):
        node(meta.graph_def.node, "Identity", f"copy{number}", [name], T=kind(TEXT))
        name = f"copy{number}"
    restoring(meta)[0].input[0] = name


def of_the_function(meta: Any) -> None:
    function = restoring(meta)[1]
    constant(function.node_def, "elsewhere", "/etc/variables")
    node(function.node_def, "Identity", "copy", ["elsewhere:output:0"], T=kind(TEXT))
    for entry in function.node_def:
        if entry.op == "RestoreV2":
            entry.input[0] = "copy:output:0"


def by_default(meta: Any) -> None:
    constant(meta.graph_def.node, "elsewhere", "/etc/variables")
    shape = tf.compat.v1.AttrValue(shape=tf.TensorShape([]).as_proto())
    node(meta.graph_def.node, "PlaceholderWithDefault", "other", ["elsewhere"], dtype=kind(TEXT), shape=shape)
    restoring(meta)[0].input[0] = "other"


@pytest.mark.parametrize(
    "change",
    [of_the_graph, lambda meta: of_the_graph(meta, 1), lambda meta: of_the_graph(meta, 3), of_the_function, by_default],
    ids=["plain", "behind a copy", "behind three", "inside of the function", "by default"],
)
def test_variables_are_restored_from_the_path_that_is_fed_and_no_other(
    exported: Path, tmp_path: Path, change: Any
) -> None:
    refused(changed(exported, tmp_path, change), "may reach outside of itself by a path of its own")


def test_path_that_is_fed_may_go_through_copies(exported: Path, tmp_path: Path) -> None:
    def change(meta: Any) -> None:
        node(meta.graph_def.node, "Identity", "copy", ["saver_filename"], T=kind(TEXT))
        restoring(meta)[0].input[0] = "copy"

    x = np.random.default_rng(0).normal(size=(2, 4, 4, 1)).astype(np.float32)
    copy = changed(exported, tmp_path, change)
    np.testing.assert_array_equal(vz.adapt(copy).outputs(x)[0], vz.adapt(exported).outputs(x)[0])


def test_constant_that_unpacks_without_measure_is_refused(exported: Path, tmp_path: Path) -> None:
    def change(meta: Any) -> None:
        value = tf.make_tensor_proto(np.float32(1))
        for size in (1, 2**30):
            value.tensor_shape.dim.add(size=size)
        node(meta.graph_def.node, "Const", "bomb", dtype=kind(1), value=tf.compat.v1.AttrValue(tensor=value))
        answered_by(meta, "bomb")

    refused(changed(exported, tmp_path, change), "its constants unpack to more than its size explains")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
@pytest.mark.parametrize("name", ["saved_model.pb", "variables/variables.index"])
def test_pipe_in_the_folder_is_refused_and_not_waited_for(exported: Path, tmp_path: Path, name: str) -> None:
    copy = changed(exported, tmp_path, lambda meta: None)
    (copy / name).unlink()
    os.mkfifo(copy / name)
    refused(copy, "is a folder, a pipe or a device, and no file")
