"""Photos are read no larger than the model and the picture need; ordinary ones go into the model as ever."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

import vizcnn as vz
from tests.models import linear_model
from vizcnn.inputs import ImageSet, image_set, load
from vizcnn.inputs.pixels import opened, pixels_of
from vizcnn.render.panels import ImageAt
from vizcnn.render.style import SHARPEST

HEIGHT, WIDTH = 1200, 1600


@pytest.fixture(scope="module", params=["jpg", "png"])
def photo(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    path = tmp_path_factory.mktemp("large") / f"photo.{request.param}"
    Image.fromarray(cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)).save(path)
    return Path(path)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, ...]]]:
    """Sizes of what was decoded, in order."""
    sizes: list[tuple[int, ...]] = []

    def spied(*args: Any, **options: Any) -> np.ndarray:
        pixels = pixels_of(*args, **options)
        sizes.append(pixels.shape)
        return pixels

    monkeypatch.setattr(image_set, "pixels_of", spied)
    return sizes


def averaged(path: Path, size: tuple[int, int]) -> np.ndarray:
    whole = np.asarray(Image.open(path).convert("RGB"))
    return cv2.resize(whole, size[::-1], interpolation=cv2.INTER_AREA).astype(np.float32)


def test_every_pixel_of_an_ordinary_photo_goes_into_the_input(photo: Path, decoded: list[tuple[int, ...]]) -> None:
    images = load(photo, (30, 40, 3))
    np.testing.assert_array_equal(images.inputs(slice(None))[0], averaged(photo, (30, 40)))
    assert decoded == [(HEIGHT, WIDTH, 3)]
    assert images.notes == ("Images of 1200x1600 (height x width) were resized to the 30x40 that the model takes.",)


def test_a_huge_photo_is_read_smaller_and_gives_nearly_the_same_input(
    photo: Path, decoded: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_set, "MAX_PIXELS", 1_000_000)
    images = load(photo, (30, 40, 3))
    inputs = images.inputs(slice(None))[0]
    assert np.abs(inputs - averaged(photo, (30, 40))).max() <= 3
    assert decoded[0][0] in range(120, 151)
    assert "read at a fraction of their size, at least four times the 30x40" in images.notes[-1]
    assert len(load(photo, (400, 400, 3)).notes) == 1  # nothing to be made smaller


def test_a_preview_is_as_large_as_asked_for_and_no_larger_is_read(photo: Path) -> None:
    images = load(photo, (30, 40, 3))
    assert images.preview(0, 200).shape == (150, 200, 3)
    assert np.abs(images.preview(0, 160) - averaged(photo, (120, 160))).mean() < 3
    assert images.shape_of(0) == (HEIGHT, WIDTH, 3)
    with opened(photo) as image:
        assert pixels_of(image, 3, "photo", size_hint=(150, 200)).shape == (150, 200, 3)


def test_a_preview_of_a_photo_that_is_turned_upright_is_turned(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.jpg"
    Image.fromarray(np.zeros((100, 400, 3), np.uint8)).save(path, exif=exif)
    images = load(path, (8, 8, 3), decoding=vz.inputs.Decoding(upright=True))
    assert (images.shape_of(0), images.preview(0, 200).shape) == ((400, 100, 3), (200, 50, 3))


def test_a_figure_reads_each_photo_once_and_no_sharper_than_it_shows(
    photo: Path, decoded: list[tuple[int, ...]], tmp_path: Path
) -> None:
    model = vz.adapt(linear_model(np.random.default_rng(0).normal(size=(36, 2)), (3, 4, 3)), preprocess="0..1")
    results = vz.explain(model, photo, 0, methods=["saliency", "occlusion:patch_size=2"])
    decoded.clear()
    results.save(tmp_path / "figure.png")
    assert len(decoded) == 1
    grid = results.plot()
    assert [axis.images[0].get_size() for axis in grid[0]] == [(SHARPEST * 3 // 4, SHARPEST)] * 3
    axis = plt.figure(figsize=(10, 10), dpi=100).add_axes((0, 0, 1, 1))
    results.results["saliency"].plot(axis)
    assert axis.images[0].get_size() == (HEIGHT, WIDTH)  # there is room for all pixels


@pytest.mark.parametrize("shape", [(1, 3000), (3000, 1)])
def test_a_picture_as_thin_as_a_line_is_explained_drawn_and_reported(tmp_path: Path, shape: tuple[int, int]) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)).save(tmp_path / "line.png")
    model = vz.adapt(linear_model(np.random.default_rng(0).normal(size=(48, 2)), (4, 4, 3)), preprocess="0..1")
    results = vz.explain(model, tmp_path / "line.png", 0, methods=["saliency"])
    assert results.save(tmp_path / "figure.png").stat().st_size > 0
    assert results.to_html(tmp_path / "page.html").stat().st_size > 0


def test_arrays_are_shown_smaller_too() -> None:
    large = np.arange(2000.0)[:, None, None] * np.ones((1, 1000, 1))
    for images in ([large], load(large)):
        assert ImageAt(images, 0).pixels(500).shape == (500, 250, 1)
    assert isinstance(load(large), ImageSet)
