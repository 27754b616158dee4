"""Results can be cut and joined: a part of a result is the result of a part, and the join of parts is the whole."""

from __future__ import annotations

import itertools
import json
import weakref
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keras import layers
from matplotlib.figure import Figure
from PIL import Image
from typer.testing import CliRunner

import vizcnn as vz
from tests.few import few, on_any_network
from tests.made import attributions, same
from tests.rounding import assert_same_sums
from vizcnn.cli import app
from vizcnn.errors import Note, OptionError, ResultError
from vizcnn.explanation import Explanation
from vizcnn.plugins import registry
from vizcnn.results import Attributions, load_result

pytestmark = pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")

OWN = [name for name in vz.methods() if on_any_network(registry.get(name)) and "/" not in name]
SUMS = (9, 18, 16, 3) * 2
"""Products in each sum of this network, forwards and back."""


@cache
def model() -> keras.Model:
    """Return a small CNN behind a softmax whose logits are out of reach."""
    keras.utils.set_random_seed(0)
    image = keras.Input((6, 6, 1))
    x = layers.Conv2D(2, 3, activation="relu", name="conv")(image)
    x = layers.Conv2D(3, 1, activation="relu", name="last")(x)
    x = layers.Dense(3)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, keras.ops.softmax(x) * 1.0, name="tiny")


@cache
def network(batch_size: int = 8) -> vz.ModelAdapter:
    return vz.adapt(model(), batch_size=batch_size)


@cache
def images() -> vz.inputs.ImageSet:
    """Return images of several sizes and kinds, on which there is something to note."""
    noise = np.random.default_rng(0).uniform(0, 1, (5, 6, 6, 1)).astype(np.float32)
    noise[1], noise[4] = 0, noise[4] * 200
    # None is of one value: whether its map is too may hang on how its sums are rounded in a batch of another size.
    odd = [np.tile(noise[2], (2, 2, 1))[:9], noise[3][:4], np.zeros((6, 6, 1), np.float32)]
    return vz.inputs.load([*noise, *odd], (6, 6, 1))


def asked(method: str, model: vz.ModelAdapter, of: vz.inputs.ImageSet) -> Attributions:
    """Explain images by few samples."""
    plugin = registry.get(method)
    result: Attributions = plugin.function(model, of, **few(plugin))
    return result


@cache
def explained(method: str) -> Attributions:
    """Return what a method says of `images`."""
    return asked(method, network(), images())


own = pytest.mark.parametrize("method", OWN)
kinds = pytest.mark.parametrize("method", ["saliency", "gradcam", "smoothgrad", "occlusion", "lime", "finercam"])
"""One of each kind of result: with a layer, measures, extras, indices of classes, or none of these."""


def cut(result: Attributions, places: list[int]) -> list[Attributions]:
    ends = [0, *sorted(places), len(result)]
    return [result[start:end] for start, end in itertools.pairwise(ends)]


# Cutting and joining ------------------------------------------------------------------------------------------------------


@own
def test_images_of_the_tests_are_noted_in_all_ways(method):
    kinds = {note.kind for note in explained(method).notes}
    assert {"log-probability", "resized", "range", "zero"} <= kinds


@kinds
@given(places=st.lists(st.integers(0, 8), max_size=4))
def test_join_of_the_parts_is_the_whole(method, places):
    whole = explained(method)
    same(Attributions.join(cut(whole, places)), whole)


@kinds
@given(ends=st.tuples(st.integers(0, 8), st.integers(0, 8)), more=st.integers(0, 8))
def test_part_of_a_part_is_a_part(method, ends, more):
    whole, (start, end) = explained(method), sorted(ends)
    same(whole[start:end][:more], whole[start : min(start + more, end)])


@own
@pytest.mark.parametrize("part", [slice(0, 1), slice(1, 2), slice(3, 8)])
def test_part_of_a_result_is_the_result_of_a_part(method, part):
    cut, alone = explained(method)[part], asked(method, network(), images().part(part))
    assert_same_sums(cut.values, alone.values, *SUMS, size=1)
    assert_same_sums(cut.scores, alone.scores, *SUMS, size=1)
    assert [note.to_dict() for note in cut.notes] == [note.to_dict() for note in alone.notes]
    for name in ("names", "target", "classes", "options", "class_labels", "layer", "method"):
        assert getattr(cut, name) == getattr(alone, name)
    assert [[label for label, _ in top] for top in cut.top_classes] == [
        [n for n, _ in top] for top in alone.top_classes
    ]
    assert cut.extras.keys() == alone.extras.keys()
    for one, other in zip(cut.extras.values(), alone.extras.values(), strict=True):
        if one.dtype.kind == "f":
            assert_same_sums(one, other, *SUMS, size=1)
        else:
            np.testing.assert_array_equal(one, other)


