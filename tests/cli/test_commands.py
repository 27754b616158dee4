"""The command line: what all commands share, those about models and methods, and the command as a process."""

from __future__ import annotations

import inspect
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import pytest
import typer
from keras import layers
from PIL import Image

import vizcnn as vz
from tests.cli.typed import SIZE, Probe, run
from vizcnn import __version__, cli
from vizcnn.errors import ModelFileError
from vizcnn.plugins import registry

# all commands --------------------------------------------------------------------------------------------------------


def is_model(parameter: Any) -> bool:
    """Tell whether this is the model that a command is about; that of a finished run is an option, loaded as the run did."""
    return parameter.name == "model" and parameter.param_type_name == "argument"


COMMANDS: dict[str, Any] = vars(typer.main.get_command(cli.app))["commands"]


WITH_A_MODEL = [name for name, command in COMMANDS.items() if any(is_model(p) for p in command.params)]


@pytest.mark.parametrize("name", WITH_A_MODEL)
def test_every_command_that_loads_a_model_takes_all_that_loading_takes(name: str) -> None:
    taken = {parameter.name for parameter in COMMANDS[name].params}
    renamed = {"decoding": "decode"}
    needed = set(inspect.signature(vz.adapt).parameters) - {"image_size", "input_shape"}  # of functions, and --size
    needed -= {"fixed", "safe_mode"}  # other words for fixed_inputs and trusted
    assert {renamed.get(parameter, parameter) for parameter in needed} <= taken


def test_options_of_loading_reach_the_adapter(folder: Path) -> None:
    import vizcnn.adapter

    given: dict[str, Any] = {}

    def adapt(model: Any, **settings: Any) -> Any:
        given.update(settings)
        raise ModelFileError("enough")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vizcnn.adapter, "adapt", adapt)
        args = ["--preprocess", "0..1", "--batch-size", 3, "--num-runs", 2, "--fixed", "1=2,3", "--token-grid", "4x5"]
        more = ["--decode", "page=1", "--labels", folder / "labels.txt", "--trusted", "--architecture", "a.json"]
        assert run("summary", folder / "tiny.keras", *args, *more).exit_code == 2
    assert given["preprocess"].name == "0..1"
    assert (given["batch_size"], given["num_runs"], given["token_grid"]) == (3, 2, (4, 5))
    assert given["fixed_inputs"][1].tolist() == [2, 3]
    assert (given["decoding"].page, given["trusted"], str(given["architecture"])) == (1, True, "a.json")
    assert list(given["labels"]) == ["cat", "dog", "cow"]


@pytest.mark.parametrize(("command", "name"), [("report", "page.html"), ("diagram", "model.png")])
@pytest.mark.parametrize("kind", ["Is a directory", "it is a pipe, not a file"])
def test_file_that_cannot_be_written_is_refused_before_the_model_is_loaded(
    tmp_path: Path, command: str, name: str, kind: str
) -> None:
    (tmp_path / name).mkdir() if "directory" in kind else os.mkfifo(tmp_path / name)
    images = [tmp_path / "no image.png"] if command == "report" else []
    result = run(command, tmp_path / "no model.keras", *images, "--out", tmp_path / name)
    assert result.exit_code == 2
    assert f"`out` {str(tmp_path / name)!r} can't be written: {kind}." in result.stderr


# The others ----------------------------------------------------------------------------------------------------------


def _nested() -> Any:
    image = keras.Input((SIZE, SIZE, 3), name="photo")
    inner = keras.Sequential([keras.Input((SIZE, SIZE, 3)), layers.Conv2D(2, 3, name="conv")], name="base")
    flat = layers.Flatten(name="flat")(inner(image))
    return keras.Model(
        image,
        {"kind": layers.Dense(2, "softmax", name="kind")(flat), "age": layers.Dense(1, name="age")(flat)},
        name="nested",
    )


def cells(line: str) -> list[str]:
    return re.split(r"\s{2,}", line.strip())


