"""Models that take whole numbers: a cast has no gradient, and no picture pretends that it had one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests import framework
from tests.models import dense
from vizcnn.transforms import NONE

SHAPE = (6, 6, 1)
WEIGHTS = np.random.default_rng(2).normal(size=(36, 3)).astype(np.float32)


def _head(x: Any) -> Any:
    return dense("logits", (WEIGHTS, np.zeros(3, np.float32)))(layers.Flatten()(x))


def cast_by_keras() -> Any:
    image = keras.Input(SHAPE, dtype="uint8")
    return keras.Model(image, _head(keras.ops.cast(image, "float32") / 255))


def rescaling() -> Any:
    image = keras.Input(SHAPE, dtype="uint8")
    return keras.Model(image, _head(layers.Rescaling(1 / 255)(image)))


def division() -> Any:
    image = keras.Input(SHAPE, dtype="int32")
    return keras.Model(image, _head(image / 255))


class CastInside(keras.Model):
    def __init__(self) -> None:
        super().__init__(name="cast_inside")
        self.flatten, self.head = layers.Flatten(), dense("logits", (WEIGHTS, np.zeros(3, np.float32)))

    def call(self, x: Any) -> Any:
        import tensorflow as tf

        return self.head(self.flatten(tf.cast(tf.cast(x, tf.uint8), tf.float32) / 255.0))


def cast_inside() -> Any:
    model = CastInside()
    model(np.zeros((1, *SHAPE), np.float32))
    return model


def rounded() -> Any:
    image = keras.Input(SHAPE)
    return keras.Model(image, _head(keras.ops.round(image)))


def compared() -> Any:
    image = keras.Input(SHAPE)
    return keras.Model(image, _head(keras.ops.cast(image > 0.5, "float32")))


@framework.needs_tensorflow
@pytest.mark.parametrize("make", [cast_by_keras, rescaling, division, cast_inside])
def test_maximization_starts_behind_the_cast(make: Callable[[], Any]) -> None:
    adapter = vz.adapt(make())
    made = vz.activation_maximization(
        adapter, [0, 1, 2], steps=60, parametrization="pixel", transforms=NONE, regularizers=(), input_range=(0, 255)
    )
    for index, image in enumerate(made.values):  # of a linear model: white where the weight is positive
        agrees = (image > 0.5) == (WEIGHTS[:, index].reshape(SHAPE) > 0)
        assert agrees.mean() > 0.9
    assert (made.history[-1] > made.history[0] + 1).all()


@pytest.mark.parametrize("make", [rounded, compared])
def test_maximization_of_what_has_no_gradient_is_refused_or_says_so(make: Callable[[], Any]) -> None:
    told = vz.errors.CapabilityError, vz.errors.VizcnnWarning
    with pytest.raises(told, match=r"has no gradient by the input|was zero in every step"):
        vz.activation_maximization(make(), [0, 1], steps=2, input_range=(0, 1))


@pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")
def test_note_on_an_ascent_without_gradient_is_on_that_result_alone() -> None:
    adapter = vz.adapt(keras.Sequential([keras.Input(SHAPE), layers.ReLU(threshold=2.0), layers.Flatten()]))
    made = vz.activation_maximization(adapter, [0, 1], steps=2, input_range=(0, 1))
    assert [note.kind for note in made.notes] == ["ascent"]
    assert not any(note.kind == "ascent" for note in vz.saliency(adapter, np.zeros((1, *SHAPE)), 0).notes)


@pytest.mark.parametrize("make", [cast_by_keras, rescaling, division])
def test_saliency_refuses_a_cast(make: Callable[[], Any]) -> None:
    with pytest.raises(vz.errors.CapabilityError, match="a layer rounds or casts it away"):
        vz.saliency(make(), np.zeros((1, *SHAPE), np.uint8), 0)


def test_bytes_are_pixels() -> None:
    assert vz.adapt(cast_by_keras()).input_range == (0.0, 255.0)


def test_ascent_that_an_interrupt_ended_can_be_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = vz.adapt(keras.Sequential([keras.Input(SHAPE), layers.Flatten()]))

    def interrupted(climb: Any, *_: Any) -> Any:
        yield next(climb)
        raise KeyboardInterrupt

    options: dict[str, Any] = {"steps": 3, "input_range": (0, 1)}
    with monkeypatch.context() as patch:
        patch.setattr("vizcnn.algorithms.maximization.track", interrupted)
        with pytest.raises(KeyboardInterrupt) as caught:
            vz.activation_maximization(adapter, 3, **options)
    made = vz.activation_maximization(adapter, 3, **options)
    assert made.history.shape == (3, 1)
    assert caught.value is not None  # its traceback still holds what was run
