"""vizcnn explain: its pictures, its options, what it says, and what it refuses."""

from __future__ import annotations

import io
import os
import re
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

from tests.cli.typed import SIZE, Probe, explain, lines, run, small_cnn, written
from vizcnn import progress
from vizcnn.cli import console
from vizcnn.cli.picture_names import Plan, method_slugs
from vizcnn.errors import ResultError
from vizcnn.inputs import read_image
from vizcnn.plugins import registry
from vizcnn.plugins.register import register

# explain: the pictures -----------------------------------------------------------------------------------------------


def test_every_image_of_a_folder_gets_a_picture_by_each_default_method_and_a_grid(folder: Path, tmp_path: Path) -> None:
    result = explain(folder, tmp_path / "new" / "out", image="images")
    assert result.exit_code == 0, result.stderr
    assert written(tmp_path / "new" / "out") == [
        f"{image}.{part}.png" for image in "abc" for part in ("explanation", "gradcam", "saliency")
    ]
    with Image.open(tmp_path / "new" / "out" / "a.gradcam.png") as picture:
        assert picture.format == "PNG"


def test_one_method_makes_one_picture_and_no_grid(folder: Path, tmp_path: Path) -> None:
    assert explain(folder, tmp_path, "--method", "saliency").exit_code == 0
    assert written(tmp_path) == ["a.saliency.png"]


def test_options_of_a_method_reach_it_and_are_in_the_name_of_the_file(folder: Path, tmp_path: Path) -> None:
    result = explain(folder, tmp_path, "-m", "saliency", "-m", "saliency:reduce=sum", "--json")
    files = lines(result)[0]["files"]
    assert files["saliency:reduce=sum"] == str(tmp_path / "a.saliency-reduce-sum.png")
    assert Path(files["saliency"]).read_bytes() != Path(files["saliency:reduce=sum"]).read_bytes()


def test_a_method_named_twice_runs_once(folder: Path, tmp_path: Path) -> None:
    assert explain(folder, tmp_path, "-m", "saliency", "-m", "saliency").exit_code == 0
    assert written(tmp_path) == ["a.saliency.png"]


def test_an_image_named_twice_is_explained_once(folder: Path, tmp_path: Path) -> None:
    result = explain(folder, tmp_path, folder / "images", "-m", "saliency", "--json")
    assert [Path(line["image"]).name for line in lines(result)] == ["a.png", "b.png", "c.png"]


def test_pictures_of_images_with_one_name_have_different_names() -> None:
    files = [Path(name) for name in ("x/cat.png", "x/cat.jpg", "y/cat.png", "x/dog.png", "y/CAT.png")]
    planned = Plan(files, method_slugs(["saliency"]), Path("out"))
    assert [paths["saliency"].name for paths in planned] == [
        "x-cat.saliency.png",
        "cat.jpg.saliency.png",
        "y-cat.saliency.png",
        "dog.saliency.png",
        "y-CAT-2.saliency.png",
    ]


def test_names_of_files_are_safe_whatever_the_image_and_the_method_are_called() -> None:
    (paths,) = Plan([Path("x/" + "long" * 60 + ":*?.png")], method_slugs(["saliency"]), Path("out"))
    assert paths["saliency"].name == "long" * 35 + ".saliency.png"
    assert method_slugs(["tf-keras-vis/gradcam", "saliency:rule=guided", "saliency:rule='guided'"]) == {
        "explanation": "explanation",
        "tf-keras-vis/gradcam": "tf-keras-vis-gradcam",
        "saliency:rule=guided": "saliency-rule-guided",
        "saliency:rule='guided'": "saliency-rule-guided-2",
    }


def test_a_picture_never_replaces_an_image() -> None:
    files = [Path("out/a.png"), Path("out/a.saliency.png")]
    with pytest.raises(
        ResultError, match=r"`out` must not hold images that a picture would replace; got 'out', with 'a.s"
    ):
        Plan(files, method_slugs(["saliency"]), Path("out"))


# explain: each option ------------------------------------------------------------------------------------------------


