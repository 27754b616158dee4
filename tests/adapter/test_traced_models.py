"""Functions that TensorFlow traces and keeps, or runs again for their gradient: seen through, and left as they were."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests import framework
from tests.models import CLOSE, CONV1, CONV2, DENSE, HEIGHT, WIDTH, conv, dense, images, reference

if framework.BACKEND != "tensorflow":
    pytest.skip("a matter of TensorFlow's", allow_module_level=True)

import tensorflow as tf


@keras.saving.register_keras_serializable("vizcnn_tests")
class Features(layers.Layer):
    """The convolutions of `tests.models`, in a `call` that a subclass wraps."""

    def __init__(self, activation: Any = None, **options: Any) -> None:
        super().__init__(**options)
        self.first = conv("conv1", CONV1, activation=activation or "relu")
        self.second = conv("conv2", CONV2)
        self.out = layers.Activation(activation, name="out") if activation else layers.ReLU(name="out")

    def build(self, shape: Any) -> None:
        self.first.build(shape)
        self.second.build((*shape[:-1], 4))
        self.built = True

    def features(self, x: Any) -> Any:
        first = self.first(x)
        return self.out(first + self.second(first))

    def call(self, x: Any) -> Any:
        return self.features(x)


@keras.saving.register_keras_serializable("vizcnn_tests")
class TracedCall(Features):
    @tf.function
    def call(self, x: Any) -> Any:
        return self.features(x)


class TracedMethod(Features):
    @tf.function(input_signature=[tf.TensorSpec((None, HEIGHT, WIDTH, 3), tf.float32)])
    def features(self, x: Any) -> Any:
        return super().features(x)


class Nested(Features):
    @tf.function(jit_compile=True)
    def inner(self, x: Any) -> Any:
        return self.out(x)

    @tf.function(reduce_retracing=True)
    def features(self, x: Any) -> Any:
        first = self.first(x)
        return self.inner(first + self.second(first))


class WithControlFlow(Features):
    """Python that only AutoGraph makes into a graph, around a layer and before another."""

    @tf.function
    def features(self, x: Any) -> Any:
        if tf.reduce_sum(x) > 1e9:
            x = x * 2.0
        first = self.first(x)
        total = first
        for _ in tf.range(1):
            total = total + self.second(first)
        return self.out(total)


class TracedLayers(Features):
    """Layers that are wrapped, and kept, as functions."""

    def features(self, x: Any) -> Any:
        if not hasattr(self, "traced"):
            self.traced = [tf.function(self.first), tf.function(self.second.call), tf.function(self.out)]
        first = self.traced[0](x)
        return self.traced[2](first + self.traced[1](first))


class MadeByTheInstance(Features):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.call = tf.function(self.call)


@tf.function
def traced_relu(x: Any) -> Any:
    return tf.nn.relu(x)


class Recomputed(Features):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.again = keras.remat(self.features)

    def call(self, x: Any) -> Any:
        return self.again(x)


class RecomputedLayers(Features):
    def features(self, x: Any) -> Any:
        first = tf.recompute_grad(self.first)(x)
        return keras.remat(self.out)(first + tf.recompute_grad(self.second.call)(first))


class TracedAndRecomputed(Features):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.again = tf.function(keras.remat(tf.function(self.features)))

    def call(self, x: Any) -> Any:
        return self.again(x)


def _model(features: Any) -> Any:
    head = [layers.GlobalAveragePooling2D(name="pool"), dense("predictions", DENSE, activation="softmax")]
    model = keras.Sequential([keras.Input((HEIGHT, WIDTH, 3)), features, *head], name="traced")
    model.compile(
        keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", run_eagerly=True
    )  # fast; what is wrapped is traced
    return model


def _in_a_scope(**options: Any) -> Callable[[], Any]:
    def make() -> Any:
        with keras.RematScope(**options):
            return Features(name="features")

    return make


def _of_layers_in_a_scope(mode: str) -> Callable[[], Any]:
    """Make the layers in the scope, and the layer that holds them outside of it."""

    class Made(Features):
        def __init__(self, **options: Any) -> None:
            with keras.RematScope(mode=None):
                layers.Layer.__init__(self, **options)
            with keras.RematScope(mode=mode):
                Features.__init__(self, activation="relu", **options)
            self._remat_mode = None

    return lambda: Made(name="features")


MADE: dict[str, Callable[[], Any]] = {
    **{
        kind.__name__: lambda kind=kind: kind(name="features")
        for kind in (
            TracedCall,
            TracedMethod,
            Nested,
            WithControlFlow,
            TracedLayers,
            MadeByTheInstance,
            Recomputed,
            RecomputedLayers,
            TracedAndRecomputed,
        )
    },
    "traced activation": lambda: Features(traced_relu, name="features"),
    "scope of everything": _in_a_scope(mode="full"),
    "scope by name": _in_a_scope(mode="list_of_layers", layer_names=["features"]),
    "scope by size": _in_a_scope(mode="larger_than", output_size_threshold=1),
    "scope of activations": _of_layers_in_a_scope("activations"),
    "scope of layers": _of_layers_in_a_scope("full"),
}


def _fit(model: Any) -> list[np.ndarray]:
    x, y = images(8, seed=3), np.arange(8) % 3
    losses = model.fit(x, y, epochs=2, batch_size=4, shuffle=False, verbose=0).history["loss"]
    return [np.array(losses), *model.get_weights(), model.predict(x, verbose=0)]


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_traced_model_is_explained_as_the_plain_one_and_trains_on_as_its_twin(make: Callable[[], Any]) -> None:
    x, model, twin = images(2), _model(make()), _model(make())
    adapter = vz.adapt(model)
    for rule in ("guided", "vanilla"):
        taken = adapter.gradients(x, 1, rule=rule)
        np.testing.assert_allclose(taken.gradients, reference(x, 1, rule=rule).by_input, **CLOSE)
        assert taken.notes == ()
    for array, expected in zip(_fit(model), _fit(twin), strict=True):
        np.testing.assert_array_equal(array, expected)  # bit for bit


@pytest.mark.parametrize(
    "kind",
    ["TracedCall", "WithControlFlow", "TracedLayers", "RecomputedLayers", "scope by size", "scope of activations"],
)
def test_layers_inside_what_is_traced_are_reached(kind: str) -> None:
    x, adapter = images(2), vz.adapt(_model(MADE[kind]()))
    first, last = (info.path for info in adapter.layers if info.name in ("conv1", "out"))
    expected = reference(x, 2)
    maps = adapter.activations(x, [first, last])
    np.testing.assert_allclose(maps[first], expected.first, **CLOSE)
    np.testing.assert_allclose(maps[last], expected.last, **CLOSE)
    taken = adapter.gradients(x, 2, of=vz.adapter.LAST_SPATIAL)
    np.testing.assert_allclose(taken.gradients, expected.by_last, **CLOSE)


def test_trace_that_is_there_already_is_neither_used_nor_changed() -> None:
    x, model, twin = images(2), _model(TracedCall(name="features")), _model(TracedCall(name="features"))
    for each in (model, twin):
        _fit(each)
    vanilla = vz.adapt(twin).gradients(x, 1).gradients
    assert not np.allclose(vz.adapt(model).gradients(x, 1, rule="guided").gradients, vanilla)
    traces = model.layers[0].call.experimental_get_tracing_count()
    assert traces == twin.layers[0].call.experimental_get_tracing_count()
    for array, expected in zip(_fit(model), _fit(twin), strict=True):
        np.testing.assert_array_equal(array, expected)


def test_model_of_a_file_whose_call_is_traced(tmp_path: Path) -> None:
    x, path = images(2), str(tmp_path / "traced.keras")
    made = _model(TracedCall(name="features"))
    made.layers[-1].kernel_initializer = made.layers[-1].bias_initializer = (
        keras.initializers.Zeros()
    )  # a file knows it
    made.save(path)
    adapter = vz.adapt(path)
    guided = adapter.gradients(x, 1, rule="guided").gradients
    np.testing.assert_allclose(guided, reference(x, 1, rule="guided").by_input, **CLOSE)
    np.testing.assert_allclose(adapter.gradients(x, 1).gradients, reference(x, 1).by_input, **CLOSE)


class TracedModel(keras.Model):
    def __init__(self, **options: Any) -> None:
        super().__init__(name="traced")
        self.features = Features(name="features")
        self.pool = layers.GlobalAveragePooling2D(name="pool")
        self.head = dense("head", DENSE, activation="softmax")

    @tf.function
    def call(self, x: Any) -> Any:
        return self.head(self.pool(self.features(x)))


def test_call_of_the_model_itself_may_be_traced() -> None:
    replaced = _model(Features(name="features"))
    replaced.call = tf.function(replaced.call)
    for model in (TracedModel(), replaced):
        x = tf.constant(images(2))
        model(x)
        guided = vz.adapt(model).gradients(images(2), 0, of="features/conv1", rule="guided").gradients
        np.testing.assert_allclose(guided, reference(images(2), 0, rule="guided").by_first, **CLOSE)
        with tf.GradientTape() as tape:
            tape.watch(x)
            logit = tf.math.log(model(x)[:, 0])
        probabilities = reference(images(2)).probabilities
        by_logits = [reference(images(2), index).by_input for index in range(3)]
        expected = by_logits[0] - sum(
            p[:, None, None, None] * g for p, g in zip(probabilities.T, by_logits, strict=True)
        )
        np.testing.assert_allclose(tape.gradient(logit, x), expected, rtol=1e-3, atol=1e-5)


class Clipped(layers.Layer):
    """A ReLU with a gradient of its own; what is called inside has none."""

    def call(self, x: Any) -> Any:
        @tf.custom_gradient
        def clip(x: Any) -> Any:
            return tf.nn.relu(x), lambda upstream: upstream

        return clip(x)


class Concrete(layers.Layer):
    """A layer that asks for a concrete function, and keeps it."""

    def call(self, x: Any) -> Any:
        if not hasattr(self, "kept"):
            self.traced = tf.function(lambda x: tf.nn.relu(x))
            self.kept = [self.traced.get_concrete_function(tf.TensorSpec((None, HEIGHT, WIDTH, 4)))]
        return self.kept[0](x)


@pytest.mark.parametrize(("layer", "what"), [(Clipped, "relu in a custom gradient"), (Concrete, "a concrete function")])
def test_rule_that_does_not_reach_an_activation_says_so(layer: Any, what: str) -> None:
    x = keras.Input((HEIGHT, WIDTH, 3))
    y = layer()(conv("conv1", CONV1)(x))
    model = keras.Model(x, dense("predictions", DENSE)(layers.GlobalAveragePooling2D()(y)))
    if layer is Concrete:
        del model.layers[2].kept
    with pytest.raises(vz.errors.RuleError, match=what):
        vz.adapt(model).gradients(images(), 0, rule="guided")
    gradient = vz.adapt(model).gradients(images(), 0).gradients
    with tf.GradientTape() as tape:
        tensor = tf.constant(images())
        tape.watch(tensor)
        logit = model(tensor)[:, 0]
    np.testing.assert_allclose(gradient, tape.gradient(logit, tensor), **CLOSE)
