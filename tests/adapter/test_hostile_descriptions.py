"""Descriptions that reach outside of the model: refused, or without effect; `tests.fuzz` tries them at random."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from vizcnn.adapter.loading import load_model
from vizcnn.errors import ModelFileError

SUFFIXES = pytest.mark.parametrize("suffix", [".keras", ".h5"])


def nested() -> Any:
    """Return a model with another one inside that was compiled."""
    keras.utils.set_random_seed(0)
    image = keras.Input((4, 4, 1), name="image")
    base = keras.Model(image, layers.Conv2D(2, 3, name="conv")(image), name="base")
    base.compile(loss="mse", optimizer="sgd")
    outer = keras.Input((4, 4, 1), name="outer")
    return keras.Model(outer, layers.Flatten(name="flat")(base(outer)), name="whole")


def changed(path: Path, change: Callable[[dict[str, Any]], Any], model: Any = None) -> Path:
    """Save the nested model with another description."""
    (model or nested()).save(path)
    if path.suffix == ".h5":
        with h5py.File(path, "a") as file:
            config = json.loads(file.attrs["model_config"])
            change(config)
            file.attrs["model_config"] = json.dumps(config)
        return path
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    change(config)
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def layer(config: dict[str, Any], name: str) -> dict[str, Any]:
    return next(entry for entry in config["config"]["layers"] if entry["config"]["name"] == name)


def writes(target: Path) -> dict[str, Any]:
    """Return how a model would be compiled whose loss is a function of Keras that writes an image."""
    image = {"class_name": "__numpy__", "config": {"value": [[[0.0]]], "dtype": "float32"}}
    return {
        "optimizer": "sgd",
        "loss": {"module": "keras.utils", "class_name": "save_img", "config": {"path": str(target), "x": image}},
    }


@SUFFIXES
@pytest.mark.parametrize("trusted", [False, True])
def test_how_an_inner_model_was_compiled_is_left_out(tmp_path: Path, suffix: str, trusted: bool) -> None:
    seen: list[Any] = []

    class Watched(keras.losses.Loss):
        def __init__(self, **options: Any) -> None:
            seen.append(options)
            super().__init__(**options)

    def change(config: dict[str, Any]) -> None:
        loss = {"module": None, "class_name": "Watched", "config": {"name": "x"}, "registered_name": "Watched"}
        layer(config, "base")["compile_config"] = {"optimizer": "sgd", "loss": loss}

    path = changed(tmp_path / f"model{suffix}", change)
    loaded = load_model(path, custom_objects={"Watched": Watched}, trusted=trusted)
    assert not seen
    assert not loaded.model.get_layer("base").compiled
    x = np.random.default_rng(0).normal(size=(1, 4, 4, 1)).astype(np.float32)
    np.testing.assert_array_equal(loaded.model.predict(x, verbose=0), nested().predict(x, verbose=0))


@SUFFIXES
def test_what_compiling_an_inner_model_would_do_is_not_done(tmp_path: Path, suffix: str) -> None:
    victim = tmp_path / "picture.png"
    path = changed(
        tmp_path / f"model{suffix}", lambda config: layer(config, "base").update(compile_config=writes(victim))
    )
    load_model(path)
    assert not victim.exists()


HARMFUL = {
    "a function as a function": {"module": "keras.utils", "class_name": "function", "config": "save_img"},
    "a function as a class": {"module": "keras.utils", "class_name": "save_img", "config": {}},
    "a download": {"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "get_file"},
    "another model": {"module": "keras.saving", "class_name": "load_model", "config": {"filepath": "x.keras"}},
    "a reader of descriptions": {"module": "keras.losses", "class_name": "function", "config": "deserialize"},
    "a module of Keras that isn't loaded": {"module": "keras.src.backend.openvino.layer", "class_name": "Dense", "config": {}},
    "a data set": {"module": "keras.datasets.mnist", "class_name": "function", "config": "load_data"},
    "an application": {"module": "keras.applications", "class_name": "VGG16", "config": {}},
    "a module of Python's": {"module": "os", "class_name": "function", "config": "getcwd"},
    "a class of another package": {"module": "keras_hub.models", "class_name": "Backbone", "config": {}},
    "a callback": {"module": "keras.callbacks", "class_name": "CSVLogger", "config": {"filename": "x"}},
    "an internal function": {"module": "keras.src.utils.file_utils", "class_name": "get_file", "config": {}},
    "a vocabulary": {"module": "keras.layers", "class_name": "TextVectorization", "config": {"vocabulary": "/etc/passwd"}},
    "an index of a vocabulary": {
        "module": "keras.src.layers.preprocessing.index_lookup", "class_name": "IndexLookup", "config": {"vocabulary": "/etc"}},
    "stored code": {"module": "builtins", "class_name": "__lambda__", "config": {"value": {"code": "4w=="}}},
    "a wide array": {"class_name": "__numpy__", "config": {"value": ["a"], "dtype": "S2000000000"}},
}  # fmt: skip


@SUFFIXES
@pytest.mark.parametrize("place", ["argument", "call argument", "compile_config as a call argument"])
@pytest.mark.parametrize("name", HARMFUL)
def test_harmful_object_is_refused_wherever_it_stands(tmp_path: Path, suffix: str, place: str, name: str) -> None:
    def change(config: dict[str, Any]) -> None:
        entry = layer(config, "flat")
        if place == "argument":
            entry["config"]["data_format"] = HARMFUL[name]
            return
        key = "compile_config" if "compile" in place else "extra"
        (node,) = entry["inbound_nodes"]
        node["kwargs"][key] = HARMFUL[name]

    path = changed(tmp_path / f"model{suffix}", change)
    with pytest.raises(ModelFileError, match=r"isn't opened: .*|isn't part of Keras|of KerasHub, which isn't imported"):
        load_model(path)


@pytest.mark.parametrize("name", ["a function as a function", "a download"])
def test_name_of_a_function_of_the_user_does_not_cover_another(tmp_path: Path, name: str) -> None:
    entry = {**HARMFUL[name], "registered_name": "mine"}
    path = changed(tmp_path / "model.keras", lambda config: layer(config, "flat")["config"].update(data_format=entry))
    with pytest.raises(ModelFileError, match="has no place in a model"):
        load_model(path, custom_objects={"mine": keras.ops.relu})


def test_all_that_layers_of_keras_are_made_of_is_allowed(tmp_path: Path) -> None:
    image = keras.Input((6, 6, 2))
    x = layers.Conv2D(
        3, 3, activation=keras.ops.silu, kernel_initializer=keras.initializers.HeNormal(seed=1),
        kernel_regularizer=keras.regularizers.L1L2(0.1), kernel_constraint=keras.constraints.MaxNorm(9), dtype="mixed_float16",
    )(image)  # fmt: skip
    x = layers.Activation(keras.activations.gelu)(keras.ops.maximum(x, keras.ops.convert_to_tensor([0.5, 0.1, 0.2])))
    x = layers.TimeDistributed(layers.Dense(2, activity_regularizer="l2"))(layers.Reshape((16, 3))(x))
    x = layers.Bidirectional(layers.LSTM(3))(x) + 1.0
    model = keras.Model(image, layers.Dense(2, "softmax")(layers.Dropout(0.5, seed=3)(x)))
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras").model
    values = np.random.default_rng(0).normal(size=(2, 6, 6, 2)).astype(np.float32)
    np.testing.assert_array_equal(loaded.predict(values, verbose=0), model.predict(values, verbose=0))
