"""Scores are logits, whatever the output ends in; where they can't be reached, that is said."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests import framework
from tests.models import conv, convolve, dense, differences, images, linear_model
from tests.rounding import rounding
from vizcnn.errors import CapabilityError
from vizcnn.targets import Class, Contrast, Region, WeightedSum

SHAPE = (2, 3, 1)
WEIGHTS = np.array([[1, -2, 0], [0, 1, 3], [2, 2, -1], [-1, 0, 1], [0.5, 1, 0], [3, -1, 2]], dtype=np.float32)
BIAS = np.array([0.5, -0.5, 1], dtype=np.float32)
CLOSE = rounding(7, 7, 3, 3, size=3)


def _logits(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1) @ WEIGHTS + BIAS


def _model(head: Callable[[Any], Any]) -> Any:
    """Return a model that flattens the image and goes on with `head`."""
    x = keras.Input(SHAPE)
    return keras.Model(x, head(layers.Flatten()(x)), name="tiny")


def _dense(**options: Any) -> Any:
    return dense("logits", (WEIGHTS, BIAS), **options)


class _Head(keras.Model):
    def __init__(self) -> None:
        super().__init__(name="head")
        self.logits = _dense()
        self.top = layers.Softmax()

    def call(self, x: Any) -> Any:
        return self.top(self.logits(x))


def _inner(x: Any) -> Any:
    y = keras.Input((6,))
    return keras.Model(y, _dense(activation="softmax")(y), name="inner")(x)


SOFTMAX: dict[str, Callable[[Any], Any]] = {
    "in Dense by name": lambda x: _dense(activation="softmax")(x),
    "in Dense by keras.activations": lambda x: _dense(activation=keras.activations.softmax)(x),
    "in Dense by keras.ops": lambda x: _dense(activation=keras.ops.softmax)(x),
    "in Dense by tf.nn": lambda x: _dense(activation=framework.softmax)(x),
    "in Dense as a layer": lambda x: _dense(activation=layers.Softmax())(x),
    "Activation layer": lambda x: layers.Activation("softmax")(_dense()(x)),
    "Activation layer of tf.nn": lambda x: layers.Activation(framework.softmax)(_dense()(x)),
    "Softmax layer": lambda x: layers.Softmax()(_dense()(x)),
    "Softmax layer, axis counted from the front": lambda x: layers.Softmax(axis=1)(_dense()(x)),
    "keras.ops node": lambda x: keras.ops.softmax(_dense()(x)),
    "then a reshape": lambda x: layers.Reshape((1, 3))(_dense(activation="softmax")(x)),
    "then a dropout": lambda x: layers.Dropout(0.5)(_dense(activation="softmax")(x)),
    "in a nested model": _inner,
    "in a nested subclassed model": lambda x: _Head()(x),
}


@pytest.mark.parametrize("head", SOFTMAX.values(), ids=SOFTMAX)
def test_softmax_at_the_end_is_looked_through(head: Callable[[Any], Any]) -> None:
    x, adapter = images(3, SHAPE), vz.adapt(_model(head))
    taken = adapter.gradients(x, [0, 1, 2])
    np.testing.assert_allclose(taken.scores, np.diag(_logits(x)), **CLOSE)
    np.testing.assert_allclose(taken.gradients, WEIGHTS.T.reshape(3, *SHAPE), **CLOSE)
    assert adapter.output_activation(adapter.output_name(None)) == "softmax"
    np.testing.assert_allclose(taken.outputs[0].sum(axis=-1), 1, atol=1e-6)  # the model still returns probabilities


def test_output_without_softmax_is_its_own_logits() -> None:
    x, adapter = images(3, SHAPE), vz.adapt(_model(_dense()))
    taken = adapter.gradients(x, 2)
    np.testing.assert_allclose(taken.scores, _logits(x)[:, 2], **CLOSE)
    assert adapter.output_activation("logits") is None


def test_softmax_in_the_middle_is_left_alone() -> None:
    def attention(x: Any) -> Any:
        return _dense()(x * layers.Softmax(name="attention")(layers.Dense(6, kernel_initializer="identity")(x)))

    x, adapter = images(1, SHAPE), vz.adapt(_model(attention))
    taken = adapter.gradients(x, 1)
    flat = x.reshape(1, -1)
    weights = np.exp(flat) / np.exp(flat).sum()
    np.testing.assert_allclose(taken.scores, (flat * weights) @ WEIGHTS[:, 1] + BIAS[1], **CLOSE)
    numeric = differences(lambda batch: adapter.outputs(batch)[0][:, 1], x[0])
    np.testing.assert_allclose(taken.gradients[0], numeric, rtol=0, atol=1e-3)


def test_softmax_over_another_axis_is_left_alone() -> None:
    def head(x: Any) -> Any:
        return layers.Softmax(axis=1)(layers.Reshape((2, 3))(x))

    x = images(1, SHAPE)
    scores = vz.adapt(_model(head)).scores(x, 0)
    columns = np.exp(x.reshape(2, 3))
    np.testing.assert_allclose(scores, [(columns[:, 0] / columns[:, 0].sum()).mean()], **CLOSE)


def test_maps_of_probabilities_are_looked_through() -> None:
    kernel = (np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3) - 2, BIAS)
    x = images(2, (4, 5, 2))
    model = keras.Sequential([keras.Input((4, 5, 2)), conv("maps", kernel, activation="softmax")])
    logits = convolve(x, *kernel)
    adapter = vz.adapt(model)
    np.testing.assert_allclose(adapter.scores(x, 1), logits[..., 1].mean(axis=(1, 2)), **CLOSE)
    box = Region((1, 2, 3, 5), 1)
    np.testing.assert_allclose(adapter.scores(x, box), logits[:, 1:3, 2:5, 1].mean(axis=(1, 2)), **CLOSE)


def test_saturated_softmax_has_the_full_gradient() -> None:
    head = dense("logits", (WEIGHTS * 1000, BIAS), activation="softmax")
    taken = vz.adapt(_model(head)).gradients(images(1, SHAPE), 0)
    assert taken.outputs[0].max() == 1
    np.testing.assert_allclose(taken.gradients[0], 1000 * WEIGHTS[:, 0].reshape(SHAPE), **rounding(7, 7, size=1000))


# Out of reach ------------------------------------------------------------------------------------------------------------


def _average_of_two(x: Any) -> Any:
    return layers.Average(name="mean")([_dense(activation="softmax")(x), layers.Softmax()(x[:, :3])])


def _averaged(x: np.ndarray) -> np.ndarray:
    both = np.exp(_logits(x)), np.exp(x.reshape(len(x), -1)[:, :3])
    return sum(part / part.sum(axis=-1, keepdims=True) for part in both) / 2


def test_probabilities_without_logits_are_scored_by_their_logarithm_and_it_is_said_once() -> None:
    x, adapter = images(3, SHAPE), vz.adapt(_model(_average_of_two))
    with pytest.warns(vz.errors.VizcnnWarning, match="'mean' of model 'tiny' holds probabilities.*log-prob") as caught:  # noqa: PT031 - once in two calls
        first = adapter.scores(x, 1)
        second = adapter.gradients(x, 2)
    assert len(caught) == 1
    np.testing.assert_allclose(first, np.log(_averaged(x))[:, 1], **CLOSE)
    np.testing.assert_allclose(second.scores, np.log(_averaged(x))[:, 2], **CLOSE)
    numeric = differences(lambda batch: np.log(adapter.outputs(batch)[0][:, 2]), x[0])
    np.testing.assert_allclose(second.gradients[0], numeric, rtol=0, atol=1e-3)


def test_contrast_of_probabilities_without_logits_is_one_of_their_logarithms() -> None:
    x, adapter = images(3, SHAPE), vz.adapt(_model(_average_of_two))
    with pytest.warns(vz.errors.VizcnnWarning, match="scores are log-probabilities"):
        scores = adapter.scores(x, Contrast(0, 2))
    expected = np.log(_averaged(x))
    np.testing.assert_allclose(scores, expected[:, 0] - expected[:, 2], **CLOSE)


def test_contrast_asked_before_and_after_a_class_is_the_same() -> None:
    x, adapter = images(3, SHAPE), vz.adapt(_model(_average_of_two))
    with pytest.warns(vz.errors.VizcnnWarning, match="scores are log-probabilities"):
        before = adapter.scores(x, Contrast(0, 2))
    adapter.scores(x, 0)
    np.testing.assert_array_equal(adapter.scores(x, Contrast(0, 2)), before)


def test_each_output_of_a_mix_is_looked_at() -> None:
    x = images(2, SHAPE)
    adapter = vz.adapt(
        _model(lambda x: {"age": dense("age", (WEIGHTS[:, :1], BIAS[:1]))(x), "mean": _average_of_two(x)})
    )
    with pytest.warns(vz.errors.VizcnnWarning, match="'mean' of model 'tiny' holds probabilities"):
        scores = adapter.scores(x, WeightedSum(({"age": 0}, {"mean": 1})))
    np.testing.assert_allclose(scores, _logits(x)[:, 0] + np.log(_averaged(x))[:, 1], **CLOSE)


# Sigmoid -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [
        lambda x: dense("unit", (WEIGHTS[:, :1], BIAS[:1]), activation="sigmoid")(x),
        lambda x: layers.Activation("sigmoid", name="unit")(dense("logit", (WEIGHTS[:, :1], BIAS[:1]))(x)),
        lambda x: keras.ops.sigmoid(dense("logit", (WEIGHTS[:, :1], BIAS[:1]))(x)),
        lambda x: dense("unit", (WEIGHTS[:, :1], BIAS[:1]), activation=framework.sigmoid)(x),
    ],
    ids=["in Dense", "Activation layer", "keras.ops", "tf.nn"],
)
def test_single_sigmoid_unit_has_two_sides(head: Callable[[Any], Any]) -> None:
    x, adapter = images(2, SHAPE), vz.adapt(_model(head))
    logit = _logits(x)[:, 0]
    np.testing.assert_allclose(adapter.scores(x, 1), logit, **CLOSE)
    np.testing.assert_allclose(adapter.scores(x, 0), -logit, **CLOSE)
    np.testing.assert_allclose(adapter.scores(x), abs(logit), **CLOSE)
    np.testing.assert_allclose(adapter.gradients(x, 0).gradients[0], -WEIGHTS[:, 0].reshape(SHAPE), **CLOSE)
    assert adapter.num_classes() == 2


def test_single_sigmoid_unit_predicts_either_class() -> None:
    adapter = vz.adapt(linear_model(np.ones((1, 1)), (1, 1, 1), "sigmoid"), labels=["cat", "dog"])
    outputs = adapter.outputs(np.array([2.0, -3.0], np.float32).reshape(2, 1, 1, 1))
    first, second = adapter.predictions(outputs)
    assert (first.index, first.label, first.probability) == (1, "dog", pytest.approx(1 / (1 + np.exp(-2)), abs=1e-6))
    assert (second.index, second.label, second.probability) == (0, "cat", pytest.approx(1 / (1 + np.exp(-3)), abs=1e-6))


def test_sigmoid_of_several_units_is_one_logit_each() -> None:
    x, adapter = images(2, SHAPE), vz.adapt(_model(_dense(activation="sigmoid")))
    np.testing.assert_allclose(adapter.scores(x, [2, 1]), _logits(x)[[0, 1], [2, 1]], **CLOSE)
    assert adapter.num_classes() == 3
    assert adapter.output_activation("logits") == "sigmoid"


def test_single_linear_unit_is_a_regression_of_one_class() -> None:
    x, adapter = images(2, SHAPE), vz.adapt(_model(dense("age", (WEIGHTS[:, :1], BIAS[:1]))))
    np.testing.assert_allclose(adapter.scores(x), _logits(x)[:, 0], **CLOSE)
    assert adapter.num_classes() == 1
    assert adapter.predictions(adapter.outputs(x))[0].probability is None
    with pytest.raises(
        vz.errors.TargetError, match="must be a class index from 0 to 0 for output 'age' of model 'tiny'; got 1"
    ):
        adapter.scores(x, 1)


# Several outputs -----------------------------------------------------------------------------------------------------------


def _two(x: Any) -> tuple[Any, Any]:
    age = dense("age", (WEIGHTS[:, :1], BIAS[:1]))(x)
    return age, dense("animal", (WEIGHTS, BIAS), activation="softmax")(x)


class _TwoOutputs(keras.Model):
    def __init__(self) -> None:
        super().__init__(name="tiny")
        self.flat = layers.Flatten()
        self.age = dense("age", (WEIGHTS[:, :1], BIAS[:1]))
        self.animal = dense("animal", (WEIGHTS, BIAS), activation="softmax")

    def call(self, x: Any) -> Any:
        x = self.flat(x)
        return {"years": self.age(x), "animal": self.animal(x)}


def _dict_model() -> Any:
    return _model(lambda x: dict(zip(("years", "animal"), _two(x), strict=True)))


def test_output_of_a_list_is_picked_by_name_or_position() -> None:
    x, adapter = images(2, SHAPE), vz.adapt(_model(lambda x: list(_two(x))))
    assert list(adapter.output_shapes) == ["age", "animal"]
    np.testing.assert_allclose(adapter.scores(x, {"animal": 2}), _logits(x)[:, 2], **CLOSE)
    np.testing.assert_allclose(adapter.scores(x, Class(2, 1)), _logits(x)[:, 2], **CLOSE)
    np.testing.assert_allclose(adapter.scores(x, Class(2, -1)), _logits(x)[:, 2], **CLOSE)
    np.testing.assert_allclose(adapter.scores(x), _logits(x)[:, 0], **CLOSE)  # the first, where none is named


@pytest.mark.parametrize("make", [_dict_model, _TwoOutputs], ids=["functional", "subclassed"])
def test_output_of_a_dict_is_picked_by_its_key(make: Callable[[], Any]) -> None:
    x, adapter = images(2, SHAPE), vz.adapt(make())
    np.testing.assert_allclose(adapter.scores(x, {"animal": 1}), _logits(x)[:, 1], **CLOSE)
    np.testing.assert_allclose(adapter.scores(x, {"years": 0}), _logits(x)[:, 0], **CLOSE)
    taken = adapter.gradients(x, {"animal": None})
    np.testing.assert_allclose(taken.scores, _logits(x).max(axis=-1), **CLOSE)
    animal = taken.outputs[list(adapter.output_shapes).index("animal")]
    np.testing.assert_allclose(animal.argmax(axis=-1), _logits(x).argmax(axis=-1))
    assert adapter.output_shapes == {"animal": (3,), "years": (1,)}


def test_outputs_of_one_layer_have_names_of_their_own() -> None:
    def twice(x: Any) -> list[Any]:
        shared = _dense()
        return [shared(x), shared(-x)]

    x, adapter = images(2, SHAPE), vz.adapt(_model(twice))
    first, second = adapter.output_shapes
    assert first != second
    np.testing.assert_allclose(adapter.scores(x, {second: 0}), _logits(-x)[:, 0], **CLOSE)


def test_unknown_output_is_named_with_the_known_ones() -> None:
    adapter = vz.adapt(_dict_model())
    with pytest.raises(
        vz.errors.OptionError, match=r"`output` must be one of 'animal', 'years'.*'anima'.*Did you mean 'animal'"
    ):
        adapter.scores(images(1, SHAPE), {"anima": 0})


def test_class_of_another_output_is_checked_against_that_output() -> None:
    adapter = vz.adapt(_dict_model())
    with pytest.raises(vz.errors.TargetError, match="from 0 to 0 for output 'years'"):
        adapter.scores(images(1, SHAPE), {"years": 2})


def test_targets_of_two_outputs_can_be_mixed() -> None:
    x, adapter = images(2, SHAPE), vz.adapt(_dict_model())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = adapter.scores(x, WeightedSum(({"years": 0}, {"animal": 2}), (0.5, -2)))
    np.testing.assert_allclose(scores, 0.5 * _logits(x)[:, 0] - 2 * _logits(x)[:, 2], **CLOSE)


@pytest.mark.skipif(framework.BACKEND == "tensorflow", reason="of the other backends")
def test_model_of_logits_says_that_it_needs_tensorflow() -> None:
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    with pytest.raises(CapabilityError, match="logits_model makes a model for libraries that run on TensorFlow"):
        vz.adapt(model).logits_model((4, 4, 1))
