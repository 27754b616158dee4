"""What methods return, and how it is kept."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

import vizcnn as vz
from tests.made import attributions, same
from vizcnn.adapter.base import Prediction
from vizcnn.errors import InputError, OptionError, ResultError
from vizcnn.explanation import Explanation
from vizcnn.results import PICTURES, FeatureMaps, Images, Kernels, load_result, write_file
from vizcnn.results.row_buffer import RowBuffer


def picture(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


# .npz ---------------------------------------------------------------------------------------------------------------------


def test_saved_result_is_read_back_exactly(tmp_path):
    result = attributions(
        2,
        signed=True,
        layer="base/conv",
        options={"rule": "guided", "relu": False, "patch_size": (3, 4), "baseline": None},
        classes=(1, None),
        probabilities=(0.1, None),
        predictions=(Prediction(1, "Katze ä", 0.1), Prediction(2, "dog", None)),
        images=[np.zeros((9, 8, 3), dtype=np.uint8), np.ones((4, 6, 1), dtype=np.float64)],
        extras={"class_map": np.array([[[1, 2]], [[3, 4]]], dtype=np.int32)},
        measures={"gap": np.array([0.5, 1], np.float32)},
        class_labels=("a", "b", "c", "d", "e"),
        notes=("a note",),
    )
    same(load_result(result.save(tmp_path / "result.npz")), result)


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4)),
        elements=st.floats(width=32, allow_nan=True),
    )
)
def test_values_of_any_shape_are_read_back_exactly(tmp_path, values):
    result = attributions(len(values), values=values, raw=values[:, :1])
    same(load_result(result.save(tmp_path / "result.npz")), result)


def test_sheets_are_read_back_exactly(tmp_path):
    noise = np.random.default_rng(0).normal(size=(2, 3, 4, 3)).astype(np.float32)
    for result in (
        Kernels(noise, "base/conv", "tiny", order=(2, 0, 1), preferred_inputs=noise[:1]),
        Kernels(noise, "conv", "tiny", order=(0, 1, 2)),
        FeatureMaps(
            {"b/conv": noise, "a": noise[..., :1]}, [noise[0], noise[1, ..., :1]], "tiny", ("x", "y"), ("note",)
        ),
        Images(
            values=noise,
            scores=np.arange(2, dtype=np.float32),
            target=("cat", "dog"),
            predictions=(Prediction(0, "cat", 0.5), Prediction(1, "dog", None)),
            history=noise[0, 0],
            frames=np.empty(0, np.float32),
            model="tiny",
            method="activation_maximization",
            options={"layer": None, "steps": 3},
        ),
    ):
        again = load_result(result.save(tmp_path / "result.npz"))
        assert type(again) is type(result)
        for field in fields(result):
            left, right = getattr(result, field.name), getattr(again, field.name)
            if field.name == "maps":
                assert list(left) == list(right)
                left, right = list(left.values()), list(right.values())
            if field.name in ("maps", "images"):
                for a, b in zip(left, right, strict=True):
                    np.testing.assert_array_equal(a, b)
            elif isinstance(left, np.ndarray):
                np.testing.assert_array_equal(left, right)
            else:
                assert left == right, field.name


def test_numbers_of_numpy_among_the_options_come_back_as_numbers(tmp_path):
    result = attributions(options={"stride": np.int64(3), "baseline": np.float32(0.5), "ramp": np.arange(2)})
    assert load_result(result.save(tmp_path / "r.npz")).options == {"stride": 3, "baseline": 0.5, "ramp": (0, 1)}


def test_saved_result_draws_the_same_picture(tmp_path):
    result = attributions(2, signed=True)
    again = load_result(result.save(tmp_path / "result.npz"))
    pictures = [
        r.save(tmp_path / name, cmap="viridis").read_bytes() for r, name in ((result, "a.png"), (again, "b.png"))
    ]
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "isn't a result that vizcnn saved"),
        (b"PK\x03\x04 half", "isn't a result that vizcnn saved"),
        (b"\x89PNG\r\n\x1a\n", "isn't a result that vizcnn saved: it is not an .npz file\\.$"),
        (None, "doesn't exist"),
    ],
)
def test_file_that_is_no_result_is_named(tmp_path, content, text):
    path = tmp_path / "other.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ResultError, match=rf"`path` '.*other.npz' {text}"):
        load_result(path)


def test_npz_of_another_program_is_named(tmp_path):
    np.savez(tmp_path / "other.npz", values=np.zeros(3))
    with pytest.raises(ResultError, match="isn't a result that vizcnn saved"):
        load_result(tmp_path / "other.npz")


def test_truncated_result_is_named(tmp_path):
    path = attributions().save(tmp_path / "result.npz")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ResultError, match="isn't a result that vizcnn saved"):
        load_result(path)


def test_everything_is_in_the_dictionary():
    result = attributions(2, notes=("a note",))
    content = result.to_dict()
    assert content["values"] is result.values
    assert content["predictions"] == [[1, "cat", 0.75]] * 2
    assert content["kind"] == "attributions"
    assert {"raw", "scores", "images", "target", "method", "layer", "options", "names", "notes"} <= set(content)


# Pictures -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", PICTURES)
def test_each_kind_of_picture_is_written(tmp_path, suffix):
    path = attributions().save(tmp_path / f"one{suffix}")
    assert path.stat().st_size > 2000


def test_picture_shows_the_map(tmp_path):
    drawn = picture(attributions(2, size=(40, 60)).save(tmp_path / "two.png"))
    assert drawn.width > 600
    assert len(drawn.getcolors(maxcolors=2**20)) > 100


def test_style_reaches_the_picture(tmp_path):
    plain = attributions().save(tmp_path / "plain.png").read_bytes()
    assert attributions().save(tmp_path / "bare.png", colorbar=False).read_bytes() != plain


def test_one_of_several_images_can_be_saved(tmp_path):
    result = attributions(3)
    wide, narrow = (picture(result.save(tmp_path / f"{i}.png", index=i)).width for i in (None, 1))
    assert wide == 3 * narrow


def test_folders_on_the_way_are_made(tmp_path):
    assert attributions().save(tmp_path / "a" / "b" / "one.npz").exists()


# Where it can't be written ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["result", "result.bmp", "result.npz.gz"])
def test_unknown_suffix_is_rejected(tmp_path, name):
    with pytest.raises(ResultError, match=r"`path` must end in .npz or .*.png.*; got '.*result"):
        attributions().save(tmp_path / name)


def test_folder_that_is_a_file_cannot_be_written_to(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ResultError, match=r"`path` '.*one.png' can't be written: "):
        attributions().save(tmp_path / "file" / "one.png")


def test_folder_without_permission_cannot_be_written_to(tmp_path, monkeypatch):
    def refuse(self: Path, *args: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ResultError, match=r"`path` '.*one.png' can't be written: Permission denied"):
        attributions().save(tmp_path / "one.png")


def test_path_that_is_a_folder_cannot_be_written(tmp_path):
    (tmp_path / "one.png").mkdir()
    with pytest.raises(ResultError, match="can't be written: Is a directory"):
        attributions().save(tmp_path / "one.png")
    assert [path.name for path in tmp_path.iterdir()] == ["one.png"]


@pytest.mark.parametrize("error", [OSError("disk full"), InputError("the image is gone"), KeyboardInterrupt()])
def test_existing_file_survives_a_failed_write(tmp_path, error):
    path = tmp_path / "one.npz"
    path.write_bytes(b"precious")

    def fail(file: Any) -> None:
        file.write(b"half")
        raise error

    with pytest.raises((ResultError, InputError, KeyboardInterrupt)):
        write_file(path, fail)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("one.npz", b"precious")]


def test_wrong_style_writes_nothing(tmp_path):
    with pytest.raises(OptionError, match="`alpha` must be from 0 to 1"):
        attributions().save(tmp_path / "one.png", alpha=3)
    assert list(tmp_path.iterdir()) == []


def test_explanation_is_saved_as_a_picture_only(tmp_path):
    with pytest.raises(ResultError, match=r"`path` must end in \.png or"):
        Explanation({"saliency": attributions()}).save(tmp_path / "all.npz")


# In memory ----------------------------------------------------------------------------------------------------------------


def test_results_are_told_apart_by_identity():
    result = attributions()
    assert result != attributions()
    assert len({result, result}) == 1


def test_repr_says_what_it_is():
    text = repr(attributions(2, layer="conv", notes=("one", "two")))
    assert text == "<Attributions 'saliency' of 'tiny', values (2, 4, 6), layer='conv', 2 notes>"


def test_one_batch_is_kept_without_a_copy():
    rows = np.arange(3.0)
    buffer = RowBuffer(3)
    buffer.add(rows)
    assert buffer.result() is rows


@pytest.mark.parametrize("limit", [0, 2**20])
def test_batches_are_joined_in_order(monkeypatch, limit):
    monkeypatch.setattr("vizcnn.results.row_buffer.IN_MEMORY", limit)
    buffer = RowBuffer(5)
    for part in np.split(np.arange(10, dtype=np.float32).reshape(5, 2), [2, 4]):
        buffer.add(part)
    np.testing.assert_array_equal(buffer.result(), np.arange(10).reshape(5, 2))
    assert isinstance(buffer.result().base, np.memmap) == (limit == 0)


def test_rows_that_did_not_come_are_left_out_and_none_at_all_are_noticed():
    buffer = RowBuffer(3)
    with pytest.raises(RuntimeError, match="got no rows"):
        buffer.result()
    buffer.add(np.zeros(2))
    assert buffer.result().tolist() == [0, 0]


def test_result_of_a_number_that_is_no_class_comes_back(tmp_path: Path) -> None:
    unit = keras.layers.Dense(1, name="angle")
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), unit])
    model.compile(loss="mse")
    result = vz.saliency(model, np.ones((4, 4, 1), np.float32))
    assert result.predictions[0].index is None
    assert vz.load_result(result.save(tmp_path / "angle.npz")).predictions == result.predictions


def test_one_part_that_is_the_whole_is_the_join_and_takes_no_more() -> None:
    part = vz.saliency(vz.assets.digits_cnn(), vz.assets.digits()[:2])
    join = vz.Attributions.joining(2)
    join.add(part)
    join.add(part[:0])
    assert join.result() is part
    with pytest.raises(ResultError, match="`parts` must hold at most 2 images; got more"):
        join.add(part[:1])
