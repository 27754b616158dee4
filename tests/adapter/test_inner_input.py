"""Explaining by what a layer inside a model returns: every method answers as on the part of the model behind it, made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops
from typer.testing import CliRunner

import vizcnn as vz
from tests.rounding import assert_same_sums
from vizcnn.cli import app
from vizcnn.errors import OptionError, UnsupportedModelError

RNG = np.random.default_rng(0)
SIGNALS = RNG.normal(0, 1, (3, 96, 1)).astype(np.float32)


def frames(signal: Any) -> Any:
    return ops.reshape(ops.abs(signal), (-1, 12, 8, 1))


def parts() -> tuple[list[Any], Any, Any]:
    """Return the layers behind a spectrogram, the model of a signal that makes it, and the model of the spectrogram alone."""
    keras.utils.set_random_seed(0)
    behind = [
        layers.Conv2D(3, 3, activation="relu", name="conv"),
        layers.GlobalAveragePooling2D(name="pool"),
        layers.Dense(2, name="out"),
    ]
    signal, inner = keras.Input((96, 1), name="signal"), keras.Input((12, 8, 1))
    shaped = layers.Reshape((12, 8, 1), name="mel")(layers.Activation("relu", name="energy")(signal))
    outputs = []
    for tensor in (shaped, inner):
        for layer in behind:
            tensor = layer(tensor)
        outputs.append(tensor)
    return behind, keras.Model(signal, outputs[0], name="listens"), keras.Model(inner, outputs[1], name="sees")


def mel(signals: np.ndarray) -> np.ndarray:
    return np.maximum(signals, 0).reshape(-1, 12, 8, 1)


@pytest.mark.parametrize("method", ["saliency", "gradcam", "occlusion", "smoothgrad", "integrated_gradients"])
def test_a_method_answers_as_on_the_part_behind_the_layer(method: str) -> None:
    _, whole, part = parts()
    inner = vz.adapt(whole, input_layer="mel")
    options = {"occlusion": {"patch_size": 4, "stride": 2}, "smoothgrad": {"num_samples": 4}}.get(method, {})
    result = getattr(vz, method)(inner, SIGNALS, 1, **options)
    wanted = getattr(vz, method)(vz.adapt(part, preprocess="none"), mel(SIGNALS), 1, **options)
    assert result.values.shape == (3, 12, 8)
    assert np.ptp(wanted.values) > 0
    assert_same_sums(result.values, wanted.values, 96, 96)
    np.testing.assert_array_equal(result.images[1], mel(SIGNALS)[1])
    assert_same_sums(result.scores, wanted.scores, 96)


def test_images_go_through_the_preprocessing_of_the_whole_model_and_pictures_show_the_inner_map(tmp_path: Path) -> None:
    image = keras.Input((8, 6, 3))
    gray = layers.Conv2D(1, 1, use_bias=False, kernel_initializer="ones", name="gray")(image)
    model = keras.Model(image, layers.Dense(2)(layers.Flatten()(layers.MaxPooling2D(name="half")(gray))))
    model.save(tmp_path / "model.keras")
    cnn = vz.adapt(tmp_path / "model.keras", preprocess="0..1", input_layer="half", labels=["cat", "dog"])
    pixels = RNG.integers(0, 256, (8, 6, 3), dtype=np.uint8)
    result = vz.saliency(cnn, pixels, "dog")
    wanted = (pixels / 255).sum(-1).reshape(4, 2, 3, 2).max((1, 3))
    np.testing.assert_allclose(result.images[0][..., 0], wanted, rtol=1e-5)
    shown = result.images.preview(0, 100)
    np.testing.assert_allclose(shown[..., 0], np.rint((wanted - wanted.min()) / np.ptp(wanted) * 255), atol=1)
    assert result.plot().images[0].get_array().shape[:2] == (4, 3)
    assert any("output of layer 'half'" in note for note in result.notes)
    assert "Keras" in cnn.source
    assert cnn.labels == ("cat", "dog")


def test_other_inputs_stay_fixed_in_both_parts() -> None:
    image, extra = keras.Input((6, 6, 1), name="image"), keras.Input((2,), name="extra")
    inner = layers.Conv2D(1, 3, name="inner")(image)
    joined = layers.Concatenate()([layers.Flatten()(inner), extra])
    model = keras.Model([image, extra], layers.Dense(1, name="out")(layers.Multiply()([joined, joined])))
    cnn = vz.adapt(model, input_layer="inner", fixed_inputs={"extra": [3.0, -2.0]})
    pixels = RNG.normal(0, 1, (2, 6, 6, 1)).astype(np.float32)
    result = vz.saliency(cnn, pixels, 0, reduce="sum")
    maps = ops.convert_to_numpy(model.get_layer("inner")(pixels))
    kernel = ops.convert_to_numpy(model.get_layer("out").kernel)[:16, 0].reshape(4, 4)
    assert_same_sums(result.values, 2 * maps[..., 0] * kernel, 9, 18)
    values = np.array([[3.0, -2.0]] * 2, np.float32)
    wanted = ops.convert_to_numpy(model([pixels, values]))
    assert_same_sums(cnn.outputs(maps)[0], wanted, 18)


def test_a_map_without_a_channel_is_an_image_of_one() -> None:
    model = keras.Sequential(
        [
            keras.Input((8, 6, 1)),
            layers.Reshape((8, 6), name="flat"),
            layers.Reshape((8, 6, 1)),
            layers.Conv2D(2, 3),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    cnn = vz.adapt(model, input_layer="flat")
    pixels = RNG.normal(0, 1, (8, 6, 1)).astype(np.float32)
    result = vz.saliency(cnn, pixels, 0)
    assert result.images[0].shape == (8, 6, 1)
    assert_same_sums(result.values, vz.saliency(vz.adapt(model), pixels, 0).values, 18, 48)


def test_several_methods_and_the_command_line_take_an_inner_input(tmp_path: Path) -> None:
    _, whole, _ = parts()
    explained = vz.explain(vz.adapt(whole, input_layer="mel"), SIGNALS, 0, methods=["saliency", "gradcam"])
    assert {result.values.shape for result in explained.results.values()} == {(3, 12, 8)}
    whole.save(tmp_path / "model.keras")
    np.save(tmp_path / "signal.npy", SIGNALS[0])
    out = tmp_path / "maps"
    arguments = ["explain", str(tmp_path / "model.keras"), str(tmp_path / "signal.npy"), "--input-layer", "mel"]
    done = CliRunner().invoke(app, [*arguments, "--method", "saliency", "--target", "0", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert (out / "signal.saliency.png").is_file()
    check = CliRunner().invoke(app, ["check", str(tmp_path / "model.keras"), "--input-layer", "mel"])
    assert check.exit_code == 0, check.output
    assert "saliency" in check.output


def test_the_model_predicts_saves_and_summarizes_as_before(tmp_path: Path) -> None:
    _, whole, _ = parts()
    before, config = whole.predict(SIGNALS, verbose=0), whole.get_config()
    vz.saliency(vz.adapt(whole, input_layer="mel"), SIGNALS, 0)
    np.testing.assert_array_equal(whole.predict(SIGNALS, verbose=0), before)
    assert whole.get_config() == config
    whole.save(tmp_path / "model.keras")
    assert_same_sums(keras.saving.load_model(tmp_path / "model.keras").predict(SIGNALS, verbose=0), before, 96)


def test_a_layer_that_not_everything_goes_through_is_refused() -> None:
    image = keras.Input((4, 4, 1))
    inner = layers.Activation("relu", name="inner")(image)
    model = keras.Model(image, layers.Flatten()(layers.Add()([image, inner])), name="m")
    with pytest.raises(
        OptionError, match=r"`input_layer` must name a layer that everything goes through .*'m' depend on"
    ):
        vz.adapt(model, input_layer="inner")


def test_a_layer_inside_another_and_an_input_are_refused() -> None:
    nested = keras.Sequential([keras.Input((4, 4, 1)), layers.Activation("relu", name="deep")], name="nested")
    model = keras.Sequential([keras.Input((4, 4, 1), name="image"), nested, layers.Flatten()], name="m")
    with pytest.raises(
        OptionError, match=r"must name a layer of model 'm' itself.*'nested/deep' is an input, lies inside"
    ):
        vz.adapt(model, input_layer="deep")


def test_what_cannot_be_cut_is_refused() -> None:
    class Own(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.act = layers.Activation("relu", name="act")

        def call(self, x: Any) -> Any:
            return self.act(x)

    own = Own()
    own(np.zeros((1, 4, 4, 1), np.float32))
    with pytest.raises(UnsupportedModelError, match="`input_layer` is for Functional and Sequential models"):
        vz.adapt(own, input_layer="act")
    with pytest.raises(OptionError, match="`input_layer` must be left out for a function"):
        vz.adapt(lambda x: x, input_layer="act")
