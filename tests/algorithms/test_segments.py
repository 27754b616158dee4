"""Segments: how images are cut, what is put in their place, and what is shown of them."""

from __future__ import annotations

import sys
from typing import Any

import keras
import numpy as np
import pytest
from skimage.segmentation import quickshift

from tests.models import images
from vizcnn.algorithms.regression import fit
from vizcnn.algorithms.segments import counts, fills, segment, show_segments
from vizcnn.errors import CapabilityError, OptionError


def halves(shape: tuple[int, ...] = (16, 20, 3)) -> np.ndarray:
    """Return an image whose right half is bright."""
    image = np.zeros((1, *shape), np.float32)
    image[:, :, 10:] = 5.0
    return image


@pytest.mark.parametrize(
    ("shape", "number", "cells"),
    [((28, 28, 1), 49, (7, 7)), ((20, 2), 5, (5,)), ((4, 6, 6, 1), 18, (2, 3, 3)), ((2, 40, 3), 7, (1, 7))],
)
def test_grid_has_about_as_many_nearly_square_cells(
    shape: tuple[int, ...], number: int, cells: tuple[int, ...]
) -> None:
    labels = segment(np.zeros((2, *shape)), "grid", number)
    assert labels.shape == (2, *shape[:-1])
    assert counts(labels) == [np.prod(cells)] * 2
    pixels = np.bincount(labels[0].ravel())
    assert pixels.max() <= pixels.min() * 2


@pytest.mark.parametrize("how", ["slic", "felzenszwalb"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_superpixels_follow_an_edge_whatever_the_range_and_the_channels(how: str, channels: int) -> None:
    labels = segment(halves((16, 20, channels)) * 51 - 100, how, 2)[0]
    assert not set(labels[:, :9].ravel()) & set(labels[:, 11:].ravel())
    assert sorted(set(labels.ravel())) == list(range(labels.max() + 1))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_quickshift_cuts_as_the_authors_of_lime_do(channels: int) -> None:
    image = np.kron(images(1, (6, 5, channels))[0], np.ones((16, 16, 1)))
    labels = segment(image[None] * 51 - 100, "quickshift", 1)
    assert counts(labels)[0] > 1
    if channels != 4:
        color = np.broadcast_to((image - image.min()) / np.ptp(image), (96, 80, 3)).astype(np.float64)
        theirs = quickshift(color, kernel_size=4, max_dist=200, ratio=0.2)
        assert len(set(zip(labels.ravel(), theirs.ravel(), strict=True))) == counts(labels)[0] == theirs.max() + 1


@pytest.mark.parametrize("how", ["grid", "slic"])
@pytest.mark.parametrize("shape", [(30, 2), (6, 8, 8, 1)])
def test_signals_and_volumes_are_cut(how: str, shape: tuple[int, ...]) -> None:
    labels = segment(images(1, shape), how, 4)
    assert labels.shape == (1, *shape[:-1])
    assert counts(labels)[0] > 1


def test_own_labels_are_numbered_from_0_on_and_serve_all_images() -> None:
    given = np.array([[7, 7, -2], [7, 30, 30]])
    labels = segment(np.zeros((2, 2, 3, 1)), given, 1)
    np.testing.assert_array_equal(labels, [[[1, 1, 0], [1, 2, 2]]] * 2)
    own = segment(np.array([[[[0.0], [1.0]]], [[[1.0], [1.0]]]]), lambda image: image[..., 0] > 0.5, 1)
    np.testing.assert_array_equal(own, [[[0, 1]], [[0, 0]]])


def test_segments_are_hidden_by_the_fill_or_in_part() -> None:
    batch = images(2, (2, 3, 2))
    labels = np.array([[[0, 0, 1], [0, 1, 1]], [[0, 1, 2], [0, 1, 2]]])
    table = {2: np.array([[1, 0], [0.5, 1]]), 3: np.array([[0, 1, 0], [1, 1, 0.25]])}
    change, companions = show_segments(labels, lambda number, part: table[number][part], 2)
    fill = np.full((2, 1, 1, 2), 9.0, np.float32)
    for xp in (np, keras.ops):
        for copy in range(2):
            given = {**companions, "fill": fill}
            numbers = {name: np.repeat(row, 2, axis=0) for name, row in change.numbers(slice(copy, copy + 1)).items()}
            changed = np.asarray(change.apply(xp, batch, given, numbers))
            for at in range(2):
                seen = table[int(labels[at].max()) + 1][copy][labels[at]][..., None]
                np.testing.assert_allclose(changed[at], batch[at] * seen + 9 * (1 - seen), rtol=1e-6)


def test_segment_mean_gives_each_segment_its_own_color() -> None:
    labels = segment(halves(), "grid", 2)
    np.testing.assert_array_equal(fills(halves(), labels, "segment_mean", 0), halves())


@pytest.mark.parametrize(
    ("how", "number", "text"),
    [
        (
            "slik",
            4,
            "an array of labels, or a function; got 'slik'. Did you mean 'slic'?",
        ),
        ("grid", 0, "`num_segments` must be a positive whole number; got 0"),
        (
            np.zeros((3, 3), int),
            4,
            "`segments` must have a label for each pixel, shape (16, 20); got an array of shape (3, 3)",
        ),
        (np.full((16, 20), 0.5), 4, "`segments` must be labels, whole numbers; got an array of float64"),
        (np.full((16, 20), "a"), 4, "`segments` must be labels, whole numbers; got an array of <U1"),
    ],
)
def test_wrong_segments_are_rejected(how: Any, number: int, text: str) -> None:
    with pytest.raises(OptionError) as error:
        segment(halves(), how, number)
    assert text in str(error.value)


def test_volumes_have_no_quickshift() -> None:
    with pytest.raises(OptionError, match="`segments` must be 'grid', 'slic', an array or a function"):
        segment(images(1, (4, 4, 4, 1)), "quickshift", 4)


def test_without_scikit_image_it_is_named_with_the_command_and_a_grid_needs_nothing(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "skimage.segmentation", None)
    with pytest.raises(
        CapabilityError, match=r"needs scikit-image, which isn't installed: pip install 'vizcnn\[segments\]'"
    ):
        segment(halves(), "slic", 4)
    assert counts(segment(halves(), "grid", 4)) == [4]


def test_errors_of_a_regression_are_how_far_other_samples_lead() -> None:
    generator = np.random.default_rng(0)
    features = generator.random((200, 3)) < 0.5
    fits = []
    for _ in range(300):
        values = features @ [1.0, -2.0, 0.0] + 0.5 * generator.normal(size=200)
        fits.append(fit(features, values, np.ones(200)))
    spread = np.std([each.coefficients for each in fits], axis=0)
    told = np.mean([np.sqrt(np.diag(each.covariance)) for each in fits], axis=0)
    np.testing.assert_allclose(told, spread, rtol=0.15)
