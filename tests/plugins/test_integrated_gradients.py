"""Integrated Gradients against a loop over the way, a model that can be integrated by hand, and its law of completeness."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests.models import images, linear_model
from tests.rounding import rounding
from vizcnn.errors import OptionError

SHAPE = (7, 8, 2)

noted = pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")


@pytest.fixture(scope="module")
def cnn() -> Any:
    keras.utils.set_random_seed(3)
    stack = [
        keras.Input(SHAPE),
        layers.Conv2D(4, 3, activation="tanh"),
        layers.Conv2D(4, 3, activation="softplus"),
        layers.Flatten(),
        layers.Dense(3, activation="softmax"),
    ]
    return vz.adapt(keras.Sequential(stack))


def way(count: int, quadrature: str) -> list[tuple[float, float]]:
    """Return each point's share of the image, and its weight."""
    if quadrature == "trapezoid":
        return [(i / (count - 1), (0.5 if i in (0, count - 1) else 1) / (count - 1)) for i in range(count)]
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return [((node + 1) / 2, weight / 2) for node, weight in zip(nodes, weights, strict=True)]


@pytest.mark.parametrize("quadrature", ["gauss_legendre", "trapezoid"])
def test_it_is_the_weighed_sum_of_the_gradients_on_the_way(cnn: Any, quadrature: str) -> None:
    x, start = images(2, SHAPE), np.full((1, *SHAPE), 0.3, dtype=np.float32)
    result = vz.integrated_gradients(cnn, x, [1, 2], num_steps=7, baseline=0.3, quadrature=quadrature)
    for image, target, raw in zip(x, [1, 2], result.raw, strict=True):
        points = way(7, quadrature)
        mean = sum(w * cnn.gradients(start + a * (image - start), target).gradients[0] for a, w in points)
        np.testing.assert_allclose(raw, (image - start[0]) * mean, **rounding(18, 36, 48, 36, 18, 7, size=4))


def test_of_a_linear_model_it_is_weight_times_difference_whatever_the_number_of_steps() -> None:
    weights = images(1, (24, 2), seed=4)[0]
    model, image = linear_model(weights, (3, 4, 2), bias=2.0), images(1, (3, 4, 2))
    for options in ({}, {"num_steps": 2}, {"quadrature": "trapezoid"}):
        result = vz.integrated_gradients(model, image, 1, baseline=0.25, reduce="none", **options)
        expected = weights[:, 1].reshape(3, 4, 2) * (image[0] - 0.25)
        np.testing.assert_allclose(result.values[0], expected, **rounding(25))
        assert result.measures["completeness gap"][0] == pytest.approx(0, abs=1e-4)


@noted
def test_of_a_cube_the_gap_is_that_of_the_rule() -> None:
    def answer(inputs: Any) -> Any:
        return keras.ops.sum(inputs**3, axis=(1, 2, 3))[:, None]

    image = keras.Input((1, 1, 1))
    model = keras.Model(image, layers.Lambda(answer, output_shape=(1,))(image))
    x = np.full((1, 1, 1, 1), 2.0, dtype=np.float32)  # 2^3 - 0 = 8
    trapezoid = vz.integrated_gradients(model, x, num_steps=3, quadrature="trapezoid")
    # 2 * (0/4 + 3*1/2 + 12/4) = 9
    assert trapezoid.values.ravel().tolist() == [9.0]
    assert trapezoid.measures["completeness gap"].tolist() == [1.0]
    (note,) = [note for note in trapezoid.notes if note.kind == "incomplete"]
    assert "off by up to 12 % of it: more `num_steps` come closer." in note  # 1 / 8
    exact = vz.integrated_gradients(model, x, num_steps=2)  # two points by Gauss are exact for a gradient of degree 3
    assert exact.values.ravel().tolist() == pytest.approx([8.0])
    assert not [note for note in exact.notes if note.kind == "incomplete"]


@pytest.mark.parametrize("baseline", [0.0, [0.2, 0.9], "mean", "blur", "noise"])
def test_it_adds_up_to_the_rise_of_the_score(cnn: Any, baseline: Any) -> None:
    x = images(2, SHAPE)
    result = vz.integrated_gradients(cnn, x, 1, baseline=baseline)
    assert np.abs(result.measures["completeness gap"]).max() < 1e-3
    start = vz.algorithms.baselines.baselines(x, baseline, [length / 10 for length in SHAPE[:2]])
    rise = result.scores - cnn.scores(np.broadcast_to(start, x.shape), 1)
    np.testing.assert_allclose(result.raw.sum(axis=(1, 2, 3)), rise, atol=2e-3)


def test_idgi_shares_out_each_steps_rise_by_the_squares_of_the_gradient(cnn: Any) -> None:
    x = images(2, SHAPE)
    result = vz.integrated_gradients(cnn, x, [0, 2], num_steps=5, idgi=True)
    for image, target, raw in zip(x, [0, 2], result.raw, strict=True):
        expected = np.zeros(SHAPE)
        for step in range(5):
            here, there = (cnn.scores(image[None] * at / 5, target)[0] for at in (step, step + 1))
            squares = cnn.gradients(image[None] * step / 5, target).gradients[0].astype(np.float64) ** 2
            expected += squares / squares.sum() * (there - here)
        np.testing.assert_allclose(raw, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
        assert result.measures["completeness gap"] == pytest.approx(0, abs=1e-4)


@noted
def test_idgi_is_zero_where_nothing_moves_the_score() -> None:
    image = keras.Input((2, 2, 1))
    flat = keras.Model(image, layers.Dense(1)(layers.Flatten()(layers.ReLU(threshold=5.0)(image))))
    result = vz.integrated_gradients(flat, np.ones((1, 2, 2, 1)), num_steps=4, idgi=True)
    np.testing.assert_array_equal(result.values, 0)


@noted
def test_image_that_is_its_baseline_has_a_map_of_zeros_and_no_gap(cnn: Any) -> None:
    result = vz.integrated_gradients(cnn, np.full((1, *SHAPE), 0.5), 1, baseline=0.5)
    np.testing.assert_array_equal(result.values, 0)
    assert result.measures["completeness gap"].tolist() == pytest.approx([0], abs=1e-5)


def test_no_other_tracing_for_another_number_of_steps_or_images(cnn: Any) -> None:
    vz.integrated_gradients(cnn, images(1, SHAPE), 1, num_steps=4)
    traces = cnn.num_traces
    vz.integrated_gradients(cnn, images(3, SHAPE), 2, num_steps=9)
    assert cnn.num_traces == traces


def test_one_step_is_refused(cnn: Any) -> None:
    with pytest.raises(OptionError, match="`num_steps` must be a whole number above 1; got 1"):
        vz.integrated_gradients(cnn, images(1, SHAPE), num_steps=1)


def test_gradient_times_input_is_that_and_adds_up_without_biases() -> None:
    keras.utils.set_random_seed(0)
    stack = [layers.Conv2D(3, 3, activation="relu", use_bias=False), layers.Flatten(), layers.Dense(2, use_bias=False)]
    model, x = vz.adapt(keras.Sequential([keras.Input(SHAPE), *stack])), images(2, SHAPE)
    result = vz.gradient_x_input(model, x, 1)
    gradients = model.gradients(x, 1).gradients
    np.testing.assert_array_equal(result.raw, gradients * x)
    np.testing.assert_allclose(result.values.sum(axis=(1, 2)), result.scores, rtol=1e-4)
