"""A model with weights as before its training: the same code reads other values, and the user's model never knows."""

from __future__ import annotations

import gc
import random
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests.framework import BACKEND
from tests.models import (
    CLOSE,
    CONV1,
    Built,
    Fixed,
    functional_with_a_call,
    images,
    layer_of_layers,
    nested_twice,
    operations,
    preprocessing_inside,
    reference,
    sequential_never_called,
    subclassed,
    wrapped,
)
from vizcnn.errors import CapabilityError, LayerError
from vizcnn.plugins import registry

SHAPE = (8, 8, 2)
KINDS = [
    sequential_never_called,
    nested_twice,
    preprocessing_inside,
    operations,
    subclassed,
    functional_with_a_call,
    wrapped,
    layer_of_layers,
]


def values(model: Any) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(variable.value).copy() for variable in model.variables]


def train(model: Any, seed: int = 1) -> None:
    """Give every weight other numbers, as training does."""
    generator = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(size=variable.shape))


def small() -> Any:
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(4, 3, activation="relu", name="first"),
            layers.BatchNormalization(name="norm"),
            layers.Conv2D(4, 3, activation="relu", name="second"),
            layers.Flatten(name="flat"),
            layers.Dense(3, activation="softmax", name="classes"),
        ]
    )


@pytest.fixture(scope="module")
def model() -> Any:
    keras.utils.set_random_seed(0)
    model = small()
    train(model)
    model.get_layer("norm").moving_mean.assign(np.full(4, 3.0))
    return model


@pytest.fixture(scope="module")
def cnn(model: Any) -> Any:
    return vz.adapt(model)


@pytest.mark.parametrize("build", KINDS, ids=lambda build: build.__name__)
def test_every_kind_of_model_answers_as_it_did_before_it_was_trained(build: Any) -> None:
    built: Built = build()
    x = images(1)
    built.model(x)  # builds it with the numbers that its initializers give
    train(built.model)
    before, cnn = values(built.model), vz.adapt(built.model)
    known = reference(x, skip=built.skip)
    untrained = cnn.reinitialized().gradients(x, 0)
    np.testing.assert_allclose(untrained.outputs[0], known.probabilities, **CLOSE)
    np.testing.assert_allclose(untrained.gradients, known.by_input, **CLOSE)
    assert not np.allclose(cnn.outputs(x)[0], known.probabilities, atol=0.01)
    for now, then in zip(values(built.model), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_initializers_of_the_layers_are_asked(cnn: Any, model: Any) -> None:
    untrained = cnn.reinitialized()
    kernel = untrained.kernels("first")
    bound = np.sqrt(6 / (9 * 2 + 9 * 4))  # Glorot's
    assert np.abs(kernel).max() <= bound < np.abs(cnn.kernels("first")).max()
    assert np.abs(kernel).max() > 0.8 * bound
    # All else is known: biases, shift and moving mean 0, scale and moving variance 1.
    twin = small()
    twin.get_layer("first").kernel.assign(kernel)
    twin.get_layer("second").kernel.assign(untrained.kernels("second"))
    x = images(2, SHAPE)
    np.testing.assert_allclose(
        untrained.activations(x, ["second"])["second"], vz.adapt(twin).activations(x, ["second"])["second"], atol=1e-5
    )
    assert untrained.notes == ()


def test_same_seed_is_the_same_model_and_another_seed_another_without_compiling_anew(cnn: Any) -> None:
    x = images(2, SHAPE)
    first = cnn.reinitialized(seed=3).scores(x, 0)
    compiled = cnn.reinitialized().num_traces
    other = cnn.reinitialized(seed=4).scores(x, 0)
    np.testing.assert_array_equal(cnn.reinitialized(seed=3).scores(x, 0), first)
    assert not np.allclose(first, other)
    assert cnn.reinitialized(["classes"]).scores(x, 0).shape == (2,)
    assert cnn.reinitialized().num_traces == compiled


def test_layers_that_are_not_named_keep_their_weights_also_those_of_further_training(cnn: Any, model: Any) -> None:
    x = images(2, SHAPE)
    head = cnn.reinitialized(["classes"])
    np.testing.assert_array_equal(head.activations(x, ["second"])["second"], cnn.activations(x, ["second"])["second"])
    assert not np.allclose(head.scores(x, 0), cnn.scores(x, 0))
    np.testing.assert_array_equal(head.kernels("first"), cnn.kernels("first"))
    kernel = model.get_layer("first").kernel
    trained = keras.ops.convert_to_numpy(kernel.value).copy()
    kernel.assign(2 * trained)
    np.testing.assert_array_equal(head.activations(x, ["second"])["second"], cnn.activations(x, ["second"])["second"])
    kernel.assign(trained)
    with pytest.raises(LayerError, match="'head'"):
        cnn.reinitialized(["head"])


@pytest.mark.parametrize(
    "method", ["saliency:rule=guided", "gradcam", "smoothgrad:num_samples=4", "fullgrad", "occlusion"]
)
def test_methods_explain_it_as_they_do_the_model_that_it_stands_for(method: str) -> None:
    def build() -> Any:
        kernel, bias = CONV1
        start = {"kernel_initializer": Fixed(kernel), "bias_initializer": Fixed(bias)}
        head = np.linspace(-1, 1, 12)
        return keras.Sequential(
            [
                keras.Input((6, 5, 3)),
                layers.Conv2D(4, 3, activation="relu", name="conv", **start),
                layers.GlobalAveragePooling2D(),
                layers.Dense(3, kernel_initializer=Fixed(head), bias_initializer="ones"),
            ]
        )

    trained = build()
    train(trained)
    name, options = registry.parse(method)
    x = images(2)
    expected = name.function(build(), x, 1, **options)
    found = name.function(vz.adapt(trained).reinitialized(), x, 1, **options)
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)


