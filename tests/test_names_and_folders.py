"""Names and labels from outside, pictures of odd shapes, and folders that others write into or nobody can."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import vizcnn as vz
from tests.made import attributions
from vizcnn.adapter.base import LayerInfo, Prediction
from vizcnn.callbacks import ExplainCallback
from vizcnn.cli import app
from vizcnn.cli.picture_names import Plan, method_slugs
from vizcnn.errors import ResultError, VizcnnWarning
from vizcnn.explanation import Explanation
from vizcnn.files import file_stems, write_file
from vizcnn.render import lettering
from vizcnn.render.raster import enlarged, read
from vizcnn.report import render_page
from vizcnn.results import Attributions, Kernels, load_result
from vizcnn.text import printable, short

NAMES = {
    "formula": r"$\frac$",
    "half a formula": "costs 5$ or $x_",
    "lone surrogate": "caf\udce9",
    "control characters": "a\x00b\x1b[31mc\x07",
    "right to left": "cat\u202egnp.exe",
    "long": "very long " * 400,
    "long word": "x" * 5000,
    "emoji": "cat 🐱",
    "Chinese": "猫",
    "empty": "",
    "lines": "a\nb\r\nc",
}


def named(name: str) -> Attributions:
    """Return a result whose every name is this one."""
    return attributions(
        target=(name,),
        predictions=(Prediction(0, name, 0.75),),
        names=(name,),
        model=name,
        method="saliency",
        layer=name,
        extras={"class_map": np.array([[[0, 1]]], np.int32)},
        class_labels=(name, "cat"),
        top_classes=(((name, 0.75),),),
        notes=(name,),
    )


@pytest.mark.filterwarnings("ignore:No font that matplotlib finds:vizcnn.errors.VizcnnWarning")
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_any_name_is_drawn_stored_and_shown(tmp_path: Path, name: str) -> None:
    result = named(name)
    assert load_result(result.save(tmp_path / "result.npz")).target == (name,)
    assert result.save(tmp_path / "result.svg").stat().st_size > 2000
    assert result.save_classes(tmp_path / "classes.png").stat().st_size > 2000
    page = Explanation({"saliency": result}).to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "\x1b" not in page
    assert "\u202e" not in page


@pytest.mark.parametrize("name", [NAMES["formula"], NAMES["half a formula"]])
def test_dollar_signs_are_no_formula_wherever_text_is_drawn(name: str) -> None:
    result = named(name)
    texts = [
        result.plot().title,
        *result.plot_classes().get_legend().get_texts(),
        *(axis.title for axis in Explanation({name: result}).plot().ravel()),
        Kernels(np.ones((2, 2, 1, 2), np.float32), name, "tiny", order=(0, 1)).plot().title,
    ]
    assert all(name in text.get_text() for text in texts if "$" in text.get_text())
    assert sum("$" in text.get_text() for text in texts) >= 5
    assert not any(text.get_parse_math() for text in texts)


def test_dollar_signs_in_names_of_layers_are_no_formula_in_the_diagram(tmp_path: Path) -> None:
    name = "$\\frac$"
    layer = LayerInfo(path=name, kind="Dense", output_shape=(None, 2), num_params=3)
    long = LayerInfo(path="d" * 3000, kind="Dense", output_shape=(None, 2), num_params=3)
    edges = (("<input>", name), (name, long.path), (long.path, "<output>"))
    found = vz.Architecture("$x^$", (layer, long), edges, {"input": (4,)}, {"output": (2,)}, {"output": None}, 6)
    assert found.save(tmp_path / "diagram.png").stat().st_size > 2000
    texts = found.plot().texts
    assert any("\\frac" in text.get_text() for text in texts)
    assert not any(text.get_parse_math() for text in texts)


def test_text_is_written_so_that_it_can_be_seen() -> None:
    assert printable("a\x00\x1b[1m\u202eb\udce9\u2066\tc\n") == "a\\x00\\x1b[1m\\u202eb\\udce9\\u2066\tc\n"
    assert printable("Löwe 猫 🐱 ‍") == "Löwe 猫 🐱 ‍"


def test_middle_of_a_long_text_is_left_out() -> None:
    assert [short("abcdef", n) for n in (6, 5, 4, 3)] == ["abcdef", "ab…ef", "ab…f", "a…f"]


def test_long_label_leaves_the_picture_its_room(tmp_path: Path) -> None:
    sizes = []
    for label in ("cat", NAMES["long"]):
        with Image.open(attributions(target=(label,)).save(tmp_path / "one.png")) as image:
            sizes.append(image.size)
            dark = np.asarray(image.convert("L"))[image.height // 2]
        assert (dark < 200).mean() > 0.4  # the image is as wide as the panel still
    assert sizes[0] == sizes[1]


def test_letters_that_no_font_has_are_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lettering, "_family_with", lambda letters: None)
    with pytest.warns(VizcnnWarning, match="has '猫': boxes stand in their place") as caught:
        attributions(predictions=(Prediction(1, "猫", 0.75),)).save(tmp_path / "one.png")
    assert len(caught) == 1


def test_letters_are_taken_from_another_font_that_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(matplotlib.rcParams, "font.family", ["STIXSizeOneSym"])  # which has no Greek letters
    attributions(predictions=(Prediction(1, "λ", 0.75),)).save(tmp_path / "one.svg")  # a warning is an error here


# Pictures of odd shapes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 30_000), (30_000, 1)])
def test_very_long_image_is_drawn_and_shown(tmp_path: Path, size: tuple[int, int]) -> None:
    result = attributions(size=size)
    with Image.open(result.save(tmp_path / "one.png")) as image:
        assert max(image.size) < 2000
    page = render_page({"saliency": result})
    shown = (448, 1) if size[0] == 1 else (1, 448)
    assert f'width="{shown[0]}" height="{shown[1]}"' in page
    assert max(enlarged(np.zeros((*size, 3), np.uint8), 224).shape) == 30_000


# Names of files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("letter", ["x", "猫", "é", "🐱"])
def test_names_of_pictures_fit_any_file_system_and_stay_apart(letter: str) -> None:
    files = [Path(f"{letter * 250}{end}.png") for end in "abc"]
    methods = [f"saliency:layer={letter * 300}{end}" for end in "ab"]
    planned = [path.name for paths in Plan(files, method_slugs(methods), Path("out")) for path in paths.values()]
    assert len({name.casefold() for name in planned}) == len(planned) == 9
    assert max(len(name.encode()) for name in planned) + len(".classes") <= 255


def test_stems_are_cut_and_stay_apart() -> None:
    stems = file_stems(["猫" * 100, "猫" * 101, "caf\udce9"], 80)
    assert len(set(stems)) == 3
    assert max(len(stem.encode()) for stem in stems) <= 83


def test_file_of_the_longest_name_is_written(tmp_path: Path) -> None:
    name = "x" * 251 + ".npz"
    assert attributions().save(tmp_path / name).name == name
    with pytest.raises(ResultError, match="can't be written: File name too long"):
        attributions().save(tmp_path / f"x{name}")


def test_callback_tells_the_files_of_long_names_apart(tmp_path: Path) -> None:
    image = tmp_path / f"{'x' * 200}.png"
    Image.open(vz.assets.digits()[3]).save(image)
    methods = ["saliency", "saliency:rule=guided", "gradcam"]
    callback = ExplainCallback(image, methods=methods, folder=tmp_path / "out")
    callback.set_model(vz.assets.digits_cnn().model)
    callback.on_epoch_end(0)
    callback.on_train_end()
    assert len(list((tmp_path / "out").glob("*.png"))) == len(list((tmp_path / "out").glob("*.gif"))) == 3


@pytest.mark.parametrize("out", ["x" * 300, "file/below", "pipe"])
def test_folder_that_cannot_be_is_refused_before_anything_runs(tmp_path: Path, out: str) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    arguments = ["explain", str(vz.assets.DIGITS_CNN), str(vz.assets.digits()[3]), "--out", str(tmp_path / out)]
    ran = CliRunner().invoke(app, arguments)
    assert ran.exit_code == 2
    assert "can't be written" in ran.stderr


# Folders that others write into -------------------------------------------------------------------------------------------


def test_names_of_very_many_images_are_found_in_time() -> None:
    count = 100_000
    start = time.perf_counter()
    files = [Path(f"{'x' if number % 2 else 'y'}/cat.png") for number in range(count)]
    names = [paths["saliency"].name for paths in Plan(files, method_slugs(["saliency"]), Path("out"))]
    assert len(set(names)) == count
    assert names[0] == "y-cat.saliency.png"
    assert names[-1] == f"x-cat-{count // 2}.saliency.png"
    assert time.perf_counter() - start < 60  # a second or two; twenty minutes, were each compared with all before it


def test_number_in_a_name_is_skipped_where_another_image_has_it() -> None:
    assert file_stems(["a", "a-2", "A", "a", "a-2"]) == ["a", "a-2", "A-3", "a-4", "a-2-2"]


def test_many_writers_of_one_file_leave_one_whole_file(tmp_path: Path) -> None:
    errors: list[Exception] = []

    def write(number: int) -> None:
        try:
            for _ in range(20):
                write_file(tmp_path / "one.npz", lambda file: [file.write(bytes([number]) * 1000) for _ in range(20)])
        except Exception as error:  # noqa: BLE001 - any would be wrong
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if (tmp_path / "one.npz").exists():
            content = (tmp_path / "one.npz").read_bytes()
            assert len(content) == 20_000
            assert len(set(content)) == 1
    assert errors == []
    assert [path.name for path in tmp_path.iterdir()] == ["one.npz"]


def test_animation_shows_its_own_training_only(tmp_path: Path) -> None:
    callback = ExplainCallback(vz.assets.digits()[3], methods="saliency", folder=tmp_path)
    callback.set_model(vz.assets.digits_cnn().model)
    callback.on_epoch_end(0)
    (picture,) = tmp_path.glob("*.png")
    own = read(picture)
    Image.new("RGB", (8, 8), "red").save(picture)  # another run's
    callback.on_epoch_end(1)
    callback.on_train_end()
    with Image.open(next(tmp_path.glob("*.gif"))) as animation:
        np.testing.assert_allclose(np.asarray(animation.convert("RGB")).astype(int), own.astype(int), atol=64)
        assert animation.size == own.shape[1::-1]


def test_one_picture_that_cannot_be_written_leaves_the_others(tmp_path: Path) -> None:
    (tmp_path / "out" / "digit_3.saliency.png").mkdir(parents=True)
    digits = [str(vz.assets.digits()[index]) for index in (3, 4)]
    ran = CliRunner().invoke(
        app, ["explain", str(vz.assets.DIGITS_CNN), *digits, "-m", "saliency", "--json", "--out", str(tmp_path / "out")]
    )
    assert ran.exit_code == 1
    lines = {Path(line["image"]).stem: line for line in map(json.loads, ran.stdout.splitlines())}
    assert "can't be written: Is a directory" in lines["digit_3"]["error"]
    assert (tmp_path / "out" / "digit_4.saliency.png").stat().st_size > 2000
    assert lines["digit_4"]["error"] is None


FULL = """
import resource, signal, sys
from pathlib import Path
from tests.made import attributions
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
for path in sys.argv[1:]:
    try:
        attributions().save(path)
    except Exception as error:
        print(type(error).__name__, error)
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="a limit of POSIX")
def test_where_the_disk_is_full_the_files_before_stay(tmp_path: Path) -> None:
    paths = [tmp_path / f"one{suffix}" for suffix in (".npz", ".pdf", ".png")]
    for path in paths:
        path.write_bytes(b"precious")
    ran = subprocess.run(
        [sys.executable, "-c", FULL, *map(str, paths)], capture_output=True, text=True, timeout=120, check=True
    )
    for path, line in zip(paths, ran.stdout.splitlines(), strict=True):
        assert line.startswith(f"ResultError `path` '{path}' can't be written: File too large")
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == dict.fromkeys(paths, b"precious")


def test_kernels_with_an_odd_name_are_drawn(tmp_path: Path) -> None:
    kernels: Any = Kernels(np.ones((2, 2, 1, 2), np.float32), r"$\frac$", "\udce9", order=(0, 1))
    assert kernels.save(tmp_path / "kernels.png").stat().st_size > 1000
