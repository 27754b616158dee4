"""A file of a model that was frozen in part computes what was saved, whatever order its weights were listed in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from vizcnn.adapter.loading.weight_order import in_order_of

X = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)


@keras.saving.register_keras_serializable("vizcnn_tests")
class Own(layers.Layer):
    """A layer of the author's own, of parts that Keras names."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.first, self.second = layers.Conv2D(3, 3, padding="same"), layers.Conv2D(3, 3, padding="same")

    def build(self, shape: Any) -> None:
        self.first.build(shape)
        self.second.build(shape)

    def call(self, x: Any) -> Any:
        return self.second(self.first(x))


@keras.saving.register_keras_serializable("vizcnn_tests")
class OwnOfOwn(Own):
    """A layer of layers of the author's own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.first, self.second = Own(), Own()


def _backbone() -> Any:
    image = keras.Input((8, 8, 3))
    x = layers.BatchNormalization()(layers.Conv2D(3, 3, padding="same")(image))
    return keras.Model(image, layers.BatchNormalization()(layers.Conv2D(3, 3, padding="same")(x)), name="backbone")


def _own() -> Any:
    own = Own()
    own.first.trainable = False
    return own


def _own_of_own() -> Any:
    own = OwnOfOwn()
    own.first.second.trainable = False
    own.second.first.trainable = False
    return own


def _partly_frozen() -> Any:
    backbone = _backbone()
    for layer in backbone.layers[:3]:
        layer.trainable = False
    return backbone


def _partly_thawed() -> Any:
    backbone = _backbone()
    backbone.trainable = False
    for layer in backbone.layers[-2:]:
        layer.trainable = True
    return backbone


def _batch_normalization_frozen() -> Any:
    """Freeze what transfer learning freezes most: every BatchNormalization, so that it keeps its statistics."""
    backbone = _backbone()
    for layer in backbone.layers:
        layer.trainable = not isinstance(layer, layers.BatchNormalization)
    return backbone


def _deep() -> Any:
    return keras.Sequential([keras.Input((8, 8, 3)), _partly_frozen(), _own()])


def _wrapped() -> Any:
    layer = layers.Bidirectional(layers.SimpleRNN(2, return_sequences=True))
    layer.build((None, 8, 3))
    layer.forward_layer.trainable = False
    return keras.Sequential([keras.Input((8, 8, 3)), layers.TimeDistributed(layer)])


PARTS: dict[str, Callable[[], Any]] = {
    "layer of one's own": _own,
    "layers of one's own in one": _own_of_own,
    "backbone partly frozen": _partly_frozen,
    "backbone partly thawed": _partly_thawed,
    "batch normalization frozen": _batch_normalization_frozen,
    "two deep": _deep,
    "one direction": _wrapped,
}


@pytest.mark.parametrize("name", ["model.h5", "model.keras", "model.weights.h5", "legacy.h5"])
@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_model_frozen_in_part_computes_what_was_saved(tmp_path: Path, part: Any, name: str) -> None:
    model = keras.Sequential([keras.Input((8, 8, 3)), part(), layers.Flatten(), layers.Dense(3)])
    rng = np.random.default_rng(1)
    model.set_weights([rng.uniform(0.1, 0.9, weight.shape) for weight in model.weights])
    expected = keras.ops.convert_to_numpy(model(X))
    if name == "model.weights.h5":
        model.save_weights(tmp_path / name)
        (tmp_path / "model.json").write_text(model.to_json())
    elif name == "legacy.h5":
        _save_legacy_weights(model, tmp_path / name)
    else:
        model.save(tmp_path / name)
    (result,) = vz.adapt(tmp_path / name).outputs(X)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


def _save_legacy_weights(model: Any, path: Path) -> None:
    """Write what Keras 2 called weights alone: the lists of weights, with the description beside them."""
    import h5py

    model.save(path.with_name("whole.h5"))
    with h5py.File(path.with_name("whole.h5")) as whole, h5py.File(path, "w") as file:
        for name in whole["model_weights"]:
            whole.copy(f"model_weights/{name}", file)
        for name, value in whole["model_weights"].attrs.items():
            file.attrs[name] = value
    path.with_suffix(".json").write_text(model.to_json())


def _weights(*paths: str) -> list[Any]:
    return [SimpleNamespace(path=path) for path in paths]


@pytest.mark.parametrize(
    ("names", "paths", "order"),
    [
        (["dense_9/kernel", "dense_10/kernel"], ["dense_1/kernel", "dense/kernel"], [1, 0]),
        (["m/a/bias", "m/a/kernel"], ["n/b/a/kernel", "n/b/a/bias"], [1, 0]),
        (["a_1/dense/kernel", "a/dense/kernel"], ["a/dense/kernel", "a_1/dense/kernel"], [1, 0]),
        (["dense/bias:0", "dense/kernel:0"], ["dense/kernel", "dense/bias"], [1, 0]),
        (["convolution2d_1_W", "convolution2d_1_b"], ["conv/kernel", "conv/bias"], [0, 1]),
        (["param_0", "param_1"], ["conv/kernel", "conv/bias"], [0, 1]),
    ],
)
def test_names_tell_the_order(names: list[str], paths: list[str], order: list[int]) -> None:
    weights = _weights(*paths)
    assert in_order_of(names, weights) == [weights[i] for i in order]


def test_names_that_leave_the_order_open_are_refused() -> None:
    weights = _weights("c/kernel", "c/bias", "d/kernel", "d/bias")
    with pytest.raises(ValueError, match="because a part of it was frozen, and their names don't tell which is which"):
        in_order_of(["a/kernel", "b/kernel", "a/bias", "b/bias"], weights)
