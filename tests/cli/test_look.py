"""The commands that look into a model: diagram, filters, activations, maximize."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image
from typer.testing import CliRunner

from vizcnn import cli
from vizcnn.inputs import image_set


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with a nested base, its labels, and two images."""
    root = tmp_path_factory.mktemp("look")
    keras.utils.set_random_seed(1)
    base = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, activation="relu", name="conv1"),
            layers.Conv2D(6, 3, activation="relu", name="conv2"),
        ],
        name="base",
    )
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Rescaling(1 / 255, name="scale"),
            base,
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(3, "softmax", name="preds"),
        ],
        name="tiny",
    )
    model.save(root / "tiny.keras")
    (root / "labels.txt").write_text("cat\ndog\ncow\n")
    (root / "images").mkdir()
    for name in ("a", "b"):
        pixels = np.random.default_rng(len(name)).integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"{name}.png")
    return root


def run(command: str, folder: Path, *args: object) -> Any:
    return CliRunner().invoke(cli.app, [command, str(folder / "tiny.keras"), *map(str, args)])


def written(out: Path) -> list[str]:
    return sorted(str(file.relative_to(out)) for file in out.rglob("*") if file.is_file())


@pytest.mark.parametrize("name", ["model.png", "model.svg"])
def test_diagram_is_drawn_as_its_suffix_says(folder: Path, tmp_path: Path, name: str) -> None:
    result = run("diagram", folder, "--out", tmp_path / "new" / name)
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path / 'new' / name}\n")
    start = (tmp_path / "new" / name).read_bytes()[:300]
    assert start.startswith(b"\x89PNG") or b"<svg" in start or b"<?xml" in start


def test_diagram_opens_nested_layers_as_far_as_it_is_told(folder: Path, tmp_path: Path) -> None:
    texts = []
    for depth in ("0", "1"):
        assert run("diagram", folder, "--depth", depth, "--fold", "never", "--out", tmp_path / "m.svg").exit_code == 0
        texts.append((tmp_path / "m.svg").read_text())
    assert "conv2" not in texts[0]
    assert "conv2" in texts[1]


def test_filters_of_the_first_convolution_or_of_those_that_are_named(folder: Path, tmp_path: Path) -> None:
    assert run("filters", folder, "--out", tmp_path / "first").exit_code == 0
    assert written(tmp_path / "first") == ["base_conv1.filters.png"]
    result = run("filters", folder, "-l", "conv2", "-l", "base/conv1", "--top", "2", "--out", tmp_path / "both")
    assert result.exit_code == 0
    assert written(tmp_path / "both") == ["base_conv1.filters.png", "conv2.filters.png"]


def test_filters_with_the_inputs_that_excite_them_are_a_higher_picture(folder: Path, tmp_path: Path) -> None:
    heights = []
    for preferred_inputs in ("0", "2"):
        assert run("filters", folder, "--preferred-inputs", preferred_inputs, "--out", tmp_path).exit_code == 0
        with Image.open(tmp_path / "base_conv1.filters.png") as picture:
            heights.append(picture.height)
    assert heights[1] > heights[0]


def test_activations_are_drawn_for_each_image(folder: Path, tmp_path: Path) -> None:
    result = run("activations", folder, folder / "images", "--out", tmp_path, "--layer", "conv2", "--top", "3")
    assert result.exit_code == 0
    assert written(tmp_path) == ["a.activations.png", "b.activations.png"]


