"""A real notebook, executed: what stands alone on a cell's last line shows itself."""

from __future__ import annotations

import base64
import io
import os
from typing import Any

import numpy as np
import pytest
from PIL import Image

nbformat = pytest.importorskip("nbformat", reason="notebooks are tried on TensorFlow alone")
nbclient = pytest.importorskip("nbclient")

START = """
import vizcnn as vz
cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
"""
LONG = """
import time
from vizcnn.progress import track
for _ in track(range(3), 3, "long work"):
    time.sleep(1.1)
"""
CELLS = {
    "Attributions": "vz.occlusion(cnn, digits[:2], patch_size=7, stride=7)",
    "Explanation": "vz.explain(cnn, digits[:2], methods=['saliency', 'gradcam'])",
    "FeatureMaps": "vz.activations(cnn, digits[5], 'conv1')",
    "Kernels": "vz.filters(cnn, 'conv1')",
    "TopPatches": "vz.top_patches(cnn, digits, 'conv1')",
    "ReceptiveField": "vz.receptive_field(cnn, 'conv1')",
    "Images": "vz.activation_maximization(cnn, 5, steps=2)",
    "Architecture": "vz.architecture(cnn)",
    "Diagnosis": "vz.diagnose(cnn, digits)",
}


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    """What the notebook's cells put out, by the kind of what stands there."""
    sources = [START, *CELLS.values(), "# one that draws\n_ = vz.gradcam(cnn, digits[0]).plot()", LONG]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}  # the notebook's own
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute(env=environment)
    names = ["start", *CELLS, "plot", "long"]
    return {name: cell.outputs for name, cell in zip(names, notebook.cells, strict=True)}


def pictures(outputs: list[Any]) -> list[np.ndarray]:
    found = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")) for png in found]


@pytest.mark.parametrize("kind", CELLS)
def test_every_result_shows_itself_as_one_picture(shown: dict[str, Any], kind: str) -> None:
    (picture,) = pictures(shown[kind])
    assert 100 < picture.shape[1] <= 1600  # as wide as a notebook, not wider
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 8


@pytest.mark.parametrize("kind", CELLS)
def test_every_result_says_in_words_what_it_is(shown: dict[str, Any], kind: str) -> None:
    (words,) = [output.data["text/plain"] for output in shown[kind] if output.output_type == "execute_result"]
    assert kind in words or "digits_cnn" in words
    assert len(words) < 2000  # not an array


def test_plot_draws_once(shown: dict[str, Any]) -> None:
    assert len(pictures(shown["plot"])) == 1


def test_long_work_shows_a_bar(shown: dict[str, Any]) -> None:
    assert any("<pre" in output.get("data", {}).get("text/html", "") for output in shown["long"])  # and clears it


def test_nothing_else_is_printed(shown: dict[str, Any]) -> None:
    printed = {name: [o.text for o in outputs if o.get("name") == "stdout"] for name, outputs in shown.items()}
    assert not any(printed.values()), printed
