"""Model files that run code, reach for other files or make no sense: refused by name, and no repair gets around it."""

from __future__ import annotations

import contextlib
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from tests.adapter.changed_files import Change, argument, as_list, cnn, saved
from vizcnn.adapter.loading import load_model
from vizcnn.errors import ModelFileError

# Code, and other files -------------------------------------------------------------------------------------------------------


def lambda_model() -> Any:
    """Return a model whose Lambda is more than arithmetic that can be read."""
    return keras.Sequential(
        [keras.Input((2, 2, 1)), layers.Lambda(lambda x: (lambda y: y * 2)(x), name="double"), layers.Flatten()],
        name="m",
    )


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_stored_python_is_refused_by_name_unless_it_is_trusted(tmp_path: Path, suffix: str) -> None:
    lambda_model().save(tmp_path / f"model{suffix}")
    with pytest.raises(
        ModelFileError, match=r"'m/double' \(Lambda\) runs a Python function that is stored.*safe_mode=False"
    ):
        load_model(tmp_path / f"model{suffix}")
    loaded = load_model(tmp_path / f"model{suffix}", trusted=True)
    np.testing.assert_array_equal(loaded.model.predict(np.ones((1, 2, 2, 1)), verbose=0), np.full((1, 4), 2))


def test_no_repair_gets_around_the_refusal(tmp_path: Path) -> None:
    path = saved(lambda_model(), tmp_path / "model.h5", as_list, "2.2.2")
    with pytest.raises(ModelFileError, match="runs a Python function that is stored in the file"):
        load_model(path)


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (
            {"module": "keras.utils", "class_name": "function", "config": "get_file"},
            "names the function 'get_file' of 'keras.utils'",
        ),
        ({"module": "os", "class_name": "function", "config": "system"}, "names the function 'system' of 'os'"),
        ({"module": "evil", "class_name": "Thing", "config": {}}, "defined in the module 'evil'"),
        ({"class_name": "__lambda__", "config": {"value": "4w=="}}, "is a Python function that is stored in the file"),
    ],
)
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_description_that_reaches_outside_of_keras_is_refused(
    tmp_path: Path, entry: dict[str, Any], text: str, suffix: str
) -> None:
    path = saved(cnn(), tmp_path / f"model{suffix}", argument("Conv2D", activation=entry), "3.5.0")
    with pytest.raises(ModelFileError, match=text):
        load_model(path)


@pytest.mark.parametrize(
    ("kind", "config"),
    [("TFSMLayer", {"filepath": "/etc"}), ("StringLookup", {"vocabulary": "/etc/passwd"})],
)
def test_layers_that_open_other_files_are_refused(tmp_path: Path, kind: str, config: dict[str, Any]) -> None:
    def change(stored: dict[str, Any]) -> None:
        stored["config"]["layers"].append(
            {"module": "keras.layers", "class_name": kind, "config": {"name": "x", **config}}
        )

    path = saved(cnn(), tmp_path / "model.keras", change, "3.5.0")
    with pytest.raises(ModelFileError, match=rf"'cnn/x' \({kind}\) opens another file"):
        load_model(path)


def test_links_to_other_files_are_refused(tmp_path: Path) -> None:
    cnn().save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5", "a") as file:
        file["model_weights"]["away"] = h5py.ExternalLink("/etc/passwd", "/x")
    with pytest.raises(ModelFileError, match=r"its 'away' is a link to another file, '/etc/passwd'"):
        load_model(tmp_path / "model.h5")


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused(tmp_path: Path) -> None:
    cnn().save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5", "a") as file:
        file["model_weights"].create_dataset("bomb", shape=(2**31,), dtype="f4", chunks=(2**20,), compression="gzip")
    with pytest.raises(ModelFileError, match=r"bytes would unpack to 8,\d\d\d,\d\d\d,\d\d\d"):
        load_model(tmp_path / "model.h5")


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "model.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * (2**26 + 1))
    with pytest.raises(ModelFileError, match="to protect memory"):
        load_model(tmp_path / "model.keras")


# Descriptions that nobody wrote ------------------------------------------------------------------------------------------------


def _set(path: list[Any], value: Any) -> Change:
    def change(config: dict[str, Any]) -> None:
        place: Any = config
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _set(["config"], None),
        _set(["config"], 3),
        _set(["config", "layers"], None),
        _set(["config", "layers"], {"a": 1}),
        _set(["config", "layers"], [1, 2]),
        _set(["config", "layers", 0], {"config": {}}),
        _set(["config", "layers", 1, "config"], [1]),
        _set(["config", "layers", 1, "config"], None),
        _set(["config", "layers", 1, "class_name"], 7),
        _set(["config", "layers", 1, "config", "axis"], {"a": [1]}),
        _set(["config", "layers", 1, "module"], 5),
        _set(["config", "name"], 5),
        _set(["config", "deep"], json.loads("[" * 700 + "]" * 700)),
        lambda config: [1, 2],
        lambda config: {"config": {}},
    ],
)
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_description_that_makes_no_sense_is_an_error_of_vizcnn(tmp_path: Path, change: Change, suffix: str) -> None:
    path = saved(cnn(), tmp_path / f"model{suffix}", change, "2.4.0")
    with contextlib.suppress(ModelFileError):  # no other kind; Keras may pass over what it doesn't need
        load_model(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.attrs.__setitem__("model_config", 5),
        lambda file: file.attrs.__setitem__("model_config", np.zeros(3)),
        lambda file: file.attrs.__setitem__("model_config", b"\xff\xfe"),
        lambda file: file.attrs.__setitem__("keras_version", 3),
        lambda file: file.__delitem__("model_weights"),
        lambda file: file["model_weights"].__setitem__("around", file["/"]),
        lambda file: file["model_weights"].__setitem__("around", h5py.SoftLink("/model_weights")),
        lambda file: file["model_weights"].create_dataset("text", data="abc"),
        lambda file: file["model_weights"].attrs.__delitem__("layer_names"),
        lambda file: file["model_weights"].__setitem__("type", np.dtype("f4")),
    ],
)
def test_hdf5_file_that_makes_no_sense_is_an_error_of_vizcnn_and_comes_to_an_end(tmp_path: Path, change: Any) -> None:
    path = saved(cnn(), tmp_path / "model.h5", argument("DepthwiseConv2D", groups=1), "2.4.0")
    with h5py.File(path, "a") as file:
        change(file)
    with contextlib.suppress(ModelFileError):
        load_model(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_archive_with_a_flipped_byte_is_damaged(tmp_path: Path, compression: int) -> None:
    cnn().save(tmp_path / "whole.keras")
    with (
        zipfile.ZipFile(tmp_path / "whole.keras") as whole,
        zipfile.ZipFile(tmp_path / "m.keras", "w", compression) as copy,
    ):
        for name in whole.namelist():
            copy.writestr(name, whole.read(name))
        place = copy.getinfo("config.json").header_offset + 80
    content = bytearray((tmp_path / "m.keras").read_bytes())
    content[place] ^= 0xFF
    (tmp_path / "m.keras").write_bytes(content)
    with pytest.raises(ModelFileError, match="it is damaged"):
        load_model(tmp_path / "m.keras")