def test_summary_shows_inputs_outputs_and_layers_with_nested_ones_indented(tmp_path: Path) -> None:
    _nested().save(tmp_path / "nested.keras")
    assert [cells(line) for line in run("summary", tmp_path / "nested.keras").stdout.splitlines()] == [
        ["model nested.keras"],
        ["input", "photo", "8 x 8 x 3"],
        ["output", "age", "1"],
        ["output", "kind", "2", "softmax"],
        [""],
        ["layer", "kind", "output shape", "parameters", "fed by"],
        ["base", "Sequential", "6 x 6 x 2", "56", "<photo>"],
        ["base/conv", "Conv2D", "6 x 6 x 2", "56", "<photo>"],
        ["flat", "Flatten", "72", "0", "base/conv"],
        ["age", "Dense", "1", "73", "flat"],
        ["kind", "Dense (softmax)", "2", "146", "flat"],
        [""],
        ["275 parameters in 5 layers"],
    ]
    assert "\n  base/conv " in run("summary", tmp_path / "nested.keras").stdout


def test_depth_folds_nested_layers(tmp_path: Path) -> None:
    _nested().save(tmp_path / "nested.keras")
    shown = run("summary", tmp_path / "nested.keras", "--depth", "0").stdout
    assert "base/conv" not in shown
    assert "\n1 nested layer not shown (depth 0)\n275 parameters in 5 layers\n" in shown


def test_a_negative_depth_is_refused(folder: Path) -> None:
    result = run("summary", folder / "tiny.keras", "--depth", "-1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "vizcnn: `depth` must be 0 or a positive integer, or None for all; got -1.\n"


def test_summary_takes_models_of_several_inputs_and_of_open_size(tmp_path: Path) -> None:
    left, right = (keras.Input((None, None, 1), name=name) for name in ("left", "right"))
    head = layers.Conv2D(1, 1, activation="sigmoid", name="head")(layers.Concatenate(name="both")([left, right]))
    keras.Model([left, right], head).save(tmp_path / "two.keras")
    result = run("summary", tmp_path / "two.keras")
    assert result.exit_code == 0, result.stderr
    assert [cells(line) for line in result.stdout.splitlines()[1:4]] == [
        ["input", "left", "? x ? x 1"],
        ["input", "right", "? x ? x 1"],
        ["output", "head", "? x ? x 1", "sigmoid"],
    ]


def test_methods_are_listed_by_family_with_their_package(probe: Probe) -> None:
    shown = run("methods").stdout
    families = [line.partition(":")[0] for line in shown.splitlines() if line and line[0] != " "]
    assert families[:3] == ["gradient", "cam", "perturbation"]
    assert families[-3:] == ["others", "metrics, for --metric", "`vizcnn methods NAME` lists the options of one."]
    assert "  saliency: Take the gradient of the score by every input value.\n" in shown
    assert "\nothers\n  probe: Note what comes in. (from tests)\n" in shown
    for name in vz.methods():
        assert f"\n  {name}: " in shown


def test_options_and_their_choices_are_listed_of_a_method_and_a_metric() -> None:
    shown = run("methods", "saliency", "deletion").stdout
    assert shown.startswith(
        "saliency: Take the gradient of the score by every input value.\n  rule=vanilla   one of vanilla, "
    )
    assert "\n  num_steps=20\n" in shown.partition("\ndeletion: ")[2]
    wrong = run("methods", "salency")
    assert wrong.exit_code == 2
    assert "Did you mean 'saliency'?" in wrong.stderr


def test_plugins_that_failed_to_load_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    registry.names()
    monkeypatch.setitem(registry.INSTALLED.failed, "broken", "ImportError: no module named 'moon'")
    result = run("methods")
    assert result.exit_code == 0
    assert result.stderr == "vizcnn: plugin broken failed to load: ImportError: no module named 'moon'\n"


def test_version_is_the_package_s() -> None:
    import vizcnn

    assert run("--version").stdout == f"vizcnn {vizcnn.__version__}\n"


@pytest.mark.parametrize("command", [[], ["explain"], ["summary"], ["methods"], ["demo"]])
def test_help_says_what_a_command_does(command: list[str]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    assert "Usage: " in result.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_examples_that_the_command_understands(name: str) -> None:
    title, *lines = COMMANDS[name].epilog.split("\n\n")
    assert title == "Examples:"
    for line in lines:
        program, command, *words = shlex.split(line)
        assert (program, command) == ("vizcnn", name)
        assert len(line) < 79  # in one line of a terminal
        COMMANDS[name].make_context(name, words)
    assert lines


def test_main_quiets_tensorflow_unless_the_user_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["vizcnn", "--version"])
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    with pytest.raises(SystemExit, match="0"):
        cli.main()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "2"
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    with pytest.raises(SystemExit, match="0"):
        cli.main()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"


@pytest.mark.parametrize("command", ["diagnose", "compare", "video"])
def test_what_the_file_of_settings_holds_is_said_once(folder: Path, tmp_path: Path, command: str) -> None:
    shutil.copy(folder / "tiny.keras", tmp_path)
    (tmp_path / "vizcnn.toml").write_text("num_runs = 1\n", encoding="utf-8")
    outs = {"compare": "which.npz", "video": "overlay.gif"}
    more = ["--metric", "sparseness", "-m", "saliency"] if command == "compare" else []
    images = folder / "images"
    said = run(command, tmp_path / "tiny.keras", images, "--out", tmp_path / outs.get(command, "out"), *more)
    assert said.exit_code == 0, said.output
    assert said.output.count("vizcnn.toml") == 1


# As a process --------------------------------------------------------------------------------------------------------

COMMAND = "import sys; from vizcnn.cli import main; main()"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import atexit, sys\n"
        "heavy = ('numpy', 'matplotlib', 'keras', 'tensorflow', 'cv2', 'PIL')\n"
        "atexit.register(lambda: print('LOADED', [name for name in heavy if name in sys.modules]))\n"
    ) + COMMAND
    shown = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True).stdout
    assert "Usage: " in shown
    assert shown.splitlines()[-1] == "LOADED []"


