"""The README and the docs' pages, as a reader would run them: Python, and the lines of the command line."""

from __future__ import annotations

import re
import shlex
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.framework import needs_tensorflow
from vizcnn import comparison
from vizcnn.cli import app, checkup
from vizcnn.errors import VizcnnWarning
from vizcnn.plugins import registry

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "howto").glob("*.md")])
BLOCK = re.compile(
    r"^(?P<left_out><!-- not run: [^\n]+ -->\n)?```(?P<language>python|sh)\n(?P<code>.*?)^```$", re.M | re.S
)
LABELS = ["tabby", "golden retriever", "espresso", "rocket", "wall clock"]


def blocks(page: Path) -> Iterator[tuple[str, str, int]]:
    """Yield language, code and first line of what a page shows, but for what it says it can't run."""
    text = page.read_text(encoding="utf-8")
    for block in BLOCK.finditer(text):
        if not block["left_out"]:
            yield block["language"], block["code"], text.count("\n", 0, block.start("code"))


WITH_CODE = [page for page in PAGES if any(blocks(page))]


def classifier() -> Any:
    layers = keras.layers
    image = keras.Input((32, 32, 3))
    x = layers.Conv2D(8, 3, activation="relu", name="conv1")(image)
    x = layers.MaxPooling2D(name="pool")(x)
    x = layers.Conv2D(8, 3, activation="relu", name="conv2")(x)
    x = layers.GlobalAveragePooling2D(name="average")(x)
    return keras.Model(image, layers.Dense(len(LABELS), activation="softmax", name="preds")(x))


def video_classifier() -> Any:
    layers = keras.layers
    clip = keras.Input((4, 16, 16, 3))
    x = layers.TimeDistributed(layers.Conv2D(4, 3, activation="relu"))(clip)
    return keras.Model(clip, layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling3D()(x)))


@pytest.fixture
def readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A folder with what a reader has, as working directory, and the variables that the pages take for granted."""
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    model = classifier()
    model.save(tmp_path / "model.keras")
    model.save(tmp_path / "model.h5")
    model.compile("adam", "sparse_categorical_crossentropy")
    (tmp_path / "labels.txt").write_text("\n".join(LABELS), encoding="utf-8")
    (tmp_path / "photos").mkdir()
    for name in ("cat.jpg", "dog.jpg", "photos/one.jpg"):
        Image.fromarray(generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(tmp_path / name)
    video_classifier().save(tmp_path / "video.keras")
    first, *others = map(Image.fromarray, generator.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8))
    first.save(tmp_path / "clip.gif", save_all=True, append_images=others)
    monkeypatch.chdir(tmp_path)
    # All methods are run by tests of their own: `check` and `compare` take two where none is named.
    monkeypatch.setattr(checkup, "every_method", lambda: ["saliency", "occlusion"])
    monkeypatch.setattr(comparison, "_able", lambda model, left_out: ["saliency", "occlusion"])
    registry.names()  # loaded
    monkeypatch.setattr(registry.INSTALLED, "entries", dict(registry.INSTALLED.entries))  # a page may register a method
    x = generator.uniform(size=(16, 32, 32, 3)).astype(np.float32)
    return {"__name__": "__main__", "model": model, "images": x[:2], "x": x, "y": np.arange(16) % len(LABELS)}


def run_python(code: str, page: Path, line: int, variables: dict[str, Any]) -> None:
    exec(compile("\n" * line + code, str(page), "exec"), variables)


def run_commands(code: str) -> None:
    for command in code.replace("\\\n", " ").splitlines():
        words = shlex.split(command, comments=True)
        if words[:1] == ["vizcnn"] and words[1] not in (
            "demo",
            "serve",
        ):  # these have tests of their own, and take a while
            done = CliRunner().invoke(app, words[1:])
            assert done.exit_code == 0, f"{command}\n{done.output}"


@needs_tensorflow
@pytest.mark.filterwarnings("ignore:.*HDF5 file.*:UserWarning")
@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_shows_runs(page: Path, readers: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VizcnnWarning)  # random weights, random photographs
        for language, code, line in blocks(page):
            if language == "python":
                run_python(code, page, line, readers)
            else:
                run_commands(code)


def test_pages_with_code_are_found() -> None:
    assert {"README.md", "getting_started.md", "plugin_package.md"} <= {page.name for page in WITH_CODE}


def test_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text(encoding="utf-8")):
        assert target.startswith("https://") or (ROOT / target).exists(), target


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_files_that_contributors_are_told_of_are_there(page: str) -> None:
    paths = re.findall(r"`((?:[\w.]+/)+[\w.]*)`", (ROOT / page).read_text(encoding="utf-8"))
    named = [path for path in paths if "NAME" not in path and not path.startswith(("build/", "docs/_build"))]
    assert len(named) > 10
    assert [path for path in named if not (ROOT / path).exists() and not (ROOT / "vizcnn" / path).exists()] == []
