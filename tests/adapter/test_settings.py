"""`vizcnn.toml` beside a model is read by `vizcnn.adapt` and every command; nothing in it can run code."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import vizcnn as vz
from vizcnn.adapter.settings import read_settings, write_settings
from vizcnn.cli.app import app


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return a copy of the digits model in a folder of its own."""
    return Path(shutil.copy(vz.assets.DIGITS_CNN, tmp_path / "digits.keras"))


def toml(model: Path, text: str) -> Path:
    """Write the file beside a model."""
    file = model.parent / "vizcnn.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_settings_beside_a_model_are_used_and_noted(model: Path) -> None:
    (model.parent / "names.txt").write_text("\n".join("abcdefghij"))
    toml(model, 'labels = "names.txt"\nnum_runs = 2\n["digits.keras"]\npreprocess = "crop, none"\nbatch_size = 3\n')
    adapter = vz.adapt(model)
    assert str(adapter.preprocess) == "crop, none"
    assert (adapter.labels, adapter.num_runs, adapter.batch_size_for((28, 28, 1))) == (tuple("abcdefghij"), 2, 3)
    result = vz.saliency(adapter, vz.assets.digits()[3])
    assert (
        "Read from vizcnn.toml beside the model: labels, num_runs 2, preprocess 'crop, none', batch_size 3."
        in result.notes
    )


def test_explicit_argument_wins(model: Path) -> None:
    toml(model, 'preprocess = "crop"\nbatch_size = 3\n')
    adapter = vz.adapt(model, preprocess="pad", batch_size=5)
    assert (str(adapter.preprocess), adapter.batch_size_for((28, 28, 1)), adapter.notes) == ("pad", 5, ())


def test_table_of_another_model_is_left_alone(model: Path) -> None:
    toml(model, '["other.keras"]\npreprocess = "no such thing"\n')
    assert vz.adapt(model).preprocess is None


def test_model_that_is_named_again_is_read_again_when_the_file_changed(model: Path) -> None:
    before = vz.saliency(model, vz.assets.digits()[3]).notes
    toml(model, 'preprocess = "crop, none"\n')
    after = vz.saliency(model, vz.assets.digits()[3]).notes
    assert any("crop, none" in note for note in after)
    assert not any("crop, none" in note for note in before)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('preprocess = "crop, pad"', "In '.*vizcnn.toml': `preprocess` must say one of 'crop' and 'pad'"),
        ("preprocess = 3", "`preprocess` must be text; got 3"),
        ('preproces = "crop"', "`preproces` isn't a setting. Did you mean 'preprocess'"),
        ("trusted = true", "`trusted` must not be said by a file: it runs code"),
        ('custom_objects = "evil.py"', "`custom_objects` must not be said by a file"),
        ("batch_size = 1.5", "`batch_size` must be a whole number; got 1.5"),
        ("image_size = 3", "`image_size` must be two whole numbers"),
        ('labels = "../names.txt"', "`labels` must be a file in the folder of vizcnn.toml"),
        ('labels = "/etc/passwd"', "`labels` must be a file in the folder of vizcnn.toml"),
        ('architecture = "../a.json"', "`architecture` must be a file in the folder"),
        ("decoding = {up = true}", "`decoding` must be a table of"),
        ('fixed_inputs = {age = "/dev/zero"}', "`fixed_inputs` must be a file in the folder"),
        ('fixed_inputs = {age = ["x"]}', "`fixed_inputs` must be numbers"),
        ("preprocess = ", "can't be read as TOML: Invalid value .at end of document"),
        ("a = " + "[" * 50_000, "can't be read as TOML"),
        ("# " + "x" * 2**20 + "x", "must be no larger than 1 MiB"),
    ],
)
def test_file_that_is_wrong_is_told(model: Path, text: str, match: str) -> None:
    toml(model, text)
    with pytest.raises(vz.errors.OptionError, match=match):
        vz.adapt(model)


def test_code_that_the_file_names_is_not_run_unless_trusted(model: Path) -> None:
    code = model.parent / "prep.py"
    code.write_text(f"open({str(model.parent / 'ran')!r}, 'w').close()\ndef half(image):\n    return image / 2\n")
    toml(model, f'preprocess = "{code}:half"\n')
    with pytest.raises(vz.errors.OptionError, match="would run code that a file beside the model names"):
        vz.adapt(model)
    assert not (model.parent / "ran").exists()
    assert vz.adapt(model, trusted=True).preprocess(np.full((1, 2, 2, 1), 4.0)).max() == 2  # type: ignore[misc]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_pipe_in_place_of_the_file_is_not_waited_for(model: Path) -> None:
    os.mkfifo(model.parent / "vizcnn.toml")
    assert vz.adapt(model).preprocess is None


def test_what_is_written_is_read_again(model: Path) -> None:
    settings = {"preprocess": "crop 32, bgr, / 255", "image_size": [28, 28], "fixed_inputs": {"age": [0.5]}}
    file = write_settings(model, settings)
    stored = read_settings(model)
    assert stored.file == file
    assert stored.values["preprocess"] == vz.Preprocess("crop 32, bgr, / 255")
    assert (stored.values["image_size"], stored.values["fixed_inputs"]["age"].tolist()) == ((28, 28), [0.5])
    with pytest.raises(vz.errors.OptionError, match=r"found '.*' already, and doesn't change it. Say --overwrite"):
        write_settings(model, {"batch_size": 3})
    write_settings(model, {"batch_size": 3}, overwrite=True)
    write_settings(model.with_name("other.keras"), {"batch_size": 4}, overwrite=True)
    assert read_settings(model).values["batch_size"] == 3
    assert read_settings(model).values["preprocess"] == vz.Preprocess("crop 32, bgr, / 255")
    with pytest.raises(vz.errors.OptionError, match="'corp'"):
        write_settings(model, {"preprocess": "corp"}, overwrite=True)
    assert read_settings(model).values["batch_size"] == 3


def test_check_writes_the_options_and_explain_reads_them(model: Path, tmp_path: Path) -> None:
    (model.parent / "names.txt").write_text("\n".join("abcdefghij"))
    given = ["--preprocess", "crop, none", "--labels", str(model.parent / "names.txt"), "--batch-size", "4"]
    checked = CliRunner().invoke(app, ["check", str(model), *given, "--write"])
    assert checked.exit_code == 0, checked.output
    text = (model.parent / "vizcnn.toml").read_text()
    assert '["digits.keras"]\n' in text
    assert 'labels = "names.txt"\npreprocess = "crop, none"\nbatch_size = 4\n' in text
    explained = CliRunner().invoke(
        app, ["explain", str(model), str(vz.assets.digits()[3]), "-m", "saliency", "--out", str(tmp_path / "out")]
    )
    assert explained.exit_code == 0, explained.output
    assert "Read from vizcnn.toml beside the model: labels, preprocess 'crop, none', batch_size 4." in explained.output
    again = CliRunner().invoke(app, ["check", str(model), "--preprocess", "pad", "--write"])
    assert again.exit_code == 2
    assert "Say --overwrite" in again.output
    nothing = CliRunner().invoke(app, ["check", str(model), "--write"])
    assert "must be given with settings to write" in nothing.output