def test_without_arguments_the_help_is_shown() -> None:
    done = subprocess.run([sys.executable, "-c", COMMAND], capture_output=True, text=True, check=True)
    assert "explain" in done.stdout


def test_piped_output_is_bare_text_and_ctrl_c_keeps_what_was_written_and_exits_with_130(
    folder: Path, tmp_path: Path
) -> None:
    for number in range(60):
        Image.new("RGB", (SIZE, SIZE), (number, 9, 9)).save(tmp_path / f"{number:02}.png")
    args = ["explain", folder / "tiny.keras", tmp_path, "-m", "saliency", "--batch-size", "1", "-o", tmp_path / "out"]
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts what runs in the background with this signal ignored, and the tests may run there.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    image, picture = (process.stdout.readline() for _ in range(2)) if process.stdout else ("", "")
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "vizcnn: stopped; the pictures that were written stay.\n"  # no bar and no chatter
    assert image.startswith(f"{tmp_path / '00.png'}: class ")
    assert picture == f"  {tmp_path / 'out' / '00.saliency.png'}\n"
    assert "\x1b" not in image + picture + rest
    assert len(rest.splitlines()) < 2 * 59
    assert (tmp_path / "out" / "00.saliency.png").is_file()
    assert not list((tmp_path / "out").glob(".*"))


def test_python_runs_the_package_as_the_command() -> None:
    result = subprocess.run([sys.executable, "-m", "vizcnn", "--version"], capture_output=True, text=True, check=True)
    assert result.stdout.split()[-1] == __version__


BRIGHTEST = """
import numpy as np
from vizcnn.targets import Class, Target

class Brightest(Target):
    prefix = "nth"

    def __init__(self, text):
        self.number = int(text)

    def score(self, model, count):
        return Class(self.number - 1).score(model, count)
"""


def test_target_of_ones_own_is_typed_after_its_prefix(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(BRIGHTEST, encoding="utf-8")
    words = ["explain", vz.assets.DIGITS_CNN, vz.assets.digits()[3], "-m", "gradcam", "--json", "-o", tmp_path / "out"]
    try:
        said = run(*words, "--custom-objects", tmp_path / "mine.py", "--target", "nth:9")
        assert said.exit_code == 0, said.output
        assert json.loads(said.stdout.splitlines()[-1])["target"] == "class 8"
    finally:
        vz.targets.Target.typed.pop("nth", None)
    unknown = run(*words, "--target", "nth:9")
    assert unknown.exit_code == 2
    assert "'nth:9'" in unknown.output


@pytest.mark.parametrize("command", ["explain", "check", "video", "summary", "doctor"])
def test_help_shows_what_is_typed_and_no_emoji(command: str) -> None:
    shown = run(command, "--help").stdout
    assert all(ord(letter) < 0x1F000 for letter in shown)
