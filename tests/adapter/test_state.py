"""State that layers derive from their weights follows them when a file is loaded: the model computes what was saved."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from vizcnn.adapter.loading import load_model
from vizcnn.errors import ModelFileError, VizcnnWarning

X = np.random.default_rng(0).normal(100.0, 40.0, (2, 8, 8, 3)).astype(np.float32)
MEAN, VARIANCE = np.array([90.0, 100.0, 110.0], np.float32), np.array([900.0, 1600.0, 2500.0], np.float32)


def normalization(rank: int = 4, **options: Any) -> Any:
    """Return a Normalization that holds MEAN and VARIANCE, as `adapt` leaves it."""
    layer = layers.Normalization(**options)
    layer.build((None,) * (rank - 1) + (3,))
    layer.adapt_mean.assign(MEAN)
    layer.adapt_variance.assign(VARIANCE)
    layer.finalize_state()
    return layer


@keras.saving.register_keras_serializable("vizcnn_tests")
class Held(layers.Layer):
    """A layer that holds a Normalization where only Keras's tracking finds it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.parts = {"scale": [layers.Normalization()]}

    def build(self, shape: Any) -> None:
        self.parts["scale"][0].build(shape)

    def call(self, x: Any) -> Any:
        return self.parts["scale"][0](x)


def held() -> Any:
    layer = Held()
    layer.build((None, 8, 8, 3))
    layer.parts["scale"][0].adapt_mean.assign(MEAN)
    layer.parts["scale"][0].adapt_variance.assign(VARIANCE)
    layer.parts["scale"][0].finalize_state()
    return layer


def nested(layer: Any) -> Any:
    return keras.Sequential([keras.Input((8, 8, 3)), layer])


def functional(layer: Any) -> Any:
    image = keras.Input((8, 8, 3))
    return keras.Model(image, layer(image))


MODELS: dict[str, Callable[[], Any]] = {
    "sequential": lambda: nested(nested(normalization())),
    "functional": lambda: functional(functional(normalization())),
    "two deep": lambda: nested(functional(nested(normalization()))),
    "time distributed": lambda: nested(layers.TimeDistributed(normalization(rank=3))),
    "in a layer of one's own": lambda: nested(nested(held())),
}


@pytest.mark.parametrize("name", ["model.h5", "model.keras", "model.weights.h5"])
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_nested_normalization_uses_the_mean_and_variance_of_its_file(tmp_path: Path, make: Any, name: str) -> None:
    path = tmp_path / name
    if name == "model.weights.h5":
        model = make()
        model.save_weights(path)
        (tmp_path / "model.json").write_text(model.to_json())
    else:
        make().save(path)
    (result,) = vz.adapt(path).outputs(X)
    np.testing.assert_allclose(result, (X - MEAN) / np.sqrt(VARIANCE), rtol=1e-5, atol=1e-5)


def test_inverted_normalization_too(tmp_path: Path) -> None:
    nested(nested(normalization(invert=True))).save(tmp_path / "model.h5")
    (result,) = vz.adapt(tmp_path / "model.h5").outputs(X)
    np.testing.assert_allclose(result, MEAN + X * np.sqrt(VARIANCE), rtol=1e-5)


def test_normalization_in_half_precision_is_not_taken_for_stale() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", VizcnnWarning)
        vz.adapt(nested(normalization(dtype="mixed_float16")))


@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")  # Keras's; pytest.warns repeats it
def test_model_that_keras_loaded_without_its_mean_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    nested(nested(normalization(name="pixels"))).save(tmp_path / "model.h5")
    model = keras.saving.load_model(tmp_path / "model.h5", compile=False)
    layer = model.layers[0].layers[0]
    if np.allclose(keras.ops.convert_to_numpy(layer.mean).ravel(), MEAN):
        pytest.skip("this Keras does it itself")
    with pytest.warns(
        VizcnnWarning, match=r"Layer 'pixels' holds a mean and a variance that it doesn't use, .* HDF5 file"
    ):
        adapter = vz.adapt(model)
    np.testing.assert_array_equal(adapter.outputs(X)[0], X)  # the user's model, as it computes
    layer.finalize_state()
    with warnings.catch_warnings():
        warnings.simplefilter("error", VizcnnWarning)
        vz.adapt(model)


# Other layers with a state that isn't a plain weight ----------------------------------------------------------------------


def _discretization() -> Any:
    layer = layers.Discretization(num_bins=4)
    layer.adapt(X)
    return layer


def _with_lora(layer: Any) -> Any:
    layer.build((None, 8, 8, 3))
    layer.enable_lora(2)
    layer.lora_kernel_b.assign(np.random.default_rng(0).normal(size=layer.lora_kernel_b.shape))
    return layer


def _quantized() -> Any:
    layer = layers.Dense(4)
    layer.build((None, 8, 8, 3))
    layer.quantize("int8")
    return layer


def _spectral() -> Any:
    layer = layers.SpectralNormalization(layers.Conv2D(4, 3), power_iterations=2)
    layer.build((None, 8, 8, 3))
    layer(X[:1], training=True)
    return layer


STATES: dict[str, Callable[[], Any]] = {
    "bins": _discretization,
    "dense LoRA": lambda: _with_lora(layers.Dense(4)),
    "convolution LoRA": lambda: _with_lora(layers.Conv2D(4, 3)),
    "int8": _quantized,
    "spectral": _spectral,
}


