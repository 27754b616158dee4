"""How the images of a run are read: each once, ahead of the model, into the memory of a few batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.runs.made import model, write_images
from vizcnn.inputs import pixels
from vizcnn.results.rows import _Images
from vizcnn.runs.files import Folder
from vizcnn.runs.images import _BATCHES_AHEAD, DecodedSet, LoadedImage, Reader, read_ahead


@pytest.fixture
def formats(tmp_path: Path) -> Path:
    """Images whose head says something of how their pixels are read."""
    noise = np.random.default_rng(0).integers(0, 256, (2, 6, 10, 3), dtype=np.uint8)
    first, second = map(Image.fromarray, noise)
    turned = Image.Exif()
    turned[0x0112] = 6
    first.save(tmp_path / "turned.jpg", exif=turned)
    first.save(tmp_path / "turned.tif", exif=turned)
    first.convert("CMYK").save(tmp_path / "cmyk.jpg")
    first.convert("RGBA").save(tmp_path / "clear.webp")
    first.save(tmp_path / "pages.tif", save_all=True, append_images=[second])
    first.convert("P").save(tmp_path / "moves.gif", save_all=True, append_images=[second.convert("P")])
    Image.fromarray(np.arange(60, dtype=np.uint16).reshape(6, 10)).save(tmp_path / "deep.png")
    return tmp_path


def test_head_of_each_image_is_read_once_and_its_pixels_are_those_of_the_file(
    formats: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter, opened = model(), []
    as_it_is = pixels._open
    monkeypatch.setattr(pixels, "_open", lambda *given: opened.append(given[1]) or as_it_is(*given))
    reader = Reader(Folder(formats), adapter, (8, 8, 3))
    read = {entry.key: reader(entry) for entry in Folder(formats).entries()}
    assert sorted(opened) == sorted(read)
    assert len(read) == 7
    for name, one in read.items():
        images = adapter.load_images(formats / name)
        assert isinstance(one, LoadedImage)
        np.testing.assert_array_equal(one.images.sources[0].values, images.inputs(slice(None))[0])
        assert (one.images.shape_of(0), one.images.notes) == (images.shape_of(0), images.notes)


def test_a_few_batches_are_in_memory_however_many_images_there_are(tmp_path: Path) -> None:
    folder, count, size = Folder(write_images(tmp_path, 60)), 60, 4
    reader, entries = Reader(folder, model(), (8, 8, 3)), list(folder.entries())
    batches = [(start, entries[start : start + size]) for start in range(0, count, size)]
    places: set[int] = set()
    for start, read, rows in read_ahead(batches, reader, size):
        places.add(rows.ctypes.data)
        alone: Any = [reader(entry).images.sources[0].values for entry in entries[start : start + size]]
        np.testing.assert_array_equal(rows, alone)
        assert all(np.shares_memory(one.images.sources[0].values, rows) for one in read)
    assert len(places) <= _BATCHES_AHEAD + 1


def test_images_of_several_batches_are_joined_with_the_rows_of_all(tmp_path: Path) -> None:
    folder, joined = Folder(write_images(tmp_path, 4)), _Images()
    read: list[Any] = [Reader(folder, model(), (8, 8, 3))(entry) for entry in folder.entries()]
    values = np.stack([one.images.sources[0].values for one in read])
    for part in (slice(0, 2), slice(2, 4)):
        joined.add(DecodedSet.join([one.images for one in read[part]], values[part]), 2)
    np.testing.assert_array_equal(joined.result().inputs(slice(None)), values)  # type: ignore[attr-defined]
