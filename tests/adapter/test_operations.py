"""Keras's own operations in the file of a model: it loads, and computes what was saved."""

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
from keras import layers, ops
from PIL import Image
from typer.testing import CliRunner

import vizcnn as vz
from tests import operations
from tests.rounding import assert_same_sums, rounding
from vizcnn.adapter.loading import load_model
from vizcnn.cli import app
from vizcnn.errors import ModelFileError

X = np.random.default_rng(0).uniform(0.1, 0.9, (2, 8, 8, 3)).astype(np.float32)
GROUPS = list(operations.groups(50))
CLOSE = rounding(X.size)
"""No operation sums up more than the images' values; none at all where both sides take the same kernels."""

SCALED = (27, 4, 12, 36, 72)
"""Products in each sum of the classifier: of its convolution, both softmaxes, the mean, the dense layer."""


def _arrays(model: Any) -> list[np.ndarray]:
    return [np.asarray(keras.ops.convert_to_numpy(tensor)) for tensor in keras.tree.flatten(model(X))]


@pytest.mark.filterwarnings("ignore:NotImplemented should not be used")  # Keras's tensordot, before it is saved
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("calls", GROUPS, ids=[next(iter(group)) for group in GROUPS])
def test_every_operation_computes_what_was_saved(tmp_path: Path, calls: dict[str, Any], suffix: str) -> None:
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, [call(image) for call in calls.values()])
    expected = _arrays(model)
    path = tmp_path / f"model{suffix}"
    model.save(path)
    for name, got, want in zip(calls, _arrays(load_model(path).model), expected, strict=True):
        assert got.dtype == want.dtype, name
        np.testing.assert_allclose(got, want, **CLOSE, err_msg=name)


def _scaled() -> Any:
    """Return a classifier of operations and layers, some of the same name: Softmax, Reshape, Concatenate."""
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 3))
    x = (image / 255.0)[..., ::1] - 0.5
    x = layers.Conv2D(4, 3, name="conv")(x)
    x = ops.relu(-x)
    x = ops.concatenate([x, layers.Concatenate()([x, x])], axis=-1)
    x = layers.Softmax(name="shares")(ops.softmax(x, axis=-1))
    x = ops.mean(layers.Reshape((36, 12))(ops.reshape(x, (-1, 6, 72))), axis=1)
    return keras.Model(image, layers.Dense(3, "softmax")(x), name="scaled")


def _nested() -> Any:
    """Return the same in a model of a model."""
    return keras.Sequential([keras.Input((8, 8, 3)), _scaled(), layers.Rescaling(2.0)], name="outer")


@pytest.mark.parametrize("make", [_scaled, _nested])
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_operations_beside_layers_of_their_names(tmp_path: Path, make: Callable[[], Any], suffix: str) -> None:
    model = make()
    model.save(tmp_path / f"model{suffix}")
    np.testing.assert_allclose(_arrays(load_model(tmp_path / f"model{suffix}").model)[0], _arrays(model)[0], **CLOSE)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_map_of_a_file_with_operations_is_that_of_the_model(tmp_path: Path, suffix: str) -> None:
    model = _scaled()
    model.save(tmp_path / f"model{suffix}")
    ours, theirs = (vz.adapt(it).gradients(X * 255, 1) for it in (tmp_path / f"model{suffix}", model))
    assert_same_sums(ours.gradients, theirs.gradients, *SCALED * 2)


def test_weights_beside_their_json_may_have_operations(tmp_path: Path) -> None:
    model = _scaled()
    model.save_weights(tmp_path / "model.weights.h5")
    (tmp_path / "model.json").write_text(model.to_json())
    np.testing.assert_allclose(_arrays(load_model(tmp_path / "model.weights.h5").model)[0], _arrays(model)[0], **CLOSE)


@pytest.mark.parametrize("name", ["model.keras", pytest.param("model.h5", marks=pytest.mark.slow)])
def test_command_line_explains_a_file_with_operations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    _scaled().save(tmp_path / name)
    Image.fromarray((X[0] * 255).astype(np.uint8)).save(tmp_path / "image.png")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["explain", name, "image.png", "--method", "saliency", "--out", "out"])
    assert done.exit_code == 0, done.stderr
    assert list((tmp_path / "out").iterdir())
    assert "scales" not in done.stderr  # x / 255 is seen as what it is