@pytest.mark.parametrize("name", ["model.h5", "model.keras"])
@pytest.mark.parametrize("make", STATES.values(), ids=STATES)
def test_layer_with_a_state_of_its_own_computes_what_was_saved(tmp_path: Path, make: Any, name: str) -> None:
    model = nested(nested(make()))
    expected = keras.ops.convert_to_numpy(model(X))
    model.save(tmp_path / name)
    loaded = load_model(tmp_path / name).model
    np.testing.assert_allclose(keras.ops.convert_to_numpy(loaded(X)), expected, rtol=1e-5, atol=1e-5)


# Vocabularies, which lie beside the weights -------------------------------------------------------------------------------


def _of_words() -> Any:
    """Return a model of images of whole numbers, each looked up in a vocabulary that was learned."""
    lookup = layers.IntegerLookup(name="words")
    lookup.adapt(np.arange(0, 20, 3)[:, None])
    image = keras.Input((6, 6), dtype="int32")
    x = layers.Conv2D(2, 3)(layers.Embedding(30, 4)(lookup(image)))
    return keras.Model(image, layers.Dense(3)(layers.Flatten()(x)))


WORDS = np.random.default_rng(0).integers(0, 20, (2, 6, 6, 1))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="lookups are TensorFlow's")
@pytest.mark.parametrize("change", ["none", "an argument that is gone"])
def test_vocabulary_outlives_a_repair(tmp_path: Path, change: str) -> None:
    model = _of_words()
    model.save(tmp_path / "saved.keras")
    with zipfile.ZipFile(tmp_path / "saved.keras") as saved, zipfile.ZipFile(tmp_path / "model.keras", "w") as archive:
        for name in saved.namelist():
            content = saved.read(name)
            if name == "config.json" and change != "none":
                content = content.replace(b'"data_format": ', b'"gone": null, "data_format": ')
            archive.writestr(name, content)
    adapter = vz.adapt(tmp_path / "model.keras")
    assert bool(adapter.repairs) == (change != "none")
    np.testing.assert_allclose(adapter.outputs(WORDS)[0], model(WORDS[..., 0]), rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="lookups are TensorFlow's")
def test_vocabulary_that_the_file_does_not_keep_is_told(tmp_path: Path) -> None:
    _of_words().save(tmp_path / "model.h5")
    with pytest.raises(ModelFileError, match=r"layer 'words' has a vocabulary .* Save the model as \.keras\."):
        vz.adapt(tmp_path / "model.h5")


# A state that changes after the model was compiled ------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [nested, functional], ids=["sequential", "functional"])
def test_mean_and_variance_that_are_fitted_anew_count(wrap: Any) -> None:
    layer = normalization()
    adapter = vz.adapt(wrap(wrap(layer)))
    before, again = adapter.outputs(X)[0], adapter.outputs(X)[0]
    traces = adapter.num_traces
    np.testing.assert_array_equal(before, again)
    np.testing.assert_array_equal(before, adapter.outputs(X)[0])
    assert adapter.num_traces == traces
    layer.adapt(X)
    axes = (0, 1, 2)
    expected = (X - X.mean(axes)) / X.std(axes)
    np.testing.assert_allclose(adapter.outputs(X)[0], expected, rtol=1e-3, atol=1e-3)


# What tells the state of a model from another ------------------------------------------------------------------------


def test_fingerprint_is_that_of_the_weights_and_of_what_was_adapted_to_data() -> None:
    first, second = layers.Dense(3, name="a"), layers.Dense(3, name="b", dtype="mixed_bfloat16")
    scale = normalization()
    model = keras.Sequential([keras.Input((8, 8, 3)), scale, first, second])
    adapter, again = vz.adapt(model), vz.adapt(model)
    seen = [adapter.fingerprint()]
    adapter.outputs(X)
    assert adapter.fingerprint() == again.fingerprint() == seen[0]
    weights = model.get_weights()

    def note() -> None:
        assert adapter.fingerprint() not in seen
        seen.append(adapter.fingerprint())

    kernel, other = first.kernel.numpy(), second.kernel.numpy()
    first.kernel.assign(other)
    second.kernel.assign(kernel)  # the same numbers in other places
    note()
    first.bias.assign([0, 0, 1e-30])
    note()
    model.set_weights(weights)
    assert adapter.fingerprint() == seen[0]
    scale.finalize_state()  # which derives new tensors
    note()
    assert adapter.reinitialized().fingerprint() is None


def test_fingerprint_is_the_same_where_only_seeds_and_metrics_went_on() -> None:
    model = keras.Sequential([keras.Input((8, 8, 3)), layers.Dropout(0.5), layers.Dense(2)])
    model.compile(metrics=["mae"], loss="mse")
    adapter = vz.adapt(model)
    before = adapter.fingerprint()
    model(X, training=True)
    model.evaluate(X, np.zeros((len(X), 8, 8, 2)), verbose=0)
    assert adapter.fingerprint() == before


def test_black_box_has_no_fingerprint() -> None:
    assert vz.adapt(lambda inputs: inputs[:, 0, 0], input_shape=(8, 8, 2)).fingerprint() is None
