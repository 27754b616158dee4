"""What every method that explains images keeps to; registering one is enough to have it tested here."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers
from matplotlib.figure import Figure

import vizcnn as vz
from tests import framework
from tests.few import EVERYWHERE, few
from tests.rounding import assert_same_sums
from vizcnn.errors import TargetError
from vizcnn.plugins import registry
from vizcnn.results import load_result

ALL = [name for name in vz.methods() if registry.get(name).explains]
OWN = [name for name in ALL if "/" not in name]
FOREIGN = [name for name in ALL if "/" in name and framework.BACKEND == "tensorflow"]

pytestmark = pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")

both = pytest.mark.parametrize("method", [*OWN, *FOREIGN])
own = pytest.mark.parametrize("method", OWN)


@cache
def network(channels: int) -> vz.ModelAdapter:
    """Return a CNN that takes images of any size, the same one each time."""
    keras.utils.set_random_seed(channels)
    inputs = keras.Input((None, None, channels))
    x = layers.Conv2D(4, 3, activation="relu", padding="same", name="early")(inputs)
    x = layers.BatchNormalization()(layers.MaxPooling2D()(x))
    x = layers.Conv2D(5, 3, activation="relu", padding="same", name="late")(x)
    x = layers.Dropout(0.5)(layers.GlobalAveragePooling2D()(x))
    return vz.adapt(keras.Model(inputs, layers.Dense(3, activation="softmax")(x)), batch_size=2)


class Tokens(layers.Layer):
    """Make a row of tokens of a map of any size."""

    def call(self, x):
        count = -1 if None in x.shape[1:3] else x.shape[1] * x.shape[2]
        return keras.ops.reshape(x, (keras.ops.shape(x)[0], count, x.shape[3]))


@cache
def transformer(channels: int) -> vz.ModelAdapter:
    """Return a small transformer that takes images of any size, the same one each time."""
    keras.utils.set_random_seed(channels)
    inputs = keras.Input((None, None, channels))
    x = Tokens()(layers.Conv2D(4, 4, strides=4, name="patches")(inputs))
    for number in range(2):
        x = x + layers.MultiHeadAttention(2, 2, name=f"attention_{number}")(x, x)
    x = layers.GlobalAveragePooling1D()(x)
    return vz.adapt(keras.Model(inputs, layers.Dense(3, activation="softmax")(x)), batch_size=2)


def model_for(method: str, channels: int = 3) -> vz.ModelAdapter:
    return (transformer if registry.get(method).family == "transformer" else network)(channels)


FORWARD = (27, 36, 20, 5)
"""Products in each sum of this network, for images of 10x9: of both convolutions, the mean over positions, the dense layer."""

BOTH_WAYS = FORWARD * 2


SIZES = [(8, 8), (10, 9), (11, 13)]
"""Of images: few, since each is compiled for."""


@st.composite
def batches(draw: Any) -> np.ndarray:
    """Images of several sizes, any number, channels and dtype, in the range that this dtype usually has."""
    count, channels = draw(st.integers(1, 3)), draw(st.sampled_from([1, 3]))
    height, width = draw(st.sampled_from(SIZES))
    dtype = draw(st.sampled_from(["float32", "float64", "float16", "uint8", "int32", "bool"]))
    values = np.random.default_rng(draw(st.integers(0, 99))).uniform(0, 1, (count, height, width, channels))
    return (values * {"uint8": 255, "int32": 255, "bool": 2}.get(dtype, 1)).astype(dtype)


def run(method: str, images: np.ndarray, target: Any = None, **options: Any) -> vz.Attributions:
    plugin = registry.get(method)
    return plugin.function(model_for(method, images.shape[-1]), images, target, **few(plugin), **options)


def state(adapter: vz.ModelAdapter) -> list[Any]:
    """Return all that a method could have changed of a model."""
    model = adapter.model
    flags = [
        (layer.name, layer.trainable, "call" in vars(layer), vars(layer).get("activation")) for layer in model.layers
    ]
    return [
        [w.tobytes() for w in model.get_weights()],
        flags,
        model.predict(np.ones((1, 8, 8, 3)), verbose=0).tobytes(),
    ]


# Every image, size and dtype ----------------------------------------------------------------------------------------------


def check(method: str, images: np.ndarray) -> None:
    before = images.copy()
    result = run(method, images)
    count, height, width, _ = images.shape
    assert result.values.shape == (count, height, width)
    assert result.values.dtype == result.raw.dtype == result.scores.dtype == np.float32
    assert np.isfinite(result.values).all()
    assert result.scores.shape == (count,)
    assert len(result.predictions) == len(result.target) == len(result.classes) == count
    assert images.dtype == before.dtype
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("method", sorted(EVERYWHERE & {*OWN}))
@settings(max_examples=8)
@given(images=batches())
def test_values_are_one_finite_number_per_pixel(method, images):
    check(method, images)


@pytest.mark.parametrize("method", [*(name for name in OWN if name not in EVERYWHERE), *FOREIGN])
@settings(max_examples=2)
@given(images=batches())
def test_values_of_methods_that_ask_the_same_are_one_finite_number_per_pixel(method, images):
    check(method, images)


IMAGES = np.random.default_rng(0).uniform(0, 1, (3, 10, 9, 3)).astype(np.float32)


@cache
def explained(method: str) -> vz.Attributions:
    """Return what a method says of `IMAGES`, for tests that only look at it."""
    return run(method, IMAGES)


@both
def test_same_call_gives_the_same_values(method):
    np.testing.assert_array_equal(run(method, IMAGES).values, explained(method).values)


@own
def test_batch_is_its_loop(method):
    together = run(method, IMAGES, [0, None, 2])
    for i, target in enumerate([0, None, 2]):
        alone = run(method, IMAGES[i : i + 1], target)
        assert_same_sums(together.values[i], alone.values[0], *BOTH_WAYS)
        assert_same_sums(together.scores[i], alone.scores[0], *FORWARD, size=1)


@both
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_constant_image_is_safe(method, value):
    result = run(method, np.full((1, 8, 8, 3), value, dtype=np.float32))
    assert np.isfinite(result.values).all()
    assert result.plot(Figure().add_subplot()).images


# The model and the call ---------------------------------------------------------------------------------------------------


@both
def test_model_is_the_same_afterwards(method):
    before = state(model_for(method))
    run(method, IMAGES)
    assert state(model_for(method)) == before


@both
def test_model_is_the_same_after_an_exception(method):
    def boom(outputs: Any) -> Any:
        raise ZeroDivisionError("in the middle of a run")

    before = state(model_for(method))
    with pytest.raises((ZeroDivisionError, TargetError), match=r"in the middle of a run|isn't a class|must be a class"):
        run(method, IMAGES, boom)
    assert state(model_for(method)) == before


@both
def test_wrong_class_is_rejected(method):
    with pytest.raises(TargetError, match=r"must be a class index from 0 to 2 .*; got 3"):
        run(method, IMAGES, 3)


@own
def test_bare_model_and_its_adapter_answer_the_same(method):
    plugin = registry.get(method)
    assert_same_sums(
        plugin.function(model_for(method).model, IMAGES, 1, **few(plugin)).values,
        run(method, IMAGES, 1).values,
        *BOTH_WAYS,
    )


@both
def test_arguments_have_the_same_names_and_places(method):
    parameters = list(inspect.signature(registry.get(method).function).parameters.values())
    assert [(p.name, p.default) for p in parameters[:3]] == [
        ("model", inspect.Parameter.empty),
        ("images", inspect.Parameter.empty),
        ("target", None),
    ]
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in parameters[3:])


@both
def test_every_option_is_in_the_result_and_in_the_documentation(method):
    plugin = registry.get(method)
    assert explained(method).options.keys() == plugin.options.keys()
    documentation = inspect.getdoc(plugin.function)
    assert [
        option for option in plugin.options if f"{option} :" not in documentation and f"{option}, " not in documentation
    ] == []


@both
def test_result_survives_being_saved(method, tmp_path):
    result = explained(method)
    again = load_result(result.save(tmp_path / "result.npz"))
    np.testing.assert_array_equal(again.values, result.values)
    np.testing.assert_array_equal(again.raw, result.raw)
    assert (again.options, again.notes, again.predictions) == (result.options, result.notes, result.predictions)
