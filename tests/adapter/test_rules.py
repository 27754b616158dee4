"""The guided and relu rules reach ReLU wherever it sits, and say what they could not reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests import framework

# One ReLU between two dense layers of weights 1 and W: the input is before the ReLU, W comes back to it.
BEFORE = np.array([-2, -0.5, 0.5, 2, 7, 9], dtype=np.float32)
BACK = np.array([1, -1, 1, -1, 1, -1], dtype=np.float32)


class Subclassed(keras.Model):
    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.flat, self.function = layers.Flatten(), function
        self.head = _head()

    def call(self, x: Any) -> Any:
        return self.head(self.function(self.flat(x)))


def _head() -> Any:
    return layers.Dense(
        1, use_bias=False, kernel_initializer=lambda shape, dtype: framework.constant(BACK[:, None]), name="head"
    )


def _dense(activation: Any) -> Any:
    return layers.Dense(6, activation=activation, kernel_initializer="identity")


def _model(*relu: Any) -> Any:
    return keras.Sequential([keras.Input((1, 6, 1)), layers.Flatten(), *relu, _head()], name="tiny")


def _gradient(model: Any, rule: str) -> np.ndarray:
    return vz.adapt(model).gradients(BEFORE.reshape(1, 1, 6, 1), 0, rule=rule).gradients.ravel()


def _nested(layer: Any) -> Any:
    inner = keras.Sequential([keras.Input((6,)), layer], name="inner")
    return keras.Sequential([keras.Input((6,)), inner], name="outer")


def _operation() -> Any:
    x = keras.Input((1, 6, 1))
    return keras.Model(x, _head()(keras.ops.relu(layers.Flatten()(x))))


PLAIN: dict[str, Callable[[], Any]] = {
    "activation by name": lambda: _model(_dense("relu")),
    "activation of keras.activations": lambda: _model(_dense(keras.activations.relu)),
    "activation of keras.ops": lambda: _model(_dense(keras.ops.relu)),
    "activation of tf.nn": lambda: _model(_dense(framework.nn.relu)),
    "activation is a layer": lambda: _model(_dense(layers.ReLU())),
    "ReLU layer": lambda: _model(layers.ReLU()),
    "Activation layer": lambda: _model(layers.Activation("relu")),
    "Activation layer of tf.nn": lambda: _model(layers.Activation(framework.nn.relu)),
    "keras.ops node": _operation,
    "nested twice": lambda: _model(_nested(layers.ReLU())),
    "nested, in a layer": lambda: _model(_nested(_dense("relu"))),
    "subclassed, keras.ops": lambda: Subclassed(lambda x: keras.ops.relu(x)),
    "subclassed, keras.activations": lambda: Subclassed(lambda x: keras.activations.relu(x)),
    "subclassed, tf.nn": lambda: Subclassed(lambda x: framework.nn.relu(x)),
    "Lambda layer": lambda: _model(layers.Lambda(lambda x: framework.nn.relu(x))),
    "TimeDistributed": lambda: _model(layers.Reshape((6, 1)), layers.TimeDistributed(layers.ReLU()), layers.Flatten()),
}


@pytest.mark.parametrize("build", PLAIN.values(), ids=PLAIN)
def test_rules_reach_relu_wherever_it_sits(build: Callable[[], Any]) -> None:
    model = build()
    np.testing.assert_array_equal(_gradient(model, "vanilla"), [0, 0, 1, -1, 1, -1])
    np.testing.assert_array_equal(_gradient(model, "guided"), [0, 0, 1, 0, 1, 0])
    np.testing.assert_array_equal(_gradient(model, "relu"), [1, 0, 1, 0, 1, 0])


# vanilla is the derivative; guided its product with the positive part of what comes back; relu that part alone.
VARIANTS: dict[str, tuple[Callable[[], Any], list[float]]] = {
    "ReLU, max_value": (lambda: layers.ReLU(max_value=6.0), [0, 0, 1, 1, 0, 0]),
    "ReLU, threshold": (lambda: layers.ReLU(threshold=1.0), [0, 0, 0, 1, 1, 1]),
    "ReLU, negative_slope": (lambda: layers.ReLU(negative_slope=0.25), [0.25, 0.25, 1, 1, 1, 1]),
    "ReLU, all of them": (
        lambda: layers.ReLU(max_value=8.0, negative_slope=0.5, threshold=1.0),
        [0.5, 0.5, 0.5, 1, 1, 0],
    ),
    "LeakyReLU": (lambda: layers.LeakyReLU(negative_slope=0.125), [0.125, 0.125, 1, 1, 1, 1]),
    "relu6 by name": (lambda: layers.Activation("relu6"), [0, 0, 1, 1, 0, 0]),
    "leaky_relu by name": (lambda: layers.Activation("leaky_relu"), [0.2, 0.2, 1, 1, 1, 1]),
    "framework.nn.relu6": (lambda: layers.Activation(framework.nn.relu6), [0, 0, 1, 1, 0, 0]),
    "framework.nn.leaky_relu": (
        lambda: layers.Activation(framework.nn.leaky_relu),
        [framework.SLOPE] * 2 + [1] * 4,
    ),
}


@pytest.mark.parametrize(("make", "derivative"), VARIANTS.values(), ids=VARIANTS)
def test_rules_keep_the_shape_of_the_relu(make: Callable[[], Any], derivative: list[float]) -> None:
    model = _model(make())
    np.testing.assert_allclose(_gradient(model, "vanilla"), np.array(derivative) * BACK, rtol=1e-6)
    np.testing.assert_allclose(_gradient(model, "guided"), np.array(derivative) * [1, 0, 1, 0, 1, 0], rtol=1e-6)
    np.testing.assert_allclose(_gradient(model, "relu"), [1, 0, 1, 0, 1, 0])


@pytest.mark.parametrize("rule", ["guided", "relu"])
def test_what_the_model_computes_is_the_same_under_every_rule(rule: str) -> None:
    model = _model(layers.ReLU(max_value=8.0, negative_slope=0.5, threshold=1.0))
    x = BEFORE.reshape(1, 1, 6, 1)
    adapter = vz.adapt(model)
    np.testing.assert_array_equal(adapter.gradients(x, 0, rule=rule).scores, adapter.scores(x, 0))


@pytest.mark.parametrize("name", ["deconv", "rectified"])
def test_relu_rule_has_other_names(name: str) -> None:
    np.testing.assert_array_equal(_gradient(_model(layers.ReLU()), name), [1, 0, 1, 0, 1, 0])


def test_other_names_of_a_rule_are_not_compiled_again() -> None:
    adapter = vz.adapt(_model(layers.ReLU()))
    x = BEFORE.reshape(1, 1, 6, 1)
    adapter.gradients(x, 0, rule="relu")
    before = adapter.num_traces
    for name in ("deconv", "rectified"):
        adapter.gradients(x, 0, rule=name)
    assert adapter.num_traces == before


# What can't be reached is said ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["guided", "relu"])
def test_model_without_relu_is_an_error_that_names_its_activations(rule: str) -> None:
    model = _model(_dense("gelu"), _dense("silu"), layers.PReLU(), layers.Activation("gelu"))
    with pytest.raises(
        vz.errors.RuleError,
        match=rf"`rule` '{rule}' changes how ReLU .* model 'tiny' has none of them: its activations are gelu \(2\), silu \(1\), "
        rf"PReLU \(1\)\. Use rule='vanilla'\.",
    ):
        _gradient(model, rule)


def test_model_without_any_activation_is_an_error() -> None:
    with pytest.raises(vz.errors.RuleError, match="no activation was found"):
        _gradient(_model(_dense(None)), "guided")


def test_mixture_is_noted_with_the_counts() -> None:
    model = _model(_dense("relu"), _dense("gelu"), layers.ReLU(), layers.Activation("tanh"), _dense("gelu"))
    taken = vz.adapt(model).gradients(BEFORE.reshape(1, 1, 6, 1), 0, rule="guided")
    assert taken.notes == ("Rule 'guided' replaced 2 activations (ReLU) and left 3 as they are: gelu (2), tanh (1).",)


def test_softmax_at_the_end_is_no_mixture() -> None:
    model = keras.Sequential([keras.Input((1, 6, 1)), layers.Flatten(), _dense("relu"), _dense("softmax")])
    taken = vz.adapt(model).gradients(BEFORE.reshape(1, 1, 6, 1), 0, rule="guided")
    assert taken.notes == ()


def test_softmax_at_the_end_and_a_reshape_are_no_mixture() -> None:
    last = [_dense("softmax"), layers.Reshape((1, 6))]
    model = keras.Sequential([keras.Input((1, 6, 1)), layers.Flatten(), _dense("relu"), *last])
    taken = vz.adapt(model).gradients(BEFORE.reshape(1, 1, 6, 1), 0, rule="guided")
    assert taken.notes == ()


def test_mixture_is_a_warning_of_the_method() -> None:
    model = _model(_dense("relu"), _dense("gelu"))
    with pytest.warns(
        vz.errors.VizcnnWarning, match=r"replaced 1 activations \(ReLU\) and left 1 as they are: gelu \(1\)"
    ):
        result = vz.saliency(model, BEFORE.reshape(1, 1, 6, 1), 0, rule="guided")
    assert any("gelu (1)" in note for note in result.notes)


def test_vanilla_has_no_note_on_activations() -> None:
    model = _model(_dense("gelu"))
    assert vz.adapt(model).gradients(BEFORE.reshape(1, 1, 6, 1), 0).notes == ()
