"""Arrays to pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vizcnn.render.image import colorize, limits, opacity, overlay, to_display
from vizcnn.render.style import DIVERGING, SEQUENTIAL

maps = arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.floats(-1e6, 1e6, width=32))


# What can be shown --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (np.array([[0, 200]], dtype=np.uint8), [0, 200]),
        (np.array([[0.0, 0.2, 1.0]]), [0, 51, 255]),
        (np.array([[0.0, 100.0, 250.0]]), [0, 100, 250]),
        (np.array([[-1.0, 0.0, 1.0]]), [0, 128, 255]),
        (np.array([[0, 65535]], dtype=np.uint16), [0, 255]),
        (np.array([[False, True]]), [0, 255]),
        (np.array([[0, 7]], dtype=np.int64), [0, 7]),
        (np.array([[-3.0, -3.0]]), [0, 0]),
        (np.array([[1000.0, 1000.0]]), [0, 0]),
    ],
)
def test_values_are_brought_to_pixels(values, shown):
    pixels = to_display(values)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, np.repeat(np.array([shown])[..., None], 3, axis=-1))


def test_colors_are_kept():
    image = np.random.default_rng(0).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    np.testing.assert_array_equal(to_display(image), image)


def test_fourth_channel_is_left_out():
    image = np.random.default_rng(0).integers(0, 256, (3, 4, 4), dtype=np.uint8)
    np.testing.assert_array_equal(to_display(image), image[..., :3])


@pytest.mark.parametrize("channels", [2, 5])
def test_channels_that_are_no_colors_show_their_mean(channels):
    image = np.arange(channels, dtype=np.float32).reshape(1, 1, channels) * 10
    assert to_display(image).tolist() == [[[10 * (channels - 1) // 2] * 3]]


# Scales -------------------------------------------------------------------------------------------------------------------


@given(maps)
def test_signed_scale_is_centered_on_zero(values):
    low, high = limits(values, signed=True)
    assert low == -high < 0


@given(maps)
def test_unsigned_scale_begins_at_zero(values):
    low, high = limits(np.abs(values), signed=False)
    assert low == 0 < high


@pytest.mark.parametrize(
    ("values", "options", "expected"),
    [
        ([0.0, 2.0], {"signed": False}, (0, 2)),
        ([-3.0, 2.0], {"signed": True}, (-3, 3)),
        ([0.0, 0.0], {"signed": False}, (0, 1)),
        ([0.0, 0.0], {"signed": True}, (-1, 1)),
        ([5.0, 5.0], {"signed": False}, (0, 5)),
        ([-5.0, -5.0], {"signed": True}, (-5, 5)),
        ([-5.0, -2.0], {"signed": False}, (0, 5)),
        ([np.nan, 2.0, np.inf], {"signed": False}, (0, 2)),
        ([np.nan, np.nan], {"signed": True}, (-1, 1)),
        ([0.0, 2.0], {"signed": False, "vmax": 9}, (0, 9)),
        ([0.0, 2.0], {"signed": False, "vmin": 1}, (1, 2)),
        ([0.0, 2.0], {"signed": False, "vmin": 4}, (4, 5)),
        ([0.0, 2.0], {"signed": False, "vmax": -1}, (-2, -1)),
        ([-3.0, 2.0], {"signed": True, "vmax": 9}, (-9, 9)),
        ([-3.0, 2.0], {"signed": True, "vmin": -9}, (-9, 9)),
        ([-3.0, 2.0], {"signed": True, "vmin": -1, "vmax": 4}, (-1, 4)),
    ],
)
def test_ends_of_the_scale(values, options, expected):
    assert limits(np.array([values]), percentile=100, **options) == expected


def test_percentile_clips_outliers():
    values = np.ones(1000)
    values[:5] = 1e6
    assert limits(values, signed=True) == (-1, 1)
    assert limits(values, signed=True, percentile=100) == (-1e6, 1e6)


def test_map_with_one_pixel_that_is_not_zero_has_a_scale():
    values = np.zeros(1000)
    values[3] = 4
    assert limits(values, signed=False) == (0, 4)


# Colors ------------------------------------------------------------------------------------------------------------------


@given(st.floats(1e-3, 1e6))
def test_zero_is_white_in_the_diverging_map(end):
    assert colorize(np.zeros((1, 1)), cmap=DIVERGING, vmin=-end, vmax=end)[0, 0].min() >= 245


def test_positive_is_red_and_negative_is_blue():
    red, blue = colorize(np.array([[1.0, -1.0]]), cmap="RdBu_r", vmin=-1, vmax=1)[0].astype(int)
    assert red[0] > red[2] + 50
    assert blue[2] > blue[0] + 50


@given(maps)
def test_what_lies_beyond_the_scale_has_the_color_of_its_end(values):
    clipped = colorize(np.clip(values, 0, 1), cmap=SEQUENTIAL, vmin=0, vmax=1)
    np.testing.assert_array_equal(colorize(values, cmap=SEQUENTIAL, vmin=0, vmax=1), clipped)


@given(maps, st.floats(1e-3, 1e3))
def test_colors_do_not_depend_on_the_unit(values, unit):
    scaled = colorize(values * unit, cmap=DIVERGING, vmin=-1e6 * unit, vmax=1e6 * unit).astype(int)
    assert np.abs(scaled - colorize(values, cmap=DIVERGING, vmin=-1e6, vmax=1e6)).max() <= 8


def test_scale_of_no_width_does_not_divide_by_zero():
    assert colorize(np.array([[3.0]]), cmap="gray", vmin=3, vmax=3).tolist() == [[[0, 0, 0]]]


def test_color_map_is_used():
    assert colorize(np.array([[0.0, 1.0]]), cmap="gray", vmin=0, vmax=1).tolist() == [[[0, 0, 0], [255, 255, 255]]]


# Overlays -----------------------------------------------------------------------------------------------------------------


def test_opacity_rises_from_zero_to_half_of_the_scale():
    weights = opacity(np.array([[0.0, 0.25, -0.5, 1.0, 9.0]]), vmin=-1, vmax=1, alpha=0.8)
    np.testing.assert_allclose(weights, [[0, 0.4, 0.8, 0.8, 0.8]], rtol=1e-6)


def test_overlay_has_the_images_own_resolution():
    laid = overlay(np.zeros((20, 30, 3), dtype=np.uint8), np.ones((2, 3)), cmap="gray", vmin=0, vmax=1, alpha=1)
    np.testing.assert_array_equal(laid, np.full((20, 30, 3), 255))


def test_map_is_enlarged_before_it_is_colored():
    laid = overlay(np.zeros((1, 4, 3), dtype=np.uint8), np.array([[0.0, 4.0]]), cmap="gray", vmin=0, vmax=4, alpha=1)
    # 0, 1, 3, 4 of 4 in gray, over black, at half, full and full opacity.
    np.testing.assert_allclose(laid[0, :, 0], [0, 32, 191, 255], atol=1)


def test_overlay_of_zeros_is_the_gray_image():
    image = np.array([[[255, 0, 0], [10, 10, 10]]], dtype=np.uint8)
    assert overlay(image, np.zeros((1, 2)), cmap=SEQUENTIAL, vmin=0, vmax=1)[0].tolist() == [[76, 76, 76], [10, 10, 10]]


def test_alpha_zero_is_the_gray_image():
    image = np.full((2, 2, 3), 40, dtype=np.uint8)
    np.testing.assert_array_equal(overlay(image, np.ones((2, 2)), cmap=SEQUENTIAL, vmin=0, vmax=1, alpha=0), image)


def test_what_is_no_number_is_clear():
    values = np.array([[np.nan, np.inf, 1.0]])
    np.testing.assert_allclose(opacity(values, vmin=0.0, vmax=1.0, alpha=0.5), [[0, 0.5, 0.5]])
