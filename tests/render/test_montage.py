"""Pictures side by side."""

from __future__ import annotations

import numpy as np

from vizcnn.render.montage import montage


def test_montage_goes_row_by_row_with_white_gaps():
    images = [np.full((1, 2, 3), value, dtype=np.uint8) for value in (10, 20, 30)]
    sheet = montage(images, gap=1)[..., 0]
    np.testing.assert_array_equal(sheet, [[10, 10, 255, 20, 20], [255] * 5, [30, 30, 255, 255, 255]])


def test_montage_of_given_columns():
    images = [np.zeros((4, 5, 3), dtype=np.uint8)] * 3
    assert montage(images, columns=3).shape == (4, 3 * 5 + 2 * 2, 3)


def test_numbers_have_gaps_of_nan_unless_another_blank_is_asked_for():
    images = np.ones((2, 1, 1), np.float32)
    np.testing.assert_array_equal(montage(images, gap=1), [[1, np.nan, 1]])
    np.testing.assert_array_equal(montage(images, gap=1, blank=0), [[1, 0, 1]])
