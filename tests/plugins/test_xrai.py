"""XRAI against a loop over its regions, on attributions that are known."""

from __future__ import annotations

import importlib.util
from typing import Any

import keras
import numpy as np
import pytest
from scipy import sparse

import vizcnn as vz
from tests.models import images, linear_model
from vizcnn.errors import CapabilityError, OptionError
from vizcnn.plugins import xrai as module

SHAPE = (12, 10, 3)


@pytest.fixture(scope="module")
def model() -> Any:
    return linear_model(images(1, (360, 2), seed=4)[0] - 0.5, SHAPE)


def ranked(attributions: np.ndarray, masks: list[np.ndarray]) -> np.ndarray:
    """Take the region whose new pixels have the highest mean, until none is left."""
    values, covered = np.zeros(attributions.shape), np.zeros(attributions.shape, dtype=bool)
    left = list(masks)
    while True:
        gains = [attributions[mask & ~covered].mean() if (mask & ~covered).any() else -np.inf for mask in left]
        if not left or max(gains) == -np.inf:
            break
        mask = left.pop(int(np.argmax(gains)))
        values[mask & ~covered] = max(gains)
        covered |= mask
    values[~covered] = attributions[~covered].mean() if (~covered).any() else 0
    return values


def test_regions_of_a_cut_have_the_mean_of_their_attributions(model: Any) -> None:
    x, labels = images(2, SHAPE), np.arange(120).reshape(12, 10) // 30
    result = vz.xrai(model, x, 1, num_steps=3, segments=labels)
    for values, raw in zip(result.values, result.raw, strict=True):
        for label in range(4):
            assert np.unique(values[labels == label]) == pytest.approx([raw[labels == label].mean()], abs=1e-6)
    assert result.options["segments"] == "an array of labels"


def test_attributions_are_the_largest_of_the_channels_of_the_mean_of_two_ways(model: Any) -> None:
    x = images(2, SHAPE)
    result = vz.xrai(model, x, 1, num_steps=3, segments="grid")
    for image, raw in zip(x, result.raw, strict=True):
        ways = [
            vz.integrated_gradients(model, image[None], 1, num_steps=3, baseline=float(end)).raw[0]
            for end in (image.min(), image.max())
        ]
        np.testing.assert_allclose(raw, np.mean(ways, axis=0).max(axis=-1), rtol=0, atol=1e-5)


def test_regions_that_overlap_are_taken_by_what_each_would_add() -> None:
    generator = np.random.default_rng(0)
    attributions = generator.normal(size=(9, 8)).astype(np.float32)
    masks = [generator.random((9, 8)) < 0.3 for _ in range(12)]
    rows = sparse.csr_array(np.stack([mask.ravel() for mask in masks]).astype(float))
    np.testing.assert_allclose(module._ranked(attributions, rows), ranked(attributions, masks), rtol=1e-5)


def test_nested_regions_cover_the_image_and_find_the_bright_square(model: Any) -> None:
    pytest.importorskip("skimage")
    size = (48, 48, 3)
    weights = np.zeros((*size, 2), dtype=np.float32)
    weights[10:25, 20:40, :, 1] = 1  # the class is how bright this box is
    box = linear_model(weights.reshape(-1, 2), size)
    x = np.full((1, *size), 0.2, dtype=np.float32) + 0.02 * images(1, size)
    x[0, 10:25, 20:40] += 0.6
    result = vz.xrai(box, x, 1, num_steps=4)
    inside, outside = result.values[0, 12:23, 22:38], np.delete(result.values[0], slice(6, 29), axis=0)
    assert inside.min() > 0
    assert inside.min() > outside.max()
    assert np.isfinite(result.values).all()


def test_bad_regions_are_refused(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError, match="`segments` must be one of"):
        vz.xrai(model, images(1, SHAPE), segments="nest")
    with pytest.raises(OptionError, match="`num_steps` must be a whole number from 2 on"):
        vz.xrai(model, images(1, SHAPE), num_steps=1, segments="grid")
    if importlib.util.find_spec("skimage"):
        monkeypatch.setitem(__import__("sys").modules, "skimage.segmentation", None)
    with pytest.raises(CapabilityError, match="scikit-image"):
        vz.xrai(model, images(1, SHAPE))


def test_signals_have_no_regions() -> None:
    stack = [keras.Input((16, 1)), keras.layers.Conv1D(2, 3), keras.layers.Flatten(), keras.layers.Dense(2)]
    with pytest.raises(CapabilityError, match="needs images"):
        vz.xrai(keras.Sequential(stack), images(1, (16, 1)))
