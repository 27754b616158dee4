"""Files as other versions of Keras wrote them: what is repaired, and that it is the same model afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests.adapter.changed_files import Change, argument, as_list, cnn, each_layer, saved
from tests.rounding import assert_same_sums
from vizcnn.adapter.loading import load_model
from vizcnn.errors import ModelFileError


def transfer() -> Any:
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3))
    base = keras.Model(image, layers.Conv2D(4, 3, activation="relu", name="conv")(image), name="base")
    outer = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D()(base(outer))
    return keras.Model(outer, layers.Dense(3, "softmax")(x), name="transfer")


def old_input(layer: dict[str, Any]) -> None:
    if layer["class_name"] == "InputLayer":
        layer["config"]["batch_input_shape"] = layer["config"].pop("batch_shape")
        layer["config"]["ragged"] = False
    if layer["class_name"] == "DepthwiseConv2D":
        layer["config"]["batch_input_shape"] = [None, 8, 8, 3]


def without_input(config: dict[str, Any]) -> None:
    found = config["config"]["layers"]
    config["config"]["build_input_shape"] = found[0]["config"]["batch_shape"]
    config["config"]["layers"] = found[1:]


def old_policy(layer: dict[str, Any]) -> None:
    layer["config"]["dtype"] = {"class_name": "Policy", "config": {"name": "float32", "loss_scale": None}}


def moved(config: dict[str, Any]) -> None:
    config["module"] = (
        "keras.src.engine.sequential" if config["class_name"] == "Sequential" else "keras.src.engine.functional"
    )
    each_layer(
        config, lambda layer: layer.__setitem__("module", f"keras.src.layers.core.{layer['class_name'].lower()}")
    )


def list_of_one(config: dict[str, Any]) -> None:
    base = next(layer for layer in config["config"]["layers"] if layer["class_name"] == "Functional")
    base["config"]["output_layers"] = [base["config"]["output_layers"]]


def counted(config: dict[str, Any]) -> None:
    text = json.dumps(config["config"]["layers"]).replace(
        '"keras_history": ["base", 0, 0]', '"keras_history": ["base", 1, 0]'
    )
    config["config"]["layers"] = json.loads(text)


def scaled() -> Any:
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Rescaling(1 / 127.5, name="tf.math.truediv")(image)
    x = layers.Rescaling(1.0, -1.0, name="tf.math.subtract")(x)
    x = layers.ReLU(name="tf.nn.relu")(layers.Conv2D(4, 3, name="conv")(x))
    return keras.Model(image, layers.Dense(3, "softmax")(layers.GlobalAveragePooling2D()(x)), name="scaled")


def as_functions(config: dict[str, Any]) -> None:
    before = "image"
    for layer in config["config"]["layers"]:
        name = layer["name"]
        if name.startswith("tf."):
            constant = {"tf.math.truediv": {"y": 127.5}, "tf.math.subtract": {"y": 1.0}}.get(name, {})
            layer["class_name"] = "TFOpLambda"
            layer["config"] = {"name": name, "trainable": True, "dtype": "float32", "function": name[3:]}
            layer["inbound_nodes"] = [[[before, 0, 0, {**constant, "name": None}]]]
            for key in ("module", "registered_name", "build_config"):
                layer.pop(key, None)
        before = name


def flipped() -> Any:
    """RGB to BGR in the model, as `keras.applications` did it."""
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, name="conv")(keras.ops.flip(image, axis=-1))
    return keras.Model(image, layers.Dense(3, "softmax")(layers.GlobalAveragePooling2D()(x)), name="flipped")


def as_a_slice(config: dict[str, Any]) -> None:
    for layer in config["config"]["layers"]:
        if layer["class_name"] == "Flip":
            name = layer["name"]
            layer["class_name"] = "SlicingOpLambda"
            layer["config"] = {"name": name, "trainable": True, "dtype": "float32", "function": "__operators__.getitem"}
            spec = [{"class_name": "__ellipsis__", "config": {}}, {"start": None, "stop": None, "step": -1}]
            layer["inbound_nodes"] = [[["image", 0, 0, {"slice_spec": spec}]]]
            for key in ("module", "registered_name", "build_config"):
                layer.pop(key, None)


def renamed(before: str, now: str) -> Change:
    def change(layer: dict[str, Any]) -> None:
        if layer["class_name"] == now:
            layer["class_name"] = before

    return lambda config: each_layer(config, change)


@pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")  # the maps of noise may be blank
@pytest.mark.parametrize(
    ("make", "suffix", "version", "change", "told"),
    [
        (scaled, ".h5", "2.8.0", as_functions, "the TensorFlow function math.truediv"),
        (scaled, ".keras", "2.14.0", as_functions, "the TensorFlow function nn.relu"),
        (flipped, ".h5", "2.6.0", as_a_slice, "the TensorFlow function __operators__.getitem"),
        (
            cnn,
            ".h5",
            "2.2.4-tf",
            renamed("BatchNormalizationV1", "BatchNormalization"),
            "BatchNormalizationV1, which is",
        ),
        (cnn, ".h5", "2.2.2", as_list, "a Sequential that was a bare list of layers"),
        (cnn, ".h5", "2.4.0", argument("DepthwiseConv2D", groups=1), "DepthwiseConv2D(groups)"),
        (
            cnn,
            ".h5",
            "2.3.0",
            argument("BatchNormalization", renorm=False, fused=True),
            "BatchNormalization(fused)",
        ),
        (cnn, ".keras", "2.14.0", lambda config: each_layer(config, old_input), "batch_input_shape"),
        (cnn, ".keras", "2.14.0", argument("BatchNormalization", axis=[3]), "an axis that was a list"),
        (cnn, ".keras", "2.14.0", moved, "keras.src.engine.sequential, a module that is gone"),
        (transfer, ".keras", "2.14.0", moved, "keras.src.engine.functional, a module that is gone"),
        (cnn, ".keras", "2.15.0", lambda config: each_layer(config, old_policy), "a dtype policy of Keras 2"),
        (cnn, ".keras", "3.99.0", argument("Conv2D", some_new_thing=None), "Conv2D(some_new_thing)"),
        (transfer, ".keras", "3.5.0", counted, "calls of layers that were counted otherwise"),
    ],
)
def test_a_file_of_another_keras_is_repaired_and_is_the_same_model(
    tmp_path: Path, make: Any, suffix: str, version: str, change: Change, told: str
) -> None:
    model = make()
    path = saved(model, tmp_path / f"model{suffix}", change, version)
    loaded = load_model(path)
    assert any(told in repair for repair in loaded.repairs), loaded.repairs
    assert loaded.version == version
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    np.testing.assert_array_equal(loaded.model.predict(x, verbose=0), model.predict(x, verbose=0))
    assert vz.gradcam(vz.adapt(path), x).values.shape == (2, 8, 8)


def test_adapter_and_notes_tell_what_was_repaired(tmp_path: Path) -> None:
    path = saved(cnn(), tmp_path / "model.h5", argument("DepthwiseConv2D", groups=1), "2.4.0")
    assert vz.adapt(path).repairs == ("DepthwiseConv2D(groups)",)
    assert vz.adapt(cnn()).repairs == ()


def test_a_file_that_needs_no_repair_is_read_as_it_is(tmp_path: Path) -> None:
    for suffix in (".h5", ".keras"):
        cnn().save(tmp_path / f"model{suffix}")
        assert load_model(tmp_path / f"model{suffix}").repairs == ()


def test_hard_sigmoid_of_keras_2_is_the_function_that_it_was(tmp_path: Path) -> None:
    model = cnn("hard_sigmoid")
    for suffix in (".h5", ".keras"):
        path = saved(model, tmp_path / f"model{suffix}", lambda config: None, "2.11.0")
        loaded = load_model(path)
        assert loaded.repairs == ("hard_sigmoid, which was another function in Keras 2",)
        x = np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype(np.float32)
        before = keras.Model(model.inputs, model.get_layer("normalization").output).predict(x, verbose=0)
        kernel, bias = model.get_layer("conv").get_weights()
        windows = np.lib.stride_tricks.sliding_window_view(before, (3, 3), axis=(1, 2))
        bare = np.einsum("nhwcij,ijck->nhwk", windows, kernel) + bias
        result = vz.activations(loaded.model, x, "conv").values
        np.testing.assert_allclose(result, np.clip(0.2 * bare + 0.5, 0, 1), atol=1e-5)


def test_repair_that_would_leave_weights_over_is_an_error(tmp_path: Path) -> None:
    path = saved(cnn(), tmp_path / "model.h5", argument("DepthwiseConv2D", groups=1), "2.4.0")
    with h5py.File(path, "a") as file:
        file["model_weights"].create_dataset("more/weights", data=np.full((2, 3), 0.5, np.float32))
    with pytest.raises(
        ModelFileError, match=r"its weights don't fit, 1 of \d+ arrays are left over.*'more/weights \(2, 3\)'"
    ):
        load_model(path)


def test_argument_that_would_change_the_model_is_not_left_out(tmp_path: Path) -> None:
    path = saved(cnn(), tmp_path / "model.h5", argument("DepthwiseConv2D", groups=3), "2.4.0")
    with pytest.raises(ModelFileError, match=r"can't be loaded: .*groups"):
        load_model(path)


# Weights alone -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["beside", "given"])
@pytest.mark.parametrize("suffix", [".weights.h5"])
def test_weights_alone_are_joined_with_their_architecture(tmp_path: Path, place: str, suffix: str) -> None:
    model = cnn()
    path = tmp_path / f"model{suffix}"
    model.save_weights(path)
    with pytest.raises(ModelFileError, match=r"holds weights only, without the architecture. Give the JSON file"):
        load_model(path)
    (tmp_path / ("model.json" if place == "beside" else "other.json")).write_text(model.to_json())
    loaded = load_model(path, architecture=None if place == "beside" else tmp_path / "other.json")
    x = np.ones((1, 8, 8, 3), np.float32)
    np.testing.assert_array_equal(loaded.model.predict(x, verbose=0), model.predict(x, verbose=0))


def test_architecture_that_is_none_is_named(tmp_path: Path) -> None:
    cnn().save_weights(tmp_path / "model.weights.h5")
    (tmp_path / "model.json").write_text('{"a": 1}')
    with pytest.raises(ModelFileError, match=r"`architecture` '.*model.json' describes no model"):
        load_model(tmp_path / "model.weights.h5")


# Classes of the author's own ---------------------------------------------------------------------------------------------------


class Twice(layers.Layer):
    def call(self, x: Any) -> Any:
        return 2 * x


def test_missing_class_is_named_with_its_place_and_can_be_passed(tmp_path: Path) -> None:
    inner = keras.Sequential([keras.Input((2, 2, 1)), Twice(name="twice")], name="inner")
    keras.Sequential([keras.Input((2, 2, 1)), inner, layers.Flatten()], name="outer").save(tmp_path / "model.keras")
    with pytest.raises(
        ModelFileError,
        match=r"'outer/inner/twice' is a 'Twice' which isn't part of Keras. It was defined in .*test_repairs",
    ):
        load_model(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras", custom_objects={"Twice": Twice})
    np.testing.assert_array_equal(loaded.model.predict(np.ones((1, 2, 2, 1)), verbose=0), np.full((1, 4), 2))


def test_guided_rule_reaches_a_relu_that_was_a_tensorflow_function(tmp_path: Path) -> None:
    path = saved(scaled(), tmp_path / "model.h5", as_functions, "2.8.0")
    x = np.random.default_rng(0).uniform(0, 255, (1, 8, 8, 3)).astype(np.float32)
    ours, theirs = (vz.saliency(model, x, 0, rule="guided").raw for model in (vz.adapt(path), scaled()))
    assert_same_sums(ours, theirs, *(27, 36, 4) * 2)


def test_tensorflow_function_without_a_counterpart_is_named(tmp_path: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        as_functions(config)
        config["config"]["layers"][1]["config"]["function"] = "io.read_file"

    path = saved(scaled(), tmp_path / "model.h5", change, "2.8.0")
    with pytest.raises(ModelFileError, match=r"the TensorFlow function 'io.read_file' has no counterpart"):
        load_model(path)


def test_hard_sigmoid_of_keras_3_stays_in_weights_with_their_architecture(tmp_path: Path) -> None:
    model = cnn("hard_sigmoid")
    model.save_weights(tmp_path / "model.weights.h5")
    (tmp_path / "model.json").write_text(model.to_json())
    loaded = load_model(tmp_path / "model.weights.h5")
    assert loaded.repairs == ()
    x = np.random.default_rng(0).normal(size=(1, 8, 8, 3)).astype(np.float32)
    np.testing.assert_array_equal(loaded.model.predict(x, verbose=0), model.predict(x, verbose=0))


class Swish(layers.Layer):
    def call(self, x: Any) -> Any:
        return x * keras.ops.sigmoid(10.0 * x)


def test_class_of_the_user_is_not_repaired_whatever_its_name(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    stack = [layers.DepthwiseConv2D(3), Swish(name="own"), layers.GlobalAveragePooling2D(), layers.Dense(3, "softmax")]
    model = keras.Sequential([keras.Input((8, 8, 3)), *stack])
    path = saved(model, tmp_path / "model.h5", argument("DepthwiseConv2D", groups=1), "2.9.0")
    loaded = load_model(path, custom_objects={"Swish": Swish})
    assert loaded.repairs == ("DepthwiseConv2D(groups)",)
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    np.testing.assert_array_equal(loaded.model.predict(x, verbose=0), model.predict(x, verbose=0))


def test_version_that_is_a_number_is_read(tmp_path: Path) -> None:
    model = cnn()
    model.save_weights(tmp_path / "model.weights.h5")
    (tmp_path / "model.json").write_text(json.dumps({**json.loads(model.to_json()), "keras_version": 3.5}))
    assert len(load_model(tmp_path / "model.weights.h5").model.weights) == len(model.weights)
