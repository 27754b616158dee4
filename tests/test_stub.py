"""The stub of the package: every public name once, the methods as the registry has them."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

import vizcnn as vz
from tests.stub import STUB, stub


@pytest.mark.skipif(importlib.util.find_spec("ruff") is None, reason="it is written with ruff's format")
def test_stub_declares_the_methods_as_they_are() -> None:
    assert STUB.read_text(encoding="utf-8") == stub(), "write it anew: python -m tests.stub"


def test_each_public_name_stands_in_the_stub_once() -> None:
    text = STUB.read_text(encoding="utf-8")
    names = re.findall(r"^(?:from \S+ import \w+ as|def) (\w+)", text, re.MULTILINE)
    assert len(names) == len(set(names))
    assert set(names) >= {*vz.__all__, "saliency", "gradcam", "occlusion"}
    assert {name for name in dir(vz) if not name.startswith("_")} <= set(names)


def test_an_installed_package_says_that_it_has_types() -> None:
    assert (STUB.parent / "py.typed").is_file()


def test_type_checkers_see_the_methods_and_their_options(tmp_path: Path) -> None:
    mypy = pytest.importorskip("mypy.api")
    code = """
import vizcnn as vz
vz.gradcam("m.keras", "a.png", relu=False)
vz.gradcam("m.keras", "a.png", rleu=False)
vz.saliency("m.keras", "a.png", rule="backwards")
vz.no_such_method
"""
    (tmp_path / "code.py").write_text(code)
    # The stub and this code alone: what they import is another's to check.
    options = ["--follow-imports=skip", "--no-incremental", "--no-error-summary", "--config-file", ""]
    said = mypy.run([*options, str(STUB), str(tmp_path / "code.py")])[0].splitlines()
    assert [re.sub(r"^.*?: error: ", "", line)[:60] for line in said if ": error: " in line] == [
        'Unexpected keyword argument "rleu" for "gradcam"  [call-arg]',
        'Argument "rule" to "saliency" has incompatible type "Literal',
        'Module has no attribute "no_such_method"  [attr-defined]',
    ]