@own
def test_batches_of_one_say_what_one_batch_says(method):
    small = asked(method, network(1), images())
    assert [note.to_dict() for note in small.notes] == [note.to_dict() for note in explained(method).notes]
    assert_same_sums(small.values, explained(method).values, *SUMS, size=1)


def test_parts_are_not_copied():
    whole = explained("saliency")
    assert np.shares_memory(whole[2:5].values, whole.values)
    assert whole[2:5].images.sources[0] is whole.images.sources[2]


def test_results_are_iterated_image_by_image():
    result = attributions(3)
    assert [one.names for one in result] == [("0.png",), ("1.png",), ("2.png",)]
    assert result[-1].names == ("2.png",)
    with pytest.raises(IndexError):
        result[3]


def test_every_second_image_can_be_taken():
    assert attributions(3, notes=(Note("x", "k", [2]),))[::2].notes[0].images == (1,)
    assert attributions(3, notes=(Note("x", "k", [2]),))[::-1].notes[0].images == (0,)


def test_part_keeps_the_top_classes():
    top = ((("cat", 0.75),), (("dog", 0.5),))
    assert attributions(2, top_classes=top)[1].top_classes == top[1:]


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([], "`parts` must hold at least one result; got none"),
        ([{"method": "gradcam"}], "`parts` must agree in `method`; got 'saliency' and 'gradcam'"),
        ([{"options": {"rule": "guided"}}], "`parts` must agree in `options`"),
        ([{"size": (5, 5)}], r"`parts` must agree in `values`; got 'float32 of shape \(N, 4, 6\)' and"),
        ([{"measures": {"gap": np.zeros(1, np.float32)}}], "`parts` must agree in `measures`; got {} and {'gap'"),
    ],
)
def test_what_does_not_belong_together_is_not_joined(parts, text):
    first = [attributions()] if parts else []
    with pytest.raises(ResultError, match=text):
        Attributions.join([*first, *(attributions(**fields) for fields in parts)])


@pytest.mark.parametrize("other", [np.zeros((1, 4)), np.zeros((1, 1)), np.zeros((1, 3), np.int32)])
def test_curves_of_another_length_or_kind_are_not_joined(other):
    curves = [attributions(extras={"curve": array}) for array in (np.zeros((1, 3)), other)]
    with pytest.raises(ResultError, match="`parts` must agree in `extras`"):
        Attributions.join(curves)


def test_whole_has_no_names_and_top_classes_where_a_part_has_none():
    top = {"top_classes": ((("cat", 0.9),),), "top_indices": ((1,),)}
    whole = Attributions.join([attributions(names=()), attributions(**top), attributions()])
    assert (whole.names, whole.top_classes, whole.top_indices) == ((), (), ())
    assert whole.image_names == ("image 0", "image 1", "image 2")


def test_black_box_that_turns_out_to_give_no_probabilities_has_no_top_classes(tmp_path):
    def brightness(inputs: np.ndarray) -> np.ndarray:
        mean = inputs.mean(axis=(1, 2, 3))
        return np.stack([mean, 1 - mean], axis=-1) if (mean <= 1).all() else np.stack([mean, -mean], axis=-1)

    flat = [np.full((4, 4, 1), value) for value in (0.2, 3.0, 0.4)]
    result = vz.occlusion(vz.adapt(brightness, input_shape=(4, 4, 1), batch_size=1), np.stack(flat), patch_size=2)
    assert result.top_classes == ()
    assert len(load_result(result.save(tmp_path / "black.npz"))) == 3


@pytest.mark.parametrize("place", [[0, 1], np.array([True, False]), True, 1.0, "0"])
def test_place_that_is_neither_a_number_nor_a_slice_is_refused(place):
    with pytest.raises(OptionError, match="takes the place of one image, or a slice of them"):
        attributions(2)[place]


def test_result_of_no_images_is_neither_drawn_nor_saved(tmp_path):
    none = attributions(2)[:0]
    for suffix in (".npz", ".png"):
        with pytest.raises(ResultError, match="of no images can't be saved"):
            none.save(tmp_path / f"none{suffix}")
    with pytest.raises(OptionError, match="at least one image to be drawn"):
        none.plot()
    assert list(tmp_path.iterdir()) == []


def test_join_lets_go_of_each_part_before_the_next():
    alive: list[weakref.ref[np.ndarray]] = []

    def parts() -> Iterator[Attributions]:
        for _ in range(3):
            assert [held() for held in alive[:-1]] == [None] * (len(alive) - 1 if alive else 0)
            part = attributions(2)
            alive.append(weakref.ref(part.values))
            yield part

    assert len(Attributions.join(parts(), 6)) == 6


def test_wrong_count_of_a_join_is_rejected():
    with pytest.raises(ResultError, match="`count` must be the number of images of all parts, 2; got 3"):
        Attributions.join([attributions(2)], 3)


