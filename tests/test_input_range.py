"""What a model does to its inputs before its first weights says which images it takes, whatever it is done by."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops
from PIL import Image
from typer.testing import CliRunner

import vizcnn as vz
from vizcnn.adapter.input_scaling import InputScaling
from vizcnn.cli import app
from vizcnn.plugins.door import load_images
from vizcnn.results.sanity_checks import SanityChecks

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3)).astype(np.float32)
SCALED = PIXELS / 255
CENTERED = PIXELS / 127.5 - 1
MEAN, DEVIATION = (np.array(numbers, np.float32) for numbers in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))


def network(first: Callable[[Any], Any]) -> keras.Model:
    """Return a small network behind whatever `first` does to its input."""
    images = keras.Input((8, 8, 3))
    maps = layers.Conv2D(4, 3, name="conv")(first(images))
    return keras.Model(images, layers.Dense(2)(layers.GlobalAveragePooling2D()(maps)))


def fitted(images: np.ndarray, **settings: Any) -> Any:
    """Return a Normalization that was fitted to the images."""
    layer = layers.Normalization(**settings)
    layer.adapt(images)
    return layer


def batch_normalization(images: np.ndarray) -> Any:
    """Return a BatchNormalization as a training on the images leaves it."""
    layer = layers.BatchNormalization()
    layer.build((None, 8, 8, 3))
    layer.set_weights([np.ones(3), np.zeros(3), images.mean((0, 1, 2)), images.var((0, 1, 2))])
    return layer


@keras.saving.register_keras_serializable("tests")
class Scaling(keras.layers.Layer):
    """A layer of somebody's own, which scales in its `call`."""

    def call(self, images: Any) -> Any:
        """Return -1..1."""
        return images / 127.5 - 1


class Own(keras.Model):
    """A model of somebody's own, which scales in its `call`."""

    def __init__(self, scale: Callable[[Any], Any]) -> None:
        super().__init__()
        self.scale = scale
        self.conv, self.pool, self.dense = layers.Conv2D(4, 3), layers.GlobalAveragePooling2D(), layers.Dense(2)

    def call(self, images: Any) -> Any:
        """Return two scores."""
        return self.dense(self.pool(self.conv(self.scale(images))))


TAKE_PIXELS = {
    "Rescaling to 0..1": layers.Rescaling(1 / 255),
    "Rescaling to -1..1": layers.Rescaling(1 / 127.5, offset=-1),
    "Rescaling, then padding": keras.Sequential([layers.Rescaling(1 / 127.5, offset=-1), layers.ZeroPadding2D(3)]),
    "nested": keras.Sequential([layers.Resizing(8, 8), layers.Rescaling(1 / 255), layers.RandomFlip()]),
    "x / 255": lambda x: x / 255,
    "x / 255 - 0.5": lambda x: x / 255 - 0.5,
    "x * (1 / 255)": lambda x: x * (1 / 255),
    "(x - 127.5) / 127.5": lambda x: (x - 127.5) / 127.5,
    "1 - x / 255": lambda x: 1 - x / 255,
    "ops.divide": lambda x: ops.divide(ops.subtract(x, 128.0), 128.0),
    "ops.clip": lambda x: ops.clip(x / 255, 0, 1),
    "BGR, less the mean": lambda x: ops.flip(x, -1) - np.array([103.939, 116.779, 123.68], np.float32),
    "mean and deviation": lambda x: (x / 255 - MEAN) / DEVIATION,
    "gray": lambda x: ops.image.rgb_to_grayscale(x) / 255,
    "a layer of its own": Scaling(),
    "Normalization of pixels": fitted(PIXELS),
    "Normalization of each place": fitted(PIXELS, axis=(1, 2, 3)),
    "Normalization of all": fitted(PIXELS, axis=None),
    "given Normalization": layers.Normalization(mean=127.5, variance=127.5**2),
    "Rescaling and Normalization": keras.Sequential(
        [layers.Rescaling(1 / 255), layers.Normalization(mean=MEAN, variance=DEVIATION**2)]
    ),
    "BatchNormalization": batch_normalization(PIXELS),
}
TAKE_SCALED = {
    "x * 2 - 1": lambda x: x * 2 - 1,
    "x - 0.5": lambda x: x - 0.5,
    "1 - x": lambda x: 1 - x,
    "x * 255": lambda x: x * 255,
    "Rescaling(2, -1)": layers.Rescaling(2.0, offset=-1),
    "mean and deviation": lambda x: (x - MEAN) / DEVIATION,
    "Normalization": fitted(SCALED),
    "Normalization of dark images": fitted(SCALED**8),
    "BatchNormalization": batch_normalization(SCALED),
}
SAY_NOTHING = {
    "nothing": lambda x: x,
    "Normalization that was not fitted": layers.Normalization(),
    "BatchNormalization that was not trained": layers.BatchNormalization(),
    "up and down again": lambda x: (x * 255) / 255,
    "Rescaling behind the first weights": keras.Sequential([layers.Conv2D(3, 1), layers.Rescaling(1 / 255)]),
    "Normalization behind the first weights": keras.Sequential([layers.Conv2D(3, 1), fitted(PIXELS)]),
}
OF_THEIR_OWN = {
    "each image by its own maximum": lambda x: x / ops.max(x, axis=(1, 2, 3), keepdims=True),
    "each image by its own mean": lambda x: x - ops.mean(x, axis=(1, 2, 3), keepdims=True),
    "a logarithm": ops.log1p,
    "LayerNormalization": layers.LayerNormalization(),
}


