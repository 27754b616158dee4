"""Pixels become what the model was trained on, by a name or a function."""

from __future__ import annotations

from typing import Any

import cv2
import keras
import numpy as np
import pytest

import vizcnn as vz
from tests.models import linear_model
from tests.rounding import rounding
from vizcnn.adapter.preprocessing import resolve_preprocess

PIXELS = np.array([[0, 127.5, 255], [51, 102, 204]], dtype=np.float32).reshape(1, 1, 2, 3)


@pytest.mark.parametrize(
    ("name", "expected", "ends"),
    [
        ("0..1", [0, 0.5, 1, 0.2, 0.4, 0.8], (0, 1)),
        ("-1..1", [-1, 0, 1, -0.6, -0.2, 0.6], (-1, 1)),
        ("none", [0, 127.5, 255, 51, 102, 204], (0, 255)),
        ("mobilenet", [-1, 0, 1, -0.6, -0.2, 0.6], (-1, 1)),
        # Blue, green, red, minus ImageNet's means.
        ("resnet50", [151.061, 10.721, -123.68, 100.061, -14.779, -72.68], (-123.68, 151.061)),
        ("efficientnet", [0, 127.5, 255, 51, 102, 204], (0, 255)),
    ],
)
def test_name_means_a_scaling(name: str, expected: list[float], ends: tuple[float, float]) -> None:
    preprocess = resolve_preprocess(name)
    assert preprocess is not None
    np.testing.assert_allclose(preprocess(PIXELS).ravel(), expected, rtol=1e-5, atol=1e-5)
    assert preprocess.output_range == pytest.approx(ends, abs=1e-4)
    assert preprocess.name == name


def test_function_is_taken_and_named() -> None:
    def halved(batch: np.ndarray) -> np.ndarray:
        batch /= 2
        return batch

    preprocess, before = resolve_preprocess(halved), PIXELS.copy()
    assert preprocess is not None
    np.testing.assert_array_equal(preprocess(PIXELS), before / 2)
    np.testing.assert_array_equal(PIXELS, before)  # what the function does to its argument stays inside
    assert (preprocess.name, preprocess.output_range) == ("halved", (0, 127.5))


def test_tensor_that_a_function_returns_becomes_an_array() -> None:
    preprocess = resolve_preprocess(lambda batch: keras.ops.convert_to_tensor(batch) / 255)
    assert preprocess is not None
    result = preprocess(PIXELS)
    assert isinstance(result, np.ndarray)
    np.testing.assert_allclose(result.ravel(), [0, 0.5, 1, 0.2, 0.4, 0.8], rtol=1e-6)


def test_range_of_a_function_that_fails_on_a_plain_image_is_unknown() -> None:
    preprocess = resolve_preprocess(lambda image: image.reshape(1, 2, 3))
    assert preprocess is not None
    assert preprocess.output_range is None


def standardized(image: np.ndarray) -> np.ndarray:
    return (image - image.mean()) / (image.std() + 1e-6)


def test_function_gets_one_image_whatever_its_neighbours() -> None:
    images = (
        np.random.default_rng(0).uniform(0, 255, (5, 4, 6, 3)).astype(np.float32)
        * np.arange(1, 6)[:, None, None, None]
        / 5
    )
    adapter = vz.adapt(linear_model(np.random.default_rng(1).normal(size=(72, 2)), (4, 6, 3)), preprocess=standardized)
    alone = [vz.saliency(adapter, image, 0).scores[0] for image in images]
    np.testing.assert_allclose(vz.saliency(adapter, images, 0).scores, alone, **rounding(72, 72, size=72))
    expected = np.stack([standardized(image) for image in images])
    np.testing.assert_allclose(vz.inputs.load(images, preprocess=standardized).inputs(slice(None)), expected, atol=1e-5)


def test_function_of_the_whole_image_has_no_range_and_is_not_affine() -> None:
    preprocess = resolve_preprocess(standardized)
    assert preprocess is not None
    assert (preprocess.output_range, preprocess.is_affine) == (None, False)
    assert resolve_preprocess("mobilenet").is_affine  # type: ignore[union-attr]


@pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")
def test_maximization_says_that_such_a_function_cannot_be_turned_back() -> None:
    adapter = vz.adapt(linear_model(np.arange(18)[:, None], (3, 2, 3)), preprocess=standardized)
    made = vz.activation_maximization(adapter, 0, steps=1)
    assert any("'standardized' doesn't treat each pixel for itself" in note for note in made.notes)


