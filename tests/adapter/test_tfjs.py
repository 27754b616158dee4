"""Models of TensorFlow.js: those that it wrote itself, and that its converter wrote, predict what they predicted there.

`tests/legacy/tfjs` holds them, and what made them.
"""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import vizcnn as vz
from tests import framework
from vizcnn.errors import ModelFileError

ARCHIVE = Path(__file__).parents[1] / "legacy" / "tfjs" / "models.tar.xz"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tfjs")
    with tarfile.open(ARCHIVE) as packed:
        packed.extractall(folder, filter="data")
    return folder


def values(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    content = json.loads((folder / "values.json").read_text())
    return np.array(content["inputs"], np.float32), np.array(content["outputs"])


@pytest.mark.parametrize(
    ("name", "atol", "source"),
    [
        ("teachable", 1e-6, "a TensorFlow.js model"),
        ("recurrent", 1e-6, "a TensorFlow.js model"),
        ("plain", 1e-6, "a TensorFlow.js model, made by Keras 2.15.0"),
        ("keras3", 1e-6, "a TensorFlow.js model, made by Keras 3.15.1"),
        ("float16", 1e-3, "a TensorFlow.js model, made by Keras 2.15.0"),
        ("uint16", 1e-4, "a TensorFlow.js model, made by Keras 2.15.0"),
        ("uint8", 1e-2, "a TensorFlow.js model, made by Keras 2.15.0"),
    ],
)
def test_model_predicts_what_it_predicted_there(written: Path, name: str, atol: float, source: str) -> None:
    for path in (written / name, written / name / "model.json"):
        cnn = vz.adapt(path)
        inputs, outputs = values(written / name)
        np.testing.assert_allclose(cnn.outputs(inputs)[0], outputs, atol=atol)
        assert cnn.source == source


@pytest.mark.parametrize("name", ["uint8", "uint16"])
def test_quantized_weights_are_steps_times_scale_plus_minimum(written: Path, name: str) -> None:
    group = json.loads((written / name / "model.json").read_text())["weightsManifest"][0]
    entry = group["weights"][0]
    stored = b"".join((written / name / path).read_bytes() for path in group["paths"])
    steps = np.frombuffer(stored, np.dtype(name), int(np.prod(entry["shape"]))).reshape(entry["shape"])
    expected = steps * entry["quantization"]["scale"] + entry["quantization"]["min"]
    weights = {weight.path: weight for weight in vz.adapt(written / name).model.weights}
    got = keras.ops.convert_to_numpy(next(weights[path] for path in weights if path.endswith(entry["name"])))
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)


def test_names_of_classes_beside_it_are_read(written: Path) -> None:
    cnn = vz.adapt(written / "teachable")
    assert cnn.labels == ("cat", "dog", "bird")
    assert "The classes' names are those of 'metadata.json' beside the model." in cnn.notes
    assert vz.adapt(written / "teachable", labels=["a", "b", "c"]).labels == ("a", "b", "c")
    assert vz.adapt(written / "plain").labels is None


def test_it_is_explained_from_the_command_line(written: Path, tmp_path: Path) -> None:
    from PIL import Image
    from typer.testing import CliRunner

    from vizcnn.cli.app import app

    Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)).save(tmp_path / "image.png")
    command = ["explain", str(written / "teachable"), str(tmp_path / "image.png"), "-o", str(tmp_path / "out"), "-m", "gradcam",
               "--target", "dog"]  # fmt: skip
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert list((tmp_path / "out").rglob("*.png"))


def _entry(content: Any) -> Any:
    return content["weightsManifest"][0]["weights"][0]


CHANGES: list[tuple[Callable[[Any], Any], str]] = [
    (lambda content: content["weightsManifest"][0]["paths"].pop(), r"its shards are truncated: .* the weights in them take"),
    (lambda content: content["weightsManifest"][0]["weights"].pop(), "its shards hold more than it names"),
    (lambda content: content["weightsManifest"][0]["paths"].__setitem__(0, "none.bin"), "its 'none.bin' is missing"),
    (lambda content: content["weightsManifest"][0]["paths"].__setitem__(0, "../x.bin"), "'../x.bin' lies outside of its folder"),
    (lambda content: content["weightsManifest"][0]["paths"].__setitem__(0, "/etc/passwd"), "'/etc/passwd' lies outside"),
    (lambda content: content["weightsManifest"][0]["paths"].__setitem__(0, "https://a/b"), "'https://a/b' lies outside"),
    (lambda content: content["weightsManifest"][0]["paths"].__setitem__(0, "link.bin"), "'link.bin' leads outside of its folder"),
    (lambda content: content["weightsManifest"][0]["paths"].__setitem__(0, "pipe.bin"), "'pipe.bin' is a folder, a pipe"),
    (lambda content: _entry(content).update(shape=[2**39, 2**39]), "its shards are truncated"),
    (lambda content: _entry(content).update(shape=[-1]), "has no name and shape for a weight"),
    (lambda content: _entry(content).update(dtype="string"), "of a type that isn't read, 'string'"),
    (lambda content: _entry(content).update(quantization={"dtype": "uint8"}), "quantized without a scale and a minimum"),
    (lambda content: _entry(content).update(name="bn/gammo"), r"weight 'bn/gammo' of shape .* has no place in the model"),
    (lambda content: _entry(content).update(name="../gamma"), "has no name and shape for a weight"),
    (lambda content: content["weightsManifest"][0]["weights"].append(_entry(content)), "shards are truncated"),
    (lambda content: content.update(weightsManifest=7), "it names no weights, or not as TensorFlow.js does"),
    (lambda content: content.update(modelTopology={"a": 1}), "its modelTopology describes no model"),
    (lambda content: content.update(format="graph-model"), "it is a graph model of TensorFlow.js, whose layers are gone"),
    (lambda content: content.pop("modelTopology"), "a manifest of TensorFlow.js's weights without the architecture"),
    (lambda content: content["modelTopology"]["model_config"]["config"]["layers"].pop(1), "can't be loaded"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "text"), CHANGES, ids=[text for _, text in CHANGES])
def test_damaged_model_says_what_is_wrong(
    written: Path, tmp_path: Path, change: Callable[[Any], Any], text: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(written / "plain", folder)
    (tmp_path / "x.bin").write_bytes(b"0" * 300)
    (folder / "link.bin").symlink_to(tmp_path / "x.bin")
    os.mkfifo(folder / "pipe.bin")
    content = json.loads((folder / "model.json").read_text())
    change(content)
    (folder / "model.json").write_text(json.dumps(content))
    for path in (folder, folder / "model.json"):
        with pytest.raises(ModelFileError, match=text):
            vz.adapt(path)


@framework.needs_tensorflow
def test_saliency_and_gradcam_are_drawn(written: Path) -> None:
    image = np.random.default_rng(0).uniform(0, 255, (1, 16, 16, 3)).astype(np.float32)
    for method in (vz.saliency, vz.gradcam):
        assert np.isfinite(method(vz.adapt(written / "teachable", preprocess="-1..1"), image, "cat").values).all()
