"""Class activation maps against their formulas, written out channel by channel and place by place, and by their laws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers

import vizcnn as vz
from tests.models import images
from vizcnn.algorithms.cam import first_component
from vizcnn.errors import LayerError, OptionError

SHAPE = (9, 8, 2)


def network(*, pooled: bool = False, signed: bool = False) -> vz.ModelAdapter:
    """Return a CNN with a layer "maps" of 5 channels; `pooled`: with global average pooling and one dense layer behind it."""
    keras.utils.set_random_seed(5)
    image = keras.Input(SHAPE)
    x = layers.Conv2D(4, 3, activation="tanh")(image)
    x = layers.Conv2D(5, 3, activation=None if signed else "relu", name="maps")(x)
    x = (
        layers.GlobalAveragePooling2D()(x)
        if pooled
        else layers.Dense(6, activation="tanh", name="hidden")(layers.Flatten()(x))
    )
    return vz.adapt(keras.Model(image, layers.Dense(3, activation="softmax")(x)))


@pytest.fixture(scope="module")
def cnn() -> vz.ModelAdapter:
    return network()


@pytest.fixture(scope="module")
def pooled() -> vz.ModelAdapter:
    return network(pooled=True)


def grad_cam_plus_plus(maps: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    cam = np.zeros(maps.shape[:2])
    for k in range(maps.shape[2]):
        a, g = maps[..., k], gradients[..., k]
        weight = 0.0
        for place in np.ndindex(a.shape):
            below = 2 * g[place] ** 2 + a.sum() * g[place] ** 3
            share = g[place] ** 2 / below if below != 0 else 0.0
            weight += share * max(g[place], 0)
        cam += weight * a
    return cam


def hires_cam(maps: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    return sum(maps[..., k] * gradients[..., k] for k in range(maps.shape[2]))


def layer_cam(maps: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    return sum(maps[..., k] * np.where(gradients[..., k] > 0, gradients[..., k], 0) for k in range(maps.shape[2]))


def xgrad_cam(maps: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    cam = np.zeros(maps.shape[:2])
    for k in range(maps.shape[2]):
        if maps[..., k].sum() != 0:
            shares = maps[..., k] / maps[..., k].sum()
            cam += (shares * gradients[..., k]).sum() * maps[..., k]
    return cam


def component(maps: np.ndarray) -> np.ndarray:
    rows = maps.reshape(-1, maps.shape[2])
    cam = (rows @ np.linalg.svd(rows, full_matrices=False)[2][0]).reshape(maps.shape[:2])
    return cam if cam.max() >= -cam.min() else -cam


def features_above(maps: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    cam = np.zeros(maps.shape[:2])
    for k in range(maps.shape[2]):
        mean, deviation = maps[..., k].mean(), maps[..., k].std()
        cam += np.where(maps[..., k] > mean + 2 * deviation, mean, 0)
    return cam


FORMULAS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "gradcam_plus_plus": grad_cam_plus_plus,
    "hirescam": hires_cam,
    "layercam": layer_cam,
    "xgradcam": xgrad_cam,
    "eigencam": lambda maps, gradients: component(maps),
    "eigengradcam": lambda maps, gradients: component(maps * gradients),
    "fem": features_above,
}


@pytest.mark.parametrize("method", FORMULAS)
@pytest.mark.parametrize("signed", [False, True])
def test_map_is_the_formula_of_the_paper(method: str, signed: bool, cnn: vz.ModelAdapter) -> None:
    model, x = network(signed=True) if signed else cnn, images(2, SHAPE)
    result = getattr(vz, method)(model, x, [1, 2], layer="maps")
    grads = model.gradients(x, [1, 2], of="maps")
    for raw, maps, gradients in zip(result.raw, grads.values, grads.gradients, strict=True):
        expected = FORMULAS[method](maps.astype(np.float64), gradients.astype(np.float64))
        np.testing.assert_allclose(raw, expected, rtol=0, atol=2e-4 * np.abs(expected).max())
    assert np.abs(result.raw).max() > 0
    assert result.layer == "maps"


@pytest.mark.parametrize(
    "method", ["hirescam", "layercam", "xgradcam", "gradcam_plus_plus", "eigencam", "eigengradcam"]
)
def test_without_relu_the_map_keeps_its_sign(method: str, cnn: vz.ModelAdapter) -> None:
    x = images(2, SHAPE)
    signed, positive = (getattr(vz, method)(cnn, x, 1, layer="maps", relu=relu) for relu in (False, True))
    assert signed.signed
    assert not positive.signed
    assert positive.values.min() >= 0
    np.testing.assert_array_equal(signed.raw, positive.raw)


@pytest.mark.parametrize("method", ["hirescam", "xgradcam"])
def test_behind_global_pooling_and_one_dense_layer_it_is_gradcam(method: str, pooled: vz.ModelAdapter) -> None:
    x = images(2, SHAPE)
    theirs = vz.gradcam(pooled, x, 1, relu=False)
    ours = getattr(vz, method)(pooled, x, 1, relu=False)
    np.testing.assert_allclose(ours.raw, theirs.raw, rtol=0, atol=1e-5 * np.abs(theirs.raw).max())


def test_hirescam_adds_up_to_the_score_without_its_bias_where_one_dense_layer_follows() -> None:
    image = keras.Input(SHAPE)
    maps = layers.Conv2D(3, 3, activation="relu", name="maps")(image)
    model = keras.Model(image, layers.Dense(2, use_bias=False)(layers.Flatten()(maps)))
    x = images(3, SHAPE)
    result = vz.hirescam(model, x, 1, layer="maps")
    np.testing.assert_allclose(result.raw.sum(axis=(1, 2)), result.scores, rtol=1e-4)


@pytest.mark.parametrize("method", ["eigencam", "fem"])
def test_map_does_not_depend_on_the_class(method: str, cnn: vz.ModelAdapter) -> None:
    x = images(1, SHAPE)
    first, second = (getattr(vz, method)(cnn, x, target, layer="maps").raw for target in (0, 2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("method", FORMULAS)
def test_layer_without_places_is_refused(method: str, cnn: vz.ModelAdapter) -> None:
    with pytest.raises(LayerError, match="has no spatial map"):
        getattr(vz, method)(cnn, images(1, SHAPE), 1, layer="hidden")


@given(
    count=st.integers(1, 3),
    height=st.integers(1, 4),
    width=st.integers(1, 4),
    channels=st.integers(1, 9),
    seed=st.integers(0, 99),
)
def test_first_component_is_that_of_the_singular_value_decomposition(
    count: int, height: int, width: int, channels: int, seed: int
) -> None:
    maps = np.random.default_rng(seed).normal(size=(count, height, width, channels))
    ours = first_component(maps)
    for one, of in zip(ours, maps, strict=True):
        rows = of.reshape(-1, channels)
        left, values, _ = np.linalg.svd(rows, full_matrices=False)
        expected = left[:, 0] * values[0]
        np.testing.assert_allclose(np.abs(one.ravel()), np.abs(expected), atol=1e-4 * values[0])
        assert one.max() >= -one.min() * (1 - 1e-6)


def test_first_component_of_zeros_is_zero_and_leaves_the_others_alone() -> None:
    maps = np.zeros((3, 2, 2, 5))
    maps[1, 0, :, 2] = -4.0, 3.0
    maps[2, 1, :, :2] = [[0.0, 2.0], [1.999, 0.0]]  # the first vector is hardly ahead of the second
    np.testing.assert_allclose(
        first_component(maps), [[[0, 0], [0, 0]], [[4, -3], [0, 0]], [[0, 0], [2, 0]]], atol=1e-6
    )


def test_channel_that_is_zero_gives_nothing() -> None:
    model: Any = network().model
    kernel, bias = model.get_layer("maps").get_weights()
    kernel[..., 2], bias[2] = 0, 0
    model.get_layer("maps").set_weights([kernel, bias])
    for method in FORMULAS:
        assert np.isfinite(getattr(vz, method)(model, images(1, SHAPE), 1, layer="maps").values).all()


def test_fem_counts_more_places_where_the_threshold_is_lower_and_refuses_none(cnn: vz.ModelAdapter) -> None:
    x = images(1, SHAPE)
    low, high = (vz.fem(cnn, x, layer="maps", num_deviations=number).raw for number in (0.5, 1.5))
    assert (low >= high).all()
    assert low.sum() > high.sum()
    with pytest.raises(OptionError, match="`num_deviations` must be a finite number; got nan"):
        vz.fem(cnn, x, num_deviations=float("nan"))


def test_all_of_them_share_one_tracing() -> None:
    model, x = network(), images(1, SHAPE)
    vz.gradcam(model, x, 1, layer="maps")
    traces = model.num_traces
    for method in FORMULAS:
        getattr(vz, method)(model, x, 2, layer="maps")
    assert model.num_traces == traces


def test_guided_gradcam_is_guided_saliency_times_gradcam() -> None:
    keras.utils.set_random_seed(2)
    stack = [
        layers.Conv2D(4, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(4, 2, activation="relu", name="maps"),
    ]
    ends = [layers.GlobalAveragePooling2D(), layers.Dense(3, activation="softmax")]
    model, x = vz.adapt(keras.Sequential([keras.Input(SHAPE), *stack, *ends])), images(2, SHAPE)
    ours = vz.guided_gradcam(model, x, [1, 2])
    guided, cam = vz.saliency(model, x, [1, 2], rule="guided"), vz.gradcam(model, x, [1, 2])
    np.testing.assert_allclose(ours.raw, guided.raw * cam.values[..., None], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(ours.values, guided.values * cam.values, rtol=1e-5, atol=1e-7)
    assert ours.values.max() > 0