def test_opencv_and_a_keras_layer_are_taken_as_functions() -> None:
    swapped = resolve_preprocess(lambda image: cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    np.testing.assert_array_equal(swapped(PIXELS), PIXELS[..., ::-1])  # type: ignore[misc]
    blurred = resolve_preprocess(lambda image: cv2.GaussianBlur(image, (1, 1), 0))  # drops the axis of one channel
    np.testing.assert_array_equal(blurred(PIXELS[..., :1]), PIXELS[..., :1])  # type: ignore[misc]
    halved = resolve_preprocess(keras.Sequential([keras.Input((1, 2, 3)), keras.layers.Rescaling(0.5)], name="halved"))
    np.testing.assert_array_equal(halved(PIXELS), PIXELS / 2)  # type: ignore[misc]
    assert halved.name == "halved"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda image: image[0], r"one image and no batch; it turned shape \(1, 2, 3\) into \(2, 3\)"),
        (lambda image: image[None], r"it turned shape \(1, 2, 3\) into \(1, 1, 2, 3\)"),
        (lambda image: image.transpose(2, 0, 1), r"into \(3, 1, 2\)"),
        (lambda image: None, r"must return an image, .* of an image of shape \(1, 2, 3\), float32, it made None"),
        (lambda image: "pixels", "it made str of <U6"),
        (lambda image: image + 1j, "it made ndarray of complex64"),
        (lambda image: {"image": image}, "it made dict of object"),
        (lambda image: image / np.float32(0), "it made NaN or infinity. Does it divide"),
        (lambda image: 1 / 0, r"failed on an image of shape \(1, 2, 3\), float32: ZeroDivisionError: division by zero"),
        (lambda image: cv2.cvtColor(image[..., :2], cv2.COLOR_RGB2BGR), r"failed on .*: error: OpenCV"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_function_that_makes_no_image_is_told_by_its_name(function: Any, text: str) -> None:
    adapter = vz.adapt(linear_model(np.zeros((6, 2)), (1, 2, 3)), preprocess=function)
    with pytest.raises(vz.errors.InputError, match=f"`preprocess` '<lambda>' .*{text}"):
        vz.saliency(adapter, PIXELS, 0)


@pytest.mark.parametrize(
    ("given", "match"), [("mobilnet", "Did you mean 'mobilenet'"), ("0-1", "got '0-1'"), (3, "got 3")]
)
def test_other_preprocess_is_rejected(given: Any, match: str) -> None:
    with pytest.raises(
        vz.errors.OptionError, match=f"`preprocess` must be a function, one of '0..1', '-1..1', 'none'.*{match}"
    ):
        vz.adapt(linear_model(np.zeros((1, 2)), (1, 1, 1)), preprocess=given)


def test_method_gives_the_model_what_preprocess_makes() -> None:
    adapter = vz.adapt(linear_model(np.arange(1, 7)[:, None], (1, 2, 3)), preprocess="-1..1")
    result = vz.saliency(adapter, PIXELS, 0)
    np.testing.assert_allclose(result.scores, [-1 + 0 + 3 - 2.4 - 1 + 3.6], **rounding(6, size=11))
    assert adapter.input_range == pytest.approx((-1, 1))


def test_model_that_scales_by_itself_takes_pixels() -> None:
    model = keras.Sequential([keras.Input((1, 2, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()])
    assert vz.adapt(model).input_range == (0, 255)
    assert vz.adapt(linear_model(np.zeros((6, 2)), (1, 2, 3))).input_range is None


TEXTS = [
    "crop",
    "crop 256, bgr, / 127.5 - 1",
    "rows 60:140, columns :-5, pad 114, bilinear, yuv, (x - [1, 2, 3]) / 58",
    "pad white",
    "fit none",
    "squash",
    "none",
    "0..1",
    "imagenet",
    "gray, mean 0.1 0.2 0.3, std 2, standardize",
    "resnet50",
    "-x + 255",
    "* 2 - 1",
]


@pytest.mark.parametrize("text", TEXTS)
def test_text_form_comes_back(text: str) -> None:
    preprocess = vz.Preprocess(text)
    assert str(preprocess) == text
    assert vz.Preprocess(str(preprocess)) == preprocess
    assert [vz.Preprocess(other) == preprocess for other in TEXTS].count(True) == 1


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("Crop  256,BGR,/127.5-1", "crop 256, bgr, / 127.5 - 1"),
        ("x / 255.0", "/ 255.0"),
        ("letterbox", "pad"),
        ("mean [1, 2, 3], std 1, 2, 3", "mean 1 2 3, std 1 2 3"),
        ("center crop, x/255", "crop, / 255"),
        ("stretch, per_image_standardization", "standardize"),
        ("(x - 127.5) / 127.5", "(x - 127.5) / 127.5"),
        ("x - 2 * x", "x - 2 * x"),
        ("cols 1:, rows :5", "rows :5, columns 1:"),
    ],
)
def test_other_ways_to_type_it_mean_the_same(typed: str, text: str) -> None:
    assert str(vz.Preprocess(typed)) == text
    assert vz.Preprocess(text) == vz.Preprocess(typed)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "squash"),
        ({"scale": 1 / 127.5, "offset": -1}, "/ 127.5 - 1"),
        ({"scale": 1 / 3, "offset": 0.3}, "/ 3 + 0.3"),
        ({"scale": [1, 2, 3], "offset": [0, -1, -2]}, "* [1, 2, 3] - [0, 1, 2]"),
        ({"mean": (1, 2, 3), "std": 0.1}, "mean 1 2 3, std 0.1"),
        ({"channels": "gray", "standardize": True}, "gray, standardize"),
        ({"fit": "pad", "color": (16, 32, 48), "interpolation": "nearest"}, "pad #102030, nearest"),
        (
            {"rows": (60, None), "columns": slice(None, -5), "fit": "crop", "resize": 64},
            "rows 60:, columns :-5, crop 64",
        ),
    ],
)
def test_arguments_have_a_text_form(arguments: dict[str, Any], text: str) -> None:
    preprocess = vz.Preprocess(**arguments)
    assert str(preprocess) == text
    assert vz.Preprocess(text) == preprocess


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bgr", [255, 127.5, 0, 204, 102, 51]),
        ("rgb", [0, 127.5, 255, 51, 102, 204]),
        ("gray", [103.9125] * 3 + [98.379] * 3),
        ("(x - [0, 100, 200]) / 2", [0, 13.75, 27.5, 25.5, 1, 2]),
        ("-x + 255", [255, 127.5, 0, 204, 153, 51]),
        ("x / 255 * 2 - 1", [-1, 0, 1, -0.6, -0.2, 0.6]),
        ("2 * (1 + x / 255)", [2, 3, 4, 2.4, 2.8, 3.6]),
        ("bgr, mean 1 2 3, std 0.5", [508, 251, -6, 406, 200, 96]),
        ("imagenet", [-2.117904, 0.196078, 2.64, -1.24451, -0.25, 1.751111]),
    ],
)
def test_text_computes(text: str, expected: list[float]) -> None:
    np.testing.assert_allclose(vz.Preprocess(text)(PIXELS).ravel(), expected, rtol=1e-4, atol=1e-2)


