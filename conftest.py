"""What the examples in docstrings share: what they open and register is put away after each."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(autouse=True)
def _examples_leave_nothing_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if not isinstance(request.node, pytest.DoctestItem):
        return
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
    registry = sys.modules.get("vizcnn.plugins.registry")
    if registry is not None:
        for name, plugin in list(registry._plugins.items()):
            if plugin.origin == registry.__name__:  # no plugin lives there: it is an example's
                del registry._plugins[name]
