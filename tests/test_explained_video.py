"""Clips explained frame by frame, in the memory of a batch; from Python and from the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image
from typer.testing import CliRunner

import vizcnn as vz
from vizcnn.cli import app
from vizcnn.errors import InputError, MethodError, OptionError, ResultError
from vizcnn.explained_video import MAX_BATCH, NUM_FOR_SCALE
from vizcnn.inputs import Decoding
from vizcnn.inputs.frames import Arrays
from vizcnn.render.animation import Painter
from vizcnn.render.image import limits, overlay
from vizcnn.render.style import default_cmap

COUNT = 40
pytestmark = pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")


def image_model() -> Any:
    keras.utils.set_random_seed(0)
    image = keras.Input((12, 12, 3))
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(image)
    return keras.Model(image, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x)))


def clip(count: int = COUNT) -> np.ndarray:
    """Return frames on which a bright square moves."""
    frames = np.full((count, 24, 36, 3), 40, np.uint8)
    for t in range(count):
        frames[t, 6:16, t % 26 : t % 26 + 10] = 220
    return frames


def gif(path: Path, count: int = COUNT) -> Path:
    first, *others = map(Image.fromarray, clip(count))
    first.save(path, save_all=True, append_images=others, duration=100)
    return path


def test_every_frame_is_explained_as_an_image_in_one_scale() -> None:
    model = vz.adapt(image_model(), preprocess="0..1")
    pictures = list(vz.explain_video(model, clip(), 1, method="saliency"))
    assert len(pictures) == COUNT
    result = vz.saliency(model, list(clip()), 1)
    some = result.values[np.rint(np.linspace(0, COUNT - 1, NUM_FOR_SCALE) + 1e-9).astype(int)]
    low, high = limits(some, signed=False)
    for t in (0, 17, COUNT - 1):
        wanted = overlay(clip()[t], result.values[t], cmap="inferno", vmin=low, vmax=high)
        shown = pictures[t][: 24 * 7 : 7, : 36 * 7 : 7]
        assert np.abs(shown.astype(int) - wanted).max() <= 3


def test_functions_are_traced_once_and_frames_held_by_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    model = vz.adapt(image_model(), preprocess="0..1")
    video = vz.explain_video(model, clip(50), method="gradcam")
    read: list[int] = []
    frames = Arrays.frames

    def counted(self: Any, channels: int, wanted: Any = None) -> Any:
        for index, frame in frames(self, channels, wanted):
            read.append(index)
            yield index, frame

    monkeypatch.setattr(Arrays, "frames", counted)
    pictures = iter(video)
    next(pictures)
    assert len(read) == NUM_FOR_SCALE + MAX_BATCH  # those that decide on the scale, and one batch
    assert sum(1 for _ in pictures) == 49
    assert len(read) == NUM_FOR_SCALE + 50
    if keras.backend.backend() == "tensorflow":
        assert model.num_traces == 1


def test_short_clip_is_explained_once() -> None:
    seen = []

    def means(images: np.ndarray) -> np.ndarray:
        seen.append(len(images))
        return images.mean(axis=(1, 2))

    model = vz.adapt(means, input_shape=(12, 12, 3), preprocess="none")
    method = ("occlusion", {"patch_size": 12})
    vz.occlusion(model, clip(1), 0, patch_size=12)  # which asks once what the model returns
    seen.clear()
    vz.occlusion(model, list(clip(5)), 0, patch_size=12)
    once = sum(seen)
    assert len(list(vz.explain_video(model, clip(5), 0, method=method))) == 5
    assert sum(seen) == 2 * once


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
def test_command_writes_a_clip_of_the_same_length_and_pace(tmp_path: Path, suffix: str) -> None:
    image_model().save(tmp_path / "m.keras")
    out = tmp_path / f"overlay{suffix}"
    asked = [
        "video",
        str(tmp_path / "m.keras"),
        str(gif(tmp_path / "clip.gif")),
        "--preprocess",
        "0..1",
        "--out",
        str(out),
    ]
    done = CliRunner().invoke(app, [*asked, "--target", "2"])
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines() == [str(out)]
    if suffix == ".gif":
        with Image.open(out) as animation:
            assert (animation.n_frames, animation.info["duration"]) == (COUNT, 100)
    else:
        av = pytest.importorskip("av")
        with av.open(str(out)) as file:
            stream = file.streams.video[0]
            assert (stream.frames, float(stream.average_rate)) == (COUNT, 10.0)
    half = CliRunner().invoke(app, [*asked, "--frames", "::2", "--longest", "20"])
    assert half.exit_code == 0, half.stderr
    if suffix == ".gif":
        with Image.open(out) as animation:
            assert (animation.n_frames, animation.info["duration"]) == (COUNT // 2, 200)


def test_model_of_video_is_given_as_many_frames_as_it_takes(tmp_path: Path) -> None:
    inner = vz.adapt(lambda clips: clips.mean(axis=(1, 2, 3)), input_shape=(4, 12, 12, 3), preprocess="none")
    video = vz.explain_video(inner, gif(tmp_path / "clip.gif"), 0, method="occlusion:patch_size=(1,None,None)")
    assert (len(video), video.seconds) == (4, pytest.approx(1.0))
    assert len(list(video)) == 4
    assert any("Of 40 frames 4 were taken" in note for note in video.notes)


@pytest.mark.parametrize("num_for_scale", [24, 4])
def test_long_clip_is_shown_in_windows_in_order_and_one_scale(
    monkeypatch: pytest.MonkeyPatch, num_for_scale: int
) -> None:
    moments = np.array([1.0, 2.0, 4.0, 8.0], np.float32)  # a frame counts by its place in the window

    def brightness(clips: np.ndarray) -> np.ndarray:
        return np.asarray(clips.mean(axis=(2, 3, 4)) @ moments)[:, None]

    settings: Any = {"input_shape": (4, 24, 36, 3), "preprocess": "none"}
    monkeypatch.setattr("vizcnn.explained_video.NUM_FOR_SCALE", num_for_scale)
    method = "occlusion:patch_size=(1,None,None),stride=(1,24,36)"
    video = vz.explain_video(vz.adapt(brightness, **settings), clip(12), 0, method=method, frames="2:", stride=3)
    pictures = list(video)
    assert (len(video), len(pictures)) == (10, 10)
    cut = vz.adapt(brightness, **settings, decoding=Decoding(frames="2:", stride=3))
    maps = vz.occlusion(cut, clip(12), 0, patch_size=(1, None, None), stride=(1, 24, 36)).values
    assert maps.shape == (3, 4, 24, 36)  # of frames 2 to 5, 5 to 8, 8 to 11
    some = maps if num_for_scale == 24 else maps[[0, 2]]
    low, high = limits(some, signed=True)
    places = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2), (2, 3)]
    for picture, frame, (window, t) in zip(pictures, clip(12)[2:], places, strict=True):
        wanted = Painter(low, high, default_cmap(signed=True)).paint(frame, maps[window, t])
        np.testing.assert_array_equal(picture[: 24 * 7 : 7, : 36 * 7 : 7], wanted)
    assert "Clips of 10 frames were cut into windows of 4, 3 from one to the next." in video.notes


def test_stride_is_of_models_of_video() -> None:
    with pytest.raises(OptionError, match="`stride` is of models of video, that take several frames; got 2 for one"):
        vz.explain_video(vz.adapt(image_model(), preprocess="0..1"), clip(9), stride=2)


def test_what_is_wrong_is_said_before_anything_is_computed(tmp_path: Path) -> None:
    model, path = vz.adapt(image_model(), preprocess="0..1"), gif(tmp_path / "clip.gif", 3)
    with pytest.raises(InputError, match="is a still image"):
        vz.explain_video(model, vz.assets.digits()[0])
    with pytest.raises(InputError, match=r"`clip` must be one clip; got 2"):
        vz.explain_video(model, [path, path])
    with pytest.raises(MethodError, match="gradcamm"):
        vz.explain_video(model, path, method="gradcamm")
    with pytest.raises(OptionError, match=r"`method` must be one method; got 2"):
        vz.explain_video(model, path, method=["gradcam", "saliency"])
    with pytest.raises(OptionError, match=r"`longest` must be a whole number of at least 16"):
        vz.explain_video(model, path, longest=3)
    with pytest.raises(OptionError, match=r"`frames` must be START:STOP"):
        vz.explain_video(model, path, frames="1")
    with pytest.raises(ResultError, match=r"must end in \.gif or \.mp4"):
        vz.explain_video(model, path).save(tmp_path / "a.png")
    image_model().save(tmp_path / "m.keras")
    same = CliRunner().invoke(app, ["video", str(tmp_path / "m.keras"), str(path), "--out", str(path)])
    assert same.exit_code == 2
    assert "`out` must not be the clip that is explained" in same.stderr


def test_missing_extra_is_named_and_no_file_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ResultError, match=r"`path` ending in .mp4 needs PyAV: pip install 'vizcnn\[video\]'"):
        vz.explain_video(vz.adapt(image_model(), preprocess="0..1"), clip(3)).save(tmp_path / "a.mp4")
    assert not list(tmp_path.iterdir())


def test_interrupted_clip_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = gif(tmp_path / "clip.gif", 3)
    out = path.rename(tmp_path / "out.gif")
    before = out.read_bytes()
    video = vz.explain_video(vz.adapt(image_model(), preprocess="0..1"), clip(30))

    def interrupted(self: Any) -> Any:
        yield np.zeros((16, 16, 3), np.uint8)
        raise KeyboardInterrupt

    monkeypatch.setattr(type(video), "__iter__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        video.save(out)
    assert out.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["out.gif"]
