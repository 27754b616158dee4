"""Owen values against all orders of the parts, one by one, and what can be worked out by hand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests.models import images, linear_model
from tests.rounding import rounding
from vizcnn.errors import OptionError

Box = tuple[tuple[int, int], ...]
MANY = 10_000


def halves(box: Box, smallest: int = 1) -> tuple[Box, Box] | None:
    """Return the halves of a box along its longest axis, the first one larger by one where it can't be halved evenly."""
    sides = [stop - start for start, stop in box]
    axis = sides.index(max(sides))
    if sides[axis] < 2 * smallest:
        return None
    start, stop = box[axis]
    middle = start + (stop - start + 1) // 2
    return (*box[:axis], (start, middle), *box[axis + 1 :]), (*box[:axis], (middle, stop), *box[axis + 1 :])


def orders(box: Box) -> Iterator[tuple[Box, ...]]:
    """Yield all orders of the smallest parts in which the two halves of a part follow each other."""
    cut = halves(box)
    if cut is None:
        yield (box,)
        return
    for first, second in itertools.permutations(cut):
        for one, other in itertools.product(orders(first), orders(second)):
            yield one + other


def slow(model: Any, image: np.ndarray, target: int, fill: float) -> np.ndarray:
    """Return what each pixel adds to the score when it comes to those before it, on the average over all orders."""
    size, known = image.shape[:-1], {}

    def score(seen: np.ndarray) -> float:
        if seen.tobytes() not in known:
            shown = np.where(seen[..., None], image, np.float32(fill))
            known[seen.tobytes()] = float(model.scores(shown[None], target)[0])
        return known[seen.tobytes()]

    found = []
    for order in orders(tuple((0, length) for length in size)):
        seen, values = np.zeros(size, bool), np.zeros(size)
        before = score(seen)
        for box in order:
            place = tuple(slice(*bounds) for bounds in box)
            seen[place] = True
            values[place], before = score(seen) - before, score(seen)
        found.append(values)
    return np.mean(found, axis=0)


def dense(shape: tuple[int, ...]) -> Any:
    keras.utils.set_random_seed(3)
    start = keras.initializers.RandomNormal(stddev=1.0, seed=0)
    stack = [keras.Input(shape), layers.Flatten(), layers.Dense(8, "tanh", kernel_initializer=start), layers.Dense(2)]
    return vz.adapt(keras.Sequential(stack))


CLOSE = rounding(12, 8, 4, size=4)


@pytest.mark.parametrize("shape", [(2, 2, 2), (2, 3, 1), (2, 4, 1), (5, 2, 1)])
def test_values_are_the_mean_over_all_orders_of_the_parts(shape: tuple[int, ...]) -> None:
    model, batch = dense(shape), images(2, shape)
    result = vz.partition_shap(model, batch, [0, 1], num_samples=MANY, baseline=0.25)
    for values, image, target in zip(result.values, batch, [0, 1], strict=True):
        np.testing.assert_allclose(values, slow(model, image, target, 0.25), **CLOSE)
    assert result.signed
    np.testing.assert_allclose(result.measures["completeness gap"], 0, **CLOSE)


def test_first_cut_gives_each_half_the_mean_of_what_it_gives_alone_and_beside_the_other() -> None:
    model, image = dense((2, 4, 1)), images(1, (2, 4, 1))
    left = image.copy()
    left[:, :, 2:] = 0
    right = image - left
    nothing, one, other, both = (float(model.scores(x, 1)[0]) for x in (image * 0, left, right, image))
    expected = [(one - nothing + both - other) / 2 / 4] * 2 + [(other - nothing + both - one) / 2 / 4] * 2
    result = vz.partition_shap(model, image, 1, num_samples=4, baseline=0.0)  # three, and one that is of no use
    np.testing.assert_allclose(result.values[0], [expected, expected], **CLOSE)


def test_largest_parts_are_halved_first_and_what_is_left_is_spread_evenly() -> None:
    weights = np.array([[0, 0, 0, 0, 1, 2, 3, 5]], np.float32)
    model = linear_model(weights.reshape(-1, 1), (1, 8, 1))
    image = np.ones((1, 1, 8, 1), np.float32)
    # The image, and the right half in both ways to see the left one.
    result = vz.partition_shap(model, image, 0, num_samples=1 + 2 + 4, baseline=0.0)
    np.testing.assert_allclose(result.values[0, 0], [0, 0, 0, 0, 1.5, 1.5, 4, 4], atol=1e-5)
    # The left half too, since there is room for it in the same round; then the right one's right half, in four ways.
    result = vz.partition_shap(model, image, 0, num_samples=1 + 2 + 8 + 8, baseline=0.0)
    np.testing.assert_allclose(result.values[0, 0], [0, 0, 0, 0, 1.5, 1.5, 3, 5], atol=1e-5)


