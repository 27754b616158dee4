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
