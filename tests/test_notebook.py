"""A real notebook, executed: what stands alone on a cell's last line shows itself."""

from __future__ import annotations

import ast
import base64
import html
import io
import os
from typing import Any

import numpy as np
import pytest
from PIL import Image

import vizcnn as vz

nbformat = pytest.importorskip("nbformat", reason="notebooks are tried on TensorFlow alone")
nbclient = pytest.importorskip("nbclient")

START = """
import vizcnn as vz
cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
"""
LONG = """
import time
from IPython.utils.capture import capture_output
from vizcnn.progress import track
with capture_output() as captured:
    for _ in track(range(4), 4, "long work"):
        time.sleep(0.8)
[output.data["text/html"] for output in captured.outputs]
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
TRUST = """
trusted = vz.explain(cnn, digits[3], methods=["saliency:rule=guided", "gradcam"], trust=True)
trusted
"""


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    """What the notebook's cells put out, by the kind of what stands there."""
    sources = [START, *CELLS.values(), "# one that draws\n_ = vz.gradcam(cnn, digits[0]).plot()", TRUST, LONG]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}  # the notebook's own
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute(env=environment)
    names = ["start", *CELLS, "plot", "trust", "long"]
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


def test_how_far_maps_can_be_trusted_stands_below_the_picture(shown: dict[str, Any]) -> None:
    (page,) = [output.data["text/html"] for output in shown["trust"] if output.output_type == "execute_result"]
    trust = vz.explain(
        vz.assets.digits_cnn(), vz.assets.digits()[3], methods=["saliency:rule=guided", "gradcam"], trust=True
    ).trust
    assert page.startswith("<img ")
    for method, (of_map,) in trust.items():
        assert f"<b>{html.escape(f'{method}: {of_map.label}')}</b>" in page
        assert html.escape(of_map.sentence) in page
        for fill in of_map.faithfulness.values():
            cells = [fill.value, fill.nulls["edges"], fill.nulls["center"], fill.nulls["random"]]
            assert "".join(f"<td>{number:z.2f}</td>" for number in cells) in page


def test_long_work_shows_a_bar(shown: dict[str, Any]) -> None:
    (output,) = shown["long"]
    bars = ast.literal_eval(output.data["text/plain"])
    assert bars == [f'<progress value="{done}" max="4"></progress> long work: {done} of 4' for done in (3, 4)] + [""]


def test_nothing_else_is_printed(shown: dict[str, Any]) -> None:
    printed = {name: [o.text for o in outputs if o.get("name") == "stdout"] for name, outputs in shown.items()}
    assert not any(printed.values()), printed
