"""A bias that Keras adds along another axis than it belongs to is told."""

from __future__ import annotations

import warnings
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from vizcnn.adapter.keras.bias_axis import is_taken_for_last


def model(width: int, **options: Any) -> keras.Model:
    conv = layers.Conv2D(4, 1, data_format="channels_first", name="conv", **options)
    pooled = layers.GlobalAveragePooling2D(data_format="channels_first")
    return keras.Sequential([keras.Input((3, 5, width)), conv, pooled, layers.Dense(2)])


def noted(network: keras.Model, width: int) -> list[str]:
    adapter = vz.adapt(network)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        vz.saliency(adapter, np.ones((1, 5, width, 3), np.float32), 1)
    return [str(note) for note in adapter.notes if note.kind == "misplaced bias"]


@pytest.mark.filterwarnings("ignore:Keras .* adds the bias:vizcnn.errors.VizcnnWarning")
@pytest.mark.skipif(not is_taken_for_last(), reason="this Keras adds biases along their own axis")
def test_bias_of_a_map_as_wide_as_it_has_channels_is_told_once() -> None:
    (note,) = noted(model(4), 4)
    assert "adds the bias of 'conv' in model" in note
    network = model(4, kernel_initializer="zeros", bias_initializer="random_normal")
    maps = vz.adapt(network).activations(np.ones((1, 5, 4, 3), np.float32), ["conv"])["conv"]
    bias = keras.ops.convert_to_numpy(network.layers[0].bias)
    np.testing.assert_allclose(maps[0, 0, :, 0], bias, rtol=1e-6)  # along the columns, indeed


@pytest.mark.parametrize(("width", "options"), [(5, {}), (4, {"use_bias": False})])
def test_others_are_not_told(width: int, options: dict[str, Any]) -> None:
    assert noted(model(width, **options), width) == []


def test_channels_last_are_not_told() -> None:
    network = keras.Sequential([keras.Input((5, 4, 3)), layers.Conv2D(4, 1), layers.Flatten(), layers.Dense(2)])
    assert noted(network, 4) == []
