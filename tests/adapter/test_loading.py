"""A path becomes a model, or an error that says what is wrong with that file."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests import framework
from tests.models import images
from vizcnn.adapter.loading.custom import read_custom_objects


def _model() -> Any:
    """Return a nested model that Keras can save."""
    keras.utils.set_random_seed(0)
    x = keras.Input((6, 5, 3))
    base = keras.Sequential([keras.Input((6, 5, 3)), layers.Conv2D(4, 3, activation="relu", name="conv")], name="base")
    y = layers.GlobalAveragePooling2D(name="pool")(base(layers.Rescaling(1 / 255)(x)))
    return keras.Model(x, layers.Dense(3, activation="softmax", name="predictions")(y), name="saved")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One model, saved in both formats: (folder, model)."""
    folder, model = tmp_path_factory.mktemp("models"), _model()
    model.save(folder / "model.keras")
    _save_hdf5(model, folder / "model.h5")
    return folder, model


def _save_hdf5(model: Any, path: Path) -> None:
    keras.src.legacy.saving.legacy_h5_format.save_model_to_hdf5(model, str(path))


def _write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def _rejected(path: Any, match: str) -> None:
    with pytest.raises(vz.errors.ModelFileError, match=match):
        vz.adapt(path)


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
@pytest.mark.parametrize("as_type", [str, Path])
def test_saved_model_answers_as_the_one_that_was_saved(saved: Any, name: str, as_type: Any) -> None:
    folder, model = saved
    adapter, x = vz.adapt(as_type(folder / name)), images()
    expected, taken = vz.adapt(model).gradients(x, 1, of="base/conv"), adapter.gradients(x, 1, of="base/conv")
    np.testing.assert_array_equal(taken.gradients, expected.gradients)
    np.testing.assert_array_equal(taken.values, expected.values)
    assert adapter.name == name


@pytest.mark.parametrize(
    ("content", "name"), [("model.keras", "wrong.h5"), ("model.h5", "wrong.keras"), ("model.h5", "bare")]
)
def test_content_counts_and_not_the_name(saved: Any, tmp_path: Path, content: str, name: str) -> None:
    folder, model = saved
    path = _write(tmp_path, name, (folder / content).read_bytes())
    np.testing.assert_array_equal(vz.adapt(path).outputs(images())[0], vz.adapt(model).outputs(images())[0])


def test_method_takes_a_path(saved: Any) -> None:
    folder, model = saved
    result = vz.saliency(folder / "model.keras", images() * 100 + 100, 1)
    np.testing.assert_array_equal(result.values, vz.saliency(model, images() * 100 + 100, 1).values)


def test_file_that_is_not_there(tmp_path: Path) -> None:
    _rejected(tmp_path / "none.keras", r"`model` file '.*none\.keras' doesn't exist")


def test_empty_file(tmp_path: Path) -> None:
    _rejected(_write(tmp_path, "empty.keras", b""), "isn't a Keras model: it is empty")