# Notes --------------------------------------------------------------------------------------------------------------------


def test_joined_notes_are_said_of_all_their_images():
    names = [f"{i}.png" for i in range(5)]
    two = Note.about(
        [0, 2], names[:3], "zero", "The map of {images} is zero, up to {high.max:.2g}.", {"high": [1.0, 3.0]}
    )
    one = Note.about([1], names[3:], "zero", "The map of {images} is zero, up to {high.max:.2g}.", {"high": [2.0]})
    whole = Attributions.join([attributions(3, notes=(two,)), attributions(2, names=tuple(names[3:]), notes=(one,))])
    assert whole.notes == ("The map of 3 of 5 images (0.png, 2.png, 4.png) is zero, up to 3.",)
    assert whole[3:].notes == ("The map of 1 of 2 images (4.png) is zero, up to 2.",)
    assert (whole[4].notes, whole[1].notes) == (("The map of 4.png is zero, up to 2.",), ())


def test_notes_of_strangers_stay_as_they_are_where_their_images_are():
    result = attributions(3, notes=("of all", Note("of the last", "own", [2])))
    assert [one.notes for one in result] == [("of all",), ("of all",), ("of all", "of the last")]
    assert result[2].notes[1].images == (0,)


def test_log_probability_is_noted_on_the_result():
    (note,) = [note for note in explained("saliency").notes if note.kind == "log-probability"]
    assert (note.images, "scores are log-probabilities" in note) == ((), True)


def test_what_stands_in_a_file_is_no_format_of_python():
    note = Note.about(
        [0], ["a"], "own", "{images.__class__} {low.__class__} {low.max:>99999999} {images}", {"low": [1]}
    )
    assert note == "{images.__class__} {low.__class__} {low.max:>99999999} a"


# Files --------------------------------------------------------------------------------------------------------------------


@own
def test_saved_notes_keep_what_they_are_about(method, tmp_path):
    result = explained(method)
    again = load_result(result.save(tmp_path / "result.npz"))
    assert [note.to_dict() for note in again.notes] == [note.to_dict() for note in result.notes]
    assert [note.to_dict() for note in again[3:6].notes] == [note.to_dict() for note in result[3:6].notes]


def test_files_of_earlier_versions_are_read():
    folder = Path(__file__).parent / "legacy" / "results"
    found = {path.stem: load_result(path) for path in folder.iterdir()}
    assert set(found) == {
        "activation_maximization", "activations", "diagnose", "filters", "occlusion", "saliency",
    }  # fmt: skip
    occlusion = found["occlusion"]
    assert occlusion.class_map.tolist() == [[[1, 1], [1, 1]], [[0, 0], [0, 0]]]
    assert (occlusion.tally(1), occlusion.class_labels, occlusion.measures) == ({"cat": 4}, ("cat", "dog"), {})
    assert (found["saliency"].class_map, found["saliency"].extras) == (None, {})
    assert found["saliency"].notes[0].startswith("The map of 1 of 2 images (image 1) is zero everywhere")
    assert (found["filters"].options, found["filters"].notes, found["activations"].method) == ({}, (), "activations")


# Options ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "args", "options"),
    [
        *((name, (0,), few(registry.get(name))) for name in OWN),
        ("saliency", (0,), {"rule": "guided", "reduce": "none"}),
        ("gradcam", (0,), {"layer": "conv"}),
        ("occlusion", (0,), {"patch_size": 4, "baseline": [0.5]}),
        ("activations", (), {}),
        ("activations", (), {"layer": ["conv"]}),
        ("diagnose", (), {}),
        ("top_patches", (), {"layer": "conv", "channels": [1], "num_patches": 2}),
        ("receptive_field", None, {"layer": "conv"}),
        ("filters", None, {}),
        ("filters", None, {"layer": "last", "preferred_inputs": 2, "steps": 3, "seed": 4}),
        ("architecture", None, {"depth": 1}),
        ("activation_maximization", None, {"steps": 3}),
        (
            "activation_maximization",
            None,
            {"layer": "conv", "steps": 3, "seed": 2, "parametrization": "pixel", "num_images": 2, "regularizers": [],
             "transforms": vz.transforms.Transforms(jitter=1), "optimizer": "sgd", "input_range": (0, 2), "frames": 2},
        ),
    ],
)  # fmt: skip
def test_options_of_a_result_make_it_again(method, args, options):
    plugin = registry.get(method)
    given = (network(), *(() if args is None else (images(), *args)))
    first = plugin.function(*given, **options)
    again = plugin.function(*given, **first.options)
    assert first.options.keys() == plugin.options.keys()
    assert json.dumps(again.options, default=str) == json.dumps(first.options, default=str)
    for name, one, other in (
        [("layers", first.layers, again.layers)]
        if method == "architecture"
        else [(name, one, other) for (name, one), (_, other) in zip(first._arrays(), again._arrays(), strict=True)]
    ):
        np.testing.assert_array_equal(one, other, err_msg=name)


