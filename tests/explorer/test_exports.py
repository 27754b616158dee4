"""What is kept of the explorer is what is on the screen: files, the report, and code that makes the same."""

from __future__ import annotations

import io
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect
from typer.testing import CliRunner

import vizcnn as vz
from tests.explorer.look import Look, ask
from vizcnn.cli import app
from vizcnn.cli.model import ModelFile
from vizcnn.explorer import Server
from vizcnn.explorer.studio import Origin, Studio

LABELS = vz.assets.DIGITS_CNN.with_name("digits_cnn.labels.txt")
NONE = dict.fromkeys(
    ("labels", "preprocess", "decode", "batch_size", "num_runs", "fixed_inputs", "token_grid", "input_layer", "custom_objects",
     "architecture", "builder"),
)  # fmt: skip


@pytest.fixture(scope="module")
def filed() -> Iterator[Server]:
    """The explorer of the bundled CNN as the command line opens it, with an option of loading."""
    model = ModelFile(str(vz.assets.DIGITS_CNN), {**NONE, "labels": str(LABELS), "trusted": False})
    origin = Origin(tuple(model.as_python()), tuple(model.as_words()))
    studio = Studio("digits_cnn.keras", model.open, vz.assets.digits(), origin=origin)
    with Server(studio) as server:
        assert studio.ready.wait(60)
        yield server


def pixels(png: bytes | Path) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png) if isinstance(png, bytes) else png).convert("RGB"))


ASKED: list[dict[str, Any]] = [
    {"image": "3", "method": "gradcam", "layer": "conv2", "target": "5"},
    {"image": "1", "method": "occlusion:patch_size=7,stride=7,baseline=mean", "target": "7 minus 1"},
    {"image": "0", "method": "saliency:rule=guided", "target": "like:2;layer=conv5"},
]


@pytest.mark.parametrize("given", ASKED, ids=[given["target"] for given in ASKED])
def test_copied_python_and_the_copied_command_make_the_same_map(
    filed: Server, given: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = ask(filed, "api/export/code", **given).facts
    assert code["notes"] == []
    numbers = ask(filed, "api/export/map.npz", **given)
    assert numbers.status == 200, numbers.body
    kept = vz.load_result(_written(numbers.body, tmp_path / "map.npz"))
    monkeypatch.chdir(tmp_path)
    variables: dict[str, Any] = {}
    exec(code["python"], variables)
    again = variables["result"]
    np.testing.assert_allclose(again.values, kept.values, rtol=1e-4, atol=1e-6)
    assert (again.target, again.layer, again.method) == (kept.target, kept.layer, kept.method)
    drawn = ask(filed, "api/export/map.png", **given)
    assert np.array_equal(pixels(drawn.body), pixels(tmp_path / "map.png"))
    done = CliRunner().invoke(app, [*shlex.split(code["command"])[1:], "--json"])
    assert done.exit_code == 0, done.output
    files = json.loads(done.stdout)["files"]
    file = files[min(files, key=len)]  # occlusion writes another, of its classes
    assert np.abs(pixels(Path(file)).astype(int) - pixels(drawn.body)).max() <= 2
    method = given["method"].partition(":")[0]
    assert drawn.headers["Content-Disposition"].startswith(f'attachment; filename="digit_{given["image"]}.{method}')


def _written(content: bytes, path: Path) -> Path:
    path.write_bytes(content)
    return path


def test_svg_is_one_and_other_kinds_are_not_there(filed: Server) -> None:
    svg = ask(filed, "api/export/map.svg", image="3", method="gradcam")
    assert svg.headers["Content-Type"].startswith("image/svg+xml")
    assert b"<svg" in svg.body[:1000]
    assert ask(filed, "api/export/map.exe", image="3").status == 404


def test_the_report_holds_the_methods_that_are_on_the_screen(filed: Server, browser: Browser) -> None:
    query = "image=4&target=9&method=gradcam&method=saliency"
    page = ask(filed, f"api/export/report.html?{query}").body.decode()
    assert "digit_4.png" in page
    assert 'data-map="1"' in page
    assert 'data-map="2"' not in page


def test_an_upload_and_a_model_made_in_python_are_said_to_be_put_in_by_hand(digits: Server) -> None:
    key = ask(digits, "api/images", vz.assets.digits()[2].read_bytes(), name="two.png").facts["image"]
    code = ask(digits, "api/export/code", image=key, method="gradcam").facts
    assert "model = ...  # yours" in code["python"]
    assert "vz.gradcam(model, 'IMAGE', None)" in code["python"]
    assert code["command"] == "vizcnn explain MODEL IMAGE --method gradcam --out maps\n"
    assert len(code["notes"]) == 2


@pytest.mark.parametrize(
    ("settings", "python", "words"),
    [
        ({}, [], ""),
        (
            {"preprocess": "crop 256, / 127.5 - 1", "batch_size": 4},
            ["preprocess='crop 256, / 127.5 - 1'", "batch_size=4"],
            "--preprocess 'crop 256, / 127.5 - 1' --batch-size 4",
        ),
        (
            {"decode": "upright,background=white", "trusted": True},
            ["trusted=True", "decoding=vz.inputs.Decoding(upright=True, background='white', page=0)"],
            "--decode upright,background=white --trusted",
        ),
        (
            {"fixed_inputs": ["age=0.5,1", "0=2"], "token_grid": "7x5"},
            ["fixed_inputs={'age': [0.5, 1.0], 0: [2.0]}", "token_grid=(7, 5)"],
            "--fixed-inputs age=0.5,1 --fixed-inputs 0=2 --token-grid 7x5",
        ),
        (
            {"custom_objects": Path("mine.py"), "architecture": Path("m.json")},
            ["custom_objects=read_custom_objects('mine.py')", "architecture='m.json'"],
            "--custom-objects mine.py --architecture m.json",
        ),
    ],
)
def test_every_option_of_loading_is_written_out(settings: dict[str, Any], python: list[str], words: str) -> None:
    model = ModelFile("m.keras", {**NONE, "trusted": False, **settings})
    assert model.as_python()[-1] == f"model = vz.adapt({', '.join(['m.keras'.__repr__(), *python])})"
    assert shlex.join(model.as_words()) == f"m.keras {words}".strip()


def test_copying_from_the_page(browser: Browser, filed: Server) -> None:
    with Look(
        browser, filed, "#/image?image=3&method=gradcam", permissions=["clipboard-read", "clipboard-write"]
    ) as look:
        look.page.get_by_text("Save or copy this").click()
        for name in ("Copy as Python", "Copy as command"):
            look.page.get_by_role("button", name=name).click()
            expect(look.page.locator(".exports [role=status]")).to_contain_text("Copied")
            shown = look.page.locator(".exports pre").inner_text()
            assert look.page.evaluate("navigator.clipboard.readText()").strip() == shown.strip()
        assert "--method gradcam" in shown
        with look.page.expect_download() as download:
            look.page.get_by_role("link", name="NPZ").click()
        assert download.value.suggested_filename == "digit_3.gradcam.npz"
        assert vz.load_result(
            _written(Path(download.value.path()).read_bytes(), Path(str(download.value.path()) + ".npz"))
        )
        look.assert_sound()
