"""Several threads on one model get what they get alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests.models import (
    BOTH_WAYS,
    CLOSE,
    functional,
    images,
    nested,
    open_size,
    reference,
    subclassed,
    subclassed_called,
)
from tests.rounding import assert_same_sums
from vizcnn.adapter import LAST_SPATIAL

QUESTIONS: list[Callable[[Any], Any]] = [
    lambda model: vz.saliency(model, images(2), 0, rule="guided").raw,
    lambda model: vz.saliency(model, images(2), 1).raw,
    lambda model: vz.gradcam(model, images(2), 2, relu=False).raw,
    lambda model: vz.saliency(model, images(2), 2, rule="relu").raw,
    lambda model: vz.gradcam(model, images(2), 0, rule="guided", relu=False).raw,
]


def _together(tasks: list[Callable[[], Any]]) -> list[Any]:
    """Run the tasks in threads that start at the same moment."""
    gate = threading.Barrier(len(tasks))

    def start(task: Callable[[], Any]) -> Any:
        gate.wait()
        return task()

    with ThreadPoolExecutor(len(tasks)) as pool:
        return [future.result() for future in [pool.submit(start, task) for task in tasks]]


@pytest.mark.parametrize("build", [nested, subclassed_called])
@pytest.mark.parametrize("adapted", [True, False], ids=["one adapter", "bare model"])
def test_threads_get_what_they_get_alone(build: Any, adapted: bool) -> None:
    alone = [question(vz.adapt(build().model)) for question in QUESTIONS]
    model = vz.adapt(build().model) if adapted else build().model
    both = _together([lambda question=question: question(model) for question in QUESTIONS])
    for got, expected in zip(both, alone, strict=True):
        assert_same_sums(got, expected, *BOTH_WAYS)


def test_two_adapters_of_one_model_do_not_disturb_each_other() -> None:
    model, x = nested().model, images(2)
    rules = ["guided", "relu", "vanilla"]
    taken = _together([lambda rule=rule: vz.adapt(model).gradients(x, 1, rule=rule) for rule in rules])
    for rule, gradients in zip(rules, taken, strict=True):
        np.testing.assert_allclose(gradients.gradients, reference(x, 1, rule=rule).by_input, **CLOSE)


def test_model_never_called_is_built_once_by_two_threads() -> None:
    built, x = subclassed(), images(2)
    adapter = vz.adapt(built.model)
    taken = _together([lambda index=index: adapter.gradients(x, index) for index in (0, 1)])
    for index, gradients in enumerate(taken):
        np.testing.assert_allclose(gradients.gradients, reference(x, index).by_input, **CLOSE)


def test_two_threads_may_show_images_of_two_sizes() -> None:
    adapter = vz.adapt(open_size().model)
    shapes = [(6, 5, 3), (9, 8, 3)]

    def corner(shape: tuple[int, ...]) -> np.ndarray:
        return adapter.scores(images(2, shape), vz.targets.Neuron("out", (shape[0] - 1, shape[1] - 1, 0)))

    for _ in range(3):
        got = _together([lambda shape=shape: corner(shape) for shape in shapes])
        for shape, scores in zip(shapes, got, strict=True):
            expected = reference(images(2, shape)).last[:, -1, -1, 0]
            np.testing.assert_allclose(scores, expected, **CLOSE)


class Slow(layers.Layer):
    """A layer that lets another thread in while it is traced."""

    def __init__(self, entered: threading.Event, go_on: threading.Event) -> None:
        super().__init__(name="slow")
        self.events = entered, go_on
        self.waits = False

    def call(self, x: Any) -> Any:
        if self.waits:
            self.waits = False
            self.events[0].set()
            assert self.events[1].wait(60)
        return keras.ops.relu(x) * 1.0


def test_prediction_is_unaffected_while_another_thread_traces() -> None:
    entered, go_on = threading.Event(), threading.Event()
    x = keras.Input((6, 5, 3))
    slow = Slow(entered, go_on)
    model = keras.Model(x, layers.Dense(2)(layers.Flatten()(slow(layers.Conv2D(2, 3, activation="relu")(x)))))
    image = images(3)
    expected = model.predict(image, verbose=0)
    eager = keras.ops.convert_to_numpy(model(image))
    slow.waits = True
    with ThreadPoolExecutor(1) as pool:
        tracing = pool.submit(vz.adapt(model).gradients, image, 0, rule="guided")
        assert entered.wait(60)
        predicted, called = model.predict(image, verbose=0), keras.ops.convert_to_numpy(model(image))
        fresh = keras.Model(model.input, model.output).predict(image, verbose=0)  # traced just now
        go_on.set()
        guided = tracing.result().gradients
    np.testing.assert_array_equal(predicted, expected)
    np.testing.assert_array_equal(called, eager)
    assert_same_sums(fresh, expected, 27, 24, size=1)
    np.testing.assert_array_equal(guided, vz.adapt(model).gradients(image, 0, rule="guided").gradients)


def test_training_goes_on_while_another_thread_explains() -> None:
    model, x = functional().model, images(16)
    model.compile("sgd", "sparse_categorical_crossentropy")
    adapter = vz.adapt(model)

    def train() -> Any:
        return model.fit(x, np.zeros(16, int), epochs=3, verbose=0).history["loss"]

    def explain() -> None:
        for rule in ("guided", "relu"):
            with suppress(vz.errors.UnsupportedModelError):  # on JAX the training has the weights for itself
                adapter.gradients(x, 0, of=LAST_SPATIAL, rule=rule)

    losses, _ = _together([train, explain])
    twin = functional().model
    twin.compile("sgd", "sparse_categorical_crossentropy")
    expected = twin.fit(x, np.zeros(16, int), epochs=3, verbose=0, shuffle=False).history["loss"]
    np.testing.assert_allclose(losses, expected, rtol=1e-4)  # one batch an epoch: the order doesn't matter
