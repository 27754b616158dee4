"""Score-CAM against a loop over channels, and what can be worked out by hand."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests.models import images
from tests.rounding import rounding
from vizcnn.errors import CapabilityError, LayerError, OptionError
from vizcnn.resample import resize

SHAPE = (9, 8, 2)
CHANNELS = 5


@pytest.fixture(scope="module")
def cnn() -> Any:
    keras.utils.set_random_seed(3)
    image = keras.Input(SHAPE)
    x = layers.Conv2D(CHANNELS, 3, activation="relu", name="conv")(image)
    x = layers.MaxPooling2D(2, name="pooled")(x)
    outputs = layers.Dense(3, activation="softmax")(layers.Flatten(name="flat")(x))
    return vz.adapt(keras.Model(image, outputs))


CLOSE = rounding(18, 45, size=6)
"""The convolution and the dense layer of this network."""


def slow(cnn: Any, image: np.ndarray, target: int, layer: str, fill: float, channels: Any = None) -> np.ndarray:
    """Return the signed map and the weights by the paper, one channel after another."""
    maps = cnn.activations(image[None], [layer])[layer][0]
    hidden = cnn.scores(np.full((1, *image.shape), fill, np.float32), target)[0]
    chosen = range(maps.shape[-1]) if channels is None else channels
    increases = []
    for channel in chosen:
        mask = resize(maps[..., channel], image.shape[:2])
        mask = ((mask - mask.min()) / (mask.max() - mask.min()))[..., None]
        increases.append(cnn.scores((image * mask + fill * (1 - mask))[None], target)[0] - hidden)
    weights = np.exp(increases) / np.exp(increases).sum()
    return sum(weight * maps[..., channel] for weight, channel in zip(weights, chosen, strict=True))


def busy(cnn: Any, image: np.ndarray, layer: str) -> np.ndarray:
    """Return the channels, those whose values differ most first."""
    return np.argsort(-cnn.activations(image[None], [layer])[layer][0].std(axis=(0, 1)))


def bright(count: int = 2) -> np.ndarray:
    return images(count, SHAPE) + 1  # so that no channel is silent


@pytest.mark.parametrize("layer", ["conv", "pooled"])
def test_scorecam_equals_a_loop_over_channels(cnn: Any, layer: str) -> None:
    batch = images(2, SHAPE)
    result = vz.scorecam(cnn, batch, [1, 2], layer=layer, baseline=0.25)
    for index, target in enumerate([1, 2]):
        expected = slow(cnn, batch[index], target, layer, 0.25)
        np.testing.assert_allclose(result.raw[index], expected, **CLOSE)
        np.testing.assert_allclose(result.values[index], resize(np.maximum(expected, 0), SHAPE[:2]), **CLOSE)
    assert result.layer == layer


def test_top_takes_the_channels_that_vary_most_on_each_image(cnn: Any) -> None:
    batch = images(2, SHAPE)
    result = vz.scorecam(cnn, batch, 1, layer="conv", baseline=0.0, top=2)
    for index, image in enumerate(batch):
        expected = slow(cnn, image, 1, "conv", 0.0, busy(cnn, image, "conv")[:2])
        np.testing.assert_allclose(result.raw[index], expected, **CLOSE)


def planted(scale: float) -> Any:
    """Return a model that sees red and green, each in a channel of its own, and answers to red alone."""
    image = keras.Input((6, 6, 2))
    conv = layers.Conv2D(3, 1, name="colors", bias_initializer="zeros")
    pooled = layers.GlobalAveragePooling2D()(conv(image))
    dense = layers.Dense(2)
    model = keras.Model(image, dense(pooled))
    conv.set_weights([np.array([[1, 0, 0], [0, 1, 0]], np.float32).reshape(1, 1, 2, 3), np.zeros(3, np.float32)])
    dense.set_weights([np.array([[scale, 0], [0, 0], [0, 0]], np.float32), np.zeros(2, np.float32)])
    return vz.adapt(model)


def two_colors() -> np.ndarray:
    image = np.zeros((1, 6, 6, 2), np.float32)
    image[:, 1:3, 1:3, 0] = 1  # red above
    image[:, 4:6, 4:6, 1] = 1  # green below
    return image


def test_mass_lies_on_the_color_that_the_model_answers_to_and_the_constant_channel_is_left_out() -> None:
    result = vz.scorecam(planted(9.0), two_colors(), 0, layer="colors", baseline=0.0, weighting="increase")
    np.testing.assert_allclose(result.values[0], two_colors()[0, ..., 0], atol=1e-6)
    (note,) = [note for note in result.notes if note.kind == "constant"]
    assert note == "Channels of layer 'colors' that are the same all over the image are left out: 1 of 3."
    assert note.quiet


def test_softmax_that_gives_one_channel_nearly_all_of_the_weight_is_told() -> None:
    with pytest.warns(
        vz.errors.VizcnnWarning, match=r"One channel of layer 'colors' has nearly all of the weight \(1 or more\)"
    ):
        result = vz.scorecam(planted(900.0), two_colors(), 0, layer="colors", baseline=0.0)
    np.testing.assert_allclose(result.values[0], two_colors()[0, ..., 0], atol=1e-6)
    assert not [n for n in vz.scorecam(planted(1.0), two_colors(), 0, layer="colors").notes if n.kind == "one channel"]


def test_image_on_which_every_channel_is_constant_has_an_empty_map_beside_one_that_has_a_map() -> None:
    batch = np.concatenate([np.ones((1, 6, 6, 2), np.float32), two_colors()])
    with pytest.warns(vz.errors.VizcnnWarning, match="zero"):
        result = vz.scorecam(planted(9.0), batch, 0, layer="colors", baseline=0.0, weighting="increase")
    assert not result.values[0].any()
    np.testing.assert_allclose(result.values[1], two_colors()[0, ..., 0], atol=1e-6)


def test_relu_cuts_what_is_negative(cnn: Any) -> None:
    keras.utils.set_random_seed(0)
    image = keras.Input(SHAPE)
    x = layers.Conv2D(3, 3, name="signed")(image)
    model = keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    cut, signed = (vz.scorecam(model, images(1, SHAPE), 0, layer="signed", relu=relu) for relu in (True, False))
    assert signed.signed
    assert signed.values.min() < 0
    assert cut.values.min() == 0
    np.testing.assert_array_equal(cut.raw, signed.raw)


def test_baseline_is_what_is_seen_and_what_is_compared_with(cnn: Any) -> None:
    image = images(1, SHAPE)
    black, mean = (vz.scorecam(cnn, image, 1, layer="conv", baseline=fill).raw for fill in (0.0, "mean"))
    assert np.abs(black - mean).max() > 1e-3
    first, again, other = (
        vz.scorecam(cnn, image, 1, layer="conv", baseline="noise", seed=seed).raw for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-4


def test_a_batch_is_its_loop(cnn: Any) -> None:
    batch = images(3, SHAPE)
    together = vz.scorecam(cnn, batch, [0, 1, 2], top=3)
    for index in range(3):
        alone = vz.scorecam(cnn, batch[index : index + 1], index, top=3)
        np.testing.assert_allclose(together.values[index], alone.values[0], **CLOSE)


def test_map_that_sees_a_part_of_the_image_is_put_there_before_the_image_is_seen_through_it() -> None:
    keras.utils.set_random_seed(0)
    image = keras.Input((8, 8, 1))
    x = layers.Conv2D(2, 1, activation="relu", name="half", bias_initializer="ones")(
        layers.Cropping2D(((4, 0), (0, 0)))(image)
    )
    head = layers.Dense(2)
    model = vz.adapt(keras.Model(image, head(layers.Flatten()(x))))
    with pytest.warns(vz.errors.VizcnnWarning, match="rows 4 to 7 of 0 to 7"):
        result = vz.scorecam(model, images(1, (8, 8, 1)) + 2, 0, layer="half", baseline=0.0)
    assert not result.values[0, :3].any()
    assert result.values[0, 5:].any()


def test_layer_without_a_map_and_model_without_layers_are_rejected(cnn: Any) -> None:
    with pytest.raises(LayerError, match="`layer` 'flat' has no spatial map"):
        vz.scorecam(cnn, images(1, SHAPE), 0, layer="flat")
    box = vz.adapt(lambda x: x[:, 0, 0], input_shape=SHAPE)
    with pytest.raises(CapabilityError, match="'scorecam' needs activations and layers"):
        vz.scorecam(box, images(1, SHAPE), 0)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"top": 0}, "`top` must be a positive whole number; got 0"),
        ({"weighting": "mean"}, "`weighting` must be one of 'softmax', 'increase'; got 'mean'"),
        ({"baseline": "gray"}, "`baseline` must be a number, one per channel, or one of 'mean', 'blur', 'noise'"),
    ],
)
def test_wrong_options_are_rejected(cnn: Any, options: Any, text: str) -> None:
    with pytest.raises(OptionError) as error:
        vz.scorecam(cnn, images(1, SHAPE), 0, **options)
    assert text in str(error.value)
