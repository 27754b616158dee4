"""Models that can't be called on one batch of images say so, and how to make one that can; what returns odd things is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests.rounding import assert_same_sums
from vizcnn.errors import UnsupportedModelError, VizcnnWarning

X = np.random.default_rng(0).uniform(0, 1, (3, 6, 6, 3)).astype(np.float32)


class Base(keras.Model):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.conv = layers.Conv2D(4, 3)
        self.top = layers.Dense(3)

    def score(self, x: Any) -> Any:
        return self.top(keras.ops.mean(self.conv(x), axis=(1, 2)))


class TwoArguments(Base):
    def call(self, image: Any, scale: Any) -> Any:
        return self.score(image * scale)


class OneTuple(Base):
    def call(self, pair: Any) -> Any:
        image, scale = pair
        return self.score(image * scale)


class OneDict(Base):
    def call(self, batch: Any) -> Any:
        return self.score(batch["image"])


class Broken(Base):
    def call(self, x: Any) -> Any:
        raise RuntimeError("not today")


class OneNumber(Base):
    def call(self, x: Any) -> Any:
        return keras.ops.mean(self.score(x))


class NoTensor(Base):
    def call(self, x: Any) -> Any:
        self.score(x)
        return {"label": "cat"}


class WithNone(Base):
    def call(self, x: Any) -> Any:
        return self.score(x), None


class WithText(Base):
    def call(self, x: Any) -> Any:
        return {"kind": "cat", "scores": self.score(x)}


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            TwoArguments,
            r"can't be called on inputs of shape \(N, 6, 6, 3\): .*'scale'.*keras\.Model\(image, model\(image, scale=\.\.\.\)\)",
        ),
        (OneTuple, r"can't be called on inputs .* is wrapped: image = keras\.Input\(shape\)"),
        (OneDict, r"can't be called on inputs .* is wrapped"),
        (Base, r"its class Base has no `call`, so it computes nothing"),
        (Broken, r"RuntimeError: not today"),
        (OneNumber, r"must return one row per image; its output 'output' is a single number"),
        (NoTensor, r"must return a tensor, one row per image; it returns none"),
        (lambda: keras.Sequential(name="none"), r"Model 'none' can't be called .* it has no layers\. Add layers"),
        (lambda: keras.Sequential([keras.Input((6, 6, 3))]), "it has no layers"),
    ],
)
@pytest.mark.parametrize("method", [vz.saliency, vz.occlusion])
def test_model_that_takes_no_batch_of_images_says_so(make: Any, text: str, method: Any) -> None:
    model = make()
    for _ in range(2):  # what it says once it says again
        with pytest.raises(UnsupportedModelError, match=text):
            method(model, X, 0)


def test_the_remedy_works() -> None:
    model = TwoArguments()
    image = keras.Input((6, 6, 3))
    wrapped = keras.Model(image, model(image, scale=2.0))
    np.testing.assert_allclose(
        vz.adapt(wrapped).outputs(X)[0], keras.ops.convert_to_numpy(model.score(2 * X)), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize(("make", "name"), [(WithNone, "output"), (WithText, "scores")])
def test_what_is_no_tensor_among_the_outputs_is_left_out(make: Any, name: str) -> None:
    model = make()
    adapter = vz.adapt(model)
    (values,) = adapter.outputs(X)
    np.testing.assert_allclose(values, keras.ops.convert_to_numpy(model.score(X)), rtol=1e-4, atol=1e-6)
    assert list(adapter.output_shapes) == [name]
    assert vz.saliency(adapter, X, 1).values.shape == (3, 6, 6)


# A batch of one size, and a state --------------------------------------------------------------------------------------------


RECURRENT = (27, *[12, 4] * 6, 8)
"""Products in each sum: of the convolution, six steps of the recurrent layer, the dense layer."""


def _recurrent(batch: int | None, stateful: bool) -> Any:
    keras.utils.set_random_seed(0)
    image = keras.Input(batch_shape=(batch, 6, 6, 3))
    x = layers.Reshape((6, 12))(layers.Conv2D(2, 3, padding="same")(image))
    x = layers.Bidirectional(layers.GRU(4, stateful=stateful), name="rows")(x)
    return keras.Model(image, layers.Dense(3, "softmax")(x), name="recurrent")


@pytest.mark.parametrize("batch", [1, 2, 4])
@pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")
def test_stateful_model_begins_with_zeros_on_any_number_of_images(tmp_path: Path, batch: int) -> None:
    twin, model = _recurrent(None, stateful=False), _recurrent(batch, stateful=True)
    twin.set_weights(model.get_weights()[: len(twin.weights)])
    model.save(tmp_path / "model.keras")
    adapter = vz.adapt(tmp_path / "model.keras")
    for _ in range(2):  # and nothing is kept from one call to the next
        ours, theirs = (it.gradients(X, 1) for it in (adapter, vz.adapt(twin)))
        assert_same_sums(ours.gradients, theirs.gradients, *RECURRENT * 2)
        assert_same_sums(ours.scores, theirs.scores, *RECURRENT, size=1)


def test_state_of_the_users_model_is_left_as_it_is_and_told() -> None:
    model = _recurrent(3, stateful=True)
    model(X)
    states = [keras.ops.convert_to_numpy(weight.value) for weight in model.variables]
    with pytest.warns(
        VizcnnWarning, match="'rows' keeps a state from one batch to the next; every image is explained from a state"
    ):
        adapter = vz.adapt(model)
    adapter.outputs(X)
    assert model.get_layer("rows").stateful
    for weight, before in zip(model.variables, states, strict=True):
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight.value), before)


@pytest.mark.parametrize("batch", [1, 4])
def test_batch_of_one_size_takes_any_number_of_images(tmp_path: Path, batch: int) -> None:
    keras.utils.set_random_seed(0)
    image = keras.Input(batch_shape=(batch, 6, 6, 3))
    model = keras.Model(image, layers.Dense(3)(layers.Flatten()(layers.Conv2D(2, 3)(image))))
    model.save(tmp_path / "model.keras")
    kernel, bias = model.layers[1].get_weights()
    windows = np.lib.stride_tricks.sliding_window_view(X, (3, 3), axis=(1, 2))
    maps = np.einsum("nhwcij,ijck->nhwk", windows, kernel) + bias
    expected = maps.reshape(3, -1) @ model.layers[3].get_weights()[0]
    np.testing.assert_allclose(vz.adapt(tmp_path / "model.keras").outputs(X)[0], expected, rtol=1e-4, atol=1e-5)