def notes(model: Any, images: np.ndarray, **settings: Any) -> tuple[str, ...]:
    """Return what a method would say of the images' range; no method is run."""
    adapter = vz.adapt(model, **settings)
    loaded = load_images(adapter, images)
    inputs = loaded.inputs(slice(None))
    maps = inputs[..., 0]
    score, scores = vz.targets.resolve(0, adapter, len(inputs)), np.zeros(len(inputs))
    return SanityChecks(adapter, loaded).notes(slice(None), inputs, maps, maps, [None] * len(inputs), score, scores)


@pytest.mark.parametrize("first", TAKE_PIXELS.values(), ids=TAKE_PIXELS)
def test_model_that_scales_pixels_takes_pixels(first: Any) -> None:
    model = network(first)
    assert vz.adapt(model).input_range == (0, 255)
    assert notes(model, PIXELS) == ()
    (note,) = notes(model, SCALED)
    assert note.startswith(
        f"The images lie in {SCALED.min():.4g} to 1, but the model takes pixels, 0 to 255: they look scaled"
    )


@pytest.mark.parametrize("first", TAKE_SCALED.values(), ids=TAKE_SCALED)
def test_model_that_scales_scaled_images_takes_those(first: Any) -> None:
    model = network(first)
    assert vz.adapt(model).input_range == (0, 1)
    assert notes(model, SCALED) == ()
    (note,) = notes(model, PIXELS)
    assert note.startswith(
        "The inputs lie in 0 to 255, outside the 0 to 1 that the model takes. Before its first weights it"
    )


def test_normalization_of_centered_images_takes_those() -> None:
    model = network(fitted(CENTERED))
    assert vz.adapt(model).input_range == (-1, 1)
    assert notes(model, CENTERED) == notes(model, SCALED) == ()
    assert len(notes(model, PIXELS)) == 1


def test_normalization_of_other_numbers_takes_three_deviations_about_the_mean() -> None:
    temperatures = np.random.default_rng(0).normal(-40, 5, (50, 8, 8, 3)).astype(np.float32)
    model = network(fitted(temperatures, axis=None))
    assert vz.adapt(model).input_range == pytest.approx((-55, -25), abs=1)
    assert notes(model, np.clip(temperatures[:2], -54, -26)) == ()
    (note,) = notes(model, SCALED)
    assert "that the model takes. Before its first weights it computes (x + " in note


@pytest.mark.parametrize("first", SAY_NOTHING.values(), ids=SAY_NOTHING)
def test_what_stands_elsewhere_says_nothing_of_the_inputs(first: Any) -> None:
    model = network(first)
    assert vz.adapt(model).input_range is None
    assert notes(model, SCALED) == notes(model, CENTERED) == ()
    (note,) = notes(model, PIXELS)
    assert note.startswith("The inputs lie in 0 to 255, and the model has no layer that scales them")


@pytest.mark.parametrize("first", OF_THEIR_OWN.values(), ids=OF_THEIR_OWN)
def test_scaling_that_is_no_line_is_not_guessed_at(first: Any) -> None:
    model = network(first)
    assert vz.adapt(model).input_range is None
    assert notes(model, SCALED) == notes(model, PIXELS) == ()


def test_a_class_that_scales_in_its_call_takes_pixels() -> None:
    model = Own(lambda x: x / 127.5 - 1)
    model(PIXELS)
    assert vz.adapt(model).input_range == (0, 255)
    assert "(x - 127.5) / 127.5" in notes(model, SCALED)[0]


