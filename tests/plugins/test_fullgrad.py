"""FullGrad against its formula, written out value by value in NumPy, and by its laws."""

from __future__ import annotations

import warnings
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

import vizcnn as vz
from vizcnn.adapter.gradients import BiasTerms, FullGradients
from vizcnn.resample import resize

SHAPE = (6, 5, 2)
BIASES = {"conv": [0.5, -0.3, 0.2], "norm": [0.1, -0.4, 0.7], "dense": [0.3, -0.1]}


def images(count: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, *SHAPE)).astype(np.float32)


def network(activation: Any = "relu") -> vz.ModelAdapter:
    """Return a CNN with a convolution, a batch normalization on half the size, and one dense layer."""
    keras.utils.set_random_seed(3)
    image = keras.Input(SHAPE)
    x = layers.Conv2D(3, 3, padding="same", activation=activation, name="conv")(image)
    x = layers.BatchNormalization(epsilon=0.1, name="norm")(layers.MaxPooling2D(2, padding="same", name="pool")(x))
    x = layers.Dense(2, name="dense")(layers.Flatten()(layers.ReLU()(x)))
    model = keras.Model(image, x)
    model.get_layer("conv").bias.assign(BIASES["conv"])
    model.get_layer("dense").bias.assign(BIASES["dense"])
    norm = [[1.5, 0.5, -1.0], BIASES["norm"], [0.2, 0.1, 0.4], [0.8, 1.2, 0.5]]
    model.get_layer("norm").set_weights(np.array(norm, np.float32))
    return vz.adapt(model, batch_size=4)


@pytest.fixture(scope="module")
def cnn() -> vz.ModelAdapter:
    return network()


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


def slow(model: Any, image: np.ndarray, index: int) -> tuple[np.ndarray, float]:
    """Return the map, and what all parts add up to, with a way forward and back that is written out."""
    kernel, bias = (np.array(w, np.float64) for w in model.get_layer("conv").get_weights())
    gamma, beta, mean, variance = (np.array(w, np.float64) for w in model.get_layer("norm").get_weights())
    weights, last = (np.array(w, np.float64) for w in model.get_layer("dense").get_weights())
    height, width, _ = SHAPE
    padded = np.pad(image.astype(np.float64), ((1, 1), (1, 1), (0, 0)))
    z = np.zeros((height, width, 3))
    for row, column in np.ndindex(height, width):
        z[row, column] = np.einsum("ijc,ijck->k", padded[row : row + 3, column : column + 3], kernel) + bias
    a = relu(z)
    pooled, places = np.zeros((3, 3, 3)), {}
    for row, column, k in np.ndindex(3, 3, 3):
        window = {(i, j): a[i, j, k] for i in (2 * row, 2 * row + 1) for j in (2 * column, 2 * column + 1) if j < width}
        places[row, column, k] = max(window, key=window.__getitem__)
        pooled[row, column, k] = window[places[row, column, k]]
    scale = gamma / np.sqrt(variance + 0.1)
    n = pooled * scale + beta - mean * scale
    by_n = weights[:, index].reshape(3, 3, 3) * (n > 0)
    by_a = np.zeros_like(a)
    for (row, column, k), (i, j) in places.items():
        by_a[i, j, k] += by_n[row, column, k] * scale[k]
    by_z = by_a * (z > 0)
    by_padded = np.zeros_like(padded)
    for row, column in np.ndindex(height, width):
        by_padded[row : row + 3, column : column + 3] += np.einsum("k,ijck->ijc", by_z[row, column], kernel)
    parts = [by_padded[1:-1, 1:-1] * image, by_z * bias, by_n * (beta - mean * scale)]
    values = np.zeros((height, width))
    for part in parts:
        sizes = np.abs(part)
        rescaled = (sizes - sizes.min()) / (sizes.max() - sizes.min())
        for k in range(part.shape[-1]):
            values += resize(rescaled[..., k].astype(np.float32), (height, width))
    return values, sum(part.sum() for part in parts) + last[index]


