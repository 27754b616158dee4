"""Files that Keras 2 itself wrote, of what people put into models: they load, and predict what they predicted there.

`tests/legacy/write_keras2.py` made them.
"""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import h5py
import keras
import numpy as np
import pytest
from keras.src.applications.convnext import LayerScale
from keras.src.applications.inception_resnet_v2 import CustomScaleLayer

from tests.rounding import assert_same_sums
from vizcnn.adapter.keras.taps import Taps
from vizcnn.adapter.loading import load_model
from vizcnn.errors import ModelFileError

FOLDER = Path(__file__).parents[1] / "legacy"
ARCHIVES = [Path(os.environ["VIZCNN_KERAS2"])] if "VIZCNN_KERAS2" in os.environ else sorted(FOLDER.glob("*.tar.xz"))


@cache
def contents(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as packed:
        return {entry.name: packed.extractfile(entry).read() for entry in packed}  # type: ignore[union-attr]


@cache
def expected(archive: Path) -> dict[str, np.ndarray]:
    return dict(np.load(io.BytesIO(contents(archive)["expected.npz"])))


def inputs_of(model: Any, archive: Path, name: str) -> list[np.ndarray]:
    """Return the inputs that the writer made: those in the archive, or else the same numbers."""
    kept = [value for key, value in expected(archive).items() if key.startswith(f"inputs of {name}/")]
    if kept:
        return kept
    rng = np.random.default_rng(0)
    sizes = [[2, *(size or 5 for size in tensor.shape[1:])] for tensor in model.inputs]
    return [rng.normal(0, 1, size).astype(np.float32) for size in sizes]


FILES = [(archive, name) for archive in ARCHIVES for name in contents(archive) if name != "expected.npz"]


def cases() -> Iterator[Any]:
    """Yield all files; of a model in both formats, or of Keras 1 on both backends, one is enough for `make test`."""
    seen: set[str] = set()
    for archive, name in sorted(FILES, key=lambda file: (file[1].rpartition(".")[0], crc32(file[1].encode()))):
        family = archive.name.split("_on_")[0]
        stem = f"{family}/{name.rpartition('.')[0]}"
        marks = [pytest.mark.slow] if stem in seen else []
        seen.add(stem)
        yield pytest.param(archive, name, id=f"{archive.name.split('.tar')[0]}-{name}", marks=marks)


@pytest.mark.parametrize(("archive", "name"), list(cases()))
def test_a_model_of_keras_2_predicts_what_it_predicted_there(tmp_path: Path, archive: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(contents(archive)[name])
    loaded = load_model(path)
    inputs = inputs_of(loaded.model, archive, name)
    with Taps({}):  # TensorFlow on a processor has convolutions for channels last alone
        outputs = loaded.model(inputs if len(inputs) > 1 else inputs[0], training=False)
    outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
    assert len(outputs) == len([key for key in expected(archive) if key.startswith(f"{name}/")])
    for index, output in enumerate(outputs):
        values = keras.ops.convert_to_numpy(keras.ops.cast(output, "float32"))
        np.testing.assert_allclose(values, expected(archive)[f"{name}/{index}"], rtol=1e-4, atol=2e-5)


APPLICATIONS = sorted(Path(os.environ.get("VIZCNN_KERAS2_APPLICATIONS", "/nowhere")).glob("*.npz"))


@pytest.mark.skipif(
    not APPLICATIONS, reason="VIZCNN_KERAS2_APPLICATIONS names no folder that write_applications.py filled"
)
@pytest.mark.parametrize("path", APPLICATIONS, ids=[path.stem for path in APPLICATIONS])
def test_an_application_of_keras_2_predicts_what_it_predicted_there(path: Path) -> None:
    told = np.load(path)
    outputs = keras.ops.convert_to_numpy(load_model(path.with_suffix("")).model(told["images"], training=False))
    np.testing.assert_allclose(outputs, told["outputs"], atol=1e-5 * np.ptp(told["outputs"]))


@pytest.mark.parametrize(
    ("name", "calls", "reason"),
    [
        ("io.read_file", [["image", 0, 0, {}]], "the TensorFlow function 'io.read_file' has no counterpart"),
        ("clip_by_value", [["image", 0, 0, {"clip_value_min": 0.0}]], "'clip_by_value': missing a required argument"),
        (
            "einsum",
            [["_CONSTANT_VALUE", -1, "ab->a", {}]],
            "didn't write down what the TensorFlow function 'einsum' was",
        ),
    ],
)
def test_what_cannot_be_read_of_a_function_is_named(tmp_path: Path, name: str, calls: Any, reason: str) -> None:
    path = tmp_path / "m.h5"
    keras.Sequential([keras.Input((4,), name="image"), keras.layers.Dense(2)]).save(path)
    function = {
        "class_name": "TFOpLambda",
        "name": "f",
        "config": {"name": "f", "function": name},
        "inbound_nodes": calls,
    }
    image = {
        "class_name": "InputLayer",
        "name": "image",
        "config": {"batch_input_shape": [None, 4], "name": "image"},
        "inbound_nodes": [],
    }
    layers = {"layers": [image, function], "input_layers": [["image", 0, 0]], "output_layers": [["f", 0, 0]]}
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Functional", "config": {"name": "m", **layers}})
        file.attrs["keras_version"] = "2.9.0"
    with pytest.raises(ModelFileError, match=reason):
        load_model(path)


@pytest.mark.parametrize("prefix", ["", "Custom>"])
@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_layers_that_only_applications_have_are_found(tmp_path: Path, prefix: str, suffix: str) -> None:
    image = keras.Input((4,), name="image")
    scaled = CustomScaleLayer(0.5, name="scaled")([image, keras.layers.Dense(4)(image)])
    model = keras.Model(image, LayerScale(2.0, 4, name="layer_scale")(scaled))
    path = tmp_path / f"m{suffix}"
    model.save(path)
    if suffix == ".h5":
        with h5py.File(path, "a") as file:
            config = file.attrs["model_config"]
            file.attrs["model_config"] = re.sub(r'"[^"]*CustomScaleLayer"', f'"{prefix}CustomScaleLayer"', config)
    loaded = load_model(path)
    x = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
    assert_same_sums(loaded.model(x), model(x), 4)
