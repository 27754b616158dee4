"""Kernels: what they are, and the sheet that shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests.rounding import rounding
from vizcnn.errors import LayerError, OptionError


@pytest.fixture(scope="module")
def model() -> Any:
    keras.utils.set_random_seed(1)
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, name="color"),
            layers.DepthwiseConv2D(3, name="depthwise"),
            layers.SeparableConv2D(5, 3, name="separable"),
            layers.Conv2D(6, 1, name="pointwise"),
            layers.Flatten(name="flatten"),
            layers.Dense(2, name="dense"),
        ]
    )


def test_values_are_the_weights_of_the_layer(model: Any) -> None:
    result = vz.filters(model, "color")
    np.testing.assert_array_equal(result.values, keras.ops.convert_to_numpy(model.get_layer("color").kernel))


def test_first_convolution_larger_than_one_pixel_is_taken_by_default() -> None:
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(2, 1, name="a"), layers.Conv2D(2, 3, name="b")])
    assert vz.filters(model).layer == "b"


def test_kernels_are_ordered_by_their_norm(model: Any) -> None:
    kernel = np.zeros((3, 3, 3, 4), np.float32)
    kernel[0, 0, 0] = [1, -3, 0, 2]
    network = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3, name="c")])
    network.layers[0].set_weights([kernel, np.zeros(4)])
    assert vz.filters(network).order == (1, 3, 0, 2)


def test_three_input_channels_are_drawn_as_colors_with_zero_at_gray(model: Any) -> None:
    result = vz.filters(model, "color")
    pictures, names, signed = result.pictures()
    kernel = result.values[..., result.order[0]]
    np.testing.assert_allclose(pictures[0], 0.5 + kernel / np.abs(result.values).max() / 2, atol=1e-6)
    assert (len(names), signed) == (4, False)


@pytest.mark.parametrize(
    ("channels", "reduce"),
    [("mean", lambda k: k.mean(axis=-1)), ("norm", lambda k: np.sqrt((k**2).sum(axis=-1)))],
)
def test_channels_are_reduced_by_the_rule_that_is_named(model: Any, channels: Any, reduce: Any) -> None:
    result = vz.filters(model, "color")
    pictures, _, _ = result.pictures(channels)
    np.testing.assert_allclose(pictures[0], reduce(result.values[..., result.order[0]]), **rounding(3, 3))


def test_each_channel_can_have_a_picture_of_its_own(model: Any) -> None:
    result = vz.filters(model, "color")
    pictures, names, signed = result.pictures("each")
    np.testing.assert_array_equal(pictures[4], result.values[:, :, 1, result.order[1]])
    assert (names[4], len(pictures), signed) == (f"{result.order[1]}.1", 12, True)


@pytest.mark.parametrize(("layer", "count"), [("depthwise", 4), ("separable", 4)])
def test_each_channel_of_a_depthwise_convolution_is_a_kernel(model: Any, layer: str, count: int) -> None:
    result = vz.filters(model, layer)
    pictures, _, signed = result.pictures()
    np.testing.assert_array_equal(pictures[0], result.values[:, :, result.order[0], 0])
    assert (len(pictures), signed) == (count, True)


def test_sheet_has_one_zero_centered_scale_on_every_page(model: Any) -> None:
    result = vz.filters(model, "pointwise")
    ends = set()
    for page in range(3):
        _, axis = plt.subplots()
        assert result.plot(axis, top=2, page=page, colorbar=False) is axis
        ends.add((axis.images[0].norm.vmin, axis.images[0].norm.vmax))
        title = " ".join(axis.get_title().split())  # it is wrapped where its letters are as wide
        assert title == f"pointwise: 6 kernels 1x1x5, {2 * page}-{2 * page + 1} of 6 by norm"
    ((low, high),) = ends
    assert low == -high == -np.abs(result.pictures()[0]).max()


def test_sheet_holds_the_kernels_side_by_side(model: Any) -> None:
    result = vz.filters(model, "depthwise")
    _, axis = plt.subplots()
    result.plot(axis, columns=2)
    sheet = axis.images[0].get_array()
    np.testing.assert_array_equal(sheet[4:7, :3], result.pictures()[0][2])
    assert sheet[3].mask.all()
    assert [text.get_text() for text in axis.texts] == [str(i) for i in result.order]


@pytest.mark.filterwarnings("ignore:__array__")  # Keras, reading its optimizer's learning rate
def test_preferred_input_of_a_bare_kernel_is_its_sign() -> None:
    kernel = np.array([[1, -1, 1], [-1, 1, -1], [1, 1, -1]], np.float32)
    model = keras.Sequential([keras.Input((9, 9, 1)), layers.Conv2D(1, 3, name="c"), layers.Flatten(), layers.Dense(2)])
    model.layers[0].set_weights([kernel[..., None, None], np.zeros(1)])
    with pytest.warns(vz.errors.VizcnnWarning, match="doesn't say what range"):
        result = vz.filters(model, "c", preferred_inputs=1, steps=150)
    np.testing.assert_allclose(result.preferred_inputs[0, ..., 0], kernel > 0, atol=0.1)


def test_picture_and_values_are_saved(model: Any, tmp_path: Path) -> None:
    result = vz.filters(model, "color")
    assert result.save(tmp_path / "k.png").stat().st_size > 2000
    np.testing.assert_array_equal(np.load(result.save(tmp_path / "k.npz"))["values"], result.values)
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda m: vz.filters(m, "dense"), LayerError, "`layer` 'dense' is a Dense, which has no kernels"),
        (lambda m: vz.filters(m, "colors"), LayerError, "Did you mean 'color'?"),
        (
            lambda m: vz.filters(m, "color", preferred_inputs=5),
            OptionError,
            "`preferred_inputs` must be from 0 to the 4 kernels",
        ),
        (lambda m: vz.filters(m, "color").plot(page=1), OptionError, "`page` must be from 0 to 0"),
        (lambda m: vz.filters(m, "color").plot(top=0), OptionError, "`top` positive"),
        (
            lambda m: vz.filters(m, "color").plot(channels="sum"),
            OptionError,
            "`channels` must be one of 'auto', 'mean'",
        ),
    ],
)
def test_wrong_calls_are_rejected(model: Any, call: Any, error: Any, text: str) -> None:
    with pytest.raises(error) as caught:
        call(model)
    assert text in str(caught.value)


def test_model_without_a_convolution_is_told_so() -> None:
    model = keras.Sequential([keras.Input((4, 4, 1)), layers.Flatten(), layers.Dense(2)])
    with pytest.raises(LayerError, match="has no convolution"):
        vz.filters(model)
