"""Files of Keras 1: the ways they come in, beside what it wrote itself (`write_keras1.py`, in `test_keras2.py`)."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from vizcnn.adapter.loading import functions, gone_layers, load_model
from vizcnn.errors import ModelFileError

ARCHIVE = Path(__file__).parents[1] / "legacy" / "keras_1.2.2_on_tensorflow.tar.xz"


@pytest.fixture
def stored(tmp_path: Path) -> Callable[[str], Path]:
    def unpack(name: str) -> Path:
        with tarfile.open(ARCHIVE) as packed:
            (tmp_path / name).write_bytes(packed.extractfile(name).read())  # type: ignore[union-attr]
        return tmp_path / name

    return unpack


def expected(name: str) -> tuple[np.ndarray, np.ndarray]:
    with tarfile.open(ARCHIVE) as packed:
        arrays = np.load(io.BytesIO(packed.extractfile("expected.npz").read()))  # type: ignore[union-attr]
        return arrays[f"inputs of {name}/0"], arrays[f"{name}/0"]


def described(path: Path, change: Callable[[Any], Any]) -> Path:
    with h5py.File(path, "a") as file:
        config = json.loads(file.attrs["model_config"])
        file.attrs["model_config"] = json.dumps(change(config) or config)
    return path


def test_version_that_wrote_no_version_is_known_by_its_arguments(stored: Any) -> None:
    path = stored("plain_tf.h5")
    with h5py.File(path, "a") as file:
        del file.attrs["keras_version"]
    images, outputs = expected("plain_tf.h5")
    loaded = load_model(path)
    assert loaded.source == "an HDF5 file, written by a Keras before 2.0"
    np.testing.assert_allclose(loaded.model.predict(images, verbose=0), outputs, rtol=1e-5, atol=1e-6)


def test_weights_alone_are_joined_with_their_architecture(stored: Any, tmp_path: Path) -> None:
    path = stored("sequential_of_sequential.h5")
    with h5py.File(path) as whole, h5py.File(tmp_path / "alone.h5", "w") as file:
        for name, group in whole["model_weights"].items():
            whole.copy(group, file, name)
        file.attrs.update(whole["model_weights"].attrs)
        config = json.loads(whole.attrs["model_config"])
    (tmp_path / "alone.json").write_text(json.dumps({**config, "keras_version": "1.2.2"}))
    images, outputs = expected("sequential_of_sequential.h5")
    model = load_model(tmp_path / "alone.h5").model
    np.testing.assert_allclose(model.predict(images, verbose=0), outputs, rtol=1e-5, atol=1e-6)


def test_signals_before_keras_1_2_have_their_kernels_the_other_way_round(stored: Any) -> None:
    path = stored("signals.h5")
    with h5py.File(path, "a") as file:
        for group in file["model_weights"].values():
            for name in [name for name in group.attrs["weight_names"] if b"_W" in name]:
                kernel = group[name][()]
                del group[name]
                group[name] = kernel.transpose(3, 2, 0, 1)
    images, outputs = expected("signals.h5")
    np.testing.assert_allclose(load_model(path).model.predict(images, verbose=0), outputs, rtol=1e-5, atol=1e-6)


def test_kernels_of_theano_are_flipped(stored: Any) -> None:
    path = stored("plain_tf.h5")
    with h5py.File(path, "a") as file:
        for group in file["model_weights"].values():
            names = []
            for name in group.attrs["weight_names"]:
                value = group[name][()]
                del group[name]
                group[name[:-2]] = value[::-1, ::-1] if value.ndim == 4 else value  # Theano's names have no ":0"
                names.append(name[:-2])
            group.attrs["weight_names"] = names
    images, outputs = expected("plain_tf.h5")
    loaded = load_model(path)
    assert "a description of Keras 1, 1 kernels that Theano flipped" in loaded.repairs
    np.testing.assert_allclose(loaded.model.predict(images, verbose=0), outputs, rtol=1e-5, atol=1e-6)


def test_array_too_many_or_too_few_is_told_with_its_layer(stored: Any) -> None:
    path = described(stored("plain_tf.h5"), lambda config: config["config"][0]["config"].update(bias=False))
    with pytest.raises(
        ModelFileError, match=r"layer 'convolution2d_\d+' has 2 arrays of weights, and by its description 1"
    ):
        load_model(path)


def test_statistics_of_the_batch_itself_are_refused(stored: Any) -> None:
    path = described(stored("normalized_tf.h5"), lambda config: config["config"][1]["config"].update(mode=2))
    with pytest.raises(ModelFileError, match=r"BatchNormalization.*mode"):
        load_model(path)


def test_python_that_joins_branches_is_refused(stored: Any) -> None:
    code = {"mode": ["4wAA", None, None], "mode_type": "lambda"}
    path = described(stored("two_branches.h5"), lambda config: config["config"][0]["config"].update(code))
    with pytest.raises(ModelFileError, match="runs a Python function that is stored in the file"):
        load_model(path)


def test_shared_axes_are_known_by_the_weights(stored: Any) -> None:
    path = stored("parametric_tf.h5")
    with h5py.File(path, "a") as file:
        group = next(group for name, group in file["model_weights"].items() if name.startswith("prelu"))
        (name,) = group.attrs["weight_names"]
        value = group[name][:1, :1]
        del group[name]
        group[name] = value
    layer = next(layer for layer in load_model(path).model.layers if layer.name.startswith("prelu"))
    assert layer.alpha.shape == (1, 1, 4)


@pytest.mark.parametrize("change", [
    lambda config: config.update(config=[]), lambda config: config.update(config=[{"class_name": "Dense"}]),
    lambda config: config["config"][0].update(class_name=5), lambda config: config["config"][0].update(config=None),
    lambda config: config["config"][0]["config"].update(nb_row="x"), lambda config: config["config"].reverse(),
])  # fmt: skip
def test_description_that_makes_no_sense_is_an_error_of_vizcnn(stored: Any, change: Any) -> None:
    with pytest.raises(ModelFileError):
        load_model(described(stored("plain_tf.h5"), change))


def test_every_layer_that_is_gone_is_known_by_its_name() -> None:
    assert all(hasattr(gone_layers, name) for name in functions.GONE_LAYERS)
