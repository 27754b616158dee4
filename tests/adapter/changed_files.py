"""A small CNN, saved with another description: as another Keras wrote it, or as nobody did."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
from keras import layers

Change = Callable[[dict[str, Any]], Any]


def saved(model: Any, path: Path, change: Change, version: str) -> Path:
    """Save a model, and let `change` make of its description what an earlier Keras would have written."""
    model.save(path)
    if path.suffix == ".h5":
        with h5py.File(path, "a") as file:
            config = json.loads(file.attrs["model_config"])
            file.attrs["model_config"] = json.dumps(change(config) or config)
            file.attrs["keras_version"] = version
        return path
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    parts["config.json"] = json.dumps(change(config) or config).encode()
    parts["metadata.json"] = json.dumps({"keras_version": version}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def each_layer(config: dict[str, Any], change: Callable[[dict[str, Any]], Any]) -> None:
    for layer in config["config"]["layers"]:
        change(layer)
        if isinstance(layer["config"], dict) and "layers" in layer["config"]:
            each_layer(layer, change)


def cnn(activation: str = "relu") -> Any:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3), name="image"),
            layers.DepthwiseConv2D(3, name="depthwise"),
            layers.BatchNormalization(name="normalization"),
            layers.Conv2D(4, 3, activation=activation, name="conv"),
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(3, "softmax", name="preds"),
        ],
        name="cnn",
    )
    for weight in model.weights:  # none as it was initialized
        weight.assign(np.random.default_rng(len(weight.shape)).uniform(0.1, 1.0, weight.shape))
    return model


def as_list(config: dict[str, Any]) -> None:
    found = config["config"]["layers"]
    found[1]["config"]["batch_input_shape"] = found[0]["config"]["batch_shape"]
    config["config"] = found[1:]


def argument(kind: str, **arguments: Any) -> Change:
    def add(layer: dict[str, Any]) -> None:
        if layer["class_name"] == kind:
            layer["config"] |= arguments

    return lambda config: each_layer(config, add)
