"""ROAD against equations solved by SciPy, and against what can be worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import spsolve

import vizcnn as vz
from tests.models import images
from vizcnn.algorithms.imputation import imputed
from vizcnn.errors import OptionError
from vizcnn.measures.road import road


def solved(image: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Return the image with its hidden pixels filled in, by one loop over them and a direct solve."""
    places = {tuple(place): row for row, place in enumerate(np.argwhere(hidden))}
    left = sparse.lil_matrix((len(places), len(places)))
    right = np.zeros((len(places), image.shape[-1]))
    for (row, column), at in places.items():
        for down, across in ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)):
            other, weight = (row + down, column + across), 1 / 6 if 0 in (down, across) else 1 / 12
            if not (0 <= other[0] < hidden.shape[0] and 0 <= other[1] < hidden.shape[1]):
                continue
            left[at, at] += weight
            if other in places:
                left[at, places[other]] -= weight
            else:
                right[at] += weight * image[other]
    filled = image.astype(np.float64)
    filled[hidden] = spsolve(left.tocsr(), right).reshape(right.shape)
    return filled


@pytest.mark.parametrize("share", [0.02, 0.5, 0.95])
@pytest.mark.parametrize("kind", ["scattered", "blob", "all but a corner"])
def test_filled_pixels_solve_the_equations(kind: str, share: float) -> None:
    generator = np.random.default_rng(1)
    image = generator.uniform(-1, 1, (23, 30, 3)).astype(np.float32)
    rows, columns = np.mgrid[:23, :30]
    order = {
        "scattered": generator.random((23, 30)),
        "blob": (rows - 9) ** 2 + (columns - 20) ** 2,
        "all but a corner": -rows - columns,
    }[kind]
    hidden = order <= np.quantile(order, share)
    np.testing.assert_allclose(imputed(image, hidden), solved(image, hidden), atol=2e-3)
    np.testing.assert_array_equal(imputed(image, hidden)[~hidden], image[~hidden])


def test_pixel_alone_is_the_weighted_mean_of_its_neighbors_and_no_pixel_stays() -> None:
    image = np.arange(9.0).reshape(3, 3, 1) ** 2
    hidden = np.zeros((3, 3), bool)
    np.testing.assert_array_equal(imputed(image, hidden), image)
    hidden[0, 0] = True  # beside it 1 and 9, across the corner 16
    assert imputed(image, hidden)[0, 0, 0] == pytest.approx((1 / 6 * (1 + 9) + 1 / 12 * 16) / (5 / 12), abs=1e-4)


WEIGHTS = np.random.default_rng(2).normal(size=(6 * 5,)).astype(np.float32) / 10


def linear(inputs: np.ndarray) -> np.ndarray:
    """Return the probabilities of two classes."""
    share = 1 / (1 + np.exp(-(inputs.reshape(len(inputs), -1) @ WEIGHTS)))
    return np.stack([1 - share, share], axis=-1)


@pytest.fixture
def model() -> Any:
    return vz.adapt(linear, input_shape=(6, 5, 1), labels=["no", "yes"], batch_size=4, preprocess="none")


def measure(model: Any, maps: np.ndarray, x: np.ndarray, target: Any = 1, **options: Any) -> Any:
    return road(model, x, vz.targets.resolve(target, model, len(x)), maps.astype(np.float32), **options)


def test_it_is_half_of_what_the_lowest_pixels_leave_more_than_the_highest(model: Any) -> None:
    x, maps = images(3, (6, 5, 1)), np.random.default_rng(3).normal(size=(3, 6, 5))
    shares = (0.3, 0.6)
    noise = 0.05 * np.random.default_rng(7).standard_normal((2, 2, 6, 5, 1), dtype=np.float32)
    found = {
        order: measure(model, maps, x, order=order, shares=shares, noise=0.05, seed=7)
        for order in ("combined", "morf", "lerf")
    }
    for at, (image, values) in enumerate(zip(x, maps, strict=True)):
        left = np.empty((2, 2))
        for which, sign in enumerate((-1, 1)):  # the highest first, the lowest first
            order = np.argsort(sign * values.ravel())
            for place, share in enumerate(shares):
                hidden = np.isin(np.arange(30), order[: round(30 * share)]).reshape(6, 5)
                filled = solved(image, hidden) + hidden[..., None] * np.ptp(image) * noise[which, place]
                left[which, place] = linear(filled[None].astype(np.float32))[0, 1]
        before = linear(x[at][None])[0, 1]
        np.testing.assert_allclose(found["combined"].extras["morf"][at], left[0], atol=1e-3)
        np.testing.assert_allclose(found["combined"].extras["lerf"][at], left[1], atol=1e-3)
        assert found["combined"].values[at] == pytest.approx((left[1] - left[0]).mean() / 2, abs=1e-3)
        assert found["morf"].values[at] == pytest.approx(before - left[0].mean(), abs=1e-3)
        assert found["lerf"].values[at] == pytest.approx(left[1].mean() - before, abs=1e-3)


def test_true_map_is_above_chance_and_its_negative_below(model: Any) -> None:
    x = images(4, (6, 5, 1))
    true = x[..., 0] * WEIGHTS.reshape(6, 5)
    assert (measure(model, true, x).values > 0.01).all()
    np.testing.assert_allclose(measure(model, -true, x).values, -measure(model, true, x).values, atol=0.01)


def test_blank_map_and_saturated_output_are_near_nothing(model: Any) -> None:
    x = images(2, (6, 5, 1))
    assert (np.abs(measure(model, np.zeros((2, 6, 5)), x).values) < 0.1).all()
    sure = vz.adapt(lambda inputs: np.tile([[0.0, 1.0]], (len(inputs), 1)), input_shape=(6, 5, 1), labels=["a", "b"])
    assert measure(sure, x[..., 0], x).values.tolist() == [0, 0]


def test_options_are_checked(model: Any) -> None:
    x = images(1, (6, 5, 1))
    with pytest.raises(OptionError, match="`shares` must be a number between 0 and 1; got 20"):
        measure(model, x[..., 0], x, shares=(20, 40))
    with pytest.raises(OptionError, match="`noise` must be a number that is not negative"):
        measure(model, x[..., 0], x, noise=-1)