# A new number -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def gap() -> Any:
    """Register a method with a number for each map and a curve, for one test."""
    from vizcnn.results import AttributionBatch

    @vz.register("gap_of_the_tests", needs={"outputs"})
    def gap(model: Any, inputs: Any, score: Any) -> AttributionBatch:
        """Give the pixels back."""
        brightness = inputs.mean(axis=(1, 2, 3))
        return AttributionBatch(
            inputs[..., 0], measures={"completeness_gap": brightness}, extras={"curve": np.outer(brightness, [1, 2])}
        )

    yield gap
    del registry.INSTALLED.entries["gap_of_the_tests"]


def test_measures_and_extras_are_cut_joined_and_kept(gap, tmp_path):
    result = gap(network(2), images())
    brightness = images().inputs(slice(None)).mean(axis=(1, 2, 3))
    np.testing.assert_array_equal(result.measures["completeness_gap"], brightness)
    assert result.extras["curve"].shape == (8, 2)
    assert result[3].measures["completeness_gap"].tolist() == [brightness[3]]
    again = load_result(result.save(tmp_path / "gap.npz"))
    np.testing.assert_array_equal(again.measures["completeness_gap"], brightness)
    np.testing.assert_array_equal(again.extras["curve"], result.extras["curve"])


def test_measures_stand_at_the_picture(gap):
    result = gap(network(), images())
    assert result.caption(1).endswith("\ncompleteness gap 0")
    assert result.plot(Figure().add_subplot(), index=1).get_title() == result.caption(1)


def test_measures_stand_in_the_page(gap, tmp_path):
    path = Explanation({"gap_of_the_tests": gap(network(), images().part(slice(1, 2)))}).to_html(tmp_path / "page.html")
    assert '<span class="measured">completeness gap 0</span>' in path.read_text(encoding="utf-8")


def test_measures_are_printed_by_the_command_and_stand_in_its_json(gap, tmp_path):
    model().save(tmp_path / "tiny.keras")
    Image.fromarray(np.full((6, 6), 51, np.uint8)).save(tmp_path / "gray.png")
    command = ["explain", str(tmp_path / "tiny.keras"), str(tmp_path / "gray.png"), "-m", "gap_of_the_tests"]
    text, lines = (CliRunner().invoke(app, [*command, "--out", str(tmp_path), *more]) for more in ([], ["--json"]))
    assert text.stdout.splitlines()[1] == f"  {tmp_path / 'gray.gap_of_the_tests.png'}  completeness gap 51"
    line = json.loads(lines.stdout)
    assert line["measures"] == {"gap_of_the_tests": {"completeness_gap": 51.0}}
    assert "log-probability" in line["note_kinds"]
    assert len(line["note_kinds"]) == len(line["notes"])


def test_table_has_a_row_for_each_image(gap):
    pytest.importorskip("pandas")
    result = gap(network(), images(), 1)
    table = result.to_frame()
    assert list(table.columns) == [
        "name", "target", "class", "probability", "score", "prediction", "predicted_class", "predicted_probability",
        "completeness_gap", "notes",
    ]  # fmt: skip
    assert table["name"].tolist() == list(result.names)
    assert table["completeness_gap"].tolist() == result.measures["completeness_gap"].tolist()
    assert table["class"].tolist() == [1] * 8
    assert table["probability"].tolist() == list(result.probabilities)
    assert table["notes"][1] == " ".join(result[1].notes) != table["notes"][0]


def test_table_without_pandas_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(ResultError, match=r"`to_frame` needs pandas.*pip install 'vizcnn\[table\]'"):
        attributions().to_frame()


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"measures": {"gap": np.zeros(3)}}, "`measures` of method 'wrong' must hold a number for each of 8 images"),
        ({"measures": {"gap": np.zeros((8, 2))}}, r"got float64 of shape \(8, 2\) as 'gap'"),
        ({"measures": {"score": np.zeros(8)}}, "must not be called 'score'"),
        ({"extras": {"curve": np.zeros((3, 8))}}, "`extras` of method 'wrong' must hold a row for each of 8 images"),
    ],
)
def test_wrong_measures_of_a_plugin_are_named(fields, text):
    from vizcnn.results import AttributionBatch

    try:

        @vz.register("wrong", needs={"outputs"})
        def wrong(model: Any, inputs: Any, score: Any) -> AttributionBatch:
            return AttributionBatch(inputs[..., 0], **fields)

        with pytest.raises(ValueError, match=text):
            wrong(network(), images())
    finally:
        registry.INSTALLED.entries.pop("wrong", None)
