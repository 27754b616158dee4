"""Files that are damaged, or made to do harm: refused in vizcnn's own words, at once, in little memory."""

from __future__ import annotations

import json
import os
import shutil
import stat
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from vizcnn.adapter.loading.hdf5_reader import Window
from vizcnn.errors import ModelFileError

WEIGHTS = "model.weights.h5"
SUFFIXES = pytest.mark.parametrize("suffix", [".keras", ".keras, packed", ".h5", ".weights.h5"])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small model in each form."""
    folder = tmp_path_factory.mktemp("made")
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4, 4, 1)), layers.Conv2D(2, 3, name="conv"), layers.Flatten()], name="tiny")
    model.save(folder / "tiny.keras")
    model.save(folder / "tiny.h5")
    model.save_weights(folder / "tiny.weights.h5")
    (folder / "tiny.json").write_text(model.to_json())
    return folder


def with_hdf5(made: Path, folder: Path, suffix: str, change: Callable[[Any], Any]) -> Path:
    """Copy the model of that form, with another HDF5 file in it."""
    form, _, packed = suffix.partition(", ")
    path = folder / f"tiny{form}"
    shutil.copy(made / path.name, path)
    if form == ".weights.h5":
        shutil.copy(made / "tiny.json", folder / "tiny.json")
    if form != ".keras":
        with h5py.File(path, "a") as file:
            change(file)
        return path
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    with h5py.File(folder / WEIGHTS, "a") as file:
        change(file)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as archive:
        for name in ("config.json", "metadata.json", WEIGHTS):
            archive.write(folder / name, name)
    return path


def refused(path: Path, match: str, **options: Any) -> None:
    with pytest.raises(ModelFileError, match=match):
        vz.adapt(path, **options)


def external_storage(file: Any) -> None:
    file.create_dataset("away", shape=(4,), dtype="f4", external=[("/etc/passwd", 0, 16)])


def virtual(file: Any) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4,))
    file.create_virtual_dataset("away", layout)


def link(file: Any) -> None:
    file["away"] = h5py.ExternalLink("/etc/passwd", "/x")


def inner_link(file: Any) -> None:
    file.create_group("a/b")["away"] = h5py.ExternalLink("/dev/stdin", "/x")


@SUFFIXES
@pytest.mark.parametrize("change", [external_storage, virtual, link, inner_link])
def test_hdf5_that_is_kept_in_another_file_is_refused(made: Path, tmp_path: Path, suffix: str, change: Any) -> None:
    path = with_hdf5(made, tmp_path, suffix, change)
    refused(path, r"isn't opened: its '.*away' is (kept in another file|a link to another file, '/(etc|dev))")


def bomb(file: Any) -> None:
    file.create_dataset("bomb", shape=(2**30,), dtype="f4", chunks=(2**20,), compression="gzip")


def bomb_of_fill_values(file: Any) -> None:
    for number in range(9):
        file.create_dataset(f"bomb{number}", shape=(2**25,), dtype="f4", fillvalue=1.0, chunks=(2**20,))


def piece(file: Any) -> None:
    file.create_dataset("bomb", shape=(1,), maxshape=(None,), dtype="f4", chunks=(2**29,))


def texts(file: Any) -> None:
    for number in range(17):
        file.attrs[f"many{number}"] = np.array(["x" * 1000] * 1000, dtype=object)


@SUFFIXES
@pytest.mark.parametrize(
    ("change", "text"),
    [
        (bomb, "would unpack to 4,29"),
        (bomb_of_fill_values, "would unpack to"),
        (piece, "unpacks in pieces of 2,147,483,648 bytes"),
        (texts, "its attributes take more than 16,777,216 bytes|would unpack from"),
    ],
)
def test_hdf5_that_unpacks_without_measure_is_refused(
    made: Path, tmp_path: Path, suffix: str, change: Any, text: str
) -> None:
    refused(with_hdf5(made, tmp_path, suffix, change), text)


def test_hdf5_of_another_shape_than_usual_is_read(made: Path, tmp_path: Path) -> None:
    def change(file: Any) -> None:
        file.attrs["empty"] = h5py.Empty("f4")
        file.create_dataset("none", data=h5py.Empty("f4"))
        file.create_dataset("packed", data=np.arange(100.0), chunks=(10,), compression="gzip")
        file["type"] = np.dtype("f4")
        file["around"] = file["/"]
        file["soft"] = h5py.SoftLink("/nowhere")

    expected = vz.adapt(made / "tiny.h5").model.get_weights()
    for suffix in (".keras", ".keras, packed", ".h5"):
        path = with_hdf5(made, tmp_path, suffix, change)
        for ours, theirs in zip(vz.adapt(path).model.get_weights(), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_window_reads_a_part_of_a_file_as_if_it_were_one(tmp_path: Path) -> None:
    (tmp_path / "whole").write_bytes(bytes(range(100)))
    with (tmp_path / "whole").open("rb") as file:
        window = Window(file, 10, 20)
        assert window.read() == bytes(range(10, 30))
        assert window.seek(-5, os.SEEK_END) == 15
        assert window.read(100) == bytes(range(25, 30))
        assert window.read(1) == b""
        window.seek(3)
        window.seek(2, os.SEEK_CUR)
        assert window.read(2) == bytes([15, 16])


# Archives -----------------------------------------------------------------------------------------------------------------------


def extended(made: Path, folder: Path, add: Callable[[zipfile.ZipFile], Any]) -> Path:
    """Copy the archive, with something more in it."""
    path = folder / "tiny.keras"
    shutil.copy(made / "tiny.keras", path)
    with warnings.catch_warnings(), zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")  # of the second of two names
        add(archive)
    return path


def _entry(name: str, kind: int = stat.S_IFREG, **fields: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (kind | 0o644) << 16
    for field, value in fields.items():
        setattr(entry, field, value)
    return entry


@pytest.mark.parametrize(
    ("add", "text"),
    [
        (lambda archive: archive.writestr("config.json", "{}"), "its entry 'config.json' is there 2 times"),
        (lambda archive: archive.writestr(WEIGHTS, "x"), "is there 2 times"),
        (lambda archive: archive.writestr("../out", "x"), "lies outside of the archive"),
        (lambda archive: archive.writestr("/etc/out", "x"), "lies outside of the archive"),
        (lambda archive: archive.writestr("C:/out", "x"), "lies outside of the archive"),
        (lambda archive: archive.writestr("a\\..\\..\\out", "x"), "lies outside of the archive"),
        (lambda archive: archive.writestr(_entry("assets/a", stat.S_IFLNK), "/etc"), "is a link or a device"),
        (lambda archive: archive.writestr(_entry("assets/a", stat.S_IFIFO), ""), "is a link or a device"),
        (lambda archive: archive.writestr("assets/zeros", bytes(2**24)), "would unpack from 16,3.. to 16,777,216"),
        (lambda archive: archive.writestr(_entry("a", compress_type=zipfile.ZIP_LZMA), "x"), "is packed by method 14"),
        (lambda archive: archive.writestr(_entry("a", compress_type=zipfile.ZIP_BZIP2), "x"), "is packed by method 12"),
    ],
)  # fmt: skip
def test_archive_with_an_entry_that_is_no_plain_file_of_its_own_is_refused(
    made: Path, tmp_path: Path, add: Any, text: str
) -> None:
    refused(extended(made, tmp_path, add), f"isn't opened: .*{text}")


@pytest.mark.parametrize("name", ["config.json", "metadata.json"])
def test_text_of_an_archive_that_is_too_large_is_not_unpacked(made: Path, tmp_path: Path, name: str) -> None:
    with (
        zipfile.ZipFile(made / "tiny.keras") as old,
        zipfile.ZipFile(tmp_path / "m.keras", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for entry in old.namelist():
            new.writestr(entry, b" " * (2**24 + 1) if entry == name else old.read(entry))
    refused(tmp_path / "m.keras", f"its entry '{name}' would unpack from .* to protect memory")


def test_encrypted_entry_is_refused(made: Path, tmp_path: Path) -> None:
    content = bytearray((made / "tiny.keras").read_bytes())
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "m.keras").write_bytes(content)
    refused(tmp_path / "m.keras", "is encrypted")


def test_entries_that_lie_over_each_other_are_refused(made: Path, tmp_path: Path) -> None:
    def add(archive: zipfile.ZipFile) -> None:
        for number in range(20):
            archive.writestr(f"assets/{number}", "x")
            archive.filelist[-1].compress_size = 10_000

    refused(extended(made, tmp_path, add), "entries lie over each other|Overlapped|is damaged|has no end")


# What is no file ----------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
@pytest.mark.parametrize("place", ["model", "architecture"])
def test_pipe_is_refused_and_not_waited_for(made: Path, tmp_path: Path, place: str) -> None:
    pipe = tmp_path / "pipe.json"
    if place == "model":
        os.mkfifo(pipe)
        refused(pipe, "isn't opened: it is a pipe or a device")
    else:
        os.mkfifo(pipe)
        shutil.copy(made / "tiny.weights.h5", tmp_path)
        refused(
            tmp_path / "tiny.weights.h5", "`architecture` .* isn't opened: it is a folder, a pipe", architecture=pipe
        )


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no such device here")
def test_device_is_refused() -> None:
    refused(Path("/dev/zero"), "isn't opened: it is a pipe or a device")


# Weights with a description --------------------------------------------------------------------------------------------------


def without_convolution(config: dict[str, Any]) -> None:
    del config["config"]["layers"][1]


def open_channels(config: dict[str, Any]) -> None:
    config["config"]["layers"][0]["config"]["batch_shape"][-1] = None


def more_units(config: dict[str, Any]) -> None:
    config["config"]["layers"][1]["config"]["filters"] = 3


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (without_convolution, "its weights don't fit, 2 of 2 arrays are left over"),
        (open_channels, "can't be loaded"),
        (more_units, "can't be loaded: Keras says"),
    ],
)
def test_weights_that_do_not_fit_their_description_are_refused_when_they_are_read(
    made: Path, tmp_path: Path, change: Any, text: str
) -> None:
    shutil.copy(made / "tiny.weights.h5", tmp_path)
    config = json.loads((made / "tiny.json").read_text())
    change(config)
    (tmp_path / "tiny.json").write_text(json.dumps(config))
    refused(tmp_path / "tiny.weights.h5", text)


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".weights.h5"])
def test_description_that_asks_for_more_weights_than_the_file_explains_is_refused(
    made: Path, tmp_path: Path, suffix: str
) -> None:
    def change(config: dict[str, Any]) -> None:
        config["config"]["layers"][1]["config"].update(filters=10**10)

    path = tmp_path / f"tiny{suffix}"
    shutil.copy(made / path.name, path)
    if suffix == ".weights.h5":
        config = json.loads((made / "tiny.json").read_text())
        change(config)
        (tmp_path / "tiny.json").write_text(json.dumps(config))
    elif suffix == ".h5":
        with h5py.File(path, "a") as file:
            config = json.loads(file.attrs["model_config"])
            change(config)
            file.attrs["model_config"] = json.dumps(config)
    else:
        with zipfile.ZipFile(made / path.name) as old, zipfile.ZipFile(path, "w") as new:
            for name in old.namelist():
                config = json.loads(old.read(name)) if name == "config.json" else None
                if config is not None:
                    change(config)
                new.writestr(name, json.dumps(config) if config is not None else old.read(name))
    before = keras.layers.Layer.add_weight
    refused(path, "the weights that it describes take 360,000,000,000 bytes or more, and those of the file 80")
    assert keras.layers.Layer.add_weight is before


# Files that once made something go wrong ----------------------------------------------------------------------------------------

ONCE = ["3cddd2c1_1036_case.h5", "403d6fbd_1013_case.h5", "492aff54_1850_case.h5", "8c0b0b04_2117_case.h5",
        "c48bf15a_1858_case.h5", "ce125594_1030_case.h5", "f19396ad_8372_case.h5", "hang_872_case.h5", "53_config_63MB.keras",
        "62_repair_extra_bomb.keras", "db6937a3_20953_case.keras"]  # fmt: skip


def test_weights_that_once_did_not_fit_their_changed_description_are_refused(test_data: Path) -> None:
    text = r"its weights don't fit, layer 'c' takes 1 on axis -1 of inputs .* \(None, 8, 8, None\)"
    refused(test_data / "hostile" / "c4f32eea_7743_case.weights.h5", text)


@pytest.mark.parametrize("name", ONCE)
def test_file_that_once_made_something_go_wrong_is_refused(test_data: Path, name: str) -> None:
    refused(test_data / "hostile" / name, f"`model` file '.*{name}' (can't be loaded: it is damaged|isn't opened)")