def _change(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    for layer in config["config"]["layers"]:
        change(layer)
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def test_operation_that_another_keras_has_elsewhere_is_found(tmp_path: Path) -> None:
    def change(layer: dict[str, Any]) -> None:
        if layer["class_name"] == "Relu":
            layer["module"] = "keras.src.ops.activations_of_old"

    model = _scaled()
    model.save(tmp_path / "model.keras")
    loaded = load_model(_change(tmp_path / "model.keras", change))
    np.testing.assert_allclose(_arrays(loaded.model)[0], _arrays(model)[0], **CLOSE)


@pytest.mark.parametrize(
    ("module", "name", "text"),
    [
        ("keras.src.ops.nn", "Telepathy", r"is a 'Telepathy' of 'keras.src.ops.nn', which Keras 3\S+ doesn't have"),
        ("keras.src.ops.numpy", "KerasTensor", "is nothing that a model is made of"),
        ("keras.layers", "Telepathy", "comes from another version. Install the one that wrote it"),
        ("keras.src.ops.nn", "Lambda", "runs a Python function that is stored in the file"),
        ("my.ops", "Relu", r"which isn't part of Keras\. It was defined in the module 'my\.ops'"),
    ],
)
def test_what_is_not_an_operation_of_this_keras_is_named(tmp_path: Path, module: str, name: str, text: str) -> None:
    def change(layer: dict[str, Any]) -> None:
        if layer["class_name"] == "Relu":
            layer.update(module=module, class_name=name, registered_name=name)

    _scaled().save(tmp_path / "model.keras")
    with pytest.raises(ModelFileError, match=text):
        load_model(_change(tmp_path / "model.keras", change))


def test_function_stored_in_the_call_of_an_operation_is_refused(tmp_path: Path) -> None:
    def change(layer: dict[str, Any]) -> None:
        for call in layer["inbound_nodes"]:
            call["args"].append({"class_name": "__lambda__", "config": {"value": "4w=="}})

    _scaled().save(tmp_path / "model.keras")
    with pytest.raises(ModelFileError, match="is a Python function that is stored in the file"):
        load_model(_change(tmp_path / "model.keras", change))


# An axis of several, which Keras drops in HDF5 files ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "layer",
    [
        layers.Softmax(axis=[1, 2]),
        layers.UnitNormalization(axis=[1, 2]),
        layers.LayerNormalization(axis=[1, 2]),
        layers.Normalization(axis=None),
        layers.Normalization(axis=[1, 3]),
    ],
    ids=["softmax", "unit", "layer", "all", "normalization"],
)
@pytest.mark.parametrize("nested", [False, True])
def test_axis_of_several_is_kept_in_hdf5_files(tmp_path: Path, layer: Any, nested: bool) -> None:
    layer = type(layer).from_config(layer.get_config())
    stack = [keras.Input((8, 8, 3)), layer]
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.Sequential(stack)] if nested else stack)
    for number, weight in enumerate(model.weights):
        if weight.dtype == "float32":
            weight.assign(np.random.default_rng(number).uniform(0.5, 1.0, weight.shape))
    if isinstance(layer, layers.Normalization):
        layer.finalize_state()
    model.save(tmp_path / "model.h5")
    loaded = load_model(tmp_path / "model.h5")
    assert loaded.repairs == ("an axis that Keras drops in HDF5 files",)
    np.testing.assert_allclose(_arrays(loaded.model)[0], _arrays(model)[0], rtol=1e-6)


def test_hdf5_file_says_no_module_of_its_operations(tmp_path: Path) -> None:
    """What the repair is for: should Keras write modules one day, it would be tested no longer."""
    _scaled().save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5") as file:
        config = json.loads(file.attrs["model_config"])
    divided = next(layer for layer in config["config"]["layers"] if layer["class_name"] == "TrueDivide")
    assert "module" not in divided
