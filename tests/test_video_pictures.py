"""Maps over clips as pictures: strips of frames, animations in one scale of colors, and the page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import vizcnn as vz
from vizcnn.errors import ResultError
from vizcnn.render.animation import Painter, captioned
from vizcnn.render.image import limits, overlay

T = 12
pytestmark = pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")


def video() -> Any:
    """Return a model of gray level 10 t in frame t, which each counts for as much."""
    return vz.adapt(
        lambda clips: clips.mean(axis=(2, 3))[..., :2].sum(axis=1), input_shape=(T, 8, 8, 3), preprocess="none"
    )


def explained(count: int = 1) -> Any:
    clip = np.stack([np.full((20, 30, 3), 10 * t, np.uint8) for t in range(T)])
    return vz.occlusion(video(), [clip] * count, 0, patch_size=(1, None, None), baseline=0.0)


def test_clip_is_a_strip_of_frames_that_says_which() -> None:
    result = explained()
    assert result.is_video
    axis = result.plot(Figure().add_subplot())
    assert axis.get_xlabel() == "frames 0, 1, 3, 4, 6, 7, 8, 10, 11 of 12"
    strip = axis.images[1].get_array()
    assert strip.shape == (20, 9 * 31 - 1)
    np.testing.assert_allclose(strip[10, 15::31], [0, 10, 30, 40, 60, 70, 80, 100, 110], rtol=1e-4)


def test_result_that_was_saved_is_still_a_clip(tmp_path: Path) -> None:
    back = vz.load_result(explained().save(tmp_path / "a.npz"))
    assert back.is_video
    assert back.images[0].shape == (T, 20, 30, 3)
    with Image.open(back.save(tmp_path / "a.png")) as picture:
        assert picture.width > 4 * picture.height
    volume = vz.occlusion(
        vz.adapt(lambda x: x.mean(axis=(1, 2, 3)), input_shape=(4, 6, 5, 1)), np.ones((4, 6, 5, 1)), 0
    )
    assert not volume.is_video


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
def test_animation_has_every_frame_with_its_map_and_the_title(tmp_path: Path, suffix: str) -> None:
    path = explained().save(tmp_path / f"a{suffix}", title=False)
    if suffix == ".gif":
        with Image.open(path) as animation:
            assert (animation.n_frames, animation.info["loop"], animation.size) == (T, 0, (240, 160))
            frames = []
            for t in range(T):
                animation.seek(t)
                frames.append(np.asarray(animation.convert("RGB")))
    else:
        av = pytest.importorskip("av")
        with av.open(str(path)) as file:
            frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    assert len(frames) == T
    result = explained()
    low, high = limits(result.values, signed=True)
    for t in (0, 5, 11):  # one scale for all
        (clip,) = result.images
        wanted = overlay(clip[t], result.values[0, t], cmap="RdBu_r", vmin=low, vmax=high)
        np.testing.assert_allclose(frames[t].mean(axis=(0, 1)), wanted.mean(axis=(0, 1)), atol=4)
    explained().save(tmp_path / f"b{suffix}", alpha=0.3, cmap="viridis")
    assert (tmp_path / f"b{suffix}").read_bytes() != path.read_bytes()


def test_animation_takes_one_clip(tmp_path: Path) -> None:
    with pytest.raises(
        ResultError, match=r"ending in \.gif takes one clip; this result has 2\. Save one: save\(path, index=0\)"
    ):
        explained(2).save(tmp_path / "a.gif")
    explained(2).save(tmp_path / "a.gif", index=1)
    still = vz.saliency(vz.assets.digits_cnn(), vz.assets.digits()[3])
    with pytest.raises(ResultError, match=r"must not end in \.gif or \.mp4 where there are no frames"):
        still.save(tmp_path / "b.gif")
    assert [file.name for file in tmp_path.iterdir()] == ["a.gif"]


def test_painter_paints_as_overlays_are_painted() -> None:
    rng = np.random.default_rng(0)
    frame, values = rng.integers(0, 255, (12, 16, 3), dtype=np.uint8), rng.uniform(-1, 1, (12, 16)).astype(np.float32)
    for low, high, cmap in ((-1.0, 1.0, "RdBu_r"), (0.0, 0.8, "inferno")):
        ours = Painter(low, high, cmap).paint(frame, values)
        theirs = overlay(frame, values, cmap=cmap, vmin=low, vmax=high)
        shown = values >= low if low == 0 else np.full(values.shape, fill_value=True)
        assert np.abs(ours.astype(int) - theirs)[shown].max() <= 3


def test_captions_have_one_height_whatever_they_say() -> None:
    frame = np.zeros((75, 101, 3), np.uint8)
    pictures = [
        captioned(frame, text) for text in ("cat 0.93", "predicted dog 0.50\nexplained cat 0.43 " * 9, "猫 1.00")
    ]
    assert {picture.shape for picture in pictures} == {pictures[0].shape}
    assert all(length % 2 == 0 for length in pictures[0].shape[:2])


def test_page_shows_frames_side_by_side(tmp_path: Path) -> None:
    page = vz.explain(
        video(), [np.zeros((T, 20, 30, 3), np.uint8)], methods=[("occlusion", {"patch_size": (1, None, None)})]
    )
    text = page.to_html(tmp_path / "a.html").read_text()
    assert re.search(r'"height": 62, "maps".*?"width": 92', text)  # three rows of frames, with lines between them
