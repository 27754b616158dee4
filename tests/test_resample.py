"""Images and maps resized."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vizcnn.render import image
from vizcnn.resample import blur, blur_matrix, linear_weights, read_between, resize

maps = arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.floats(-1e6, 1e6, width=32))


@pytest.mark.parametrize(("length", "sigma"), [(28, 5.6), (7, 3.0), (9, 0.7), (5, 0.01), (1, 2.0)])
def test_matrix_of_a_blur_is_what_it_makes_of_ones(length: int, sigma: float) -> None:
    np.testing.assert_allclose(blur_matrix(length, sigma), blur(np.eye(length), (sigma,)), atol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_reading_between_rows_is_what_the_matrix_does(count: int) -> None:
    rows, at = (
        np.random.default_rng(0).normal(size=(count, 3)),
        np.array([-2.0, 0.0, 0.3, 1.75, count - 1, count + 0.5]),
    )
    np.testing.assert_allclose(read_between(rows, at), linear_weights(at, count) @ rows, atol=1e-12)


def test_enlarging_is_bilinear_with_half_pixel_centers():
    grown = resize(np.array([[0.0, 4.0], [8.0, 12.0]]), (4, 4))
    by_hand = [[0, 1, 3, 4], [2, 3, 5, 6], [6, 7, 9, 10], [8, 9, 11, 12]]
    np.testing.assert_allclose(grown, by_hand, atol=1e-6)


@given(
    arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.floats(-10, 10, width=32)),
    st.integers(0, 9),
    st.integers(0, 9),
)
def test_enlarging_equals_tensorflows(values, more_rows, more_columns):
    size = (values.shape[0] + more_rows, values.shape[1] + more_columns)
    theirs = tf.image.resize(values[None, ..., None], size, method="bilinear", antialias=False)[0, ..., 0]
    np.testing.assert_allclose(resize(values, size), theirs, atol=1e-4)


def test_shrinking_is_the_mean_of_the_area():
    np.testing.assert_allclose(resize(np.arange(16.0).reshape(4, 4), (2, 2)), [[2.5, 4.5], [10.5, 12.5]])


def test_one_axis_shrinks_while_the_other_grows():
    tall = np.array([[0.0, 4.0], [2.0, 6.0]])
    np.testing.assert_allclose(resize(tall, (1, 4)), [[1, 2, 4, 5]])


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 9])
def test_channels_are_resized_one_by_one(channels):
    image = np.random.default_rng(0).random((3, 4, channels)).astype(np.float32)
    one_by_one = np.stack([resize(image[..., c], (6, 7)) for c in range(channels)], axis=-1)
    np.testing.assert_allclose(resize(image, (6, 7)), one_by_one, atol=1e-6)


@pytest.mark.parametrize(
    ("dtype", "expected"), [("uint8", "uint8"), ("int32", "float32"), ("bool", "float32"), ("float64", "float32")]
)
def test_dtype_after_resizing(dtype, expected):
    assert resize(np.ones((2, 2, 3)).astype(dtype), (4, 4)).dtype == expected


@given(maps)
def test_resizing_stays_within_the_values(values):
    grown = resize(values, (9, 7))
    tolerance = 1e-5 * np.abs(values).max()
    assert values.min() - tolerance <= grown.min()
    assert grown.max() <= values.max() + tolerance


def test_old_name_still_works_and_warns():
    with pytest.warns(DeprecationWarning, match=r"render\.image\.resize is vizcnn\.resample\.resize now"):
        assert image.resize is resize
    with pytest.raises(AttributeError, match=r"module 'vizcnn\.render\.image' has no attribute 'resise'"):
        _ = image.resise
