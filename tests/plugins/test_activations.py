"""Feature maps: equal to a submodel's, and computed no further than asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests.models import images
from tests.rounding import assert_same_sums
from vizcnn.errors import LayerError, OptionError

SHAPE = (8, 8, 3)


@pytest.fixture(scope="module")
def model() -> Any:
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(4, 3, activation="relu", name="one"),
            layers.MaxPooling2D(name="pool"),
            layers.Conv2D(5, 2, activation="tanh", name="two"),
            layers.Flatten(name="flatten"),
            layers.Dense(2, name="dense"),
        ]
    )


@pytest.mark.parametrize("layer", ["one", "pool", "two"])
def test_maps_equal_a_submodels_outputs(model: Any, layer: str) -> None:
    batch = images(3, SHAPE)
    submodel = keras.Model(model.inputs, model.get_layer(layer).output)
    assert_same_sums(vz.activations(model, batch, layer).values, submodel.predict(batch, verbose=0), 27, 16)


def test_layers_come_in_the_order_they_were_asked_for(model: Any) -> None:
    result = vz.activations(model, images(1, SHAPE), ["two", "one"])
    assert list(result.maps) == ["two", "one"]
    assert result.values is result.maps["one"]


def test_journey_goes_from_the_first_map_to_the_last(model: Any) -> None:
    assert list(vz.activations(model, images(1, SHAPE)).maps) == ["one", "pool", "two"]


def test_nothing_past_the_last_layer_is_computed() -> None:
    class Broken(layers.Layer):
        def call(self, x: Any) -> Any:
            if self.armed:
                raise RuntimeError("a layer past the last one was run")
            return x

    broken = Broken(name="broken")
    broken.armed = False
    model = keras.Sequential([keras.Input(SHAPE), layers.Conv2D(2, 3, name="one"), broken, layers.Flatten()])
    broken.armed = True
    assert vz.activations(model, images(1, SHAPE), "one").values.shape == (1, 6, 6, 2)


def test_top_channels_are_those_of_the_highest_mean(model: Any) -> None:
    result = vz.activations(model, images(2, SHAPE), "two")
    assert result.top_channels(2, index=1) == np.argsort(-result.values[1].mean(axis=(0, 1)))[:2].tolist()


def test_sheet_shows_the_top_channels_of_the_image(model: Any) -> None:
    result = vz.activations(model, images(2, SHAPE), "two")
    _, axis = plt.subplots()
    assert result.plot(axis, index=1, top=2, columns=2) is axis
    best = result.top_channels(1, index=1)[0]
    np.testing.assert_array_equal(axis.images[0].get_array()[:2, :2], result.values[1, ..., best])
    assert axis.get_title() == "two: 5 maps 2x2, the 2 most active"
    assert axis.images[0].norm.vmin == -axis.images[0].norm.vmax  # tanh is signed


def test_channels_can_be_named(model: Any) -> None:
    _, axis = plt.subplots()
    vz.activations(model, images(1, SHAPE), "one").plot(axis, channels=[3, 0])
    assert [text.get_text() for text in axis.texts] == ["3", "0"]
    assert axis.images[0].norm.vmin == 0  # relu is not


def test_journey_is_one_figure_with_axes_per_layer(model: Any, tmp_path: Path) -> None:
    result = vz.activations(model, images(1, SHAPE))
    assert len(result.plot()) == 3
    plt.close("all")
    assert result.save(tmp_path / "journey.png").stat().st_size > 5000
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda m, x: vz.activations(m, x, "three"), LayerError, "got 'three'"),
        (lambda m, x: vz.activations(m, x, "dense"), LayerError, "`layer` 'dense' has no feature maps"),
        (lambda m, x: vz.activations(m, x, []), OptionError, "`layer` must name at least one layer"),
        (lambda m, x: vz.activations(m, x, "one").plot(channels=[]), OptionError, "`channels` must be indices below 4"),
        (
            lambda m, x: vz.activations(m, x, "one").plot(channels=[4]),
            OptionError,
            "`channels` must be indices below 4",
        ),
        (lambda m, x: vz.activations(m, x, "one").plot(index=1), OptionError, "`index` must name one of 1 images"),
        (lambda m, x: vz.activations(m, x, "one").top_channels(layer="two"), OptionError, "that was computed, 'one'"),
        (
            lambda m, x: vz.activations(m, x).plot(plt.subplots()[1]),
            OptionError,
            "`ax` must be one Axes per montage, 3 in all; got 1 Axes",
        ),
    ],
)
def test_wrong_calls_are_rejected(model: Any, call: Any, error: Any, text: str) -> None:
    with pytest.raises(error) as caught:
        call(model, images(1, SHAPE))
    assert text in str(caught.value)