@pytest.mark.parametrize("index", [0, 1])
def test_map_is_that_of_the_formula_written_out(cnn: Any, index: int) -> None:
    x = images()
    result = vz.fullgrad(cnn, x, index)
    for image, values, score in zip(x, result.values, result.scores, strict=True):
        expected, total = slow(cnn.model, image, index)
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(total, score, rtol=1e-5, atol=1e-5)
    assert not result.signed


@given(seed=st.integers(0, 999))
@settings(max_examples=20)
def test_parts_of_a_network_of_relus_add_up_to_the_score(cnn: Any, seed: int) -> None:
    result = vz.fullgrad(cnn, images(seed=seed), [0, 1])
    assert np.abs(result.measures["completeness gap"]).max() < 1e-4
    assert not result.notes


def test_map_is_at_least_zero_and_at_most_one_for_each_channel(cnn: Any) -> None:
    values = vz.fullgrad(cnn, images(), 0).values
    assert values.min() >= 0
    assert values.max() <= 2 + 3 + 3


def test_gap_of_other_activations_is_told_with_their_names() -> None:
    with pytest.warns(vz.errors.VizcnnWarning, match="incomplete|adds up to something else"):
        result = vz.fullgrad(network("silu"), images(), 0)
    assert np.abs(result.measures["completeness gap"]).max() > 0.01
    (note,) = result.notes
    assert note.kind == "incomplete"
    assert str(note).endswith("that the map leaves out: silu (1).")


class OneBias(vz.KerasAdapter):
    """A model whose only bias has a single place, or the same term everywhere."""

    sums: Any = None

    def _full_gradients(self, inputs: Any, score: Any) -> FullGradients:
        full = super()._full_gradients(inputs, score)
        ends = (np.full(2, 0.5, np.float32),) * 2 if self.sums is not None else (None, None)
        terms = BiasTerms("pool", np.zeros(2, np.float32), self.sums, *ends, 3)
        return FullGradients(full.gradients, full.values, full.scores, full.outputs, biases=(terms,))


@pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")
@pytest.mark.parametrize("sums", [None, np.full((2, 3, 3), 1.5, np.float32)], ids=["no map", "all the same"])
def test_layer_without_a_map_or_with_one_value_everywhere_adds_nothing(cnn: Any, sums: Any) -> None:
    model = OneBias(cnn.model)
    model.sums = sums
    terms = np.abs(cnn.gradients(images(), 0).gradients * images())
    low, high = terms.min(axis=(1, 2, 3), keepdims=True), terms.max(axis=(1, 2, 3), keepdims=True)
    values = vz.fullgrad(model, images(), 0).values
    np.testing.assert_allclose(values, ((terms - low) / (high - low)).sum(axis=-1), rtol=1e-4, atol=1e-5)


def test_batches_are_joined_and_nothing_is_traced_for_another_count(cnn: Any) -> None:
    x = images(6)
    together = vz.fullgrad(cnn, x, 1)
    before = cnn.num_traces
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        alone = vz.fullgrad(cnn, x[5:], 1)
    assert cnn.num_traces == before
    np.testing.assert_allclose(together.values[5], alone.values[0], rtol=1e-4, atol=1e-4)


def test_layer_that_lies_elsewhere_is_put_where_it_looks() -> None:
    keras.utils.set_random_seed(0)
    image = keras.Input((12, 8, 1))
    x = layers.Conv2D(2, 3, padding="same", activation="relu")(layers.Cropping2D(((6, 0), (0, 0)))(image))
    x = layers.Conv2D(2, 3, padding="same", activation="relu")(x)
    x = layers.Dense(2, kernel_initializer="ones")(layers.Flatten()(x))
    model = keras.Model(image, x)
    for at in (2, 3):
        model.layers[at].bias.assign([5.0, 6.0])
    with pytest.warns(vz.errors.VizcnnWarning, match=r"lies where the layer looks.*rows 6 to 11"):
        result = vz.fullgrad(model, np.ones((1, 12, 8, 1), np.float32), 0)
    assert (result.values[0, :6] == 0).all()
    assert result.values[0, 6:].max() > 0
    (note,) = result.notes  # one for both layers
    assert str(note).endswith("The same is to be said of 1 other layer.")
