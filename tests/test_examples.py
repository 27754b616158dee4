"""The gallery's scripts run, on few digits and an untrained network: what they show is looked at in the docs."""

from __future__ import annotations

import os
import runpy
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from tests.framework import needs_tensorflow
from vizcnn.errors import VizcnnWarning
from vizcnn.plugins import registry

EXAMPLES = Path(__file__).parents[1] / "examples"
SLOW = frozenset(
    {
        "plot_can_i_trust_this_map.py",
        "plot_compare.py",
        "plot_dataset.py",
        "plot_deletion.py",
        "plot_integrated_gradients.py",
        "plot_planted_evidence.py",
        "plot_smoothgrad.py",
        "plot_spray.py",
        "plot_transformers.py",
        "plot_which_method.py",
        "plot_cams.py",
        "plot_mnist_2_filters.py",
        "plot_mnist_3_maximization.py",
        "plot_mnist_4_attributions.py",
        "plot_perturbation.py",
        "plot_training.py",
    }
)
"""Scripts that take longer; the docs run all."""

SCRIPTS = [
    pytest.param(path.name, marks=pytest.mark.slow) if path.name in SLOW else path.name
    for path in sorted(EXAMPLES.glob("plot_*.py"))
]
COUNT = 60

pytestmark = [needs_tensorflow, pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")]


def write_idx(folder: Path, part: str) -> None:
    """Write images of a stripe at the place of their class, as MNIST's files; the last ten have another label, to be mistaken."""
    labels = np.arange(COUNT, dtype=np.uint8) % 10
    images = np.random.default_rng(0).integers(0, 60, (COUNT, 28, 28), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 + 2 * label : 6 + 2 * label, 6:22] = 250
    labels[-10:] = (labels[-10:] + 1) % 10
    header = [0, 0, 8, 3, *COUNT.to_bytes(4), *(28).to_bytes(4), *(28).to_bytes(4)]
    (folder / f"{part}-images-idx3-ubyte").write_bytes(bytes(header) + images.tobytes())
    (folder / f"{part}-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, *COUNT.to_bytes(4)]) + labels.tobytes())


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the examples, whose pictures go beside it; the network is there, so that none is trained."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(EXAMPLES, folder / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "mnist").mkdir()
    for part in ("train", "t10k"):
        write_idx(folder / "mnist", part)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("VIZCNN_MNIST", str(folder / "mnist"))
        patch.syspath_prepend(folder / "examples")
        before = set(sys.modules)
        from mnist_cnn import build  # type: ignore[import-not-found]

        (folder / "out").mkdir(exist_ok=True)
        keras.utils.set_random_seed(0)
        network = build()
        network.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        network.optimizer.build(network.trainable_variables)
        network.save(folder / "out" / f"mnist_cnn_{COUNT}.keras")
        yield folder
        for name in set(sys.modules) - before:
            if str(getattr(sys.modules[name], "__file__", None)).startswith(str(folder)):
                del sys.modules[name]


@pytest.fixture
def _methods_stay_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script may register a method of its own, which is none of the other tests'."""
    registry.names()  # vizcnn's own are there
    monkeypatch.setattr(registry.INSTALLED, "entries", dict(registry.INSTALLED.entries))


@pytest.mark.usefixtures("_methods_stay_as_they_were")
@pytest.mark.parametrize("script", SCRIPTS)
def test_script_runs_and_writes_its_pictures(clone: Path, script: str) -> None:
    before = {file: file.stat().st_mtime_ns for file in (clone / "out").rglob("*")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VizcnnWarning)  # an untrained network
        runpy.run_path(str(clone / "examples" / script), run_name="__main__")
    new = [file for file in (clone / "out").rglob("*.png") if before.get(file) != file.stat().st_mtime_ns]
    assert new
    for file in new:
        with Image.open(file) as picture:
            assert len(picture.convert("RGB").getcolors(2**24)) > 8, file.name


@pytest.mark.slow
def test_training_of_the_mnist_network_shows_itself_in_tensorboard(clone: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    if not (clone / "out" / "training").exists():
        runpy.run_path(str(clone / "examples" / "plot_training.py"), run_name="__main__")
    events = EventAccumulator(os.fspath(clone / "out" / "training" / "logs"), size_guidance={"images": 0})
    events.Reload()
    methods = ["gradcam", "saliency", "occlusion:patch_size=7,stride=2,baseline=0.0"]
    assert set(events.Tags()["images"]) == {f"{method}/image" for method in methods}
    assert [image.step for image in events.Images("gradcam/image")] == list(range(10))
