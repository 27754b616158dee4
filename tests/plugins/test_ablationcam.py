"""Ablation-CAM against a loop over channels, Grad-CAM where both are the same, and what can be worked out by hand."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests.models import images
from tests.rounding import rounding
from vizcnn.errors import CapabilityError, LayerError
from vizcnn.resample import resize

SHAPE = (9, 8, 2)


@pytest.fixture(scope="module")
def halves() -> tuple[Any, Any]:
    """Return a network, and what comes after its layer "conv"."""
    keras.utils.set_random_seed(3)
    image = keras.Input(SHAPE)
    maps = layers.Conv2D(5, 3, activation="relu", name="conv")(image)
    rest = [layers.MaxPooling2D(2), layers.Flatten(name="flat"), layers.Dense(3, name="logits")]
    inner = keras.Input(maps.shape[1:])
    x, y = maps, inner
    for layer in rest:
        x, y = layer(x), layer(y)
    return vz.adapt(keras.Model(image, layers.Activation("softmax")(x)), batch_size=4), keras.Model(inner, y)


CLOSE = rounding(18, 45, 5, size=6)


@pytest.fixture(scope="module")
def cnn(halves: Any) -> Any:
    return halves[0]


def test_ablationcam_equals_a_loop_over_channels(halves: Any) -> None:
    cnn, rest = halves
    batch = images(2, SHAPE)
    result = vz.ablationcam(cnn, batch, [1, 2], layer="conv")
    maps = cnn.activations(batch, ["conv"])["conv"]
    for index, target in enumerate([1, 2]):
        whole = rest.predict(maps[index : index + 1], verbose=0)[0, target]
        expected = np.zeros(maps.shape[1:3])
        for channel in range(5):
            without = maps[index : index + 1].copy()
            without[..., channel] = 0
            expected += (whole - rest.predict(without, verbose=0)[0, target]) * maps[index, ..., channel]
        np.testing.assert_allclose(result.raw[index], expected, **CLOSE)
        np.testing.assert_allclose(result.values[index], resize(np.maximum(expected, 0), SHAPE[:2]), **CLOSE)


def test_weight_of_a_channel_that_is_averaged_and_weighed_is_what_it_gives_to_the_score() -> None:
    image = keras.Input((6, 6, 2))
    same = layers.Conv2D(2, 1, use_bias=False, name="colors")
    head = layers.Dense(1, use_bias=False)
    model = keras.Model(image, head(layers.GlobalAveragePooling2D()(same(image))))
    same.set_weights([np.eye(2, dtype=np.float32).reshape(1, 1, 2, 2)])
    head.set_weights([np.array([[2.0], [-3.0]], np.float32)])
    x = images(1, (6, 6, 2)) + 2
    result = vz.ablationcam(model, x, 0, layer="colors", relu=False)
    means = x[0].mean(axis=(0, 1))
    np.testing.assert_allclose(result.values[0], x[0] @ (means * [2.0, -3.0]), rtol=1e-4, atol=1e-4)
    assert result.signed
    assert vz.ablationcam(model, x, 0, layer="colors").values.min() >= 0


def test_channels_that_are_silent_are_not_run(cnn: Any, monkeypatch: Any) -> None:
    batch = images(2, SHAPE)
    run = []
    whole = type(cnn).scores_from

    def counted(self: Any, layer: Any, activations: np.ndarray, target: Any = None, **others: Any) -> Any:
        run.append(len(activations))
        return whole(self, layer, activations, target, **others)

    monkeypatch.setattr(type(cnn), "scores_from", counted)
    with pytest.warns(vz.errors.VizcnnWarning, match="1 of 3 images .* is zero everywhere"):
        result = vz.ablationcam(cnn, np.concatenate([batch, np.zeros((1, *SHAPE), np.float32)]), 1, layer="conv")
    maps = cnn.activations(batch, ["conv"])["conv"]
    assert sum(run) == maps.any(axis=(1, 2)).sum()
    assert max(run) <= 4
    assert not result.raw[2].any()


def test_predicted_class_stays_the_explained_one(cnn: Any) -> None:
    batch = images(2, SHAPE)
    predicted = cnn.outputs(batch)[0].argmax(axis=1).tolist()
    unnamed, named = (vz.ablationcam(cnn, batch, target, layer="conv") for target in (None, predicted))
    np.testing.assert_array_equal(unnamed.values, named.values)


def test_a_batch_is_its_loop(cnn: Any) -> None:
    batch = images(3, SHAPE)
    together = vz.ablationcam(cnn, batch, [0, 1, 2])
    for index in range(3):
        alone = vz.ablationcam(cnn, batch[index : index + 1], index)
        np.testing.assert_allclose(together.values[index], alone.values[0], **CLOSE)


def test_layer_without_a_map_and_model_without_layers_are_rejected(cnn: Any) -> None:
    with pytest.raises(LayerError, match="`layer` 'flat' has no spatial map"):
        vz.ablationcam(cnn, images(1, SHAPE), 0, layer="flat")
    box = vz.adapt(lambda x: x[:, 0, 0], input_shape=SHAPE)
    with pytest.raises(CapabilityError, match="'ablationcam' needs activations and layers"):
        vz.ablationcam(box, images(1, SHAPE), 0)
