"""Clips as people have them: animations, videos, folders of frames, arrays; and what a model of video takes of them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import vizcnn as vz
from vizcnn.errors import InputError, OptionError
from vizcnn.inputs import Decoding, load
from vizcnn.inputs.frames import Movie, open_frames
from vizcnn.results.panels import map_panels

SHAPE = (4, 8, 8, 3)


def frames(count: int, size: tuple[int, int] = (16, 24)) -> np.ndarray:
    """Return frames of one gray each, 10 for the first, 20 for the next."""
    return np.stack([np.full((*size, 3), 10 * (i + 1), np.uint8) for i in range(count)])


def gif(path: Path, count: int) -> Path:
    first, *others = map(Image.fromarray, frames(count))
    first.save(path, save_all=True, append_images=others, duration=100)
    return path


def folder(path: Path, count: int) -> Path:
    path.mkdir()
    for i, frame in enumerate(frames(count)):
        Image.fromarray(frame).save(path / f"frame_{i}.png")
    return path


def npy(path: Path, count: int) -> Path:
    np.save(path, frames(count))
    return path


def movie(path: Path, count: int, container: str = "mp4") -> Path:
    av = pytest.importorskip("av")
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 24, 16, "yuv420p"
        for frame in frames(count):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(stream.encode())
    return path


def grays(clip: np.ndarray) -> list[int]:
    """Return what each frame of a clip shows, as `frames` numbers it."""
    assert clip.reshape(len(clip), -1).astype(float).std(axis=1).max() < 2
    return [round(float(frame.mean()) / 10) for frame in clip]


@pytest.mark.parametrize("make", [gif, folder, npy, movie])
def test_frames_are_taken_evenly_and_brought_to_the_size_of_the_model(tmp_path: Path, make: Any) -> None:
    name = {gif: "clip.gif", folder: "clip", npy: "clip.npy", movie: "clip.mp4"}[make]
    clips = load(make(tmp_path / name, 12), SHAPE)
    assert clips.names == (name,)
    assert clips.shape_of(0) == (4, 16, 24, 3)
    assert grays(clips[0]) == [1, 5, 8, 12]
    (inputs,) = clips.inputs(slice(None))
    assert inputs.shape == SHAPE
    assert grays(inputs) == [1, 5, 8, 12]
    assert clips.preview(0, 12).shape == (4, 8, 12, 3)
    assert list(clips.notes) == [
        "Of 12 frames 4 were taken, evenly spread: 0, 4, 7, 11.",
        "Frames of 16x24 (height x width) were resized to 8x8.",
    ]


def test_frames_to_take_from_may_be_said(tmp_path: Path) -> None:
    clip = gif(tmp_path / "clip.gif", 12)
    assert grays(load(clip, SHAPE, decoding=Decoding(frames="2:10:2")).inputs(slice(None))[0]) == [3, 5, 7, 9]
    assert grays(load(clip, SHAPE, decoding=Decoding(frames="6:"))[0]) == [7, 9, 10, 12]
    open_shape = (None, 8, 8, 3)
    assert load(clip, open_shape).sample_shape == (12, 8, 8, 3)
    assert load(clip, open_shape, decoding=Decoding(frames="::5")).sample_shape == (3, 8, 8, 3)
    with pytest.raises(InputError, match=r"`frames` '20:' must name some of the 12 frames of clip.gif; it names none"):
        load(clip, SHAPE, decoding=Decoding(frames="20:"))
    for wrong in ("5", "a:b", "1:2:0", "-5:", 7):
        with pytest.raises(OptionError, match=r"`frames` must be START:STOP or START:STOP:STEP"):
            Decoding(frames=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("make", [gif, npy])
def test_long_clip_is_cut_into_windows_a_sample_each(tmp_path: Path, make: Any) -> None:
    clip = make(tmp_path / f"clip.{make.__name__}", 12)
    clips = load([clip, frames(3)], SHAPE, decoding=Decoding(frames="1:", stride=3))
    assert [grays(one) for one in clips] == [[2, 3, 4, 5], [5, 6, 7, 8], [8, 9, 10, 11], [9, 10, 11, 12], [2, 2, 3, 3]]
    assert clips.names[:2] == (f"{clip.name}, frames 1 to 4", f"{clip.name}, frames 4 to 7")
    assert len(set(clips.names)) == 5
    note = clips.notes[0]
    assert note == "Clips of 11 frames were cut into windows of 4, 3 from one to the next."
    assert (note.kind, note.images) == ("frames", (0, 1, 2, 3))
    whole = load(
        frames(9), SHAPE, decoding=Decoding(frames="::2", stride=4)
    )  # of five frames, as many as two windows hold
    assert [grays(one) for one in whole] == [[1, 3, 5, 7], [3, 5, 7, 9]]
    assert (
        len(load(np.zeros((70, 8, 8, 3), np.uint8), (None, *SHAPE[1:]), decoding=Decoding(stride=64))) == 2
    )  # a model of any number gets 64


@pytest.mark.parametrize("stride", [0, True, 1.5])
def test_stride_is_a_whole_number(stride: Any) -> None:
    with pytest.raises(OptionError, match="`stride` must be a whole number of frames from 1 on, or None"):
        Decoding(stride=stride)


def test_short_clip_shows_frames_again_and_says_so(tmp_path: Path) -> None:
    clips = load(gif(tmp_path / "clip.gif", 2), SHAPE)
    assert grays(clips[0]) == [1, 1, 2, 2]
    assert "Clips of 2 frames were brought to the 4 that the model takes: some are shown again." in clips.notes


def test_still_image_is_no_clip(tmp_path: Path) -> None:
    Image.fromarray(frames(1)[0]).save(tmp_path / "a.png")
    for still in (tmp_path / "a.png", gif(tmp_path / "a.gif", 1), folder(tmp_path / "one", 1)):
        with pytest.raises(InputError, match=r"must be clips, and '[\w.]+' is a still image. Give an animation"):
            load(still, SHAPE)
    with pytest.raises(InputError, match=r"is a still image\. Give the frames of a clip as one array"):
        load(Image.fromarray(frames(1)[0]), SHAPE)
    with pytest.raises(InputError, match=r"shape of the model's input.*\(4, 8, 8, 3\).*got shape \(16, 24, 3\)"):
        load(frames(1)[0], SHAPE)


def test_lists_and_folders_hold_clips(tmp_path: Path) -> None:
    gif(tmp_path / "b10.gif", 5)
    npy(tmp_path / "b9.npy", 5)
    assert load(tmp_path, SHAPE).names == ("b9.npy", "b10.gif")
    with Image.open(tmp_path / "b10.gif") as animation:
        mixed = load([tmp_path / "b10.gif", frames(7), (tmp_path / "b10.gif").read_bytes(), animation], SHAPE)
    assert mixed.names == ("b10.gif", "image 1", "image", "image 3")
    assert [grays(clip) for clip in mixed] == [[1, 2, 4, 5], [1, 3, 5, 7], [1, 2, 4, 5], [1, 2, 4, 5]]
    assert mixed.inputs(slice(None)).shape == (4, *SHAPE)
    Image.fromarray(frames(1)[0]).save(tmp_path / "c.png")
    with pytest.raises(InputError, match=r"holds both, 'c.png' and 'b9.npy'"):
        load(tmp_path, SHAPE)
    (tmp_path / "inner").mkdir()
    folder(tmp_path / "inner" / "first", 3)
    folder(tmp_path / "inner" / "second", 3)
    assert load(tmp_path / "inner", SHAPE).names == ("first", "second")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no clip, and no frames of one"):
        load(tmp_path / "empty", SHAPE)


def test_frames_in_a_folder_are_in_natural_order(tmp_path: Path) -> None:
    assert grays(load(folder(tmp_path / "clip", 12), (12, 8, 8, 3))[0]) == list(range(1, 13))


def test_gray_clips_and_arrays_without_their_channel(tmp_path: Path) -> None:
    gray = load([gif(tmp_path / "clip.gif", 4)], (4, 8, 8, 1))
    assert gray[0].shape == (4, 16, 24, 1)
    assert "1 of 1 images converted to 1 channel." in " ".join(gray.notes) or any(
        "converted" in note for note in gray.notes
    )
    assert load(frames(9)[..., 0], (4, 8, 8, 1)).inputs(slice(None)).shape == (1, 4, 8, 8, 1)
    exact = np.zeros((3, 4, 8, 8), np.float32)
    assert len(load(exact, (4, 8, 8, 1))) == 3  # of that very shape they are three clips, and none of three frames


def test_pages_of_a_file_are_slices_with_their_own_numbers(tmp_path: Path) -> None:
    pages = [Image.fromarray(np.full((8, 8), 1000 * (i + 1), np.uint16)) for i in range(4)]
    pages[0].save(tmp_path / "scan.tif", save_all=True, append_images=pages[1:])
    volume = load(tmp_path / "scan.tif", (4, 8, 8, 1))[0]
    assert volume.dtype == np.uint16
    assert volume[:, 0, 0, 0].tolist() == [1000, 2000, 3000, 4000]


def test_large_frames_are_read_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vizcnn.inputs.clips.MAX_PIXELS", 4 * 16 * 24 // 3)
    clips = load(gif(tmp_path / "clip.gif", 4), SHAPE)
    assert clips.shape_of(0) == clips[0].shape == (4, 8, 12, 3)
    assert any("so large frames that these are read at 8x12" in note for note in clips.notes)


def test_clips_of_one_call_are_given_to_another_model(tmp_path: Path) -> None:
    clips = load(gif(tmp_path / "clip.gif", 12), SHAPE)
    assert grays(load(clips, (3, 4, 4, 1)).inputs(slice(None))[0]) == [1, 7, 12]
    with pytest.raises(InputError, match=r"must be images, as the model takes; '.*clip.gif' is a clip"):
        load(clips, (8, 8, 3))


# Files that are no clips, or broken ones ------------------------------------------------------------------------------------


def test_broken_files_say_what_is_wrong(tmp_path: Path) -> None:
    whole = movie(tmp_path / "clip.mp4", 12).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut.mp4' holds no pictures that can be read: it is damaged"):
        load(tmp_path / "cut.mp4", SHAPE)
    animation = gif(tmp_path / "clip.gif", 12).read_bytes()
    (tmp_path / "cut.gif").write_bytes(animation[: len(animation) // 2])
    with pytest.raises(InputError, match=r"cut.gif"):
        load(tmp_path / "cut.gif", SHAPE).inputs(slice(None))
    (tmp_path / "text.mp4").write_bytes(b"#EXTM3U\nhttp://127.0.0.1/a.ts\n")
    with pytest.raises(InputError, match=r"text.mp4' isn't an image that Pillow can read"):
        load(tmp_path / "text.mp4", SHAPE)
    with pytest.raises(InputError, match=r"none.mp4' doesn't exist"):
        load(tmp_path / "none.mp4", SHAPE)


def test_playlist_under_the_beginning_of_a_video_opens_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("av")
    (tmp_path / "list.mp4").write_bytes(b"\0\0\0\x18ftypisom" + b"ffconcat version 1.0\nfile /etc/hostname\n" * 9)
    with pytest.raises(InputError, match=r"is damaged, or no video that can be read"):
        load(tmp_path / "list.mp4", SHAPE)


def test_video_that_ends_before_its_packets_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = movie(tmp_path / "clip.mp4", 6)
    monkeypatch.setattr(Movie, "_count", lambda self: 9)
    with pytest.raises(InputError, match=r"of 9 frames, number 8 can't be read. Take those before it"):
        load(path, SHAPE).inputs(slice(None))


def test_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = movie(tmp_path / "clip.mp4", 3)
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(InputError, match=r"is a video, which needs PyAV: pip install 'vizcnn\[video\]'"):
        load(path, SHAPE)


def test_frames_too_large_to_open_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = movie(tmp_path / "clip.mp4", 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(InputError, match=r"has frames of 24 x 16 pixels, too large to open safely"):
        load(path, SHAPE)


@pytest.mark.parametrize("container", ["avi", "matroska", "mpegts", "mov", "flv"])
def test_container_is_known_by_its_bytes(tmp_path: Path, container: str) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "clip.bin"
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream("flv1" if container == "flv" else "mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 24, 16, "yuv420p"
        for frame in frames(5):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        file.mux(stream.encode())
    source = open_frames(path)
    assert isinstance(source, Movie)
    assert (source.num_frames, source.size) == (5, (16, 24))
    assert source.seconds == pytest.approx(0.1)


def test_video_that_lies_on_its_side_is_turned_upright(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w", format="mp4") as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
        picture = np.zeros((16, 32, 3), np.uint8)
        picture[:, :16] = 200  # bright on the left
        file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())
    data = path.read_bytes()
    at = data.index(b"tkhd") + 4 + 40
    one = (1 << 16).to_bytes(4, "big")
    minus = (-(1 << 16)).to_bytes(4, "big", signed=True)
    clockwise = b"\0" * 4 + one + b"\0" * 4 + minus + b"\0" * 16 + (1 << 14 << 16).to_bytes(4, "big")
    assert data[at : at + 4] == one
    path.write_bytes(data[:at] + clockwise + data[at + 36 :])
    source = open_frames(path)
    assert source.size == (32, 16)
    ((_, upright),) = source.frames(3)
    assert upright[:12].mean() > 150  # what was left is on top, turned clockwise by a quarter
    assert upright[20:].mean() < 50


def test_open_file_is_a_clip_too(tmp_path: Path) -> None:
    with gif(tmp_path / "clip.gif", 12).open("rb") as file:
        assert grays(load(file, SHAPE)[0]) == [1, 5, 8, 12]
    assert grays(load(io.BytesIO(movie(tmp_path / "clip.mp4", 12).read_bytes()), SHAPE)[0]) == [1, 5, 8, 12]


def test_black_box_of_video_is_explained_from_a_file(tmp_path: Path) -> None:
    model = vz.adapt(lambda clips: clips.mean(axis=(1, 2, 3)), input_shape=SHAPE, preprocess="none")
    result = vz.occlusion(model, gif(tmp_path / "clip.gif", 12), 0, patch_size=(1, None, None), baseline=0.0)
    np.testing.assert_allclose(result.values[0, :, 0, 0], [10 / 4, 50 / 4, 80 / 4, 120 / 4], rtol=1e-5)


def test_frames_are_cropped_as_images_are_and_their_maps_go_back(tmp_path: Path) -> None:
    model = vz.adapt(lambda clips: clips.mean(axis=(1, 2, 3)), input_shape=SHAPE, preprocess="crop, none")
    result = vz.occlusion(model, gif(tmp_path / "clip.gif", 4), 0, patch_size=(1, None, None), baseline=0.0)
    assert result.geometry[0].seen == (0.0, 4.0, 16.0, 20.0)
    (values,) = [panel.values for panel in map_panels(result)]
    assert values is not None
    assert values.shape == (4, 16, 24)
    assert np.isnan(values[:, :, :4]).all()
    np.testing.assert_allclose(values[:, 8, 12], [10 / 4, 20 / 4, 30 / 4, 40 / 4], rtol=1e-5)
    back = vz.load_result(result.save(tmp_path / "a.npz"))
    assert back.geometry == result.geometry
