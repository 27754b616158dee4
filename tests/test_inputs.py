"""From whatever people have to batches of images."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from vizcnn.errors import InputError, OptionError
from vizcnn.inputs import Decoding, ImageSet, image_files, load, read_image

RGB = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], dtype=np.uint8)
GRAY = np.array([[0, 50, 100], [150, 200, 250]], dtype=np.uint8)


@pytest.fixture
def png(tmp_path: Path) -> Path:
    return saved(Image.fromarray(RGB), tmp_path / "four.png")


def saved(image: Image.Image, path: Path, **options: Any) -> Path:
    image.save(path, **options)
    return path


# Files --------------------------------------------------------------------------------------------------------------------


def test_png_is_read_as_its_pixels(png):
    np.testing.assert_array_equal(read_image(png), RGB)


def test_jpeg_is_read_close_to_its_pixels(tmp_path):
    path = saved(Image.new("RGB", (8, 6), (200, 30, 90)), tmp_path / "plain.jpg", quality=95)
    pixels = read_image(path)
    assert pixels.shape == (6, 8, 3)
    assert np.abs(pixels.astype(int) - [200, 30, 90]).max() <= 3


def test_palette_is_read_as_its_colors(tmp_path):
    path = saved(Image.fromarray(RGB).convert("P", palette=Image.Palette.ADAPTIVE), tmp_path / "palette.png")
    np.testing.assert_array_equal(read_image(path), RGB)


def test_transparent_pixels_have_the_color_beneath_as_in_keras(tmp_path):
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    image.putpixel((1, 0), (0, 99, 0, 0))
    path = saved(image, tmp_path / "clear.png")
    assert read_image(path).tolist() == [[[255, 0, 0], [0, 99, 0]]]
    np.testing.assert_array_equal(read_image(path), as_keras(path))
    assert "read without the transparency, as Keras's loaders do" in load(path, (1, 2, 3)).notes[0]
    on_white = load(path, (1, 2, 3), decoding=Decoding(background="white"))
    assert (on_white[0].tolist(), on_white.notes) == (
        [[[255, 0, 0], [255, 255, 255]]],
        ("1 of 1 images laid on white where transparent.",),
    )


def test_transparent_palette_entry_lies_on_the_background(tmp_path):
    image = Image.new("P", (1, 1), 0)
    image.putpalette([0, 0, 0])
    path = saved(image, tmp_path / "clear.gif", transparency=0)
    assert read_image(path).tolist() == [[[0, 0, 0]]]
    assert read_image(path, decoding=Decoding(background="#ffffff")).tolist() == [[[255, 255, 255]]]


def test_cmyk_is_read_as_colors(tmp_path):
    path = saved(Image.new("CMYK", (4, 4), (0, 255, 255, 0)), tmp_path / "press.tif")
    assert read_image(path)[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("kind", ["12bit.png", "12bit.tif", "int.tif", "float.tiff", "scan.npy"])
@pytest.mark.parametrize("channels", [1, 3])
def test_numbers_of_more_than_8_bits_are_kept_and_their_range_is_said(tmp_path, kind, channels):
    dtype = {"int.tif": np.int32, "float.tiff": np.float32, "scan.npy": ">i2"}.get(kind, np.uint16)
    values = (np.array([[-1000, 0.5, 3071]]) if kind[0] in "fs" else np.array([[0, 2048, 4095]])).astype(dtype)
    path = tmp_path / kind
    np.save(path, values) if path.suffix == ".npy" else saved(Image.fromarray(values), path)
    images = load(path, (1, 3, channels)) if path.suffix != ".npy" else load(path, (1, 3, 1))
    np.testing.assert_array_equal(images.inputs(slice(None))[0, ..., 0], values.astype(np.float32))
    if path.suffix != ".npy":
        assert f"{values.min():.6g} to {values.max():.6g}, which are kept as they are" in images.notes[-1]


def test_float_file_of_zero_to_one_keeps_its_levels(tmp_path):
    values = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    images = load(saved(Image.fromarray(values), tmp_path / "float.tiff"), (8, 8, 1))
    np.testing.assert_array_equal(images.inputs(slice(None))[0, ..., 0], values)
    assert images.float_range() == (0.0, 1.0)


def test_colors_of_sixteen_bits_are_cut_to_eight_and_it_is_said(tmp_path):
    path = tmp_path / "deep.png"
    rows = b"".join(b"\0" + struct.pack(">3H", 0x1234, 0xFFFF, 0x00FF) for _ in range(2))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 2, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    images = load(path, (2, 1, 3))
    assert images[0].tolist() == [[[0x12, 0xFF, 0]]] * 2
    assert "colors of 16 bits, of which the upper 8 are read" in images.notes[0]


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
def test_photograph_taken_sideways_stays_so_as_in_keras(tmp_path, kind):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    options = {"lossless": True} if kind == "webp" else {}
    path = saved(Image.fromarray(GRAY), tmp_path / f"sideways.{kind}", exif=exif, **options)
    np.testing.assert_array_equal(read_image(path), as_keras(path))
    images = load(path, (None, None, 3))
    assert images.size == (2, 3)
    assert any("not turned upright as the EXIF orientation says" in note for note in images.notes)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photograph_is_turned_upright_on_request(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(Image.fromarray(GRAY), tmp_path / "turned.png", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    images = load(path, (None, None, 1), decoding=Decoding(upright=True))
    np.testing.assert_array_equal(images[0][..., 0], expected)
    assert images.size == expected.shape
    assert ("1 of 1 images turned upright, as the orientation in the file says." in images.notes) == (orientation > 1)


def test_turned_tiff_is_upright_as_in_keras(tmp_path):
    path = saved(Image.fromarray(GRAY), tmp_path / "turned.tif", tiffinfo={0x0112: 6})
    images = load(path, (None, None, 1))
    np.testing.assert_array_equal(images[0][..., 0], [[150, 0], [200, 50], [250, 100]])
    np.testing.assert_array_equal(read_image(path), as_keras(path))
    assert (images.size, images.notes) == (
        (3, 2),
        ("1 of 1 images turned upright, as the orientation in the file says.",),
    )


@pytest.mark.parametrize("kind", ["gif", "webp", "tif", "png"])
def test_first_page_or_frame_is_read_as_in_keras_and_another_on_request(tmp_path, kind):
    pages = [Image.new("RGB", (4, 4), color) for color in ((7, 8, 9), (200, 0, 0))]
    options = {"lossless": True} if kind == "webp" else {}
    path = saved(pages[0], tmp_path / f"pages.{kind}", save_all=True, append_images=pages[1:], **options)
    images = load(path, (4, 4, 3))
    np.testing.assert_array_equal(images[0], as_keras(path))
    assert "several pages or frames: page 0 is read" in images.notes[0]
    assert load(path, (4, 4, 3), decoding=Decoding(page=1))[0][0, 0].tolist() == [200, 0, 0]
    with pytest.raises(InputError, match=r"has no page 2; its pages are 0 to 1"):
        load(path, (4, 4, 3), decoding=Decoding(page=2))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"])
@pytest.mark.parametrize(("channels", "name"), [(1, "grayscale"), (3, "rgb"), (4, "rgba")])
def test_each_mode_is_read_as_keras_reads_it(tmp_path, mode, channels, name):
    noise = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    image = Image.fromarray(noise).convert(mode) if mode != "PA" else Image.fromarray(noise).convert("P").convert("PA")
    kind = {"CMYK": "tif", "YCbCr": "jpg", "PA": "tif"}.get(mode, "png")
    try:
        path = saved(image, tmp_path / f"mode.{kind}")
    except OSError:
        pytest.skip(f"Pillow writes no {mode} file")
    np.testing.assert_array_equal(read_image(path, channels), as_keras(path, color_mode=name))


def as_keras(path: Path, **options: Any) -> np.ndarray:
    return keras.utils.img_to_array(keras.utils.load_img(path, **options))


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"background": "whiteish"},
            "`background` must be a color such as 'white' or '#808080', or None; got 'whiteish'",
        ),
        ({"page": -1}, "`page` must be a whole number from 0 on; got -1"),
        ({"upright": 1}, "`upright` must be True or False; got 1"),
    ],
)
def test_wrong_decoding_is_rejected(settings, text):
    with pytest.raises(OptionError, match=text):
        Decoding(**settings)


def test_gray_file_is_repeated_for_a_model_of_three_channels(tmp_path):
    images = load(saved(Image.fromarray(GRAY), tmp_path / "gray.png"), (2, 3, 3))
    np.testing.assert_array_equal(images[0], np.repeat(GRAY[..., None], 3, axis=-1))
    assert images.notes == ("1 of 1 images converted to 3 channels.",)


def test_color_file_becomes_luminance_for_a_model_of_one_channel(png):
    images = load(png, (2, 2, 1))
    np.testing.assert_array_equal(images[0][..., 0], [[76, 150], [29, 255]])
    assert images.notes == ("1 of 1 images converted to 1 channel.",)


def test_color_file_gets_an_opaque_fourth_channel(png):
    assert load(png, (2, 2, 4))[0][0, 0].tolist() == [255, 0, 0, 255]


def test_folder_is_its_images_by_name(tmp_path, png):
    saved(Image.fromarray(GRAY), tmp_path / "a.BMP")
    (tmp_path / "notes.txt").write_text("not an image")
    assert load(tmp_path, (2, 2, 3)).names == ("a.BMP", "four.png")
    assert image_files([tmp_path, png]) == [tmp_path / "a.BMP", png, png]


def test_list_mixes_every_form(png):
    images = load([png, str(png), Image.fromarray(RGB), RGB, RGB[None].repeat(2, axis=0)], (2, 2, 3))
    np.testing.assert_array_equal(images.inputs(slice(None)), np.repeat(RGB[None], 6, axis=0))
    assert images.names == ("four.png", "four.png", "image 2", "image 3", "image 4", "image 5")


def test_file_whose_name_begins_with_image_keeps_its_name(tmp_path):
    path = saved(Image.fromarray(RGB), tmp_path / "image_of_a_cat.png")
    assert load([path, path], (2, 2, 3)).names == ("image_of_a_cat.png", "image_of_a_cat.png")


def test_pillow_image_is_converted_and_noted():
    images = load(Image.fromarray(RGB), (2, 2, 1))
    np.testing.assert_array_equal(images[0][..., 0], [[76, 150], [29, 255]])
    assert images.notes == ("1 of 1 images converted to 1 channel.",)


# Arrays -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_shape", "model_shape", "count", "sample"),
    [
        ((4, 5), (4, 5, 1), 1, (4, 5, 1)),
        ((4, 5, 1), (4, 5, 1), 1, (4, 5, 1)),
        ((3, 4, 5), (4, 5, 1), 3, (4, 5, 1)),
        ((1, 4, 5), (4, 5, 1), 1, (4, 5, 1)),
        ((4, 5, 3), (4, 5, 3), 1, (4, 5, 3)),
        ((2, 4, 5, 3), (4, 5, 3), 2, (4, 5, 3)),
        ((2, 4, 5, 3), (None, None, 3), 2, (4, 5, 3)),
        ((2, 4, 5, 7), (4, 5, 7), 2, (4, 5, 7)),
        ((2, 4, 5, 2), (), 2, (4, 5, 2)),
    ],
)
def test_array_of_each_accepted_shape(given_shape, model_shape, count, sample):
    array = np.arange(np.prod(given_shape), dtype=np.float32).reshape(given_shape)
    images = load(array, model_shape)
    assert (len(images), images.sample_shape) == (count, sample)
    np.testing.assert_array_equal(images.inputs(slice(None)).ravel(), array.ravel())


@given(st.sampled_from(["uint8", "int16", "int64", "float16", "float32", "float64", "bool"]))
def test_array_of_each_dtype_becomes_float32_with_its_values(dtype):
    array = np.array([[0, 1], [1, 0]]).astype(dtype)
    inputs = load(array, (2, 2, 1)).inputs(slice(None))
    assert inputs.dtype == np.float32
    np.testing.assert_array_equal(inputs[0, ..., 0], [[0, 1], [1, 0]])


def test_image_is_kept_in_the_dtype_in_which_it_was_given():
    array = np.zeros((2, 2, 3), dtype=np.float64)
    assert load(array, (2, 2, 3))[0].dtype == np.float64


@pytest.mark.parametrize("make", [tf.constant, tf.Variable, lambda pixels: tf.cast(pixels, tf.bfloat16), list])
def test_tensor_is_its_array(make):
    pixels = RGB & 0xF0  # bfloat16 holds eight bits
    np.testing.assert_array_equal(load(make(pixels[None]), (2, 2, 3)).inputs(slice(None)), pixels[None])


def test_anything_with_an_array_interface_is_its_array():
    class Scan:
        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            return RGB

    np.testing.assert_array_equal(load(Scan(), (2, 2, 3))[0], RGB)


@pytest.mark.parametrize("batch", [0, 2])
@pytest.mark.parametrize("labelled", [False, True])
def test_dataset_is_its_images(batch, labelled):
    arrays = np.arange(3 * 4, dtype=np.float32).reshape(3, 2, 2, 1)
    dataset = tf.data.Dataset.from_tensor_slices((arrays, [0, 1, 2]) if labelled else arrays)
    images = load(dataset.batch(batch) if batch else dataset, (2, 2, 1))
    np.testing.assert_array_equal(images.inputs(slice(None)), arrays)
    assert images.names == ("image 0", "image 1", "image 2")


def test_dataset_without_end_is_rejected():
    with pytest.raises(InputError, match=r"repeats for ever. Give dataset.take\(100\)"):
        load(tf.data.Dataset.from_tensors(RGB).repeat(), (2, 2, 3))


# Sizes and preprocessing --------------------------------------------------------------------------------------------------


def test_image_of_another_size_is_resized_and_noted():
    images = load(np.full((4, 6, 3), 7, dtype=np.uint8), (2, 3, 3))
    np.testing.assert_array_equal(images.inputs(slice(None)), np.full((1, 2, 3, 3), 7.0))
    assert images.notes == ("Images of 4x6 (height x width) were resized to the 2x3 that the model takes.",)


def test_open_size_is_the_first_images():
    images = load([np.zeros((4, 6, 3)), np.zeros((8, 8, 3))], (None, None, 3))
    assert images.size == (4, 6)
    assert images.notes == ("Images of 8x8 (height x width) were resized to the 4x6 that images of one call share.",)


def test_image_size_decides_where_the_model_is_open():
    assert load(np.zeros((4, 6, 3)), (None, None, 3), image_size=(10, 12)).size == (10, 12)


def test_image_size_does_not_override_the_model():
    assert load(np.zeros((4, 6, 3)), (4, 6, 3), image_size=(10, 12)).size == (4, 6)


def test_only_three_other_sizes_are_listed():
    images = load([np.zeros((n, n, 1)) for n in range(1, 6)], (1, 1, 1))
    assert images.notes[0].startswith("Images of 2x2, 3x3, 4x4, ... (height x width) were resized to the 1x1")


def test_image_that_fits_has_no_note(png):
    assert load(png, (2, 2, 3)).notes == ()


def test_preprocess_gets_a_copy():
    array = np.ones((1, 2, 2, 3), dtype=np.float32)

    def in_place(batch: np.ndarray) -> np.ndarray:
        batch -= 5
        return batch

    images = load(array, (2, 2, 3), preprocess=in_place)
    assert (images.inputs(slice(None)) == -4).all()
    assert (array == 1).all()


def test_files_are_read_a_batch_at_a_time(tmp_path, monkeypatch):
    paths = [saved(Image.fromarray(RGB + n), tmp_path / f"{n}.png") for n in range(3)]
    images = load(paths, (2, 2, 3))
    for path in paths[1:]:
        path.unlink()
    np.testing.assert_array_equal(images.inputs(slice(0, 1))[0], RGB)
    with pytest.raises(InputError, match=r"1.png' doesn't exist"):
        images.inputs(slice(1, 2))


def test_arrays_are_not_copied():
    batch = np.zeros((4, 2, 2, 3), dtype=np.float32)
    assert all(np.shares_memory(image, batch) for image in load(batch, (2, 2, 3)))


def test_image_set_is_a_sequence(png):
    images = load([png, RGB + 1], (2, 2, 3))
    np.testing.assert_array_equal(images[-1], RGB + 1)
    assert [image.shape for image in images[0:2]] == [(2, 2, 3), (2, 2, 3)]


def test_image_set_serves_the_model_that_it_was_loaded_for():
    images = load(RGB, (2, 2, 3))
    assert load(images, (2, 2, 3)) is images


@pytest.mark.parametrize(
    ("shape", "options", "size"),
    [
        ((4, 4, 3), {}, (4, 4)),
        ((None, None, 3), {"preprocess": np.negative}, (2, 2)),
        ((None, None, 3), {"image_size": (4, 4)}, (4, 4)),
    ],
)
def test_image_set_is_loaded_again_for_another_model(shape, options, size):
    images = load(RGB, (None, None, 3))
    again = load(images, shape, **options)
    assert isinstance(again, ImageSet)
    assert (again.size, again.preprocess) == (size, options.get("preprocess"))


def test_range_is_known_of_float_arrays_alone(png):
    assert load(np.array([[-0.5, 0.25]]), (1, 2, 1)).float_range() == (-0.5, 0.25)
    assert load(RGB, (2, 2, 3)).float_range() is None
    assert load([png, RGB / 255], (2, 2, 3)).float_range() is None


# What can't be taken ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "shape", "text"),
    [
        (np.zeros(4), (2, 2, 1), r"must be \(H, W\), \(H, W, C\) or \(N, H, W, C\); got shape \(4,\)"),
        (np.zeros((1, 1, 2, 2, 3)), (2, 2, 3), r"got shape \(1, 1, 2, 2, 3\). A list takes images of different sizes"),
        (np.zeros((0, 2, 2, 3)), (2, 2, 3), r"must hold at least one image; got an array of shape \(0, 2, 2, 3\)"),
        (np.zeros((1, 0, 2, 3)), (2, 2, 3), r"must not be empty; got an array of shape \(1, 0, 2, 3\)"),
        ([], (2, 2, 3), r"must hold at least one image; got \[\]"),
        (
            np.zeros((2, 2, 1)),
            (2, 2, 3),
            r"must have 3 channels, .* image has shape \(2, 2, 1\). Repeat the one channel",
        ),
        (np.zeros((2, 2, 3)), (2, 2, 1), r"must have 1 channel, .* Average the channels"),
        (np.zeros((2, 2, 4)), (2, 2, 3), r"must have 3 channels, .* Drop the fourth channel"),
        (np.zeros((3, 2, 2)), (2, 2, 3), r"must have 3 channels, .* channels last"),
        ([np.zeros((2, 2, 3)), np.zeros((2, 2))], (2, 2, 3), r"image 1 has shape \(2, 2, 1\)"),
        ([np.zeros((2, 2, 3)), np.zeros((2, 2, 1))], (None, None, None), r"must have 3 channels"),
        (np.full((2, 2, 3), np.nan), (2, 2, 3), "must be finite; image holds NaN or infinity. Clean it"),
        (np.array([np.zeros((2, 2, 1)), np.full((2, 2, 1), np.inf)]), (2, 2, 1), "must be finite; image 1 holds"),
        (np.array([[[np.inf], [-np.inf]]]), (1, 2, 1), "must be finite"),
        (np.full((2, 2, 3), 1e300), (2, 2, 3), "must be finite"),
        (None, (2, 2, 3), "must be paths, Pillow images, numeric arrays, or a list of these; got None"),
        (3.5, (2, 2, 3), r"got shape \(\)"),
        (object(), (2, 2, 3), "must be paths, Pillow images, numeric arrays"),
        (np.zeros((2, 2), dtype=complex), (2, 2, 1), "numeric arrays, .* got an array of shape .* dtype complex128"),
        (np.array([["a", "b"]]), (1, 2, 1), "numeric arrays"),
        ({"image": RGB}, (2, 2, 3), "numeric arrays"),
    ],
)
def test_what_is_no_image_is_rejected(images, shape, text):
    with pytest.raises(InputError, match=text):
        load(images, shape)


def test_large_finite_values_are_taken():
    array = np.full((64, 64, 1), 1e37, dtype=np.float32)
    assert load(array, (64, 64, 1)).inputs(slice(None)).max() == np.float32(1e37)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"file '.*nowhere.png' doesn't exist"):
        load(tmp_path / "nowhere.png", (2, 2, 3))


def test_file_that_is_no_image_is_named(tmp_path):
    path = tmp_path / "text.png"
    path.write_text("not an image")
    with pytest.raises(InputError, match=r"file '.*text.png' isn't an image that Pillow can read"):
        load(path, (2, 2, 3))


@pytest.mark.parametrize("name", ["half.png", "half.jpg"])
def test_truncated_image_is_named(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = saved(Image.fromarray(noise), tmp_path / name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    images = load(path, (64, 64, 3))
    with pytest.raises(InputError, match=r"file '.*half\....' is damaged: .*truncated"):
        images.inputs(slice(None))


def test_decompression_bomb_is_rejected(png, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1)
    with pytest.raises(InputError, match=r"four.png' is too large to open safely: .* Shrink it first"):
        load(png, (2, 2, 3))


def test_folder_without_images_is_named(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"folder '.*' holds no image \(.png, .jpg"):
        load(tmp_path, (2, 2, 3))


def test_folder_given_as_a_file_cannot_be_opened(tmp_path):
    with pytest.raises(InputError, match="can't be opened"):
        read_image(tmp_path)


def test_float_file_with_nan_is_named(tmp_path):
    path = saved(Image.fromarray(np.array([[np.nan, 1]], dtype=np.float32)), tmp_path / "hole.tiff")
    with pytest.raises(InputError, match=r"hole.tiff' holds NaN or infinity"):
        load(path, (1, 2, 1)).inputs(slice(None))


def test_file_for_a_model_of_five_channels_is_rejected_before_it_is_read(png):
    with pytest.raises(InputError, match=r"files have 1, 3 or 4 channels; the model takes 5. Give arrays instead"):
        load(png, (2, 2, 5))