def test_pointer_of_git_lfs_says_the_size_of_the_file(tmp_path: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345678\n"
    _rejected(
        _write(tmp_path, "model.h5", pointer), r"pointer that git-LFS left .* of 12,345,678 bytes\. Run `git lfs pull`"
    )


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><html>", b"\n <html lang='en'>"])
def test_web_page(tmp_path: Path, page: bytes) -> None:
    _rejected(
        _write(tmp_path, "model.keras", page), "it is a web page, as a failed download leaves it. Download it again"
    )


def test_other_file_says_how_it_begins(tmp_path: Path) -> None:
    _rejected(
        _write(tmp_path, "model.keras", b"\x07WEAVE\r\n"),
        r"it begins with b'\\x07WEAVE\\r\\n', where a \.keras file has b'PK",
    )


def test_truncated_keras_file(saved: Any, tmp_path: Path) -> None:
    content = (saved[0] / "model.keras").read_bytes()
    _rejected(
        _write(tmp_path, "half.keras", content[: len(content) // 2]), "is truncated: .* has no end. Copy it again"
    )


@pytest.mark.parametrize("part", [0.3, 0.9])
def test_truncated_hdf5_file(saved: Any, tmp_path: Path, part: float) -> None:
    content = (saved[0] / "model.h5").read_bytes()
    _rejected(
        _write(tmp_path, "half.h5", content[: int(len(content) * part)]), "can't be loaded: it is damaged or truncated"
    )


def test_keras_file_whose_weights_are_damaged(saved: Any, tmp_path: Path) -> None:
    path = tmp_path / "damaged.keras"
    with zipfile.ZipFile(saved[0] / "model.keras") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, content[:200] if name.endswith(".h5") else content)
    _rejected(path, r"damaged\.keras' can't be loaded: it is damaged or truncated")


def test_other_zip_archive(tmp_path: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("readme.txt", "hello")
    _rejected(_write(tmp_path, "model.keras", archive.getvalue()), "it is a zip archive without a config.json")


def test_folder(tmp_path: Path) -> None:
    _rejected(tmp_path, r"is a folder that isn't a TensorFlow SavedModel: it holds no saved_model\.pb")


class Double(layers.Layer):
    def call(self, x: Any) -> Any:
        return 2 * x


def _with_own_layer(path: Path) -> Path:
    model = keras.Sequential([keras.Input((2, 2, 1)), Double(name="double"), layers.Flatten()])
    _save_hdf5(model, path) if path.suffix == ".h5" else model.save(path)
    return path


@pytest.mark.parametrize("name", ["own.keras", "own.h5"])
def test_unknown_layer_is_named_with_how_to_pass_it(tmp_path: Path, name: str) -> None:
    path = _with_own_layer(tmp_path / name)
    _rejected(
        path, r"/double' is a 'Double'.* which isn't part of Keras\..* Pass it: .*custom_objects=\{'Double': Double\}"
    )


@pytest.mark.parametrize("name", ["own.keras", "own.h5"])
def test_own_layer_that_is_passed_is_used(tmp_path: Path, name: str) -> None:
    adapter = vz.adapt(_with_own_layer(tmp_path / name), custom_objects={"Double": Double})
    np.testing.assert_array_equal(adapter.gradients(images(1, (2, 2, 1)), 3).gradients.ravel(), [0, 0, 0, 2])


def test_own_layer_that_does_not_load_gives_its_reason(tmp_path: Path) -> None:
    class Stubborn(Double):
        def __init__(self, **options: Any) -> None:
            raise TypeError("no layer today")

    path = _with_own_layer(tmp_path / "own.keras")
    with pytest.raises(
        vz.errors.ModelFileError, match=r"own\.keras' can't be loaded: Keras says TypeError: no layer today\.$"
    ):
        vz.adapt(path, custom_objects={"Double": Stubborn})


# What is not a model ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [None, 3, object(), np.zeros(3), layers.Dense(2), keras.Sequential],
    ids=["none", "number", "object", "array", "layer", "class"],
)
def test_what_is_not_a_model_is_rejected(model: Any) -> None:
    with pytest.raises(
        vz.errors.UnsupportedModelError, match="`model` must be a Keras 3 model, the path of one, or an adapter; got"
    ):
        vz.adapt(model)
    with pytest.raises(vz.errors.UnsupportedModelError, match="`model` must be a Keras 3 model"):
        vz.saliency(model, np.zeros((1, 2, 2, 1)))


def test_adapter_is_returned_as_it_is() -> None:
    adapter = vz.adapt(_model())
    assert vz.adapt(adapter) is adapter


@pytest.mark.parametrize(
    "option", [{"labels": ["a"]}, {"preprocess": "none"}, {"batch_size": 2}, {"image_size": (2, 2)}]
)
def test_settings_of_an_adapter_are_not_changed(option: dict[str, Any]) -> None:
    with pytest.raises(vz.errors.UnsupportedModelError, match="`model` is adapted already, and keeps the settings"):
        vz.adapt(vz.adapt(_model()), **option)


@pytest.mark.parametrize("size", [(0, 5), (4,), (1, 2, 3)])
def test_image_size_must_be_two_positive_numbers(size: tuple[int, ...]) -> None:
    with pytest.raises(vz.errors.OptionError, match=r"`image_size` must be \(height, width\) in pixels; got"):
        vz.adapt(_model(), image_size=size)


# Files that are something else -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("m.h5", b"\x80\x04\x95 pickled", "it is a Python pickle, which is never opened"),
        ("m.h5", b"\x1f\x8b\x08 gzip", "it is gzipped. Unpack it first"),
        ("m.h5", b"\0" * 100, "nothing but zeros, as an interrupted copy leaves it"),
        (
            "m.json",
            b'{"class_name": "Sequential", "config": {}}',
            "an architecture without weights. Name the weights file",
        ),
        ("m.h5", b'{"message": "Not Found"}', "a JSON file, but no architecture of a model; it says 'Not Found'"),
        ("m.h5", b"\xef\xbb\xbf<?xml version='1.0'?><!DOCTYPE html>", "it is a web page"),
        ("m.tflite", b"\x1c\0\0\0TFL3\x14\0", "is a TensorFlow Lite model that can't be run"),
        ("m.onnx", b"\x08\x07\x12\x07pytorch\x1a\x051.2", "is an ONNX model that can't be run"),
    ],
)
def test_file_of_another_kind_is_named_as_what_it_is(tmp_path: Path, name: str, content: bytes, text: str) -> None:
    if name.endswith((".tflite", ".onnx")) and framework.BACKEND != "tensorflow":
        text = "which requires .*: pip install"  # neither is in the environment of the other backends
    _rejected(_write(tmp_path, name, content), text)


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("archive/data.pkl", "it is a PyTorch file. vizcnn explains Keras models; convert it"),
        ("converted/model.h5", "model.keras/converted/model.h5' isn't a Keras model: it begins with b'x'"),
    ],
)
def test_zip_archive_of_another_kind_is_named_as_what_it_is(tmp_path: Path, entry: str, text: str) -> None:
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        archive.writestr(entry, "x")
    _rejected(tmp_path / "model.keras", text)


def test_custom_objects_come_from_a_python_file(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text("import keras\nclass L(keras.layers.Layer):\n    pass\nSIZE = 3\n")
    found = read_custom_objects(path)
    assert "L" in found
    assert "SIZE" not in found


@pytest.mark.parametrize(
    ("text", "said"),
    [("1 / 0", "failed: ZeroDivisionError"), ("SIZE = 3", "defines no class and no function"), (None, "doesn't exist")],
)
def test_python_file_that_gives_no_custom_objects_is_named(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "own.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(vz.errors.OptionError, match=rf"`custom_objects` file '.*own.py' {said}"):
        read_custom_objects(path)
