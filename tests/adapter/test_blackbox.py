"""Functions and files of other runtimes: what needs only scores works, and the rest says what it needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf
from keras import layers
from onnx import TensorProto, helper

import vizcnn as vz
from tests.rounding import rounding
from vizcnn.adapter.blackbox import BlackBoxAdapter, Source
from vizcnn.errors import CapabilityError, InputError, LayerError, ModelFileError, OptionError, UnsupportedModelError
from vizcnn.targets import Region

SHAPE = (8, 8, 3)


@pytest.fixture(scope="module")
def model() -> Any:
    keras.utils.set_random_seed(2)
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(4, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )


CLOSE = rounding(27, 36, 4, 3)
"""The convolution, the mean over positions, the dense layer and the softmax of this network."""


def images(count: int = 2) -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(count, *SHAPE)).astype(np.float32)


def opened(kind: str, model: Any, folder: Path) -> Any:
    """Return the same model as a black box of that kind."""
    if kind == "function":
        return vz.adapt(lambda batch: model(batch, training=False), input_shape=SHAPE)
    if kind == "savedmodel":
        model.export(folder / "saved", verbose=False)
        return vz.adapt(folder / "saved")
    if kind == "tflite":
        model.export(folder / "saved", verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "saved"))
        (folder / "model.tflite").write_bytes(converter.convert())
        return vz.adapt(folder / "model.tflite")
    onnx.save(as_onnx(model), folder / "model.onnx")
    return vz.adapt(folder / "model.onnx")


def as_onnx(model: Any) -> Any:
    """Write the network as ONNX, channels first as PyTorch would."""
    kernel, bias, weights, offset = model.get_weights()
    constants = [
        helper.make_tensor(name, TensorProto.FLOAT, value.shape, value.ravel().tolist())
        for name, value in {"k": kernel.transpose(3, 2, 0, 1), "b": bias, "w": weights, "o": offset}.items()
    ]
    nodes = [
        helper.make_node("Conv", ["image", "k", "b"], ["conv"]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("GlobalAveragePool", ["relu"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "o"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["classes"]),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("classes", TensorProto.FLOAT, ["n", 3])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated:UserWarning")
@pytest.mark.parametrize("kind", ["function", "savedmodel", "tflite", "onnx"])
def test_occlusion_of_a_black_box_is_that_of_the_model(kind: str, model: Any, tmp_path: Path) -> None:
    box, x = opened(kind, model, tmp_path), images()
    np.testing.assert_allclose(box.outputs(x)[0], model.predict(x, verbose=0), **CLOSE)
    ours, theirs = (vz.occlusion(m, x, patch_size=4, baseline=0.0) for m in (box, vz.adapt(model)))
    np.testing.assert_array_equal(ours.class_map, theirs.class_map)
    # A logarithm of probabilities differs from the logit by what all classes share: the contrast of two classes doesn't.
    other = [vz.occlusion(m, x, 0, patch_size=4, baseline=0.0).raw for m in (box, vz.adapt(model))]
    second = [vz.occlusion(m, x, 1, patch_size=4, baseline=0.0).raw for m in (box, vz.adapt(model))]
    np.testing.assert_allclose(other[0] - second[0], other[1] - second[1], atol=1e-4)
    assert ours.probabilities == pytest.approx(theirs.probabilities, abs=CLOSE["atol"])


def test_what_a_black_box_cannot_answer_is_said_with_what_it_can(model: Any) -> None:
    box = vz.adapt(lambda batch: model(batch, training=False), input_shape=SHAPE)
    for call in (vz.saliency, vz.gradcam, vz.activations):
        with pytest.raises(
            CapabilityError, match=r"needs (gradients|activations), which model .* work on it: .*'occlusion'"
        ):
            call(box, images())
    for call in (vz.filters, vz.architecture):
        with pytest.raises(CapabilityError, match=r"needs (kernels|layers)"):
            call(box)
    with pytest.raises(LayerError, match=r"`layer` must name a layer, and model '<lambda>' shows none; got 'conv'"):
        box.scores(images(), vz.targets.Neuron("conv", (0, 0, 0)))


def test_numbers_that_are_no_probabilities_are_scores_as_they_are() -> None:
    box = vz.adapt(lambda batch: batch.sum(axis=(1, 2)) * np.float32(-1), input_shape=(2, 2, 3))
    x = np.ones((1, 2, 2, 3), np.float32)
    np.testing.assert_array_equal(box.scores(x, 1), [-4])
    assert box.output_activation("output") is None
    x[0, 0, 0, 1] = 3
    result = vz.occlusion(box, x, 1, patch_size=1, baseline=0.0)
    np.testing.assert_allclose(result.values, [[[-3, -1], [-1, -1]]])


def test_several_outputs_keep_their_names_and_positions() -> None:
    named = vz.adapt(
        lambda batch: {"age": batch.mean(axis=(1, 2, 3)), "kind": batch.mean(axis=(1, 2))}, input_shape=SHAPE
    )
    assert dict(named.output_shapes) == {"age": (), "kind": (3,)}
    assert named.scores(images(), {"kind": 1}).shape == (2,)
    placed = vz.adapt(lambda batch: (batch.mean(axis=(1, 2)), batch), input_shape=SHAPE)
    assert list(placed.output_shapes) == ["output_0", "output_1"]
    assert placed.scores(images(), Region((0, 0, 4, 4), 0, output=1)).shape == (2,)


def test_samples_go_in_batches_and_in_order() -> None:
    seen: list[int] = []

    def function(batch: np.ndarray) -> np.ndarray:
        seen.append(len(batch))
        return batch[:, 0, 0]

    box = vz.adapt(function, input_shape=SHAPE, batch_size=2)
    x = images(5)
    np.testing.assert_array_equal(box.outputs(x)[0], x[:, 0, 0])
    assert seen == [2, 2, 1]


@pytest.mark.parametrize("shape", [None, (None, None, 3)])
def test_size_may_be_left_open_until_an_image_is_shown(shape: Any) -> None:
    box = vz.adapt(lambda batch: batch.mean(axis=(1, 2)), input_shape=shape)
    with pytest.raises(UnsupportedModelError, match=r"show it one first, or give vizcnn.adapt its `input_shape`"):
        box.num_classes()
    assert vz.occlusion(box, images(1), 0, patch_size=4, baseline=0.0).values.shape == (1, 8, 8)
    assert box.num_classes() == 3


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda batch: batch.sum(), "must return one row per image"),
        (lambda batch: batch[:1], "must return one row per image"),
    ],
)
def test_function_that_returns_no_row_per_image_is_rejected(function: Any, text: str) -> None:
    with pytest.raises(UnsupportedModelError, match=text):
        vz.adapt(function).outputs(images())


@pytest.mark.parametrize("shape", [(8,), (0, 8, 3), "8x8", (8, 8, 3.5)])
def test_input_shape_that_is_none_is_rejected(shape: Any) -> None:
    with pytest.raises(OptionError, match="`input_shape` must be"):
        vz.adapt(lambda batch: batch, input_shape=shape)


def test_inputs_of_another_shape_are_rejected() -> None:
    with pytest.raises(InputError, match=r"must have shape \(N, H, W, C\) = \(N, 8, 8, 3\); got \(1, 4, 4, 3\)"):
        vz.adapt(lambda batch: batch, input_shape=SHAPE).outputs(np.zeros((1, 4, 4, 3)))


def test_quantized_tflite_takes_and_gives_real_numbers(model: Any, tmp_path: Path) -> None:
    model.export(tmp_path / "saved", verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved"))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None]] for image in images(20))
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    (tmp_path / "model.tflite").write_bytes(converter.convert())
    box = vz.adapt(tmp_path / "model.tflite")
    np.testing.assert_allclose(box.outputs(images())[0], model.predict(images(), verbose=0), atol=0.03)


def test_saved_model_that_reaches_outside_is_refused_unless_trusted(tmp_path: Path) -> None:
    class Reader(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 2, 2, 1), tf.float32)])
        def __call__(self, x: Any) -> Any:
            return x[:, 0, 0] + tf.cast(tf.strings.length(tf.io.read_file("/etc/hostname")), tf.float32)

    reader = Reader()
    tf.saved_model.save(reader, str(tmp_path / "saved"), signatures=reader.__call__)
    with pytest.raises(ModelFileError, match=r"may reach outside of itself by ReadFile, StringLength. If you trust"):
        vz.adapt(tmp_path / "saved")
    assert isinstance(vz.adapt(tmp_path / "saved", trusted=True), BlackBoxAdapter)
    assert isinstance(vz.adapt(tmp_path / "saved", safe_mode=False), BlackBoxAdapter)


def test_damaged_files_of_runtimes_are_named(tmp_path: Path) -> None:
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"\xff\xff\xff")
    with pytest.raises(ModelFileError, match="is a damaged SavedModel"):
        vz.adapt(tmp_path / "saved")


def test_onnx_of_something_else_than_an_image_is_named(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 5])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 5])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "m.onnx")
    with pytest.raises(ModelFileError, match=r"takes \[.*\]; vizcnn explains models of one image"):
        vz.adapt(tmp_path / "m.onnx")


def signed(folder: Path, effect: Any) -> Path:
    """Save a model whose signature does something beside its answer."""

    class Model(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 8, 8, 1), tf.float32)])
        def answer(self, x: Any) -> Any:
            with tf.control_dependencies([effect()]):
                return tf.nn.softmax(tf.reshape(x, (-1, 64)))

    made = Model()
    tf.saved_model.save(made, str(folder), signatures={"serving_default": made.answer})
    return folder


def test_saved_model_that_writes_or_reads_other_files_is_refused_and_does_nothing(tmp_path: Path) -> None:
    target = str(tmp_path / "other")
    raw = tf.raw_ops
    effects = {
        "SaveV2": lambda: raw.SaveV2(
            prefix=target, tensor_names=["a"], shape_and_slices=[""], tensors=[tf.constant([1.0])]
        ),
        "RestoreV2": lambda: raw.RestoreV2(
            prefix=target, tensor_names=["a"], shape_and_slices=[""], dtypes=[tf.float32]
        )[0],
        "DatasetToTFRecord": lambda: raw.DatasetToTFRecord(
            input_dataset=tf.data.Dataset.from_tensors("x")._variant_tensor, filename=target, compression_type=""
        ),
        "WriteFile": lambda: raw.WriteFile(filename=target, contents="x"),
    }
    for name, effect in effects.items():
        with pytest.raises(ModelFileError, match=rf"may reach outside of itself by .*{name}"):
            vz.adapt(signed(tmp_path / name, effect)).num_classes()
    assert not list(tmp_path.glob("other*"))


def test_tflite_of_one_sample_at_a_time_takes_several(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    run = tf.function(
        lambda x: tf.nn.softmax(tf.reshape(x, (1, 64)) @ weights),
        input_signature=[tf.TensorSpec((1, 8, 8, 1), tf.float32)],
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([run.get_concrete_function()])
    (tmp_path / "model.tflite").write_bytes(converter.convert())
    x = np.random.default_rng(1).uniform(size=(3, 8, 8, 1)).astype(np.float32)
    logits = x.reshape(3, 64) @ weights
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(vz.adapt(tmp_path / "model.tflite").outputs(x)[0], expected, **rounding(64, 3, size=4))


def test_what_was_asked_first_does_not_change_the_scores() -> None:
    def function(batch: np.ndarray) -> np.ndarray:  # on nothing it looks like probabilities
        return np.concatenate([np.ones((len(batch), 1)), batch.reshape(len(batch), -1)[:, :3]], axis=1)

    x = np.array([1.0, -5, 2, 3], np.float32).reshape(1, 2, 2, 1)
    fresh, asked = (vz.adapt(function, input_shape=(2, 2, 1)) for _ in range(2))
    assert asked.num_classes() == 4
    assert fresh.scores(x, 2) == asked.scores(x, 2) == -5


def test_rounded_probabilities_are_probabilities() -> None:
    source = Source(lambda batch: np.full((len(batch), 100), 2 / 256, np.float32), (2, 2, 1), "rounded", tolerance=0.5)
    box = BlackBoxAdapter(source, "box")
    assert box.outputs(np.zeros((1, 2, 2, 1)))[0].sum() < 0.9
    assert box.output_activation("output") == "softmax"


def test_runtime_that_fails_is_an_error_of_vizcnn_and_a_function_of_its_own() -> None:
    def fail(batch: np.ndarray) -> np.ndarray:
        raise RuntimeError("no such shape")

    with pytest.raises(CapabilityError, match=r"'box' can't be run on inputs of shape \(1, 2, 2, 1\): no such shape"):
        BlackBoxAdapter(Source(fail, (2, 2, 1), "ONNX"), "box").outputs(np.zeros((1, 2, 2, 1)))
    with pytest.raises(RuntimeError, match="no such shape"):
        vz.adapt(fail).outputs(np.zeros((1, 2, 2, 1)))