def test_yuv_is_that_of_opencv() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    expected = cv2.cvtColor(pixels, cv2.COLOR_RGB2YUV).astype(float)
    np.testing.assert_allclose(vz.Preprocess("yuv")(pixels[None])[0], expected, atol=1.0)


def test_standardize_is_that_of_tensorflow() -> None:
    images = np.random.default_rng(0).uniform(0, 255, (3, 8, 8, 3)).astype(np.float32)
    images[2] = 7  # of one color
    rows = images.reshape(3, -1)
    spread = np.maximum(rows.std(axis=1, keepdims=True), 1 / np.sqrt(192))
    expected = ((rows - rows.mean(axis=1, keepdims=True)) / spread).reshape(images.shape)
    np.testing.assert_allclose(vz.Preprocess("standardize")(images), expected, atol=1e-4)


def modules() -> list[str]:
    """Return the names of all modules of keras.applications that preprocess."""
    return [
        name
        for name, module in vars(keras.applications).items()
        if hasattr(module, "preprocess_input") and not name.startswith("_")
    ]


@pytest.mark.parametrize("name", modules())
def test_module_of_keras_applications_is_known_by_name(name: str) -> None:
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 4, 4, 3)).astype(np.float32)
    expected = getattr(keras.applications, name).preprocess_input(pixels.copy())
    np.testing.assert_allclose(vz.Preprocess(name)(pixels), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("corp", "must be a function, one of .*; got 'corp'. Did you mean 'crop'"),
        ("crop, bgrr", "'bgrr' of 'crop, bgrr' isn't one. Did you mean 'bgr'"),
        ("crop, mobilnet", "Did you mean 'mobilenet'"),
        ("", "must be of steps such as .*; got ''"),
        ("crop,,bgr", "something between its commas; got 'crop,,bgr'"),
        ("crop, pad", "must say one of 'crop' and 'pad'"),
        ("/255, crop", "'crop' must stand before '/ 255'"),
        ("crop, rows 3:", "'rows 3:' must stand before 'crop': it counts the rows of the image as it is"),
        ("x*x", r"'x\*x' must be plain arithmetic such as '/ 255'"),
        ("/0", "must be plain arithmetic"),
        ("/ y", "must be plain arithmetic"),
        ("* True", "must be plain arithmetic"),
        ("+ x.real", "must be plain arithmetic"),
        ("x - x", r"must turn pixels x into finite numbers that depend on them; it computes 0 \* x \+ 0"),
        ("* 1e308 * 1e308", "must turn pixels x into finite numbers"),
        ("/ " + "9" * 350, "must be plain arithmetic|finite"),
        ("/ " + "9" * 500, "must be short; got one of 502 characters"),
        ("/ " + "(" * 300, "must be plain arithmetic"),
        ("crop 1.5", "'crop' must be followed by the pixels that the short side is scaled to"),
        ("rows 60", "'rows' must be followed by the first and the end of what is kept, as in 'rows 60:140'"),
        ("mean a b", "'mean' must be followed by one number, or one for each channel"),
        ("std 0", "`std` must not be zero"),
        ("pad octarine", "`color` must be a gray value from 0 to 255, or a color such as 'white'"),
        ("pad 300", "`color` must be a gray value"),
        ("squash 3", "'squash' must be followed by nothing: the size is the model's"),
        ("missing.py:scale", "file 'missing.py' doesn't exist"),
        (", ".join(["bgr"] * 40), "at most 32 steps; got 40"),
    ],
)
def test_text_that_is_not_understood_is_told(text: str, match: str) -> None:
    with pytest.raises(vz.errors.OptionError, match=match):
        vz.Preprocess(text)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"fit": "corp"}, "`fit` must be one of 'squash', 'crop', 'pad', 'none'; got 'corp'. Did you mean 'crop'"),
        ({"channels": "brg"}, "`channels` must be one of 'rgb', 'bgr', 'gray', 'yuv'; got 'brg'"),
        ({"resize": 256}, "`resize` must be left out unless `fit` is 'crop'"),
        ({"fit": "crop", "resize": 0}, "`resize` must be the pixels of the short side, 1 or more; got 0"),
        ({"color": 3}, "`color` must be left out unless `fit` is 'pad'"),
        ({"rows": 60}, r"`rows` must be \(first, end\) in pixels, as in a slice, or None; got 60"),
        ({"scale": 0}, "`scale` must not be zero"),
        ({"mean": "a"}, "`mean` must be a number, or one for each channel; got 'a'"),
        ({"std": [0.1, 0]}, "`std` must not be zero"),
        ({"function": 3}, "`function` must be callable, text or None; got 3"),
        ({"function": "crop", "fit": "pad"}, "must be the only argument where it is text"),
        ({"interpolation": "linear"}, "`interpolation` must be one of .* Did you mean 'bilinear'"),
    ],
)
def test_arguments_that_have_no_meaning_are_told(arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(vz.errors.OptionError, match=match):
        vz.Preprocess(**arguments)


def test_function_of_a_file_is_run_where_the_user_names_it(tmp_path: Any) -> None:
    file = tmp_path / "prep.py"
    file.write_text("def halved(image):\n    return image / 2\n")
    preprocess = vz.Preprocess(f"bgr, {file}:halved")
    np.testing.assert_array_equal(preprocess(PIXELS), PIXELS[..., ::-1] / 2)
    assert vz.Preprocess(str(preprocess)).name == preprocess.name
    with pytest.raises(
        vz.errors.OptionError, match=r"must define a function 'havled'; it defines 'halved'. Did you mean"
    ):
        vz.Preprocess(f"{file}:havled")
    file.write_text("1 / 0")
    with pytest.raises(vz.errors.OptionError, match="failed: ZeroDivisionError: division by zero"):
        vz.Preprocess(f"{file}:halved")


def test_fit_alone_leaves_the_scaling_to_the_model() -> None:
    model = keras.Sequential([keras.Input((1, 2, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()])
    assert vz.adapt(model, preprocess="crop").input_range == (0, 255)
    assert vz.adapt(model, preprocess="crop, 0..1").input_range == pytest.approx((0, 1))
    bare = vz.adapt(linear_model(np.arange(1, 7)[:, None], (1, 2, 3)), preprocess="crop")
    with pytest.warns(vz.errors.VizcnnWarning, match="and the model has no layer that scales them"):
        vz.saliency(bare, PIXELS, 0)