def test_class_that_was_never_called_is_asked_when_it_has_weights() -> None:
    adapter = vz.adapt(Own(lambda x: x / 255))
    assert adapter.input_range is None
    assert vz.saliency(adapter, PIXELS, 0).notes == ()
    assert adapter.input_range == (0, 255)


def test_normalization_that_is_fitted_anew_is_seen() -> None:
    normalization = fitted(SCALED)
    adapter = vz.adapt(network(normalization))
    assert adapter.input_range == (0, 1)
    normalization.adapt(PIXELS)
    adapter.model.layers[1].set_weights(normalization.get_weights())
    normalization.finalize_state()
    assert adapter.input_range == (0, 255)


def test_pixels_that_are_scaled_twice_are_noted() -> None:
    (note,) = notes(network(layers.Rescaling(1 / 255)), PIXELS, preprocess="0..1")
    assert note == (
        "The inputs lie in 0 to 1, but the model takes pixels, 0 to 255: they look scaled already. Before its first weights it "
        "computes x / 255. The model scales its inputs itself: leave `preprocess` out."
    )
    assert notes(network(layers.Rescaling(2.0, offset=-1)), PIXELS, preprocess="0..1") == ()


def test_signals_about_zero_are_no_scaled_pixels() -> None:
    signal = keras.Input((32, 1))
    maps = layers.Conv1D(2, 3)(signal / 32768)
    model = keras.Model(signal, layers.Dense(2)(layers.GlobalAveragePooling1D()(maps)))
    samples = np.random.default_rng(0).uniform(-30000, 30000, (1, 32, 1)).astype(np.float32)
    assert notes(model, samples) == ()


def test_one_of_several_inputs_is_asked_behind_its_own_layers() -> None:
    image, age = keras.Input((8, 8, 3), name="image"), keras.Input((1,), name="age")
    both = layers.Concatenate()(
        [layers.Dense(2)(age), layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3)(image / 255))]
    )
    model = keras.Model([age, image], layers.Dense(2)(both))
    assert vz.adapt(model, fixed_inputs={"age": [30.0]}).input_range == (0, 255)


def test_images_are_made_within_the_models_own_range() -> None:
    for images, ends in ((SCALED, (0, 1)), (PIXELS, (0, 255))):
        model = network(fitted(images))
        made = vz.activation_maximization(model, 0, steps=2)
        by_hand = vz.activation_maximization(model, 0, steps=2, input_range=ends)
        np.testing.assert_array_equal(made.values, by_hand.values)
        assert made.notes == ()


def test_constant_channel_is_left_out() -> None:
    images = SCALED * np.array([1, 1, 0], np.float32)
    assert vz.adapt(network(fitted(images))).input_range == (0, 1)


def test_adapter_of_another_kind_may_leave_it_open() -> None:
    assert vz.adapt(lambda inputs: inputs[:, 0, 0], input_shape=(8, 8, 2)).input_scaling is None


@pytest.mark.parametrize(
    ("center", "spread", "formula"),
    [(0, 255, "x / 255"), (-3, 2, "(x + 3) / 2"), (5, 1, "(x - 5)"), (0, 1 / 255, "x * 255"), (1, -1, "(x - 1) / -1")],
)
def test_formula_is_written_as_people_write_it(center: float, spread: float, formula: str) -> None:
    assert InputScaling(np.array([center]), np.array([spread])).formula == formula


@pytest.mark.parametrize(
    ("first", "given", "text"),
    [
        (lambda: fitted(SCALED), None, "outside the 0 to 1 that the model takes"),
        (lambda: layers.Rescaling(1 / 127.5, offset=-1), None, None),
        (lambda: fitted(PIXELS), "0..1", "they look scaled already"),
    ],
)
def test_files_are_judged_by_the_saved_model(tmp_path: Path, first: Any, given: str | None, text: str | None) -> None:
    network(first()).save(tmp_path / "model.keras")
    Image.fromarray(PIXELS[0].astype(np.uint8)).save(tmp_path / "image.png")
    options = ["--json", "--out", str(tmp_path / "out"), *(["--preprocess", given] if given else [])]
    ran = CliRunner().invoke(app, ["explain", str(tmp_path / "model.keras"), str(tmp_path / "image.png"), *options])
    assert ran.exit_code == 0, ran.output
    found = [note for note in _notes(json.loads(ran.stdout)) if " lie in " in note]
    assert [text in note for note in found] == ([] if text is None else [True] * len(found))
    assert bool(found) == (text is not None)


def _notes(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [*value.get("notes", ()), *(note for entry in value.values() for note in _notes(entry))]
    return [note for entry in value for note in _notes(entry)] if isinstance(value, list) else []
