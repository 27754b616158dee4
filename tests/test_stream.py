"""Several methods on the same images: each image is read once, no method runs twice, and what fails is told."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image
from typer.testing import CliRunner

import vizcnn as vz
from vizcnn.adapter import sharing
from vizcnn.cli import app
from vizcnn.errors import InputError
from vizcnn.explanation import collect
from vizcnn.inputs import image_set
from vizcnn.plugins import door, registry
from vizcnn.results import AttributionBatch
from vizcnn.stream import Failure, read_methods, stream

pytestmark = pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")

EIGHT = [
    "saliency", "saliency:rule=guided", "saliency:reduce=sum", "saliency:reduce=none", "gradcam", "gradcam:relu=False",
    "gradcam:layer=early", "occlusion:patch_size=4",
]  # fmt: skip


def network() -> Any:
    keras.utils.set_random_seed(1)
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(3, 3, activation="relu", name="early")(layers.Rescaling(1 / 255)(inputs))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(3, 3, activation="relu", name="late")(x))
    return keras.Model(inputs, layers.Dense(4, activation="softmax")(x))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten images of different sizes, and a model."""
    root = tmp_path_factory.mktemp("stream")
    (root / "images").mkdir()
    generator = np.random.default_rng(0)
    for number in range(10):
        pixels = generator.integers(1, 256, (8 + number, 10 + 2 * number, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"{number}.png")
    network().save(root / "tiny.keras")
    return root


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many times the pixels of each file are read."""
    counts: Counter[str] = Counter()
    real = image_set.pixels_of

    def pixels_of(image: Any, channels: int, name: str, *args: Any) -> Any:
        counts[Path(name).name] += 1
        return real(image, channels, name, *args)

    monkeypatch.setattr(image_set, "pixels_of", pixels_of)
    return counts


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Which methods are run, on how many images."""
    runs: list[tuple[str, int]] = []
    real = door.MethodRun.raw

    def raw(self: door.MethodRun, part: slice, inputs: np.ndarray) -> Any:
        runs.append((self.plugin.name, len(inputs)))
        return real(self, part, inputs)

    monkeypatch.setattr(door.MethodRun, "raw", raw)
    return runs


@pytest.fixture
def picky() -> Iterator[None]:
    """A method that refuses dark images."""
    registry.names()

    @vz.register("picky", needs={"outputs"})
    def method(model: Any, inputs: Any, score: Any) -> AttributionBatch:
        if inputs.max() < 10:
            raise ZeroDivisionError("too dark")
        return AttributionBatch(inputs.sum(axis=-1))

    yield
    del registry.INSTALLED.entries["picky"]


@pytest.mark.slow
def test_each_file_is_decoded_once_by_the_command_however_many_methods(
    folder: Path, tmp_path: Path, decoded: Counter[str], ran: list[tuple[str, int]]
) -> None:
    methods = [word for method in EIGHT for word in ("--method", method)]
    images = [str(folder / "images" / f"{number}.png") for number in range(5)]
    files = [str(folder / "tiny.keras"), *images, "--out", str(tmp_path), "--batch-size", "4"]
    done = CliRunner().invoke(app, ["explain", *files, *methods])
    assert done.exit_code == 0, done.stderr
    assert decoded == {f"{number}.png": 1 for number in range(5)}
    assert Counter(count for _, count in ran) == {4: 8, 1: 8}
    assert len(list(tmp_path.glob("*.explanation.png"))) == 5


def test_each_file_is_decoded_once_by_explain_until_it_is_drawn(folder: Path, decoded: Counter[str]) -> None:
    both = vz.explain(vz.adapt(folder / "tiny.keras", batch_size=3), folder / "images", methods=EIGHT)
    assert decoded == {f"{number}.png": 1 for number in range(10)}
    assert both["gradcam"].images is both["saliency"].images


def test_report_finds_the_second_class_without_another_run_or_reading(
    folder: Path, tmp_path: Path, decoded: Counter[str], ran: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs: list[int] = []
    real = vz.KerasAdapter.outputs
    monkeypatch.setattr(vz.KerasAdapter, "outputs", lambda *args, **given: outputs.append(1) or real(*args, **given))
    # The way through the layers is a reading, and a drawing, of its own: here of the first image alone.
    monkeypatch.setattr(importlib.import_module("vizcnn.cli.report"), "NUM_WALKS", 1)
    files = [str(folder / "tiny.keras"), *(str(folder / "images" / f"{number}.png") for number in range(3))]
    done = CliRunner().invoke(app, ["report", *files, "--out", str(tmp_path / "page.html"), "--method", "saliency"])
    assert done.exit_code == 0, done.stderr
    assert "the second class" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert [run for run in ran if run[0] == "saliency"] == [("saliency", 3), ("saliency", 3)]  # of each class
    assert outputs == []
    assert decoded["1.png"] == decoded["2.png"] == 1


def test_batches_joined_are_what_each_method_says_alone(folder: Path) -> None:
    cnn = vz.adapt(network(), batch_size=3)
    together = vz.explain(cnn, folder / "images", methods=["saliency", "gradcam"])
    for method in together:
        alone = getattr(vz, method)(cnn, folder / "images")
        np.testing.assert_array_equal(together[method].values, alone.values)
        assert (together[method].notes, together[method].names) == (alone.notes, alone.names)


def test_class_of_each_rank_is_that_of_the_outputs(folder: Path) -> None:
    cnn = vz.adapt(network(), batch_size=4)
    images = door.load_images(cnn, folder / "images")
    first, others = collect(stream(cnn, images, None, read_methods("saliency"), ranks=3), len(images))
    order = np.argsort(-cnn.outputs(images.inputs(slice(None)))[0], axis=1)
    assert first["saliency"].classes == tuple(order[:, 0])
    assert [others[rank]["saliency"].classes for rank in (1, 2)] == [tuple(order[:, 1]), tuple(order[:, 2])]


def test_method_that_fails_is_told_with_its_images_and_the_others_go_on(picky: None) -> None:
    cnn = vz.adapt(network(), batch_size=2)
    images = np.full((5, 8, 8, 3), 200, np.uint8)
    images[2:] = 3
    calls, failures = read_methods(["picky", "saliency"]), list[Failure]()
    loaded = door.load_images(cnn, images)
    explanation, _ = collect(stream(cnn, loaded, 1, calls, on_failure=failures.append), len(loaded))
    assert [(f.method, f.images, f.reason) for f in failures] == [("picky", range(2, 4), "ZeroDivisionError: too dark")]
    assert list(explanation) == ["saliency"]
    assert len(explanation["saliency"]) == 5
    with pytest.raises(ZeroDivisionError):
        vz.explain(cnn, images, 1, methods=["picky", "saliency"])


def test_image_that_cannot_be_read_is_told_and_the_others_go_on(folder: Path, tmp_path: Path) -> None:
    whole = [(folder / "images" / f"{number}.png") for number in range(4)]
    (tmp_path / "half.png").write_bytes(whole[0].read_bytes()[:200])
    cnn = vz.adapt(network(), batch_size=2)
    loaded = door.load_images(cnn, [*whole[:3], tmp_path / "half.png", whole[3]])
    failures: list[Failure] = []
    calls = read_methods("saliency")
    batches = list(stream(cnn, loaded, None, calls, on_failure=failures.append))
    assert [(f.method, f.images) for f in failures] == [(None, range(3, 4))]
    assert "half.png' is damaged" in failures[0].reason
    assert [batch.results["saliency"].names for batch in batches] == [("0.png", "1.png"), ("2.png",), ("3.png",)]
    with pytest.raises(InputError, match=r"half.png' is damaged"):
        list(stream(cnn, loaded, None, calls))


def test_methods_that_ask_for_the_same_gradient_share_it_and_say_what_each_says_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cnn, digits = vz.adapt(vz.assets.DIGITS_CNN, batch_size=4), vz.assets.digits()
    asked: Counter[Any] = Counter()
    of_model = cnn._gradients

    def counted(inputs: Any, score: Any, path: Any, rule: str) -> Any:
        asked[path, rule] += 1
        return of_model(inputs, score, path, rule)

    monkeypatch.setattr(cnn, "_gradients", counted)
    methods = ["gradcam", "saliency", "gradcam_plus_plus", "gradient_x_input"]
    together = vz.explain(cnn, digits, methods=methods)
    assert sorted(asked.values()) == [3, 3]  # of three batches: by the layer, and by the input
    for method in methods:
        alone = vz.explain(cnn, digits, methods=method)[method]
        np.testing.assert_array_equal(together[method].raw, alone.raw)
        np.testing.assert_array_equal(together[method].values, alone.values)
        assert together[method].raw.flags.writeable
    asked.clear()
    monkeypatch.setattr(sharing, "MOST", 10_000)  # a batch of images and their gradients is larger
    vz.explain(cnn, digits[:1], methods=["saliency", "gradient_x_input"])
    vz.explain(cnn, digits[:4], methods=["saliency", "gradient_x_input"])
    assert list(asked.values()) == [1 + 2]