def test_the_predicted_class_is_explained_without_a_target(folder: Path, tmp_path: Path) -> None:
    (line,) = lines(explain(folder, tmp_path, "-m", "saliency", "--json"))
    pixels = read_image(folder / "images" / "a.png")[None].astype(np.float32)
    probabilities = keras.saving.load_model(folder / "tiny.keras").predict(pixels, verbose=0)[0]
    assert line["class"] == int(probabilities.argmax())
    assert line["probability"] == pytest.approx(float(probabilities.max()), abs=1e-5)
    assert line["target"] == line["label"] == f"class {line['class']}"


@pytest.mark.parametrize(("target", "name"), [("2", "class 2"), ("output=1", "class 1"), ("output= 0", "class 0")])
def test_target_may_be_an_index_and_name_the_output(folder: Path, tmp_path: Path, target: str, name: str) -> None:
    (line,) = lines(explain(folder, tmp_path, "-m", "saliency", "--json", "--target", target))
    assert line["target"] == name


@pytest.mark.parametrize("target", ["cow", "Cow", "2"])
def test_target_may_be_a_label(folder: Path, tmp_path: Path, target: str) -> None:
    args = ("-m", "saliency", "--json", "--labels", folder / "labels.txt", "--target", target)
    (line,) = lines(explain(folder, tmp_path, *args))
    assert (line["target"], line["label"] in ("cat", "dog", "cow")) == ("cow", True)


def test_a_number_that_is_a_label_means_the_label(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "digits.txt").write_text("2\n1\n0\n")
    args = ("-m", "saliency", "--json", "--labels", tmp_path / "digits.txt", "--target", "0")
    (line,) = lines(explain(folder, tmp_path / "out", *args))
    (other,) = lines(explain(folder, tmp_path / "out", "-m", "saliency", "--json", "--target", "2"))
    assert line["target"] == "0"
    assert line["target_probability"] == other["target_probability"]


def test_layer_reaches_the_methods_that_look_at_one(folder: Path, tmp_path: Path) -> None:
    (line,) = lines(explain(folder, tmp_path, "--json", "--layer", "conv1"))
    assert line["layers"] == {"gradcam": "conv1"}
    (line,) = lines(explain(folder, tmp_path, "--json"))
    assert line["layers"] == {"gradcam": "conv2"}


def test_a_layer_in_the_method_is_kept(folder: Path, tmp_path: Path) -> None:
    result = explain(folder, tmp_path, "--json", "-m", "gradcam:layer=conv1", "-m", "gradcam", "--layer", "conv2")
    assert lines(result)[0]["layers"] == {"gradcam:layer=conv1": "conv1", "gradcam": "conv2"}


def test_preprocess_is_applied_to_the_images(folder: Path, tmp_path: Path, probe: Probe) -> None:
    assert explain(folder, tmp_path, "-m", "probe", "--preprocess", "-1..1").exit_code == 0
    assert -1 <= probe.batches[0].min() < 0
    assert probe.batches[0].max() <= 1


def test_batch_size_is_how_many_images_go_through_at_once(folder: Path, tmp_path: Path, probe: Probe) -> None:
    assert explain(folder, tmp_path, "-m", "probe", "--batch-size", "2", image="images").exit_code == 0
    assert [len(batch) for batch in probe.batches] == [2, 1]


def test_all_images_go_through_at_once_by_default(folder: Path, tmp_path: Path, probe: Probe) -> None:
    assert explain(folder, tmp_path, "-m", "probe", image="images").exit_code == 0
    assert [len(batch) for batch in probe.batches] == [3]


def test_an_open_size_is_that_of_the_first_good_image(folder: Path, tmp_path: Path, probe: Probe) -> None:
    (tmp_path / "broken.png").write_text("no image")
    for name, size in (("wide", (12, 8)), ("tall", (8, 12))):
        Image.effect_noise(size, 50).convert("RGB").save(tmp_path / f"{name}.png")
    image = keras.Input((None, None, 3))
    keras.Model(image, layers.Dense(2)(layers.GlobalMaxPooling2D()(image))).save(tmp_path / "open.keras")
    images = [tmp_path / f"{name}.png" for name in ("broken", "wide", "tall")]
    result = run("explain", tmp_path / "open.keras", *images, "-m", "probe", "--out", tmp_path / "out", "--json")
    assert [batch.shape for batch in probe.batches] == [(2, 8, 12, 3)]
    assert [any("resized to the 8x12" in note for note in line["notes"]) for line in lines(result)[:2]] == [False, True]


