"""Recurrent layers that Keras 2 ran by cuDNN compute what those of this Keras do with the same weights in its own order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras import layers

from tests import framework
from vizcnn.adapter.loading import cudnn_layers, load_model

pytestmark = framework.needs_tensorflow

X = np.random.default_rng(0).normal(size=(2, 6, 3)).astype(np.float32)


def in_this_order(weights: list[np.ndarray], gates: int, *, is_gru: bool) -> list[np.ndarray]:
    """Return cuDNN's weights as Keras's own layers have them: each gate's kernels turned, an LSTM's two biases added."""
    kernel, recurrent, bias = weights
    turned = [part.T.reshape(part.shape, order="F") for part in np.split(kernel, gates, axis=1)]
    across = [part.T for part in np.split(recurrent, gates, axis=1)]
    both = bias.reshape(2, -1)
    return [np.concatenate(turned, axis=1), np.concatenate(across, axis=1), both if is_gru else both.sum(axis=0)]


def written_by_keras_2(path: Path, kind: str, weights: list[list[np.ndarray]]) -> Path:
    """Write a file of such layers, one of them in both directions, as Keras 2 described them."""
    ours = getattr(cudnn_layers, f"CuDNN{kind}")
    with keras.saving.custom_object_scope({f"CuDNN{kind}": ours}):
        both = layers.Bidirectional(ours(2), name="both")
    model = keras.Sequential([keras.Input((6, 3)), ours(4, return_sequences=True, name="first"), both])
    for layer, values in zip(model.layers, weights, strict=True):
        layer.set_weights(values)
    model.save(path)
    with h5py.File(path, "a") as file:
        config = json.loads(file.attrs["model_config"])
        first, pair = config["config"]["layers"][-2:]
        said = {"units": 4, "return_sequences": True, "return_state": False, "go_backwards": False, "stateful": False}
        training = {"kernel_initializer": "glorot_uniform", "unit_forget_bias": True, "recurrent_constraint": None}
        first.update(class_name=f"CuDNN{kind}", config={"name": "first", "trainable": True, **said, **training})
        first.pop("module", None)
        inner = {"name": "inner", "trainable": True, **said, "units": 2, "return_sequences": False, **training}
        pair["config"] = {
            "name": "both",
            "merge_mode": "concat",
            "layer": {"class_name": f"CuDNN{kind}", "config": inner},
        }
        file.attrs["model_config"] = json.dumps(config)
        file.attrs["keras_version"] = "2.2.4"
    return path


@pytest.mark.parametrize(("kind", "gates"), [("LSTM", 4), ("GRU", 3)])
def test_it_computes_what_the_layer_of_this_keras_does(tmp_path: Path, kind: str, gates: int) -> None:
    rng = np.random.default_rng(1)

    def weights(inputs: int, units: int) -> list[np.ndarray]:
        width = gates * units
        shapes: list[Any] = [(inputs, width), (units, width), (2 * width,)]
        return [rng.normal(size=shape).astype(np.float32) for shape in shapes]

    first, forward, backward = weights(3, 4), weights(4, 2), weights(4, 2)
    loaded = load_model(written_by_keras_2(tmp_path / "model.h5", kind, [first, forward + backward]))
    assert f"CuDNN{kind}, a layer that is gone (2 times)" in loaded.repairs
    theirs: Any = getattr(layers, kind)
    expected = keras.Sequential(
        [keras.Input((6, 3)), theirs(4, return_sequences=True), layers.Bidirectional(theirs(2))]
    )
    turned = [in_this_order(one, gates, is_gru=kind == "GRU") for one in (first, forward, backward)]
    expected.layers[0].set_weights(turned[0])
    expected.layers[1].set_weights(turned[1] + turned[2])
    values = [keras.ops.convert_to_numpy(model(X)) for model in (loaded.model, expected)]
    np.testing.assert_allclose(*values, atol=1e-5)
