"""A MobileNet with ImageNet weights on photographs: what it says, and where it looks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from skimage import data

import vizcnn as vz

SIDE = 224


def _square(photograph: np.ndarray, side: int) -> np.ndarray:
    """Return the center square, resized."""
    short = min(photograph.shape[:2])
    top, left = ((size - short) // 2 for size in photograph.shape[:2])
    return cv2.resize(photograph[top : top + short, left : left + short], (side, side), interpolation=cv2.INTER_AREA)


def _gray() -> np.ndarray:
    return np.full((SIDE, SIDE, 3), 127, dtype=np.uint8)


@pytest.fixture(scope="module")
def mobilenet(test_data: Path) -> Any:
    path, labels = test_data / "mobilenet_025_224_imagenet.keras", test_data / "imagenet_class_index.json"
    return vz.adapt(path, preprocess="mobilenet", labels=labels)


@pytest.fixture(scope="module")
def cat_mask() -> np.ndarray:
    """Where the cat's head is on the center square of `chelsea`: its outline, drawn by hand. It fills 78 % of the square."""
    outline = [(0, 0), (170, 0), (200, 30), (215, 65), (218, 100), (200, 130), (185, 155), (172, 190), (135, 210), (90, 210),
               (50, 185), (0, 165)]  # fmt: skip
    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
    return cv2.fillPoly(mask, [np.array(outline)], 1).astype(bool)


def _share(values: np.ndarray, where: Any) -> float:
    return float(values[where].sum() / values.sum())


def test_top_classes_are_cats(mobilenet: Any) -> None:
    image = mobilenet.preprocess(_square(data.chelsea(), SIDE)[None])
    best = mobilenet.outputs(image)[0][0].argsort()[::-1][:3]
    assert [mobilenet.label(index) for index in best] == ["tabby", "Egyptian_cat", "tiger_cat"]


@pytest.mark.parametrize("target", [None, "Egyptian_cat", "tiger cat"])
def test_gradcam_lies_on_the_cat(mobilenet: Any, cat_mask: np.ndarray, target: str | None) -> None:
    result = vz.gradcam(mobilenet, _square(data.chelsea(), SIDE), target)
    assert result.layer == "conv_pw_13_relu"
    assert result.predictions[0].label == "tabby"
    # More than the 0.78 that falls on it by chance; the tests below leave the cat less room.
    assert _share(result.values[0], cat_mask) > 0.82


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_gradcam_follows_the_cat_into_each_corner(mobilenet: Any, row: int, column: int) -> None:
    corner = np.s_[row * 112 : row * 112 + 112, column * 112 : column * 112 + 112]
    image = _gray()
    image[corner] = _square(data.chelsea(), 112)
    result = vz.gradcam(mobilenet, image, "Egyptian_cat")
    assert _share(result.values[0], corner) > 0.6  # by chance 0.25


@pytest.mark.parametrize(("target", "left", "least"), [("Egyptian_cat", True, 0.85), ("espresso", False, 0.75)])
def test_gradcam_tells_the_cat_from_the_coffee_beside_it(mobilenet: Any, target: str, left: bool, least: float) -> None:
    image = _gray()
    image[56:168, :112], image[56:168, 112:] = _square(data.chelsea(), 112), _square(data.coffee(), 112)
    result = vz.gradcam(mobilenet, image, target)
    half = np.s_[:, :112] if left else np.s_[:, 112:]
    assert _share(result.values[0], half) > least


def test_saliency_lies_on_the_cat_and_not_on_the_gray(mobilenet: Any) -> None:
    image = _gray()
    image[56:168, 56:168] = _square(data.chelsea(), 112)
    result = vz.saliency(mobilenet, image, "Egyptian_cat")
    assert _share(result.values[0], np.s_[56:168, 56:168]) > 0.45  # by chance 0.25