def test_a_bad_image_is_listed_and_the_others_are_drawn(folder: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    result = run("activations", folder, bad, folder / "images" / "a.png", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "bad.png" in result.stderr.splitlines()[-1]
    assert written(tmp_path / "out") == ["a.activations.png"]
    assert run("activations", folder, bad, "--out", tmp_path / "out").exit_code == 2


def test_activations_read_each_image_once_and_list_one_that_ends_too_early(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = tmp_path / "cut.png"
    whole = (folder / "images" / "a.png").read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    read: list[str] = []
    real = image_set.pixels_of

    def pixels_of(image: Any, channels: int, name: str, *args: Any) -> Any:
        read.append(Path(name).name)
        return real(image, channels, name, *args)

    monkeypatch.setattr(image_set, "pixels_of", pixels_of)
    result = run("activations", folder, cut, folder / "images" / "a.png", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "cut.png" in result.stderr.splitlines()[-1]
    assert written(tmp_path / "out") == ["a.activations.png"]
    assert read == ["cut.png", "a.png"]


def test_receptive_fields_of_all_maps_are_told_and_of_those_named_drawn(folder: Path, tmp_path: Path) -> None:
    result = run("receptive-field", folder)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "scale sees 1x1 of 8x8, every 1",
        "base/conv1 sees 3x3 of 8x8, every 1",
        "base/conv2 sees 5x5 of 8x8, every 1",
    ]
    assert run("receptive-field", folder, "-l", "conv2", "--out", tmp_path).exit_code == 0
    assert written(tmp_path) == ["conv2.receptive_field.png"]


def test_top_patches_of_the_last_map_or_of_layers_and_channels_that_are_named(folder: Path, tmp_path: Path) -> None:
    result = run("top-patches", folder, folder / "images", "--out", tmp_path / "last", "--num-patches", "2")
    assert result.exit_code == 0
    assert written(tmp_path / "last") == ["base_conv2.top_patches.png"]
    args = ("-l", "conv1", "--channel", "1", "--channel", "3", "--spread", "2", "--out", tmp_path / "named")
    assert run("top-patches", folder, folder / "images", *args).exit_code == 0
    assert written(tmp_path / "named") == ["conv1.top_patches.png"]
    bad = run("top-patches", folder, folder / "images", "--channel", "9", "--out", tmp_path / "bad")
    assert bad.exit_code == 2
    assert "`channels` must be indices from 0 to 5" in " ".join(bad.stderr.split())


def test_maximize_makes_an_image_for_each_target(folder: Path, tmp_path: Path) -> None:
    args = ("--labels", folder / "labels.txt", "--steps", "8", "--gif", "--out", tmp_path)
    result = run("maximize", folder, "-t", "dog", "-t", "2", *args)
    assert result.exit_code == 0
    assert written(tmp_path) == ["maximized.gif", "maximized.png"]
    assert [line.partition(",")[0].strip() for line in result.stdout.splitlines()[2:]] == [
        "made for dog",
        "made for cow",
    ]
    with Image.open(tmp_path / "maximized.gif") as animation:
        assert animation.n_frames > 1
        assert animation.width > 200


def test_maximize_takes_channels_of_a_layer(folder: Path, tmp_path: Path) -> None:
    result = run("maximize", folder, "--layer", "base/conv2", "-t", "5", "--steps", "4", "--out", tmp_path)
    assert result.exit_code == 0
    assert written(tmp_path) == ["base_conv2.maximized.png"]
    assert "base/conv2, channel 5" in result.stdout


@pytest.mark.parametrize(
    ("command", "args", "text"),
    [
        ("diagram", ["--out", "model.bmp"], "`out` must end in .png"),
        ("filters", ["--layer", "conv9", "--out", "out"], "`layer`"),
        ("filters", ["--page", "7", "--out", "out"], "`page` must be from 0 to 0"),
        ("filters", ["--layer", "preds", "--out", "out"], "has no kernels"),
        ("maximize", ["--target", "9", "--out", "out"], "class"),
        ("maximize", ["--target", "lion", "--out", "out"], "lion"),
        ("maximize", ["--layer", "conv2", "--target", "dog", "--out", "out"], "the number of a channel"),
        ("maximize", ["--layer", "conv2", "--target", "6", "--out", "out"], "channel"),
        ("maximize", ["--size", "big", "--out", "out"], "it must be HxW"),
        ("maximize", ["--size", "9x9", "--out", "out"], "`size` must be the 8x8"),
    ],
)
def test_wrong_calls_are_one_line_and_leave_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, args: list[str], text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(command, folder, *args)
    assert result.exit_code == 2
    assert text in result.stderr
    assert result.stderr.startswith("vizcnn: ")
    assert result.stderr.count("\n") == 1
    assert written(tmp_path) == []


def test_repairs_custom_objects_and_trust_reach_every_command(folder: Path, tmp_path: Path) -> None:
    keras.Sequential([keras.Input((4, 4, 1)), layers.Lambda(lambda x: (lambda y: y)(x), name="code")]).save(
        tmp_path / "m.keras"
    )
    result = CliRunner().invoke(cli.app, ["summary", str(tmp_path / "m.keras")])
    assert result.exit_code == 2
    assert "--trusted" in result.stderr
    assert CliRunner().invoke(cli.app, ["summary", str(tmp_path / "m.keras"), "--trusted"]).exit_code == 0
    (tmp_path / "own.py").write_text("1 / 0")
    result = run("summary", folder, "--custom-objects", tmp_path / "own.py")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "failed: ZeroDivisionError" in result.stderr