@pytest.mark.parametrize("shape", [(4, 5, 2), (12, 1), (2, 3, 4, 1)])
def test_values_of_a_linear_model_are_weight_times_difference(shape: tuple[int, ...]) -> None:
    weights = images(1, shape, seed=4)[0]
    box = vz.adapt(lambda x: x.reshape(len(x), -1) @ weights.reshape(-1, 1), input_shape=shape)
    image = images(1, shape)
    result = vz.partition_shap(box, image, 0, num_samples=MANY, baseline=0.5)
    np.testing.assert_allclose(result.values[0], (weights * (image[0] - 0.5)).sum(axis=-1), atol=1e-5)


def test_parts_are_no_smaller_than_is_asked() -> None:
    model = linear_model(np.arange(42, dtype=np.float32)[:, None], (6, 7, 1))
    values = vz.partition_shap(model, np.ones((1, 6, 7, 1)), 0, num_samples=MANY, smallest_side=2, baseline=0.0).values
    np.testing.assert_allclose(values[0, :3, :2], 7.5, atol=1e-3)  # six pixels, whose weights are 0, 1, 7, 8, 14 and 15
    assert len(np.unique(values.round(2))) == 6


def test_side_defaults_to_a_thirtysecond_of_the_image() -> None:
    model = linear_model(images(1, (64 * 32, 1))[0], (64, 32, 1))
    result = vz.partition_shap(model, np.ones((1, 64, 32, 1), np.float32), 0, num_samples=9, baseline=0.0)
    assert result.options["smallest_side"] == 2


def test_symmetric_model_and_image_have_a_symmetric_map() -> None:
    def quadrants(x: np.ndarray) -> np.ndarray:
        return (np.prod(x[:, [0, 0, 3, 3], [0, 3, 0, 3]], axis=1) + x.sum(axis=(1, 2))).reshape(-1, 1)

    box = vz.adapt(quadrants, input_shape=(4, 4, 1))
    values = vz.partition_shap(box, np.full((1, 4, 4, 1), 2.0), 0, num_samples=MANY, baseline=0.0).values[0]
    np.testing.assert_allclose(values, values[::-1], atol=1e-5)
    np.testing.assert_allclose(values, values[:, ::-1], atol=1e-5)
    np.testing.assert_allclose(values[0, 0], 2 + 16 / 4, atol=1e-5)


def test_map_adds_up_however_few_samples_there_are() -> None:
    cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    for samples in (3, 40, 200):
        result = vz.partition_shap(cnn, digits[3:5], num_samples=samples, baseline="blur")
        np.testing.assert_allclose(result.measures["completeness gap"], 0, atol=1e-4)
        rises = result.values.sum(axis=(1, 2))
        assert (np.abs(rises) > 1).all()


def test_black_box_and_batches_of_any_size_have_the_same_map() -> None:
    cnn, batch = dense((6, 8, 1)), images(3, (6, 8, 1))
    expected = vz.partition_shap(cnn, batch, 1, num_samples=90).values
    box = vz.adapt(lambda x: cnn.scores(x, 1)[:, None], input_shape=(6, 8, 1), batch_size=2)
    np.testing.assert_allclose(vz.partition_shap(box, batch, 0, num_samples=90).values, expected, **CLOSE)


def test_one_tracing_serves_all_rounds_and_any_number_of_samples() -> None:
    cnn = dense((6, 8, 1))
    vz.partition_shap(cnn, images(1, (6, 8, 1)), 1, num_samples=50)
    before = cnn.num_traces
    vz.partition_shap(cnn, images(3, (6, 8, 1), seed=1), 1, num_samples=120)
    assert cnn.num_traces == before


def test_no_more_runs_than_is_asked() -> None:
    asked = []

    def counting(x: np.ndarray) -> np.ndarray:
        asked.append(len(x))
        return np.abs(x).sum(axis=(1, 2))

    box = vz.adapt(counting, input_shape=(8, 8, 1), batch_size=64)
    vz.partition_shap(box, images(1, (8, 8, 1)), 0, num_samples=3)
    asked.clear()
    vz.partition_shap(box, images(1, (8, 8, 1)), 0, num_samples=100)
    rounds = [1, 2 * 1, 2 * 4, 2 * 16, 2 * 16, 2 * 12]
    assert sum(asked) == sum(rounds) + 1  # the image itself


def test_seed_is_that_of_the_noise() -> None:
    model, image = dense((4, 4, 1)), images(1, (4, 4, 1))
    first, again, other = (
        vz.partition_shap(model, image, 1, num_samples=30, baseline="noise", seed=seed).values for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"num_samples": 2}, "`num_samples` must be a whole number from 3 on, one for the baseline and two for the"),
        ({"smallest_side": 0}, "`smallest_side` must be a positive whole number; got 0"),
        ({"baseline": "gray"}, "`baseline` must be a number, one per channel, or one of 'mean', 'blur', 'noise'"),
    ],
)
def test_wrong_options_are_rejected(options: Any, text: str) -> None:
    with pytest.raises(OptionError) as error:
        vz.partition_shap(dense((4, 4, 1)), images(1, (4, 4, 1)), 0, **options)
    assert text in str(error.value)
