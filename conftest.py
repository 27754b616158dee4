"""What the examples in docstrings share: what they write, open and register is put away after each."""

from __future__ import annotations

import copy
import functools
import gc
import importlib
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")

gc.disable()  # until all is imported and collected: none of it goes away again

NO_PLUGINS = {f"vizcnn.plugins.{module}" for module in ("plugin", "registry", "door", "register")}
NEED_TENSORFLOW = {"vizcnn.adapter.keras.adapter.KerasAdapter.logits_model"}


@functools.cache
def _digits_cnn() -> Any:
    return importlib.import_module("vizcnn.assets").digits_cnn()


def _copy_of_the_digits_cnn() -> Any:
    """Return the bundled CNN with notes of its own; what was compiled of it is every example's."""
    adapter = copy.copy(_digits_cnn())
    adapter._notes = {}
    return adapter


def pytest_collection_finish() -> None:
    """Leave out of each later search for garbage what is there now, a million objects."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out the examples that a backend can't run."""
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        for item in items:
            if item.name in NEED_TENSORFLOW:
                item.add_marker(pytest.mark.skip("a matter of TensorFlow's"))


@pytest.fixture(autouse=True)
def _examples_leave_nothing_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Give an example a temporary folder of its own and the bundled CNN, close its figures and unregister its plugins."""
    if not isinstance(request.node, pytest.DoctestItem):
        yield
        return
    monkeypatch = request.getfixturevalue("monkeypatch")
    monkeypatch.setattr("tempfile.tempdir", str(request.getfixturevalue("tmp_path")))
    if request.node.name.startswith("vizcnn.") and not request.node.name.startswith("vizcnn.assets"):
        _digits_cnn()
        monkeypatch.setattr("vizcnn.assets.digits_cnn", _copy_of_the_digits_cnn)
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
    registry = sys.modules.get("vizcnn.plugins.registry")
    if registry is not None:
        for name, plugin in list(registry.INSTALLED.entries.items()):
            home = plugin.module
            if home.startswith("vizcnn.") and (home in NO_PLUGINS or not home.startswith("vizcnn.plugins.")):
                # No plugin lives there: it is an example's.
                del registry.INSTALLED.entries[name]
