"""Smooth masks against loops over cells, and the way back against differences."""

from __future__ import annotations

import numpy as np
import pytest

from vizcnn.algorithms.masks import SmoothMasks, in_order
from vizcnn.resample import resize

SIZES = [(9, 8), (20, 31), (30,), (5, 6, 7)]


def cells_of(masks: SmoothMasks, count: int = 2) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, (count, *masks.cells))


def smooth_maximum(row: np.ndarray, deviation: float) -> list[float]:
    """Return, at each place of a row, the smooth maximum of the bumps about its cells, by the formula."""
    mirrored, reach = [*row[::-1], *row, *row[::-1]], min(int(np.ceil(3 * deviation)), len(row))
    result = []
    for place in range(len(row)):
        away = range(-reach, reach + 1)
        heights = [mirrored[len(row) + place + d] * np.exp(-((d / deviation) ** 2) / 2) for d in away]
        powers = [np.exp(20 * height) for height in heights]
        result.append(sum(h * p for h, p in zip(heights, powers, strict=True)) / sum(powers))
    return result


def test_masks_are_smooth_maxima_of_bumps_enlarged_linearly() -> None:
    masks = SmoothMasks((12, 16), 0.25)  # bumps of 3 pixels, 1.5 cells of each
    assert masks.cells == (6, 8)
    cells = cells_of(masks, 1)
    down = np.stack([smooth_maximum(column, 1.5) for column in cells[0].T], axis=1)
    expected = np.stack([smooth_maximum(row, 1.5) for row in down])
    grid, _ = masks.smooth(cells)
    np.testing.assert_allclose(grid[0], expected, rtol=1e-9)
    np.testing.assert_allclose(masks.enlarge(grid)[0], resize(expected, (12, 16)), atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_way_back_is_the_gradient(size: tuple[int, ...]) -> None:
    masks = SmoothMasks(size, 0.15)
    cells, weights = cells_of(masks), np.random.default_rng(1).normal(size=(2, *size))

    def total(cells: np.ndarray) -> float:
        return float((masks.enlarge(masks.smooth(cells)[0]) * weights).sum())

    gradient = masks.smooth(cells)[1](masks.enlarge_back(weights))
    for place in np.random.default_rng(2).permutation(list(np.ndindex(cells.shape)))[:20]:
        step = np.zeros_like(cells)
        step[tuple(place)] = 1e-5
        slope = (total(cells + step) - total(cells - step)) / 2e-5
        assert gradient[tuple(place)] == pytest.approx(slope, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_even_cells_make_an_even_mask_to_the_last_bit_and_full_cells_nearly_a_full_one(size: tuple[int, ...]) -> None:
    masks = SmoothMasks(size, 0.1)
    grid, _ = masks.smooth(np.ones((1, *masks.cells)))
    assert np.unique(grid).size == 1
    assert 0.95 < grid.min() <= 1
    assert masks.enlarge(grid).shape == (1, *size)


def test_no_mask_leaves_the_range_of_its_cells() -> None:
    masks = SmoothMasks((20, 31), 0.1)
    made = masks.enlarge(masks.smooth(np.round(cells_of(masks)))[0])
    assert made.min() >= 0
    assert made.max() <= 1 + 1e-12


@pytest.mark.parametrize("share", [0.1, 0.33, 0.8])
def test_mask_in_order_has_the_area_and_the_order(share: float) -> None:
    values = np.random.default_rng(0).uniform(0, 1, (7, 9))
    wanted = in_order(values, share)
    assert wanted.mean() == pytest.approx(share)
    assert (np.diff(wanted.ravel()[np.argsort(values, axis=None)]) >= 0).all()
    assert np.isin(wanted, [0, 1]).mean() > 0.95
    np.testing.assert_allclose(in_order(np.ones((7, 9)), share), share)
