"""SavedModels without a signature are run by the function that the saved object is called by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vizcnn as vz
from tests import framework
from vizcnn.errors import ModelFileError

if framework.BACKEND != "tensorflow":
    pytest.skip("TensorFlow's own files", allow_module_level=True)

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

IMAGES = np.random.default_rng(1).uniform(0, 1, (2, 8, 8, 3)).astype(np.float32)
SPEC = tf.TensorSpec((None, 8, 8, 3), tf.float32, name="image")


class Net(tf.Module):
    """A convolution and a dense layer, whose variables are held by different objects, and a constant that is captured."""

    def __init__(self) -> None:
        super().__init__()
        rng = np.random.default_rng(0)
        self.dense = tf.Module()
        self.dense.kernel = tf.Variable(rng.normal(size=(4, 2)).astype(np.float32))
        self.kernel = tf.Variable(rng.normal(size=(3, 3, 3, 4)).astype(np.float32))
        self.bias = tf.constant(rng.normal(size=2).astype(np.float32))

    def scores(self, image: Any) -> Any:
        maps = tf.nn.relu(tf.nn.conv2d(image, self.kernel, 1, "SAME"))
        return tf.reduce_mean(maps, (1, 2)) @ self.dense.kernel + self.bias


def saved(folder: Path, **functions: Any) -> Path:
    """Save a network with functions, of which none is a signature."""
    module = Net()
    for name, function in functions.items():
        holder, _, last = name.rpartition("__of__")
        if holder and not hasattr(module, holder):
            setattr(module, holder, tf.Module())
        setattr(getattr(module, holder, module) if holder else module, last, function(module))
    tf.saved_model.save(module, str(folder))
    stored = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    assert set(stored.meta_graphs[0].signature_def) == {"__saved_model_init_op"}
    return folder


def scores_of(module: Net) -> Any:
    return tf.function(module.scores, input_signature=[SPEC])


def named(module: Net) -> Any:
    return tf.function(lambda image: {"b": module.scores(image), "a": 2 * module.scores(image)}, input_signature=[SPEC])


def test_call_is_taken_before_other_functions_with_gradients_and_layers(tmp_path: Path) -> None:
    cnn, net = vz.adapt(saved(tmp_path / "m", __call__=scores_of, other=named)), Net()
    x = tf.constant(IMAGES)
    with tf.GradientTape() as tape:
        tape.watch(x)
        scores = net.scores(x)
        total = tf.reduce_sum(scores[:, 1])
    np.testing.assert_allclose(cnn.outputs(IMAGES)[0], scores, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(cnn.gradients(IMAGES, 1).gradients, tape.gradient(total, x), rtol=1e-4, atol=1e-6)
    assert (cnn.default_layer(), cnn.num_params) == ("Relu", 3 * 3 * 3 * 4 + 4 * 2)
    np.testing.assert_array_equal(cnn.kernels("Conv2D"), net.kernel)


def flagged(module: Net) -> Any:
    function = tf.function(lambda image, training=False: module.scores(image) * (5.0 if training else 1.0))
    for training in (True, False):
        function.get_concrete_function(SPEC, training=training)
    return function


def sized(module: Net) -> Any:
    function = tf.function(module.scores)
    for size in (8, None):
        function.get_concrete_function(tf.TensorSpec((None, size, size, 3), tf.float32))
    return function


@pytest.mark.parametrize(
    "functions",
    [{"__call__": flagged}, {"predict__of__scores": scores_of, "predict__of___hidden": named}, {"run": sized}],
    ids=["not the trace for training", "of a part where the object has none", "the trace for any size"],
)
def test_one_function_is_told_from_others(functions: dict[str, Callable[[Net], Any]], tmp_path: Path) -> None:
    cnn = vz.adapt(saved(tmp_path / "m", **functions))
    np.testing.assert_allclose(cnn.outputs(IMAGES)[0], Net().scores(IMAGES), rtol=1e-5, atol=1e-5)
    assert cnn.input_shape[:2] == ((None, None) if "run" in functions else (8, 8))


def test_outputs_of_a_dictionary_keep_their_names(tmp_path: Path) -> None:
    cnn = vz.adapt(saved(tmp_path / "m", __call__=named, other=named))
    assert list(cnn.output_shapes) == ["a", "b"]
    np.testing.assert_allclose(cnn.scores(IMAGES, {"a": 1}), 2 * cnn.scores(IMAGES, {"b": 1}), rtol=1e-5)


def several(module: Net) -> Any:
    function = tf.function(module.scores)
    for count in (1, 2):
        function.get_concrete_function(tf.TensorSpec((count, 8, 8, 3), tf.float32))
    return function


@pytest.mark.parametrize(
    ("functions", "match"),
    [
        (
            {},
            r"has no signature, and holds no function by which it could be run. Save it with one: tf.saved_model.save\(",
        ),
        (
            {"encode": scores_of, "score": named},
            "has no signature, and several functions .* run: 'encode', 'score'. Save",
        ),
        ({"__call__": several}, r"its function '__call__' was saved for inputs of several shapes: '\(1, 8, 8, 3\)', "),
    ],
    ids=["none", "several", "several shapes"],
)
def test_what_cannot_be_told_is_said(functions: dict[str, Callable[[Net], Any]], match: str, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=match):
        vz.adapt(saved(tmp_path / "m", **functions))


def test_function_that_looks_up_in_a_table_is_none_to_run(tmp_path: Path) -> None:
    module = Net()
    module.table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer([0], [1]), -1)
    for name in ("first", "second"):
        run = tf.function(lambda image: module.table.lookup(tf.cast(image, tf.int32)), input_signature=[SPEC])
        setattr(module, name, run)
    tf.saved_model.save(module, str(tmp_path / "m"))
    with pytest.raises(ModelFileError, match=r"none of its functions \('first', 'second'\) takes arrays"):
        vz.adapt(tmp_path / "m")


def test_function_that_reaches_outside_is_refused(tmp_path: Path) -> None:
    def reading(module: Net) -> Any:
        return tf.function(
            lambda image: (
                module.scores(image) + tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32)
            ),
            input_signature=[SPEC],
        )

    with pytest.raises(ModelFileError, match=r"may reach outside of itself by ReadFile, StringLength\. If you trust"):
        vz.adapt(saved(tmp_path / "m", __call__=reading, other=scores_of))


def test_variable_that_has_no_value_beside_it_is_a_damage(tmp_path: Path) -> None:
    folder = saved(tmp_path / "m", __call__=scores_of, other=named)
    stored = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    for child in stored.meta_graphs[0].object_graph_def.nodes[0].children:
        child.local_name = "lost" if child.local_name == "kernel" else child.local_name
    (folder / "saved_model.pb").write_bytes(stored.SerializeToString())
    with pytest.raises(ModelFileError, match="is a damaged SavedModel"):
        vz.adapt(folder)
