"""Files that are laid out otherwise than today, and parts of a description that only training needs."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from tests.adapter.changed_files import argument, cnn, saved
from vizcnn.adapter.loading import load_model
from vizcnn.errors import ModelFileError

X = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)


def same(path: Path, model: Any) -> tuple[str, ...]:
    """Load a file, compare what it predicts with the model that was saved, and return the repairs."""
    loaded = load_model(path)
    np.testing.assert_array_equal(loaded.model.predict(X, verbose=0), model.predict(X, verbose=0))
    return loaded.repairs


def on_windows(path: Path) -> None:
    """Write the paths of weights in an archive as Keras 2 did on Windows."""
    weights = path.with_name("weights.h5")
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    weights.write_bytes(parts["model.weights.h5"])
    with h5py.File(weights, "a") as file:
        places: list[str] = []
        file.visit(places.append)
        for place in sorted(place for place in places if place.endswith("/vars")):
            holder = place.removesuffix("/vars")
            if "/" in holder:
                file.copy(file[place], holder.replace("/", "\\") + "/vars")
        del file["layers"]
    parts["model.weights.h5"] = weights.read_bytes()
    parts["metadata.json"] = json.dumps({"keras_version": "2.15.0"}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def test_paths_with_backslashes_are_those_of_windows(tmp_path: Path) -> None:
    image = keras.Input((8, 8, 3))
    x = layers.Reshape((16, 12))(image)
    x = layers.MultiHeadAttention(2, 2)(x, x)  # of layers of its own
    model = keras.Model(image, layers.Dense(2)(layers.Flatten()(x)))
    model.save(tmp_path / "model.keras")
    on_windows(tmp_path / "model.keras")
    assert same(tmp_path / "model.keras", model)[0] == "paths with the backslashes of Windows"


def test_damage_in_a_file_that_was_laid_out_anew_is_told_of_the_file_that_was_named(tmp_path: Path) -> None:
    model = cnn()
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        config = json.loads(archive.read("config.json"))
    on_windows(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config["config"]["layers"][-1]["class_name"] = "Strange"
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(ModelFileError, match=str(tmp_path / "model.keras")):
        load_model(tmp_path / "model.keras")


VARIANCE = {"scale": 1.0, "mode": "fan_avg", "distribution": "normal", "seed": None, "dtype": "float32"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            {"kernel_initializer": {"class_name": "VarianceScaling", "config": VARIANCE}},
            "VarianceScaling with arguments",
        ),
        ({"bias_initializer": {"class_name": "Zeros", "config": {"dtype": "float32"}}}, "Zeros with arguments"),
        ({"kernel_initializer": {"class_name": "Gabor", "config": {"theta": 1}}}, "initializer 'Gabor', which only"),
        ({"kernel_regularizer": {"class_name": "L1L2", "config": {"l1": 0.1, "l2": 0.1, "l3": 0.2}}}, "L1L2 with arg"),
        (
            {"kernel_regularizer": {"class_name": "Orthogonality", "config": {}}},
            "regularizer 'Orthogonality', which only",
        ),
        ({"activity_regularizer": "of_my_own"}, "regularizer 'of_my_own', which only"),
        (
            {"kernel_constraint": {"module": "own", "class_name": "function", "config": "f", "registered_name": "f"}},
            "constraint 'f', which only",
        ),
        (
            {"kernel_constraint": {"class_name": "MaxNorm", "config": {"m": 2, "axis": 0, "norm": 2}}},
            "MaxNorm with arg",
        ),
    ],
)
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_what_only_training_needs_is_left_out(tmp_path: Path, arguments: Any, told: str, suffix: str) -> None:
    model = cnn()
    path = saved(model, tmp_path / f"model{suffix}", argument("Conv2D", **arguments), "2.1.6-tf")
    assert any(told in repair for repair in same(path, model))


def test_initializer_that_is_known_is_kept(tmp_path: Path) -> None:
    config = {"class_name": "VarianceScaling", "config": VARIANCE}
    path = saved(cnn(), tmp_path / "model.h5", argument("Conv2D", kernel_initializer=config), "2.1.6-tf")
    kept = load_model(path).model.get_layer("conv").kernel_initializer
    assert (kept.scale, kept.mode, kept.distribution) == (1.0, "fan_avg", "truncated_normal")


def test_regularizer_that_is_passed_is_used(tmp_path: Path) -> None:
    class Orthogonality(keras.Regularizer):
        def __call__(self, x: Any) -> Any:
            return keras.ops.sum(x)

        def get_config(self) -> dict[str, Any]:
            return {}

    config = {"class_name": "Orthogonality", "config": {}}
    path = saved(cnn(), tmp_path / "model.h5", argument("Conv2D", kernel_regularizer=config), "2.4.0")
    model = load_model(path, custom_objects={"Orthogonality": Orthogonality}).model
    assert isinstance(model.get_layer("conv").kernel_regularizer, Orthogonality)


def test_separable_convolution_has_no_kernel_of_one_piece(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    stack = [layers.SeparableConv2D(4, 3), layers.GlobalAveragePooling2D(), layers.Dense(3)]
    model = keras.Sequential([keras.Input((8, 8, 3)), *stack])
    arguments = {"kernel_initializer": {"class_name": "VarianceScaling", "config": VARIANCE}, "groups": 1}
    for suffix in (".h5", ".keras"):
        path = saved(model, tmp_path / f"m{suffix}", argument("SeparableConv2D", **arguments), "2.4.0")
        assert "SeparableConv2D(kernel_initializer, groups)" in same(path, model)
