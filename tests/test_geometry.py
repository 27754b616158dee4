"""Pictures are brought to the model's size in several ways, and maps go back the same way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

import vizcnn as vz
from tests.models import linear_model
from vizcnn.inputs import Geometry
from vizcnn.results.panels import map_panel

RAMP = np.arange(100 * 200, dtype=np.float32).reshape(100, 200, 1)


@pytest.mark.parametrize(
    ("text", "picture", "size", "seen", "window"),
    [
        ("squash", (100, 200), (50, 50), (0, 0, 100, 200), (0, 0, 50, 50)),
        ("crop", (100, 200), (50, 50), (0, 50, 100, 150), (0, 0, 50, 50)),
        ("crop", (200, 100), (50, 50), (50, 0, 150, 100), (0, 0, 50, 50)),
        ("crop 64", (64, 128), (48, 48), (8, 40, 56, 88), (0, 0, 48, 48)),
        ("crop", (90, 90), (30, 60), (22, 0, 67, 90), (0, 0, 30, 60)),
        ("pad", (100, 200), (50, 50), (0, 0, 100, 200), (12, 0, 37, 50)),
        ("pad", (200, 100), (50, 50), (0, 0, 200, 100), (0, 12, 50, 37)),
        ("rows 60:140", (160, 320), (66, 200), (60, 0, 140, 320), (0, 0, 66, 200)),
        ("rows -100:, columns 10:-10", (160, 320), (66, 200), (60, 10, 160, 310), (0, 0, 66, 200)),
        ("rows 0:100, crop", (160, 320), (50, 50), (0, 110, 100, 210), (0, 0, 50, 50)),
        ("columns :100, pad", (200, 320), (50, 50), (0, 0, 200, 100), (0, 12, 50, 37)),
    ],
)
def test_text_says_what_is_seen_of_a_picture(
    text: str, picture: tuple[int, int], size: tuple[int, int], seen: tuple[float, ...], window: tuple[int, ...]
) -> None:
    geometry = vz.Preprocess(text).geometry(picture, size)
    rows, columns = geometry.window
    assert geometry.seen == pytest.approx(seen)
    assert (rows.start, columns.start, rows.stop, columns.stop) == window


@pytest.mark.parametrize("text", ["squash", "crop", "crop 40", "pad", "rows 10:90, pad", "columns 3:-50, crop 50"])
def test_places_go_to_the_input_and_back(text: str) -> None:
    geometry = vz.Preprocess(text).geometry((100, 200), (32, 32))
    places = np.random.default_rng(0).uniform(0, 100, (20, 2))
    np.testing.assert_allclose(geometry.to_picture(geometry.to_input(places)), places, atol=1e-9)
    np.testing.assert_allclose(geometry.to_input(geometry.to_picture(places)), places, atol=1e-9)


@pytest.mark.parametrize("text", ["squash", "crop", "crop 40", "pad", "rows 10:90, pad", "columns 3:-50, crop 50"])
def test_bright_place_goes_through_the_pixels_as_through_the_numbers(text: str) -> None:
    preprocess = vz.Preprocess(text)
    geometry = preprocess.geometry((120, 200), (32, 32))
    picture = np.zeros((120, 200, 1), np.float32)
    picture[50:60, 95:105] = 255
    fitted = preprocess.fitted(picture, geometry)[..., 0]
    center = np.array([np.average(axis, weights=fitted) for axis in np.mgrid[:32, :32] + 0.5])
    np.testing.assert_allclose(center, geometry.to_input((55, 100)), atol=0.1)
    # And a map of the input lies on the picture where the bright place was.
    back = geometry.on_picture(fitted)
    assert back.shape == (120, 200)
    found = np.array([np.average(axis, weights=back) for axis in np.mgrid[:120, :200] + 0.5])
    np.testing.assert_allclose(found, (55, 100), atol=0.5)


def test_crop_is_what_keras_does() -> None:
    pixels = np.random.default_rng(0).uniform(0, 255, (50, 90, 3)).astype(np.float32)
    for size in ((32, 32), (20, 44)):
        expected = np.asarray(keras.preprocessing.image.smart_resize(pixels, size))
        preprocess = vz.Preprocess("crop, bilinear")
        np.testing.assert_allclose(preprocess.fitted(pixels, preprocess.geometry((50, 90), size)), expected, atol=0.02)


@pytest.mark.parametrize(
    ("layers", "seen"),
    [
        ([keras.layers.Resizing(24, 24, crop_to_aspect_ratio=True)], (0, 12, 40, 52)),
        ([keras.layers.Resizing(24, 24, pad_to_aspect_ratio=True, fill_value=9)], (0, 0, 40, 64)),
        ([keras.layers.Resizing(24, 24, interpolation="nearest")], (0, 0, 40, 64)),
        ([keras.layers.Resizing(32, 32), keras.layers.CenterCrop(24, 24)], (5, 8, 35, 56)),
        ([keras.layers.CenterCrop(24, 24)], (8, 20, 32, 44)),
    ],
)
def test_layers_that_resize_get_the_picture_itself_and_it_is_known_where_they_cut(
    layers: list[Any], seen: tuple[float, ...]
) -> None:
    sequential = keras.Sequential([*layers, keras.layers.Rescaling(1 / 255)])
    adapter = vz.adapt(linear_model(np.ones((24 * 24 * 3, 1)), (24, 24, 3)), preprocess=sequential)
    pixels = np.random.default_rng(0).uniform(0, 255, (40, 64, 3)).astype(np.float32)
    images = vz.inputs.load(pixels, (24, 24, 3), preprocess=adapter.preprocess)
    np.testing.assert_array_equal(images.inputs(slice(None))[0], np.asarray(sequential(pixels[None]))[0])
    assert images.geometry[0].seen == pytest.approx(seen)


@pytest.mark.parametrize("name", ["bilinear", "nearest"])
def test_interpolation_is_what_keras_does(name: str) -> None:
    pixels = np.random.default_rng(0).uniform(0, 255, (40, 64, 3)).astype(np.float32)
    preprocess = vz.Preprocess(interpolation=name)
    expected = np.asarray(keras.layers.Resizing(24, 24, interpolation=name)(pixels[None]))[0]
    np.testing.assert_allclose(preprocess.fitted(pixels, preprocess.geometry((40, 64), (24, 24))), expected, atol=0.01)


def test_function_that_resizes_gets_each_picture_at_its_own_size() -> None:
    def every_other(image: np.ndarray, label: int) -> tuple[np.ndarray, int]:
        return image[::2, ::4] / 255, label

    preprocess = vz.Preprocess(every_other, fit="none")
    images = vz.inputs.load(RAMP % 256, (50, 50, 1), preprocess=preprocess)
    np.testing.assert_array_equal(images.inputs(slice(None))[0], (RAMP % 256)[::2, ::4] / 255)
    with pytest.raises(
        vz.errors.InputError, match=r"'every_other' must bring images to what the model takes, \(9, 9, 1\)"
    ):
        vz.inputs.load(RAMP, (9, 9, 1), preprocess=preprocess).inputs(slice(None))
    with pytest.raises(vz.errors.InputError, match="`image_size` must be given"):
        vz.inputs.load(RAMP, (None, None, 1), preprocess=preprocess)


def test_padding_has_the_color_that_is_asked_for() -> None:
    for color, expected in (("pad", 0), ("pad white", 255), ("pad 114", 114), ("pad #102030", (16, 32, 48))):
        images = vz.inputs.load(np.full((2, 8, 3), 7, np.uint8), (8, 8, 3), preprocess=vz.Preprocess(color))
        inputs = images.inputs(slice(None))[0]
        np.testing.assert_array_equal(inputs[:3], np.broadcast_to(expected, (3, 8, 3)))
        np.testing.assert_array_equal(inputs[3:5], 7)


def mean_of_inputs(size: int) -> keras.Model:
    """Return a model whose gradient is one nearly everywhere."""
    weights = np.ones((size * size, 1))
    weights[0] = 1.001
    return linear_model(weights, (size, size, 1))


@pytest.mark.parametrize(
    ("text", "clear"),
    [
        ("crop, 0..1", np.s_[:, :50]),
        ("rows 60:, / 255", np.s_[:60]),
        ("columns 30:70, 0..1", np.s_[:, 70:]),
    ],
)
def test_map_lies_where_the_model_saw_the_picture_and_the_rest_is_clear(text: str, clear: Any) -> None:
    result = vz.saliency(vz.adapt(mean_of_inputs(16), preprocess=text), RAMP % 256, 0)
    assert result.values.shape == (1, 16, 16)
    (geometry,) = result.geometry
    laid = result.on_picture(0)
    top, left, bottom, right = (round(edge) for edge in geometry.seen)
    assert laid.shape == (100, 200)
    assert (laid[clear] == 0).all()
    np.testing.assert_allclose(laid[top:bottom, left:right], 1.0, rtol=0.002)
    panel = map_panel(result, 0).values
    assert panel is not None
    assert np.isnan(panel[clear]).all()
    assert np.isfinite(panel[top:bottom, left:right]).all()


def test_map_of_a_padded_picture_is_shown_without_the_padding() -> None:
    weights = np.zeros((16, 16))
    weights[:4], weights[4:12] = 5.0, 1.0  # the padding weighs most
    adapter = vz.adapt(linear_model(weights.reshape(-1, 1), (16, 16, 1)), preprocess="pad, 0..1")
    result = vz.saliency(adapter, RAMP % 256, 0)
    assert (result.values[0, :4] == 5).all()
    np.testing.assert_allclose(result.on_picture(0), 1.0, rtol=1e-6)


def test_geometry_is_saved_cut_and_joined_with_its_result(tmp_path: Path) -> None:
    adapter = vz.adapt(mean_of_inputs(16), preprocess="crop, 0..1", batch_size=2)
    pictures = [RAMP % 256, RAMP[:, :150] % 256, RAMP[:, :100] % 256]
    result = vz.saliency(adapter, pictures, 0)
    assert [geometry.picture for geometry in result.geometry] == [(100, 200), (100, 150), (100, 100)]
    assert result[1:].geometry == result.geometry[1:]
    again = vz.load_result(result.save(tmp_path / "maps.npz"))
    assert again.geometry == result.geometry
    np.testing.assert_array_equal(again.on_picture(1), result.on_picture(1))


def test_geometry_of_a_stranger_s_file_is_checked() -> None:
    with pytest.raises(vz.errors.OptionError, match="`box` must lie in the picture"):
        Geometry((10, 10), (0, 0, 20, 10), (5, 5), (0, 0), (5, 5))
    with pytest.raises(vz.errors.OptionError, match="must leave some of the picture"):
        Geometry((10, 10), (0, 0, 10, 10), (5, 5), (9, 0), (5, 5))


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("crop", "Images of 100x200 (height x width) were resized and cropped to the 16x16 that the model takes."),
        ("pad", "Images of 100x200 (height x width) were resized and padded to the 16x16 that the model takes."),
        ("rows 60:", "Images of 100x200 (height x width) were cut and resized to the 16x16 that the model takes."),
        ("/ 255", "Images of 100x200 (height x width) were resized to the 16x16 that the model takes."),
    ],
)
def test_note_says_what_was_done_to_the_size(text: str, note: str) -> None:
    assert note in vz.inputs.load(RAMP, (16, 16, 1), preprocess=vz.Preprocess(text)).notes


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("rows 100:", r"'rows 100:' must leave something of an image; one has 100 rows"),
        (
            "fit none",
            "must have the model's size, 16x16 .height x width., where `preprocess` doesn't fit them; one has 100x200",
        ),
        ("crop 8", "'crop 8' must scale images to no less than the 16 pixels"),
        ("bgr", "'bgr' must be given images of 3 channels, red, green and blue; the model takes 1"),
        (
            "mean 1 2 3",
            "'mean 1 2 3' must have one number, or one for each channel; it has 3, and the model takes 1 channel.",
        ),
    ],
)
def test_preprocess_that_does_not_fit_the_images_is_told(text: str, match: str) -> None:
    with pytest.raises(vz.errors.InputError, match=match):
        vz.saliency(vz.adapt(mean_of_inputs(16), preprocess=text), RAMP % 256, 0)


def test_files_are_cropped_as_arrays_are(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (60, 100, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    preprocess = vz.Preprocess("rows 10:, crop 40, bgr, / 255")
    of_file, of_array = (
        vz.inputs.load(images, (32, 32, 3), preprocess=preprocess).inputs(slice(None))
        for images in (tmp_path / "a.png", pixels)
    )
    np.testing.assert_array_equal(of_file, of_array)


def test_model_of_any_size_gets_what_is_left_of_the_first_picture() -> None:
    images = vz.inputs.load(RAMP, (None, None, 1), preprocess=vz.Preprocess("rows 60:, columns 20:100"))
    np.testing.assert_array_equal(images.inputs(slice(None))[0], RAMP[60:, 20:100])


def test_model_that_resizes_inside_is_noted_where_preprocess_fits_too() -> None:
    layers = [keras.Input((16, 16, 1)), keras.layers.Resizing(8, 8, name="small"), keras.layers.Flatten()]
    model = keras.Sequential([*layers, keras.layers.Dense(1)])
    assert not vz.adapt(model, preprocess="0..1").notes
    with pytest.warns(
        vz.errors.VizcnnWarning, match=r"changes the size of its inputs itself \(small\), and `preprocess` 'crop'"
    ):
        vz.adapt(model, preprocess="crop")


def test_signals_are_not_cropped() -> None:
    with pytest.raises(vz.errors.InputError, match="'crop' must leave out cutting and fitting for signals"):
        vz.inputs.load(np.zeros((8, 2)), (8, 2), preprocess=vz.Preprocess("crop"))
    assert vz.inputs.load(np.ones((8, 2)), (8, 2), preprocess=vz.Preprocess("/ 2")).inputs(slice(None)).max() == 0.5