# explain: what it says -----------------------------------------------------------------------------------------------


def test_it_says_what_was_predicted_and_which_files_were_written(folder: Path, tmp_path: Path) -> None:
    args = ("-m", "saliency", "--labels", folder / "labels.txt", "--target", "dog")
    result = explain(folder, tmp_path, *args)
    (line,) = lines(explain(folder, tmp_path, *args, "--json"))
    seen = f"{line['label']} {line['probability']:.2f}"
    if line["label"] != "dog":
        seen += f", explained dog {line['target_probability']:.2f}"
    assert result.stdout.splitlines() == [f"{folder / 'images' / 'a.png'}: {seen}", f"  {tmp_path / 'a.saliency.png'}"]


def test_json_is_one_object_a_line_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    result = explain(folder, tmp_path, "--json", "--labels", folder / "labels.txt", image="images")
    found = lines(result)
    assert len(found) == 3
    assert list(found[0]) == [
        "image", "class", "label", "probability", "target", "target_probability", "files", "grid", "layers", "measures",
        "trust", "notes", "note_kinds", "failed", "error",
    ]  # fmt: skip
    assert found[1]["image"] == str(folder / "images" / "b.png")
    assert found[1]["files"] == {name: str(tmp_path / f"b.{name}.png") for name in ("saliency", "gradcam")}
    assert found[1]["grid"] == str(tmp_path / "b.explanation.png")
    assert (found[1]["notes"], found[1]["failed"], found[1]["error"]) == ([], {}, None)
    assert result.stderr == ""


