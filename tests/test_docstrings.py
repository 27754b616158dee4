"""Every public name is in the API docs, and its docstring has an example that runs (pytest runs all of them)."""

from __future__ import annotations

import doctest
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import vizcnn as vz

API = Path(__file__).parents[1] / "docs" / "api.rst"
DOCUMENTED = re.findall(r"^ +(vizcnn(?:\.\w+)+)$", API.read_text(encoding="utf-8"), re.MULTILINE)


def imported(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def public_methods(cls: type) -> Iterator[tuple[str, Any]]:
    """Yield the methods of a class, those of its bases in vizcnn too, by their home: ``module.Class.method``."""
    for home in cls.__mro__:
        for name, member in vars(home).items():
            function = member.__func__ if isinstance(member, classmethod | staticmethod) else member
            if home.__module__.startswith("vizcnn") and not name.startswith("_") and inspect.isfunction(function):
                yield f"{home.__module__}.{home.__qualname__}.{name}", function


def has_example(thing: Any) -> bool:
    examples = doctest.DocTestParser().get_examples(inspect.getdoc(thing) or "")
    return any(not example.options.get(doctest.SKIP) for example in examples)


def test_every_public_function_class_and_method_has_an_example_that_runs() -> None:
    things = {name: imported(name) for name in DOCUMENTED}
    for thing in list(things.values()):
        if inspect.isclass(thing):
            things |= public_methods(thing)
    assert [name for name, thing in things.items() if not has_example(thing)] == []


def test_every_name_of_the_package_and_every_built_in_method_is_in_the_api_docs() -> None:
    built_in = [
        name for name in vz.methods() if name.isidentifier() and vz.plugins.registry.get(name).package == "vizcnn"
    ]
    names = [name for name in vz.__all__ if not inspect.ismodule(getattr(vz, name))]
    missing = {f"vizcnn.{name}" for name in (*names, *built_in)} - set(DOCUMENTED)
    assert missing == set()


def documented(thing: Any) -> list[str]:
    """Return the parameters that a docstring documents, in order."""
    section = re.search(r"^Parameters\n-+\n(.*?)(?:\n\n|\Z)", inspect.getdoc(thing) or "", re.MULTILINE | re.DOTALL)
    entries = re.findall(r"^(\S.*?) : ", section[1], re.MULTILINE) if section else []
    return [name.strip() for entry in entries for name in entry.split(",")]


@pytest.mark.parametrize("method", vz.methods())
def test_method_documents_each_of_its_parameters_and_what_it_returns(method: str) -> None:
    function = vz.plugins.registry.get(method).function
    assert documented(function) == list(inspect.signature(function).parameters)
    assert "\n\nReturns\n-------\n" in inspect.getdoc(function)


def test_method_with_a_bare_docstring_gets_what_all_methods_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vz.plugins.registry.INSTALLED, "entries", {})

    @vz.register("ink")
    def ink(model: Any, inputs: Any, score: Any) -> Any:
        """Show where the ink is."""

    assert (
        inspect.getdoc(ink)
        == """Show where the ink is.

Parameters
----------
model : keras.Model, path or ModelAdapter
    The model.
images : path, image, array of shape (N, H, W, C), or a list
    The images. See the glossary for all forms.
target : optional
    What is explained, default None: the class that the model predicts for each image. See `vizcnn.targets`.

Returns
-------
Attributions
    `values` (N, H, W): the map of each image."""
    )
