"""Ways to change an image: what each does, by hand, and the same in NumPy and in Keras's namespace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from tests.models import images
from vizcnn.adapter.changed import Change, Rows
from vizcnn.algorithms.changes import add_noise, blend, fill, grid_masks, hide_windows, mask_by_grids
from vizcnn.resample import resize

SHAPE = (9, 8, 3)
WINDOWS = [(slice(0, 3), slice(0, 8)), (slice(6, 12), slice(2, 4)), (slice(0, 0), slice(0, 0))]
CHANGES: dict[str, tuple[Callable[[], Change], dict[str, np.ndarray]]] = {
    "windows": (lambda: hide_windows(WINDOWS), {"fill": images(1, SHAPE, seed=1)}),
    "grids": (lambda: mask_by_grids(3, SHAPE[:2], cells=2), {"fill": fill(images(1, SHAPE), 0.5)}),
    "noise": (lambda: add_noise(3, SHAPE), {"scale": np.array([0.5], np.float32)}),
    "blend": (lambda: blend(np.array([0.0, 0.25, 1.0])), {"baseline": images(1, SHAPE, seed=1)}),
}


def applied(name: str, xp: Any = np, part: slice = slice(0, 3)) -> np.ndarray:
    make, companions = CHANGES[name]
    change, rows = make(), part.stop - part.start
    given = {key: np.repeat(value, rows, axis=0) for key, value in companions.items()}
    convert = keras.ops.convert_to_tensor if xp is keras.ops else np.asarray
    arguments = [{key: convert(value) for key, value in each.items()} for each in (given, change.numbers(part))]
    return np.asarray(change.apply(xp, convert(np.repeat(images(1, SHAPE), rows, axis=0)), *arguments))


@pytest.mark.parametrize("name", CHANGES)
def test_numpy_and_keras_change_alike(name: str) -> None:
    np.testing.assert_allclose(applied(name, keras.ops), applied(name), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", CHANGES)
def test_a_copy_is_the_same_however_the_copies_are_cut(name: str) -> None:
    whole = applied(name)
    for start, stop in [(0, 1), (1, 2), (1, 3), (2, 3)]:
        np.testing.assert_array_equal(applied(name, part=slice(start, stop)), whole[start:stop])


def test_windows_are_filled_and_cut_off_at_the_edge() -> None:
    image, filled = images(1, SHAPE)[0], images(1, SHAPE, seed=1)[0]
    for copy, window in zip(applied("windows"), WINDOWS, strict=True):
        expected = image.copy()
        expected[window] = filled[window]
        np.testing.assert_array_equal(copy, expected)


def test_grid_masks_are_those_of_rise() -> None:
    size, cells = (32, 28), 4
    numbers = mask_by_grids(6, size, cells=cells, seed=3).numbers(slice(0, 6))
    steps = [-(-length // cells) for length in size]
    for mask, grid, shift in zip(grid_masks(np, numbers, size), numbers["grid"], numbers["shift"], strict=True):
        large = resize(grid[..., None], tuple((cells + 1) * step for step in steps))[..., 0]
        rows, columns = (slice(first, first + length) for first, length in zip(shift.astype(int), size, strict=True))
        np.testing.assert_allclose(mask, large[rows, columns], atol=1e-5)


def test_grids_keep_the_share_that_is_asked_for_and_shift_by_less_than_a_cell() -> None:
    numbers = mask_by_grids(500, (32, 28), cells=4, keep=0.25).numbers(slice(0, 500))
    assert abs(numbers["grid"].mean() - 0.25) < 0.02  # 8,000 cells: four deviations
    assert numbers["shift"].min(axis=0).tolist() == [0, 0]
    assert numbers["shift"].max(axis=0).tolist() == [7, 6]


def test_what_is_masked_is_filled() -> None:
    masks = grid_masks(np, CHANGES["grids"][0]().numbers(slice(0, 3)), SHAPE[:2])[..., None]
    np.testing.assert_allclose(applied("grids"), images(1, SHAPE) * masks + 0.5 * (1 - masks), atol=1e-6)


def test_noise_comes_in_pairs_of_the_asked_scale() -> None:
    change = add_noise(6, (64, 64, 3))
    noise = change.numbers(slice(0, 6))["noise"]
    np.testing.assert_array_equal(noise[0::2], -noise[1::2])
    assert abs(noise[0::2].std() - 1) < 0.02
    assert np.abs(np.corrcoef(noise[0::2].reshape(3, -1)) - np.eye(3)).max() < 0.05
    np.testing.assert_allclose((applied("noise") - images(1, SHAPE)) / 0.5, add_noise(3, SHAPE).numbers(slice(0, 3))["noise"],
                               atol=1e-5)  # fmt: skip


@pytest.mark.parametrize(("make", "name"), [(mask_by_grids, "grid"), (add_noise, "noise")])
def test_seed_decides_what_is_drawn(make: Any, name: str) -> None:
    first, again, other = (make(2, SHAPE, seed=seed).numbers(slice(0, 2))[name] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_blend_goes_from_the_baseline_to_the_image() -> None:
    image, baseline = images(1, SHAPE)[0], images(1, SHAPE, seed=1)[0]
    first, second, last = applied("blend")
    np.testing.assert_array_equal(first, baseline)
    np.testing.assert_allclose(second, 0.25 * image + 0.75 * baseline, atol=1e-6)
    np.testing.assert_allclose(last, image, atol=1e-6)


def test_fill_is_one_color_for_each_image() -> None:
    x = images(2, SHAPE)
    np.testing.assert_array_equal(fill(x, np.arange(3.0))[:, 0, 0], [[0, 1, 2]] * 2)
    np.testing.assert_array_equal(fill(x, np.arange(6.0).reshape(2, 3))[:, 0, 0], [[0, 1, 2], [3, 4, 5]])


def test_entry_of_each_copy_is_what_its_whole_row_holds_there() -> None:
    table, slots, entries = images(3, (4, 2, 2)), np.array([2, 0, 1, 0]), np.array([3, 0, 1, 2])
    for xp in (np, keras.ops):
        rows = Rows(xp, {"maps": table if xp is np else xp.convert_to_tensor(table)}, slots)
        np.testing.assert_array_equal(np.asarray(rows.entries("maps", entries)), table[slots, entries])