def test_training_goes_on_as_if_nothing_had_been_asked() -> None:
    def trained(*, explained: bool) -> list[np.ndarray]:
        keras.utils.set_random_seed(2)
        model = small()
        model.compile("sgd", "sparse_categorical_crossentropy")
        x, y = images(8, SHAPE), np.arange(8) % 3
        model.fit(x, y, epochs=1, batch_size=4, verbose=0)
        if explained:
            state = np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
            vz.adapt(model).reinitialized().scores(x, 0)
            np.testing.assert_array_equal(np.random.get_state()[1], state[0])  # noqa: NPY002
            assert random.getstate() == state[1]
        model.fit(x, y, epochs=1, batch_size=4, verbose=0)
        return values(model)

    for one, other in zip(trained(explained=True), trained(explained=False), strict=True):
        np.testing.assert_array_equal(one, other)


def test_threads_get_each_its_own(cnn: Any) -> None:
    x = images(2, SHAPE)
    asked = [cnn, cnn.reinitialized(), cnn.reinitialized(seed=5), cnn.reinitialized(["classes"])] * 3
    alone = [adapter.scores(x, 0) for adapter in asked]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda adapter: adapter.scores(x, 0), asked))
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one, other)


def test_shared_layer_is_drawn_once() -> None:
    image = keras.Input((4, 4, 1))
    shared = layers.Conv2D(1, 1, use_bias=False, kernel_initializer=Fixed(np.array([2.0])), name="shared")
    model = keras.Model(image, layers.Flatten()(shared(shared(image))))
    train(model)
    x = images(1, (4, 4, 1))
    np.testing.assert_allclose(vz.adapt(model).reinitialized().outputs(x)[0], 4 * x.reshape(1, -1), rtol=1e-6)


class Scaled(layers.Layer):
    """A layer that keeps no initializer, with a weight that training changes and a table that it doesn't."""

    def build(self, shape: Any) -> None:
        self.scale = self.add_weight(shape=shape[1:], initializer="ones", name="scale")
        self.table = self.add_weight(shape=shape[1:], initializer="ones", name="table", trainable=False)

    def call(self, x: Any) -> Any:
        return x * self.scale + self.table


