"""Models of video (T, H, W, C): each frame is explained as by the model of images inside, or by what goes over the frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image
from typer.testing import CliRunner

import vizcnn as vz
from tests.rounding import assert_same_sums
from vizcnn.adapter.keras.taps import Taps
from vizcnn.cli import app
from vizcnn.errors import OptionError

T, SIZE = 4, 10
SUMS = (27, 64, 5, T)
"""Products in each sum: of the convolution, the mean over positions, the dense layer, the mean over frames."""

pytestmark = pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")


def values(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 1, shape).astype(np.float32)


def image_model() -> Any:
    keras.utils.set_random_seed(0)
    image = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(5, 3, activation="relu", name="conv")(image)
    x = layers.Dropout(0.5, name="dropout")(layers.BatchNormalization(name="norm")(x))
    return keras.Model(image, layers.Dense(3, name="dense")(layers.GlobalAveragePooling2D()(x)), name="cnn")


def frame_by_frame(model: Any) -> Any:
    """Return the mean of what a model of images says of each frame."""
    clip = keras.Input((T, SIZE, SIZE, 3))
    of_frames = layers.TimeDistributed(model, name="frames")(clip)
    return keras.Model(clip, layers.GlobalAveragePooling1D()(of_frames))


def test_each_frame_is_explained_as_the_image_that_it_is() -> None:
    model, clips = image_model(), values(2, T, SIZE, SIZE, 3)
    video = vz.adapt(frame_by_frame(model))
    for method in (vz.saliency, vz.gradcam):
        ours, theirs = method(video, clips, 1), method(model, clips.reshape(-1, SIZE, SIZE, 3), 1)
        assert ours.values.shape == (2, T, SIZE, SIZE)
        assert_same_sums(T * ours.values, theirs.values.reshape(2, T, SIZE, SIZE), *SUMS * 2)
    assert vz.gradcam(video, clips, 1).layer == "frames/cnn/norm"
    assert vz.gradcam(video, clips, 1, layer="conv").raw.shape == (2, T, SIZE - 2, SIZE - 2)


def test_layers_inside_have_the_frames_among_their_axes_and_feed_each_other() -> None:
    video = vz.adapt(frame_by_frame(image_model()))
    maps = video.activations(values(2, T, SIZE, SIZE, 3), ["conv", "dropout", "frames"])
    assert [array.shape for array in maps.values()] == [(2, T, 8, 8, 5), (2, T, 8, 8, 5), (2, T, 3)]
    assert ("frames/cnn/conv", "frames/cnn/norm") in video.connections
    assert video.layer("conv").output_shape == (None, T, 8, 8, 5)


def test_network_inside_is_run_once_for_all_frames_and_answers_the_same() -> None:
    model = frame_by_frame(image_model())
    clips = values(2, T, SIZE, SIZE, 3)
    inner = {"conv": model.get_layer("frames").layer.get_layer("conv"), "frames": model.get_layer("frames")}
    with Taps(inner) as taps:
        ours = model(clips)
    assert [(call.path, call.index, tuple(call.output.shape)) for call in taps.calls] == [
        ("conv", 0, (2, T, 8, 8, 5)),
        ("frames", 0, (2, T, 3)),
    ]
    assert_same_sums(keras.ops.convert_to_numpy(ours), keras.ops.convert_to_numpy(model(clips)), *SUMS)


def test_frames_of_frames_are_maps_too() -> None:
    clip = keras.Input((2, 3, 6, 6, 1))
    conv = layers.Conv2D(2, 3, name="conv")
    model = keras.Model(clip, layers.TimeDistributed(layers.TimeDistributed(conv), name="outer")(clip))
    clips = values(2, 2, 3, 6, 6, 1)
    with Taps({"conv": conv, "inner": model.get_layer("outer").layer, "outer": model.get_layer("outer")}) as taps:
        ours = keras.ops.convert_to_numpy(model(clips))
    assert [tuple(call.output.shape) for call in taps.calls] == [(2, 2, 3, 4, 4, 2)] * 3
    assert_same_sums(ours, keras.ops.convert_to_numpy(conv(clips.reshape(-1, 6, 6, 1))).reshape(ours.shape), 9)


def test_logits_of_every_frame_are_found_behind_its_softmax() -> None:
    clip = keras.Input((T, SIZE, SIZE, 3))
    x = layers.TimeDistributed(image_model())(clip)
    model = vz.adapt(keras.Model(clip, layers.TimeDistributed(layers.Softmax(), name="softmax")(x)))
    clips = values(1, T, SIZE, SIZE, 3)
    assert model.output_activation(model.output_name(None)) == "softmax"
    logits = keras.ops.convert_to_numpy(model.model.layers[1](clips))
    assert_same_sums(model.scores(clips, 2), logits[:, :, 2].mean(axis=1), *SUMS)


def test_map_of_a_layer_that_lets_the_frames_go_is_the_same_on_all_and_says_so() -> None:
    keras.utils.set_random_seed(0)
    clip = keras.Input((T, SIZE, SIZE, 3))
    x = layers.ConvLSTM2D(3, 3, return_sequences=True, padding="same", name="first")(clip)
    x = layers.ConvLSTM2D(4, 3, padding="same", name="last")(layers.MaxPooling3D((1, 2, 2))(x))
    model = vz.adapt(keras.Model(clip, layers.Dense(3)(layers.Flatten()(x))))
    assert model.input_shape == (T, SIZE, SIZE, 3)
    result = vz.gradcam(model, values(2, T, SIZE, SIZE, 3), 1)
    assert (result.layer, result.raw.shape, result.values.shape) == ("last", (2, 5, 5), (2, T, SIZE, SIZE))
    np.testing.assert_array_equal(result.values, np.broadcast_to(result.values[:, :1], result.values.shape))
    assert np.ptp(result.values[0, 0]) > 0
    assert "The map of layer 'last' has rows and columns alone, so it is the same on every frame" in " ".join(
        result.notes
    )
    frames = vz.gradcam(model, values(2, T, SIZE, SIZE, 3), 1, layer="first")
    assert frames.raw.shape == (2, T, SIZE, SIZE)
    assert not any("every frame" in note for note in frames.notes)


def test_map_of_a_cropped_frame_lies_where_the_layer_looks() -> None:
    clip = keras.Input((T, 12, 12, 1))
    x = layers.Cropping3D(((0, 0), (6, 0), (0, 0)))(clip)
    x = layers.ConvLSTM2D(2, 1, name="map")(x)
    result = vz.gradcam(keras.Model(clip, layers.GlobalMaxPooling2D()(x)), values(1, T, 12, 12, 1), 1, relu=False)
    assert result.values.shape == (1, T, 12, 12)
    assert not result.values[0, :, :6].any()
    assert result.values[0, :, 6:].any()


def test_convolution_in_space_and_then_in_time_keeps_its_frames() -> None:
    clip = keras.Input((T, SIZE, SIZE, 3))
    x = layers.Conv3D(4, (1, 3, 3), strides=(1, 2, 2), activation="relu", padding="same")(clip)
    x = layers.Conv3D(4, (3, 1, 1), activation="relu", padding="same", name="in_time")(x)
    result = vz.gradcam(
        keras.Model(clip, layers.Dense(2)(layers.GlobalAveragePooling3D()(x))), values(T, SIZE, SIZE, 3), 0
    )
    assert (result.layer, result.raw.shape) == ("in_time", (1, T, 5, 5))


def test_windows_of_a_signal_are_a_map_too() -> None:
    windows = keras.Input((6, 20, 2))
    x = layers.TimeDistributed(layers.Conv1D(4, 3, activation="relu", name="conv"))(windows)
    x = layers.LSTM(3)(layers.TimeDistributed(layers.Flatten())(x))
    result = vz.gradcam(keras.Model(windows, layers.Dense(2)(x)), values(1, 6, 20, 2), 0)
    assert (result.raw.shape, result.values.shape) == ((1, 6, 18), (1, 6, 20))


# Occlusion ----------------------------------------------------------------------------------------------------------------


def linear_video(weights: np.ndarray) -> Any:
    clip = keras.Input(weights.shape)
    dense = layers.Dense(1, use_bias=False)
    model = keras.Model(clip, dense(layers.Flatten()(clip)))
    dense.set_weights([weights.reshape(-1, 1)])
    return model


@pytest.mark.parametrize(
    ("patch", "raw"),
    [((1, None, None), (T, 1, 1)), ((None, 3, 3), (1, 2, 2)), ((2, 3, 3), (3, 2, 2))],
    ids=["in time", "in space", "in both"],
)
def test_frames_and_places_are_hidden_as_asked(patch: tuple[int | None, ...], raw: tuple[int, ...]) -> None:
    clip, weights = values(T, 6, 6, 1), values(T, 6, 6, 1, seed=1) - 0.5
    stride = (1, 3, 3)
    result = vz.occlusion(linear_video(weights), clip, 0, patch_size=patch, stride=stride, baseline=0.0)
    assert result.raw.shape == (1, *raw)
    size = tuple(whole if length is None else length for length, whole in zip(patch, (T, 6, 6), strict=True))
    given = (weights * clip)[..., 0]
    for z, y, x in np.ndindex(raw):
        hidden = given[z : z + size[0], 3 * y : 3 * y + size[1], 3 * x : 3 * x + size[2]]
        assert_same_sums(result.raw[0, z, y, x], hidden.sum(), given.size, size=float(np.abs(given).sum()))
    assert result.options["patch_size"] == size


def test_whole_axis_is_no_size_of_a_patch_alone() -> None:
    with pytest.raises(OptionError, match=r"`patch_size` must be a positive whole number, or three"):
        vz.occlusion(linear_video(values(T, 6, 6, 1)), values(T, 6, 6, 1), 0, patch_size=(None, 0, 2))


# From the command line ----------------------------------------------------------------------------------------------------


def test_folder_of_frames_is_one_clip_on_the_command_line(tmp_path: Path) -> None:
    frame_by_frame(image_model()).save(tmp_path / "m.keras")
    (tmp_path / "clip").mkdir()
    for i in range(6):
        Image.fromarray(np.full((16, 12, 3), 40 * i, np.uint8)).save(tmp_path / "clip" / f"{i}.png")
    asked = ["explain", str(tmp_path / "m.keras"), str(tmp_path / "clip"), "-m", "occlusion:patch_size=(1,None,None)"]
    done = CliRunner().invoke(app, [*asked, "--decode", "frames=1:", "--out", str(tmp_path / "out"), "--json"])
    assert done.exit_code == 0, done.stderr
    line = json.loads(done.stdout)
    assert [Path(file).name for file in line["files"].values()] == ["clip.occlusion-patch_size-1-None-None.png"]
    assert "image: Of 5 frames 4 were taken, evenly spread: 1, 2, 4, 5." in line["notes"]
    wrong = CliRunner().invoke(app, [*asked[:2], str(tmp_path / "clip" / "1.png"), "--out", str(tmp_path / "out")])
    assert wrong.exit_code == 2
    assert "must be clips, and '1.png' is a still image" in wrong.stderr
