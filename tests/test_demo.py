"""The demo: offline by the digits, with a network by ImageNet."""

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
from vizcnn.adapter import loading
from vizcnn.cli import demonstration as demo
from vizcnn.inputs import load
from vizcnn.plugins import registry


def run(*args: object) -> Any:
    return CliRunner().invoke(cli.app, ["demo", *map(str, args)])


@pytest.fixture
def two_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer pictures, since drawing takes most of the time."""
    monkeypatch.setattr(demo, "every_method", lambda: ["gradcam", "saliency:rule=guided"])
    monkeypatch.setattr(demo, "_looks", lambda *args, **options: [])


def size(file: Path) -> tuple[int, int]:
    with Image.open(file) as picture:
        return picture.size


@pytest.mark.usefixtures("two_methods")
def test_the_demo_says_where_its_pictures_are_and_needs_no_network(tmp_path: Path) -> None:
    result = run("--out", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    files = [tmp_path / "out" / name for name in ("gradcam.png", "saliency-rule-guided.png", "all-methods.png")]
    assert result.stdout.splitlines() == [
        *map(str, files),
        f"3 pictures of ten handwritten digits are in {tmp_path / 'out'}",
    ]
    digits, grid = size(files[0]), size(files[2])
    assert digits[1] > 4 * digits[0]  # a row for each digit: the image and its map
    assert grid[1] < 1.2 * grid[0]  # three digits, two methods


def test_the_digits_are_read_right() -> None:
    show = demo.digits()
    pixels = load(show.images, show.model.input_shape).inputs(slice(None))
    assert [seen.label for seen in show.model.predictions(show.model.outputs(pixels))] == list("0123456789")


def test_every_method_is_there_and_each_rule_that_differs() -> None:
    found = demo.every_method()
    assert [name for name in registry.names() if registry.get(name).explains and name not in found] == []
    assert [name for name in found if name.startswith("saliency")] == [
        "saliency",
        "saliency:rule=guided",
        "saliency:rule=relu",
    ]
    assert len(set(found)) == len(found)


def test_demo_shows_a_dozen_methods_and_those_of_other_packages() -> None:
    shown = demo.chosen_methods()
    assert {name for name in shown if "/" not in name} == demo.CHOSEN
    assert len(demo.CHOSEN) == 12
    assert [name for name in demo.every_method() if "/" in name] == [name for name in shown if "/" in name]


def test_methods_of_another_library_have_a_grid_of_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[int, list[str], str]] = []

    def explain(show: Any, images: list[Path], methods: list[str], file: Path, **options: bool) -> Any:
        asked.append((len(images), methods, file.name))
        return [file], ()

    monkeypatch.setattr(demo, "_explain", explain)
    show = demo.digits()
    show = demo.Demo(show.title, show.model, show.images, ["saliency", "tf-keras-vis/saliency", "gradcam"], [])
    assert len(list(demo.pictures(show, tmp_path))) == 5
    assert asked[3:] == [
        (3, ["saliency", "gradcam"], "all-methods.png"),
        (3, ["tf-keras-vis/saliency"], "all-tf-keras-vis-methods.png"),
    ]


@pytest.mark.slow
def test_the_model_itself_is_looked_into_and_occlusion_shows_its_classes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(demo, "every_method", lambda: ["occlusion"])
    result = run("--out", tmp_path)
    assert result.exit_code == 0, result.stderr
    assert [Path(line).name for line in result.stdout.splitlines()[:-1]] == [
        "architecture.png",
        "filters.png",
        "activations.png",
        "activation_maximization.png",
        "occlusion.png",
        "occlusion.classes.png",
        "all-methods.png",
    ]


@pytest.fixture
def smooth(monkeypatch: pytest.MonkeyPatch) -> None:
    """A "MobileNetV2" without a ReLU, and its labels; nothing is downloaded."""
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(2, 3, activation="tanh")(image)
    model = keras.Model(image, layers.Dense(2, "softmax")(layers.GlobalAveragePooling2D()(x)))
    monkeypatch.setattr(loading, "load_application", lambda name: (model, ("tench", "goldfish")))


@pytest.mark.usefixtures("two_methods", "smooth")
def test_a_method_that_fails_is_listed_and_the_others_are_drawn(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "photo.png")
    result = run("--imagenet", "--image", tmp_path / "photo.png", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "vizcnn: saliency:rule=guided: `rule` 'guided' changes how ReLU" in result.stderr
    assert result.stdout.splitlines()[-1] == f"2 pictures of a photograph are in {tmp_path / 'out'}"


@pytest.mark.usefixtures("two_methods", "smooth")
def test_the_photograph_is_downloaded_unless_one_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "public.png")
    monkeypatch.setattr(loading, "download", lambda url, what: tmp_path / f"{what.split()[-1]}.png")
    Image.new("RGB", (8, 8), "red").save(tmp_path / "photograph.png")
    assert demo.photograph().images == [tmp_path / "photograph.png"]
    assert demo.photograph(tmp_path / "public.png").images == [tmp_path / "public.png"]


@pytest.mark.usefixtures("two_methods", "smooth")
def test_the_photograph_goes_through_the_preprocessing_of_mobilenet_v2(tmp_path: Path) -> None:
    show = demo.photograph(tmp_path / "any.png")
    assert show.model.input_range == (-1.0, 1.0)
    assert show.model.labels == ("tench", "goldfish")


def _no_network(*args: object, **options: object) -> None:
    raise Exception("URL fetch failure on https://example.org/weights.h5: None -- [Errno -2] Name or service not known")


def test_without_a_network_imagenet_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(keras.applications, "MobileNetV2", _no_network)
    result = run("--imagenet", "--out", tmp_path / "out")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "vizcnn: The ImageNet weights of MobileNetV2 can't be downloaded: URL fetch failure on "
        "https://example.org/weights.h5: None -- [Errno -2] Name or service not known. It requires a network connection, once.\n"
    )
    assert not (tmp_path / "out").exists()


def test_without_a_network_the_photograph_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.utils, "get_file", _no_network)
    with pytest.raises(
        loading.ModelFileError, match=r"The photograph can't be downloaded: URL fetch failure on .* once\."
    ):
        loading.download("https://example.org/photo.jpg", "the photograph")


def test_an_application_comes_with_its_labels_by_index(monkeypatch: pytest.MonkeyPatch) -> None:
    def decode(values: np.ndarray, top: int) -> list[list[tuple[str, str, float]]]:
        return [[("n", f"name {row.argmax()}", 1.0)] * top for row in values]

    monkeypatch.setattr(keras.applications, "MobileNetV2", lambda weights: f"model with {weights}")
    monkeypatch.setattr(keras.applications.imagenet_utils, "decode_predictions", decode)
    model, labels = loading.load_application("MobileNetV2")
    assert model == "model with imagenet"
    assert (len(labels), labels[3]) == (1000, "name 3")


def test_an_application_that_does_not_exist_is_refused() -> None:
    with pytest.raises(
        loading.ModelFileError, match=r"`name` must be a model of keras.applications, .*; got 'LeNet'\."
    ):
        loading.load_application("LeNet")


def test_image_goes_with_imagenet(tmp_path: Path) -> None:
    result = run("--image", tmp_path / "photo.png")
    assert result.exit_code == 2
    assert "vizcnn: Invalid value for '--image': it goes with --imagenet" in result.stderr