def test_weights_without_an_initializer_are_shuffled_and_that_is_noted() -> None:
    model = keras.Sequential([keras.Input((4, 4, 1)), Scaled(name="scaled"), layers.Flatten()])
    scale = np.arange(16.0).reshape(4, 4, 1)
    model.get_layer("scaled").scale.assign(scale)
    untrained = vz.adapt(model).reinitialized()
    found = untrained.outputs(np.ones((1, 4, 4, 1)))[0][0] - 1
    assert sorted(found) == list(range(16))
    assert list(found) != list(range(16))
    (note,) = untrained.notes
    assert note.kind == "shuffled weights"
    assert "scaled/scale" in note


def test_initializer_that_gives_what_was_learned_is_not_trusted() -> None:
    table = np.arange(8.0).reshape(8, 1)
    start = keras.initializers.Constant(table) if BACKEND != "torch" else Fixed(table)
    model = keras.Sequential([keras.Input((8,)), layers.Dense(1, use_bias=False, kernel_initializer=start)])
    kernel = vz.adapt(keras.Sequential([keras.Input((2, 4, 1)), layers.Flatten(), model])).reinitialized()
    assert float(kernel.outputs(np.eye(8)[:1].reshape(1, 2, 4, 1))[0][0, 0]) in range(8)
    basis = kernel.outputs(np.eye(8).reshape(8, 2, 4, 1))[0][:, 0]
    assert sorted(basis) == list(range(8))
    assert list(basis) != list(range(8))


def test_what_was_fitted_to_the_data_stays() -> None:
    normalization = layers.Normalization()
    normalization.adapt(np.arange(8.0).reshape(-1, 2, 2, 1))
    model = keras.Sequential([keras.Input((2, 2, 1)), normalization, layers.Flatten(), layers.Dense(2)])
    cnn, x = vz.adapt(model), images(1, (2, 2, 1))
    name = normalization.name
    np.testing.assert_array_equal(cnn.reinitialized().activations(x, [name])[name], cnn.activations(x, [name])[name])


class Foreign(layers.Layer):
    """A layer whose weight is a variable of the framework's own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.num_calls = 0
        if BACKEND == "tensorflow":
            import tensorflow as tf

            self.own = tf.Variable(2.0)
        elif BACKEND == "torch":
            import torch

            self.own = torch.nn.Parameter(torch.tensor(2.0))

    def call(self, x: Any) -> Any:
        self.num_calls += 1
        return x * self.own


@pytest.mark.skipif(BACKEND == "jax", reason="JAX has no variables of its own")
def test_weights_that_are_not_keras_variables_are_refused_and_looked_for_once() -> None:
    foreign = Foreign()
    model = keras.Sequential([keras.Input((4, 4, 1)), foreign, layers.Flatten(), layers.Dense(2)], name="foreign")
    cnn, refused = vz.adapt(model), "Model 'foreign' can't be run with other weights: it reads some past Keras"
    with pytest.raises(CapabilityError, match=refused):
        cnn.reinitialized()
    num_calls = foreign.num_calls
    for seed in (0, 1):
        with pytest.raises(CapabilityError, match=refused):
            cnn.reinitialized(seed=seed)
    assert foreign.num_calls == num_calls


def test_models_without_weights_and_black_boxes_are_refused() -> None:
    empty = keras.Sequential([keras.Input((4, 4, 1)), layers.Flatten()], name="empty")
    with pytest.raises(CapabilityError, match="Model 'empty' has no weights that could be drawn anew"):
        vz.adapt(empty).reinitialized()
    with pytest.raises(CapabilityError, match="can't be run with other weights: only Keras models can"):
        vz.adapt(lambda inputs: inputs[:, 0, 0], input_shape=(4, 4, 2)).reinitialized()


def test_it_is_no_model_of_its_own(cnn: Any) -> None:
    untrained = cnn.reinitialized()
    assert cnn.capabilities - untrained.capabilities >= {"ascent", "reinitialization"}
    with pytest.raises(CapabilityError, match="'activation_maximization' needs ascent"):
        vz.activation_maximization(untrained, 0, steps=1)


def test_it_dies_with_its_adapter() -> None:
    model = small()
    cnn = vz.adapt(model)
    cnn.reinitialized().scores(images(1, SHAPE), 0)
    kept = weakref.ref(cnn._initial.initial())
    del cnn
    gc.collect()
    assert kept() is None
