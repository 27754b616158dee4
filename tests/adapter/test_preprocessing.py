"""Pixels become what the model was trained on, by a name or a function."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import vizcnn as vz
from tests.models import linear_model
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
    preprocess = resolve_preprocess(lambda batch: batch.reshape(1, 1, 2, 3))
    assert preprocess is not None
    assert preprocess.output_range is None


def test_function_that_loses_an_axis_is_rejected() -> None:
    preprocess = resolve_preprocess(lambda batch: batch[0])
    assert preprocess is not None
    with pytest.raises(
        vz.errors.InputError, match=r"`preprocess` must turn a batch .* turned shape \(1, 1, 2, 3\) into \(1, 2, 3\)"
    ):
        preprocess(PIXELS)


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
    np.testing.assert_allclose(result.scores, [-1 + 0 + 3 - 2.4 - 1 + 3.6], rtol=1e-5)
    assert adapter.input_range == pytest.approx((-1, 1))


def test_model_that_scales_by_itself_takes_pixels() -> None:
    model = keras.Sequential([keras.Input((1, 2, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()])
    assert vz.adapt(model).input_range == (0, 255)
    assert vz.adapt(linear_model(np.zeros((6, 2)), (1, 2, 3))).input_range is None
