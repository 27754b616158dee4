"""Randomization against maps of a second model, whose weights are those before the training."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from scipy import stats

import vizcnn as vz
from tests.models import Fixed, images

SHAPE = (7, 8, 2)
FIRST, HEAD = np.linspace(-1, 1, 72) ** 3, np.linspace(1, -1, 12) ** 2


def build() -> Any:
    """Return a small CNN whose initializers draw nothing, so that it is known how it was before its training."""
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(4, 3, activation="relu", name="first", kernel_initializer=Fixed(FIRST)),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, name="head", kernel_initializer=Fixed(HEAD)),
        ]
    )


@pytest.fixture(scope="module")
def trained() -> Any:
    model = build()
    generator = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(size=variable.shape))
    return model


def similarity(maps: np.ndarray, others: np.ndarray) -> list[float]:
    """Return Spearman's correlation of magnitudes, as SciPy has it."""
    pairs = zip(np.abs(maps), np.abs(others), strict=True)
    return [abs(stats.spearmanr(one.ravel(), other.ravel()).statistic) for one, other in pairs]


def test_it_is_the_rank_correlation_with_the_map_of_the_untrained_model(trained: Any) -> None:
    x = images(3, SHAPE)
    result = vz.explain(trained, x, methods="saliency", metrics="randomization")["saliency"]
    other = vz.saliency(build(), x, target=list(result.classes))  # of the class that the trained model predicts
    np.testing.assert_allclose(
        result.measures["randomization"], similarity(result.values, other.values), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(("order", "drawn_first"), [("top_down", "head"), ("bottom_up", "first")])
def test_layer_by_layer_one_more_is_as_it_was(trained: Any, order: str, drawn_first: str) -> None:
    x = images(2, SHAPE)
    name = f"randomization:order={order}"
    result = vz.explain(trained, x, 1, methods="saliency", metrics=name)["saliency"]
    half, whole = build(), build()
    for layer in trained.layers:
        if layer.name != drawn_first and layer.weights:
            half.get_layer(layer.name).set_weights(layer.get_weights())
    expected = [similarity(result.values, vz.saliency(model, x, 1).values) for model in (half, whole)]
    np.testing.assert_allclose(result.extras[f"{name} curve"], np.transpose(expected), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(result.measures[name], np.mean(expected, axis=0), rtol=1e-5, atol=1e-6)


def test_map_of_the_image_alone_is_called_out_and_noise_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = vz.plugins.registry
    monkeypatch.setattr(registry.INSTALLED, "entries", {name: registry.get(name) for name in vz.methods()})

    @vz.register("edges", needs={"outputs"})
    def edges(model: Any, inputs: Any, score: Any) -> Any:
        """Show where brightness changes."""
        return vz.results.AttributionBatch(np.abs(np.gradient(inputs[..., 0], axis=1)))

    results = vz.explain(
        vz.assets.digits_cnn(), vz.assets.digits()[:4], methods=["edges", "gradcam"], metrics="randomization"
    )
    np.testing.assert_allclose(results["edges"].measures["randomization"], 1, rtol=1e-6)
    assert results["gradcam"].measures["randomization"].mean() < 0.9


@pytest.mark.filterwarnings("ignore:The map of image is zero everywhere")
def test_map_that_is_the_same_everywhere_and_a_model_of_no_weights_have_no_number(trained: Any) -> None:
    black = np.zeros((1, *SHAPE), np.float32)  # nothing changes on the way from black to black
    with pytest.warns(vz.errors.VizcnnWarning, match="undefined for the map of image: it is the same everywhere"):
        (blank,) = vz.explain(trained, black, methods="integrated_gradients", metrics="randomization").results.values()
    assert np.isnan(blank.measures["randomization"][0])
    box = vz.adapt(lambda inputs: inputs.mean(axis=(1, 2)), input_shape=(4, 4, 2))
    with pytest.warns(vz.errors.VizcnnWarning, match="can't be run with other weights: only Keras models can"):
        result = vz.explain(
            box, images(2, (4, 4, 2)), methods="occlusion:patch_size=1,stride=1", metrics="randomization"
        )
    (result,) = result.results.values()
    assert np.isnan(result.measures["randomization"]).all()
    assert result.measured(0) == "randomization undefined"
    (note,) = [note for note in result.notes if note.kind == "undefined"]
    assert note.images == (0, 1)