def test_json_stays_on_stdout_while_a_bar_is_shown(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_is_shown", lambda: True)
    monkeypatch.setattr(progress, "MIN_BAR_SECONDS", 0.0)
    monkeypatch.setenv("FORCE_COLOR", "1")  # Rich takes standard error for a terminal
    result = explain(folder, tmp_path, "-m", "saliency", "--json", image="images")
    assert len(lines(result)) == 3
    assert "explaining 3 images" in result.stderr


@pytest.mark.parametrize(("terminal", "no_color", "color"), [(True, "", True), (True, "1", False), (False, "", False)])
def test_color_is_for_terminals_that_want_it(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, no_color: str, color: bool
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal, raising=False)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("NO_COLOR", no_color)
    console.echo_error("no such thing")
    assert ("\x1b[" in stream.getvalue()) is color
    assert "vizcnn: no such thing" in stream.getvalue()


def test_a_file_name_that_the_terminal_cannot_show_is_escaped(folder: Path, tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    (tmp_path / name).write_bytes((folder / "images" / "a.png").read_bytes())
    result = run("explain", folder / "tiny.keras", tmp_path / name, "-m", "saliency", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert f"{tmp_path}/caf\\udce9.png: " in result.stdout
    assert written(tmp_path / "out") == ["caf_.saliency.png"]


def test_notes_are_lines_on_stderr_said_once_and_are_in_the_json(folder: Path, tmp_path: Path) -> None:
    for name in "xy":
        Image.new("RGB", (12, 12), "red").save(tmp_path / f"{name}.png")
    args = (tmp_path / "x.png", tmp_path / "y.png", "-m", "saliency", "--out", tmp_path / "out")
    result = run("explain", folder / "tiny.keras", *args)
    note = "Images of 12x12 (height x width) were resized to the 8x8 that the model takes."
    assert result.stderr.splitlines() == [f"  note (image): {note}"]
    found = lines(run("explain", folder / "tiny.keras", *args, "--json"))
    assert [line["notes"] for line in found] == [[f"image: {note}"]] * 2


def test_a_note_on_some_images_of_a_batch_is_said_of_those_alone(folder: Path, tmp_path: Path, probe: Probe) -> None:
    Image.new("RGB", (SIZE, SIZE), "black").save(tmp_path / "black.png")
    result = explain(folder, tmp_path / "out", tmp_path / "black.png", "-m", "probe", "--json")
    bright, black = lines(result)
    assert bright["notes"] == []
    assert [note.split(" (")[0] for note in black["notes"]] == ["probe: The map of black.png is zero everywhere"]


def test_a_warning_about_the_model_is_a_note_of_every_image(folder: Path, tmp_path: Path) -> None:
    image = keras.Input((SIZE, SIZE, 3), name="image")
    logits = layers.Dense(2)(layers.GlobalAveragePooling2D()(layers.Rescaling(1 / 255)(image)))
    keras.Model(image, keras.ops.softmax(logits) * 1.0).save(tmp_path / "hidden.keras")
    args = (folder / "images", "-m", "saliency", "--out", tmp_path / "out", "--batch-size", "1", "--json")
    result = run("explain", tmp_path / "hidden.keras", *args)
    assert result.exit_code == 0, result.stderr
    assert [sum("scores are log-probabilities" in note for note in line["notes"]) for line in lines(result)] == [
        1,
        1,
        1,
    ]


# explain: bad input --------------------------------------------------------------------------------------------------


@pytest.fixture
def bad_images(folder: Path, tmp_path: Path) -> list[Path]:
    """A text, the first half of an image, and nothing at all."""
    (tmp_path / "text.png").write_text("no image")
    whole = (folder / "images" / "a.png").read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    return [tmp_path / "text.png", tmp_path / "half.png", tmp_path / "none.png"]


def test_good_images_are_explained_and_bad_ones_listed_at_the_end(
    folder: Path, tmp_path: Path, bad_images: list[Path]
) -> None:
    result = explain(folder, tmp_path / "out", *bad_images, "-m", "saliency", "--json")
    assert result.exit_code == 1
    assert written(tmp_path / "out") == ["a.saliency.png"]
    assert [line["error"] is None for line in lines(result)] == [True, False, False, False]
    text, half, none, last = result.stderr.splitlines()
    assert text == f"vizcnn: `images` file '{bad_images[0]}' isn't an image that Pillow can read."
    assert half.startswith(f"vizcnn: `images` file '{bad_images[1]}' is damaged: ")
    assert none == f"vizcnn: `images` file '{bad_images[2]}' doesn't exist."
    assert last == "vizcnn: 1 of 4 images explained, by 1 of 1 methods."


def test_without_a_good_image_the_exit_code_is_2(folder: Path, tmp_path: Path, bad_images: list[Path]) -> None:
    result = run("explain", folder / "tiny.keras", *bad_images, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 3
    assert not (tmp_path / "out").exists()


def test_an_empty_folder_is_listed_with_the_bad_images(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = explain(folder, tmp_path / "out", tmp_path / "empty", "-m", "saliency")
    assert result.exit_code == 1
    assert f"vizcnn: `images` folder '{tmp_path / 'empty'}' holds no image" in result.stderr


def test_a_method_that_the_model_is_unfit_for_is_listed_and_the_others_run(folder: Path, tmp_path: Path) -> None:
    small_cnn("tanh", "smooth").save(tmp_path / "smooth.keras")
    args = ("explain", tmp_path / "smooth.keras", folder / "images", "--batch-size", "1", "--out", tmp_path / "out")
    result = run(*args, "-m", "saliency:rule=guided", "-m", "saliency", "--json")
    assert result.exit_code == 1
    assert written(tmp_path / "out") == ["a.saliency.png", "b.saliency.png", "c.saliency.png"]
    assert [list(line["failed"]) for line in lines(result)] == [["saliency:rule=guided"]] * 3
    first, last = result.stderr.splitlines()
    assert first.startswith("vizcnn: saliency:rule=guided: `rule` 'guided' changes how ReLU")
    assert last == "vizcnn: 3 of 3 images explained, by 1 of 2 methods."
    assert run(*args, "-m", "saliency:rule=guided").exit_code == 2


def test_a_method_that_crashes_is_listed_in_one_line(folder: Path, tmp_path: Path, probe: Probe) -> None:
    probe.fails = RuntimeError("no\nluck")
    result = explain(folder, tmp_path, "-m", "probe", "-m", "saliency")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[0] == "vizcnn: probe: RuntimeError: no luck"
    assert written(tmp_path) == ["a.saliency.png"]


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["-m", "gradcat"], "`method` must be one of .* got 'gradcat'. Did you mean 'gradcam'?"),
        (["-m", "saliency:rul=guided"], "Method 'saliency' has no option 'rul'. Did you mean 'rule'?"),
        (["-m", "saliency:rule=giuded"], "`rule` must be one of .*; got 'giuded'. Did you mean 'guided'?"),
        (["-m", "saliency:guided"], "`method` options have the form 'name:option=value,option=value'; got "),
        (["--layer", "conv3"], "`layer` must name a layer of model 'tiny.keras'; got 'conv3'. Did you mean 'conv2'?"),
        (["--layer", "pool"], "`layer` 'pool' has no spatial map"),
        (["--layer", "conv1", "-m", "saliency"], "`layer` 'conv1' is used by none of the methods 'saliency'; leave it"),
        (["--target", "3"], "`target` must be a class index from 0 to 2 .*; got 3."),
        (["--target", "-1"], "`target` must be a class index from 0 to 2 .*; got -1."),
        (["--target", "cat"], "`target` 'cat' is a label, but model 'tiny.keras' has none."),
        (["--labels", "nowhere.txt"], "`labels` file 'nowhere.txt' can't be read: "),
        (
            ["--preprocess", "mobilnet"],
            "`preprocess` must be a function, .*; got 'mobilnet'. Did you mean 'mobilenet'?",
        ),
        (["--batch-size", "0"], "`batch_size` must be a positive integer or None; got 0."),
        (["--batch-size", "many"], "Invalid value for '--batch-size': "),
        (["--metod", "saliency"], "No such option: --metod.* 'vizcnn COMMAND --help' their options."),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_code_2(folder: Path, tmp_path: Path, args: list[str], text: str) -> None:
    result = explain(folder, tmp_path / "out", *args)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert re.match(f"vizcnn: {text}", line)
    assert (result.stdout, written(tmp_path / "out")) == ("", [])


def test_a_missing_argument_is_one_line_and_exit_code_2(folder: Path) -> None:
    result = run("explain", folder / "tiny.keras", folder / "images")
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert result.stderr.startswith("vizcnn: Missing option '--out'")


def test_a_file_that_is_no_model_is_one_line_and_exit_code_2(folder: Path, tmp_path: Path) -> None:
    for command in (["summary"], ["explain", "--out", tmp_path / "out", folder / "labels.txt"]):
        result = run(*command, folder / "labels.txt", *([folder / "images"] if command[0] == "explain" else []))
        assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
        assert result.stderr.startswith(f"vizcnn: `model` file '{folder / 'labels.txt'}' isn't a Keras model: ")


def test_out_is_checked_before_the_model_is_loaded(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("explain", "nowhere.keras", folder / "images", "--out", tmp_path / "file" / "out")
    assert result.exit_code == 2
    assert result.stderr == (
        f"vizcnn: `out` '{tmp_path / 'file' / 'out'}' can't be written: '{tmp_path / 'file'}' is a file, not a folder.\n"
    )


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that nobody can write to: /proc")
def test_a_folder_that_cannot_be_written_is_refused(folder: Path) -> None:
    result = explain(folder, Path("/proc/vizcnn"))
    assert result.exit_code == 2
    assert result.stderr.startswith("vizcnn: `out` '/proc/vizcnn' can't be written: ")


def test_out_is_not_a_folder_whose_images_are_explained(folder: Path) -> None:
    before = written(folder / "images")
    result = explain(folder, folder / "images" / ".." / "images", image="images")
    assert result.exit_code == 2
    assert "`out` must not be a folder whose images are explained; got " in result.stderr
    assert written(folder / "images") == before


def test_a_plugin_that_does_not_explain_images_is_refused(folder: Path, tmp_path: Path) -> None:
    registry.names()

    @register("blueprint")
    def blueprint(model: Any) -> Any:
        """Look at the model alone."""

    try:
        result = explain(folder, tmp_path, "-m", "blueprint")
        listed = run("methods")
    finally:
        del registry.INSTALLED.entries["blueprint"]
    assert result.exit_code == 2
    assert "vizcnn: `method` 'blueprint' doesn't explain images. Methods that do: 'ablationcam', " in result.stderr
    assert "  blueprint: Look at the model alone. (from tests) (not by --method)\n" in listed.stdout
