"""Whatever is given as images is read, or a sentence says what to give; nothing hangs, and no foreign error comes out."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import struct
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.legacy.preprocessing.image import ImageDataGenerator
from PIL import Image

from vizcnn.errors import InputError
from vizcnn.inputs import Decoding, load, read_image
from vizcnn.inputs import sources as sources_module

BATCH = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
ONE_HOT = np.eye(4, dtype=np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "class").mkdir()
    for position, image in enumerate(BATCH):
        Image.fromarray(image).save(tmp_path / "class" / f"{position}.png")
    return tmp_path


class Batches(keras.utils.PyDataset):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        return BATCH[2 * index : 2 * index + 2], ONE_HOT[2 * index : 2 * index + 2]


def endless(value: Any) -> Iterator[Any]:
    while True:
        yield value


def paths(folder: Path) -> list[str]:
    return [str(folder / "class" / f"{position}.png") for position in range(4)]


# What holds images ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: Batches(),
        lambda folder: ImageDataGenerator().flow_from_directory(folder, (8, 8), shuffle=False, batch_size=3),
        lambda folder: ImageDataGenerator().flow(BATCH.astype(np.float32), ONE_HOT, batch_size=2, shuffle=False),
        lambda folder: tf.data.Dataset.from_tensor_slices({"image": BATCH, "label": ONE_HOT}).batch(3),
        lambda folder: tf.data.Dataset.from_tensor_slices(paths(folder)).batch(3),
        lambda folder: iter(tf.data.Dataset.from_tensors(BATCH)),
        lambda folder: (image for image in BATCH),
        lambda folder: itertools.islice(endless(BATCH), 1),
        lambda folder: zip(BATCH, ONE_HOT, strict=True),
        lambda folder: map(Path, paths(folder)),
        lambda folder: sorted((folder / "class").glob("*.png")),
        lambda folder: str(folder / "*" / "*.png"),
        lambda folder: np.array(paths(folder)),
        lambda folder: np.array(paths(folder), dtype=object),
        lambda folder: deque(BATCH),
        lambda folder: [[BATCH[0]], [BATCH[1], (BATCH[2], BATCH[3])]],
        lambda folder: BATCH.tolist(),
        lambda folder: [io.BytesIO(Path(path).read_bytes()) for path in paths(folder)],
        lambda folder: [Path(path).read_bytes() for path in paths(folder)],
        lambda folder: (BATCH, ONE_HOT),
        lambda folder: [BATCH, ONE_HOT],
        lambda folder: (BATCH, [0, 1, 2, 3], np.ones(4)),
        lambda folder: (paths(folder), [0, 1, 2, 3]),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning:keras")
def test_images_are_taken_without_their_labels(folder: Path, make: Callable[[Path], Any]) -> None:
    np.testing.assert_array_equal(load(make(folder), (8, 8, 3)).inputs(slice(None)), BATCH)


def test_labels_beside_images_are_noted() -> None:
    assert load((BATCH, ONE_HOT), (8, 8, 3)).notes == (
        "`images` came with labels, which were left out. Say as `target` which class is explained.",
    )
    assert load((BATCH, BATCH), (8, 8, 3)).notes == ()


def test_two_gray_images_are_not_an_image_and_its_labels() -> None:
    gray = BATCH[..., 0]
    assert len(load((gray[0], gray[1]), (8, 8, 1))) == 2
    assert len(load((gray[0][..., None], gray[1]), (8, 8, 1))) == 2
    assert len(load((gray, ONE_HOT), (8, 8, 1))) == 4


@pytest.mark.parametrize(
    ("images", "count"),
    [
        ((np.zeros((3, 6, 1)), np.eye(3)), 3),
        ((np.zeros((3, 6)), np.arange(3)), 3),
        ([np.zeros(6), np.ones(6)], 2),
        ([np.zeros((6, 1)), np.ones((6, 1))], 2),
    ],
)
def test_labels_of_signals_are_left_out_and_signals_are_not(images: Any, count: int) -> None:
    assert len(load(images, (6, 1))) == count


def test_open_file_keeps_its_name_and_may_have_been_read(folder: Path) -> None:
    with open(paths(folder)[2], "rb") as file:
        file.read()
        images = load(file, (8, 8, 3))
    np.testing.assert_array_equal(images[0], BATCH[2])
    assert images.names == ("2.png",)


# What never ends, or isn't of use ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda path: endless(path),
        lambda path: endless(np.zeros((8, 8, 3))),
        lambda path: tf.data.Dataset.from_generator(
            lambda: endless(BATCH), output_signature=tf.TensorSpec((4, 8, 8, 3), tf.uint8)
        ),
        lambda path: iter(tf.data.Dataset.from_tensors(BATCH).repeat()),
    ],
)
def test_what_never_ends_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], Any]) -> None:
    monkeypatch.setattr(sources_module, "MAX_IMAGES", 100)
    with pytest.raises(
        InputError, match=r"must end; .* gave 100 images, and goes on. Give some of it, as by list\(iter"
    ):
        load(make(folder / "class" / "0.png"), (8, 8, 3))


def test_a_dataset_that_would_fill_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources_module, "MAX_ARRAY_BYTES", BATCH.nbytes - 1)
    with pytest.raises(InputError, match=r"must end; .*Batches.* and goes on"):
        load(Batches(), (8, 8, 3))


def failing() -> Iterator[np.ndarray]:
    yield BATCH[0]
    raise KeyError("camera")


@pytest.mark.parametrize(
    ("images", "text"),
    [
        (failing(), r"failing.* failed at item 1: KeyError: 'camera'"),
        ({"a.png"}, r"got a set, which has no order. Give sorted\(images\)"),
        ({"image": BATCH}, r"got a dict with the keys 'image'. Give the images alone, as in images\['image'\]"),
        ({}, "got an empty dict"),
        ("", "numeric arrays, or a list of these; got ''"),
        ("https://example.org/cat.jpg", "must be files of this machine; got the address 'https://.* Fetch it first"),
        ("data:image/png;base64," + "A" * 5000, "got the address 'data:image/png"),
        ("nowhere/*.png", r"pattern 'nowhere/\*.png' matches no file"),
        ("a\0b.png", "can't be opened: embedded null byte"),
        ("a" * 5000, "can't be opened: File name too long"),
        (b"not an image", "'image' isn't an image that Pillow can read"),
        (io.BytesIO(), "isn't an image that Pillow can read: it is empty"),
        (io.StringIO("text"), r"is open for text. Open the image's file by open\(path, 'rb'\)"),
        (iter(()), "must hold at least one image"),
        ([[1, 2], [3]], "can't be read as an array"),
        (
            tf.data.Dataset.from_tensor_slices({"a": BATCH, "b": ONE_HOT}),
            "its keys are 'a', 'b'. Give the images alone",
        ),
        (tf.ragged.constant([[1, 2], [3]]), "numeric arrays"),
        (range(3), r"got shape \(\)"),
    ],
)
def test_what_holds_no_images_is_told_what_to_give(images: Any, text: str) -> None:
    with pytest.raises(InputError, match=text):
        load(images, (8, 8, 3))


def test_lists_in_lists_without_end_are_refused() -> None:
    images: list[Any] = []
    images.append(images)
    with pytest.raises(InputError, match="got lists in lists"):
        load(images, (8, 8, 3))


# Files from strangers ---------------------------------------------------------------------------------------------------


def test_pipes_and_devices_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    began = time.monotonic()
    for path in (tmp_path / "pipe.png", tmp_path, str(tmp_path / "*.png")):
        with pytest.raises(InputError, match=r"pipe.png' can't be opened: it is a named pipe. Give a file"):
            load(path, (8, 8, 3))
    for path in ("/dev/zero", "/dev/null"):
        with pytest.raises(InputError, match="it is a device"):
            load(path, (8, 8, 3))
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "a PostScript"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b'<?xml version="1.0"?>\n<!-- by hand -->\n<svg xmlns="x"/>', "an SVG drawing"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "a pointer of git-LFS"),
        (bytes(128) + b"DICM", "a DICOM file. Read it by pydicom"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"MATLAB 5.0 MAT-file", "a MATLAB file"),
        (b"\0\0\0\x18ftypheic", "a HEIC photo"),
        (b"\0\0\x08\x03\0\0\0\1", "an IDX file. Read it by vizcnn.inputs.read_idx"),
        (b"PK\x03\x04", "a packed file"),
        (b"\x93NUMPY\1\0", "an array of NumPy. Name it .npy"),
        (b"", "empty"),
    ],
)
def test_what_is_no_image_is_named_whatever_its_name(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "picture.png").write_bytes(content)
    with pytest.raises(InputError, match=f"picture.png' isn't an image that Pillow can read: it is {what}"):
        load(tmp_path / "picture.png", (8, 8, 3))


def test_a_raw_photo_is_refused_rather_than_its_preview_read(tmp_path: Path) -> None:
    for name in ("photo.NEF", "photo.dng"):
        Image.new("RGB", (8, 8)).save(tmp_path / name, format="TIFF")
        with pytest.raises(InputError, match=r"is a camera's raw file. Develop it to JPEG or TIFF"):
            load(tmp_path / name, (8, 8, 3))
    Image.new("RGB", (8, 8)).save(tmp_path / "photo.tif", tiffinfo={0xC612: b"\1\4\0\0"})
    with pytest.raises(InputError, match=r"raw file \(DNG\)"):
        load(tmp_path / "photo.tif", (8, 8, 3))


def test_an_orientation_that_makes_no_sense_is_none(tmp_path: Path) -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\1\0" + struct.pack("<HHI", 0x0112, 7, 4) + b"\6\6\6\6" + bytes(4)
    path = tmp_path / "odd.jpg"
    Image.fromarray(BATCH[0]).save(path, exif=exif, quality=100)
    for decoding in (Decoding(), Decoding(upright=True)):
        assert load(path, (8, 8, 3), decoding=decoding).notes == ()
        assert read_image(path, decoding=decoding).shape == (8, 8, 3)


@pytest.mark.parametrize("shape", [(8, 8, 3), (8, 3)])
def test_npy_files_are_read_without_trust(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "scan.npy"
    np.save(path, np.asfortranarray(BATCH[:2] if len(shape) == 3 else BATCH[0]).astype(">u2"))
    loaded = load(path, shape)
    np.testing.assert_array_equal(loaded.inputs(slice(None)), BATCH[:2] if len(shape) == 3 else BATCH[0])
    for content, text in (
        (header("<f4", (10**12, 3)), "promises 12,000,000,000,000 bytes of values, .* but holds 0"),
        (header("|O", (1,)) + b"\x80\x04]\x94.", "holds object, which are no numbers"),
        (header("<f4", (-1, 3)), "isn't an .npy file of numbers"),
        (b"\x93NUMPY\1\0\xff\xff{", "isn't an .npy file of numbers"),
        (b"\x93NUMPY\1\0\x06\0((((((", "isn't an .npy file of numbers"),
        (b"", "isn't an .npy file of numbers"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"scan.npy' .*{text}"):
            load(path, shape)


def header(dtype: str, shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def test_an_archive_of_arrays_is_told_to_be_opened(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", BATCH)
    with pytest.raises(InputError, match=r"is an archive of arrays. Give one: numpy.load\(path\)\['name'\]"):
        load(tmp_path / "a.npz", (8, 8, 3))


@pytest.mark.parametrize("kind", ["png", "jpg", "gif", "tif", "webp", "bmp"])
def test_damage_anywhere_is_told_with_the_file_s_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"damaged.{kind}"
    Image.fromarray(np.repeat(BATCH[0], 4, axis=0)).save(path)
    whole = path.read_bytes()
    generator = np.random.default_rng(0)
    for _ in range(60):
        content = bytearray(whole[: generator.integers(1, len(whole))] if generator.random() < 0.3 else whole)
        for position in generator.integers(0, min(len(content), 200), 8):
            content[position] = generator.integers(0, 256)
        path.write_bytes(content)
        with contextlib.suppress(InputError):  # some damage doesn't show; what does is told in our words
            load(path, (8, 8, 3)).inputs(slice(None))
