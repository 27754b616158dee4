"""`vizcnn check`: what it says of a model, and whether that holds."""

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
from tests import framework
from tests.few import few
from vizcnn import cli
from vizcnn.cli import checkup
from vizcnn.cli.demonstration import every_method
from vizcnn.plugins import registry


def run(*args: object) -> Any:
    return CliRunner().invoke(cli.app, ["check", *map(str, args)])


def saved(path: Path, *hidden: Any, shape: tuple[int, ...] = (8, 8, 3)) -> Path:
    keras.utils.set_random_seed(0)
    keras.Sequential([keras.Input(shape, name="image"), *hidden], name="net").save(path)
    return path


@pytest.fixture(scope="module")
def cnn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(
        tmp_path_factory.mktemp("check") / "net.keras",
        layers.Rescaling(1 / 255),
        layers.Conv2D(3, 3, activation="relu", name="conv"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(4, activation="softmax", name="preds"),
    )


@pytest.fixture(scope="module")
def steps(cnn: Path) -> list[Any]:
    """What is found of this model, once."""
    return list(checkup.check_up(vz.adapt(cnn)))


@pytest.fixture
def _found_before(steps: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkup, "check_up", lambda model, image: iter(steps))


@pytest.mark.usefixtures("_found_before")
def test_one_screen_tells_file_ends_maps_and_methods(cnn: Path) -> None:
    result = run(cnn)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == f"net.keras: a .keras archive, written by Keras {keras.__version__}"
    assert "  image  8 x 8 x 3  image, 0 to 255" in lines
    assert "  output  4  4 classes (softmax)" in lines
    assert "Grad-CAM takes conv" in result.stdout
    assert len(lines) < 30
    assert "  no   attention_rollout, legrad, transformer_attribution" in result.stdout
    assert (result.stdout.count("  no ") > 1) == (framework.BACKEND != "tensorflow")  # tf-keras-vis


@pytest.mark.usefixtures("_found_before")
def test_json_names_every_method_and_what_holds(cnn: Path) -> None:
    found = json.loads(run(cnn, "--json").stdout)
    assert found["explains"] is True
    assert found["default_layer"] == "conv"
    others = [name for name in registry.names() if not registry.get(name).explains]
    assert [verdict["method"] for verdict in found["methods"]] == [*every_method(), *others]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")  # of random weights a map may well be blank
def test_methods_that_cannot_work_are_told_with_the_reason_and_really_do_not(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "m.keras", layers.Conv2D(3, 3, activation="tanh"), layers.Flatten(), layers.Dense(1, "sigmoid")
    )
    found = json.loads(run(path, "--json").stdout)
    assert found["outputs"]["output"]["meaning"] == "two classes (one sigmoid)"
    adapter, x = vz.adapt(path), np.random.default_rng(0).uniform(size=(1, 8, 8, 3)).astype(np.float32)
    verdicts = {verdict["method"]: verdict for verdict in found["methods"]}
    assert not verdicts["saliency:rule=guided"]["works"]
    assert "tanh" in verdicts["saliency:rule=guided"]["why"]
    for name in every_method():
        plugin, options = registry.parse(name)
        if verdicts[name]["works"] and "gradients" in plugin.needs:
            continue  # the check itself has run it
        try:
            plugin.function(adapter, x, **{**few(plugin), **options})
            works = True
        except vz.errors.VizcnnError:
            works = False
        assert works == verdicts[name]["works"], name


def few_methods(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Have the check try these alone, of the methods that explain images."""
    monkeypatch.setattr(checkup, "every_method", lambda: list(names))


def test_an_image_makes_every_method_run_once_and_reports_the_times(
    cnn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_methods(monkeypatch, "saliency", "gradcam", "occlusion", "legrad")
    Image.new("RGB", (8, 8), "orange").save(tmp_path / "a.png")
    result = run(cnn, "--image", tmp_path / "a.png", "--json")
    assert result.exit_code == 0
    verdicts = json.loads(result.stdout)["methods"]
    works = {verdict["method"]: verdict["seconds"] > 0 for verdict in verdicts if verdict["works"]}
    looks = [name for name in registry.names() if not registry.get(name).explains]
    assert works == dict.fromkeys(["saliency", "gradcam", "occlusion", *looks], True)


def test_model_that_nothing_can_explain_is_exit_code_2(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.keras", layers.Dense(3, name="d"), shape=(7,))
    result = run(path)
    assert result.exit_code == 2
    assert "takes inputs of shape (7,)" in " ".join(result.stdout.split())
    assert result.stderr == "vizcnn: no method explains images of model 'm.keras'.\n"


def test_file_that_is_no_model_is_exit_code_2_in_json_too(tmp_path: Path) -> None:
    (tmp_path / "m.h5").write_bytes(b"")
    assert (run(tmp_path / "m.h5").exit_code, run(tmp_path / "m.h5").stdout) == (2, "")
    result = run(tmp_path / "m.h5", "--json")
    assert result.exit_code == 2
    assert "it is empty" in json.loads(result.stdout)["error"]


@pytest.mark.parametrize(
    ("end", "meaning"),
    [
        ([layers.Conv2D(1, 1, activation="sigmoid")], "map of one label, yes or no (sigmoid)"),
        ([layers.Conv2D(3, 1, activation="softmax")], "map of 3 classes (softmax)"),
        ([layers.Conv2D(3, 1)], "map of 3 values: an image, or raw scores"),
        ([layers.Flatten(), layers.Dense(5, activation="sigmoid")], "5 labels, each yes or no (sigmoid)"),
        ([layers.Flatten(), layers.Dense(1)], "scalar (regression)"),
        ([layers.Flatten(), layers.Dense(9)], "9 numbers: raw scores, or an embedding"),
    ],
)
def test_meaning_of_an_output_is_guessed(
    tmp_path: Path, end: list[Any], meaning: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_methods(monkeypatch, "occlusion")
    found = json.loads(run(saved(tmp_path / "m.keras", *end), "--json").stdout)
    (output,) = found["outputs"].values()
    assert output["meaning"] == meaning
