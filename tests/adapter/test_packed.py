"""A zip archive that holds one model is that model, with the names of classes that lie beside it."""

from __future__ import annotations

import stat
import tarfile
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests import framework
from tests.adapter.test_tfjs import ARCHIVE
from vizcnn.errors import ModelFileError


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one model in several formats."""
    folder = tmp_path_factory.mktemp("made")
    keras.utils.set_random_seed(0)
    stack = [layers.Conv2D(2, 3, activation="relu"), layers.GlobalAveragePooling2D(), layers.Dense(3, "softmax")]
    model = keras.Sequential([keras.Input((6, 6, 1)), *stack])
    model.save(folder / "m.keras")
    keras.src.legacy.saving.legacy_h5_format.save_model_to_hdf5(model, str(folder / "m.h5"))
    with tarfile.open(ARCHIVE) as packed:
        packed.extractall(folder, filter="data")
    return folder


def packed(path: Path, **files: Path | str) -> Path:
    """Write an archive; names have "__" for "/" and "_" for "."."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            plain = name.replace("__", "/").replace("_", ".")
            if isinstance(content, str):
                archive.writestr(plain, content)
            else:
                archive.write(content, plain)
    return path


INPUTS = np.random.default_rng(0).uniform(0, 1, (2, 6, 6, 1)).astype(np.float32)


@pytest.mark.parametrize(("name", "source"), [("m.h5", "an HDF5 file"), ("m.keras", "a .keras archive")])
def test_teachable_machines_archive_is_its_model_with_its_labels(
    made: Path, tmp_path: Path, name: str, source: str
) -> None:
    files = {
        f"model__{name.replace('.', '_')}": made / name,
        "model__labels_txt": "0 cat\n1 dog\n2 bird\n",
        "readme_md": "x",
    }
    cnn = vz.adapt(packed(tmp_path / "converted.zip", **files))
    assert (cnn.name, cnn.labels) == ("converted.zip", ("cat", "dog", "bird"))
    assert cnn.source.startswith(source)
    assert cnn.source.endswith(", in a zip archive")
    np.testing.assert_array_equal(cnn.outputs(INPUTS)[0], vz.adapt(made / name).outputs(INPUTS)[0])


def test_labels_that_the_user_names_go_before_those_in_the_archive(made: Path, tmp_path: Path) -> None:
    path = packed(tmp_path / "m.zip", m_h5=made / "m.h5", labels_txt="a\nb\nc\n")
    assert vz.adapt(path, labels=["x", "y", "z"]).labels == ("x", "y", "z")


def test_model_of_tensorflow_js_in_an_archive_has_its_labels(made: Path, tmp_path: Path) -> None:
    files = {
        name.replace(".", "_"): made / "teachable" / name for name in ("model.json", "weights.bin", "metadata.json")
    }
    cnn = vz.adapt(packed(tmp_path / "tm.zip", **files))
    assert cnn.labels == ("cat", "dog", "bird")
    assert cnn.input_shape == (16, 16, 3)


@framework.needs_tensorflow
def test_saved_model_in_an_archive_outlives_its_unpacking(made: Path, tmp_path: Path) -> None:
    vz.adapt(made / "m.keras").model.export(tmp_path / "exported", verbose=False)
    path = tmp_path / "m.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in (tmp_path / "exported").rglob("*"):
            archive.write(file, Path("model.savedmodel") / file.relative_to(tmp_path / "exported"))
        archive.writestr("labels.txt", "cat\ndog\nbird\n")
    cnn = vz.adapt(path)
    assert cnn.labels == ("cat", "dog", "bird")
    np.testing.assert_allclose(cnn.outputs(INPUTS)[0], vz.adapt(made / "m.keras").outputs(INPUTS)[0], atol=1e-6)


def test_archive_of_several_models_lists_them(made: Path, tmp_path: Path) -> None:
    path = packed(tmp_path / "m.zip", a__m_h5=made / "m.h5", b__m_keras=made / "m.keras")
    with pytest.raises(ModelFileError, match=r"m\.zip' is a zip archive with 2 models: 'a/m\.h5', 'b/m\.keras'"):
        vz.adapt(path)


def test_archive_without_a_model_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"no model is in it; it holds 'a/b\.txt', 'c\.png'"):
        vz.adapt(packed(tmp_path / "m.zip", a__b_txt="x", c_png="x"))


def test_what_macs_add_to_an_archive_is_no_model(made: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        archive.write(made / "m.h5", "m.h5")
        archive.writestr("__MACOSX/._m.h5", "x")
    assert vz.adapt(tmp_path / "m.zip").input_shape == (6, 6, 1)


def test_damaged_model_in_an_archive_is_named_by_its_place_there(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"m\.zip/a/m\.h5' isn't a Keras model: it begins with"):
        vz.adapt(packed(tmp_path / "m.zip", a__m_h5="xyz"))


def test_archive_in_an_archive_is_refused(made: Path, tmp_path: Path) -> None:
    inner = packed(tmp_path / "m.keras", m_h5=made / "m.h5")
    with pytest.raises(ModelFileError, match=r"m\.zip/m\.keras' is an archive within an archive"):
        vz.adapt(packed(tmp_path / "m.zip", m_keras=inner))


@pytest.mark.parametrize(
    ("name", "mode", "size", "text"),
    [
        ("../m.h5", stat.S_IFREG, 1, "lies outside of the archive"),
        ("/m.h5", stat.S_IFREG, 1, "lies outside of the archive"),
        ("m.h5", stat.S_IFLNK, 1, "is a link or a device"),
        ("m.h5", stat.S_IFREG, 2**24, "would unpack from"),
    ],
)
def test_hostile_archive_is_not_unpacked(tmp_path: Path, name: str, mode: int, size: int, text: str) -> None:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = mode << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        archive.writestr(entry, b"\0" * size)
    with pytest.raises(ModelFileError, match=text):
        vz.adapt(tmp_path / "m.zip")
    assert not (tmp_path.parent / "m.h5").exists()


def test_nothing_is_left_of_the_unpacking(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = packed(tmp_path / "m.zip", m_h5=made / "m.h5")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    vz.adapt(path)
    with pytest.raises(ModelFileError):
        vz.adapt(packed(tmp_path / "damaged.zip", m_h5="x"))
    assert list(scratch.iterdir()) == []
