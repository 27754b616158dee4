"""Runs need PyArrow and Zarr, which an environment for another backend may lack."""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest

collect_ignore_glob = [] if find_spec("pyarrow") and find_spec("zarr") and find_spec("pandas") else ["test_*.py"]


@pytest.fixture(autouse=True, scope="package")
def nobody_waits_for_the_disk() -> object:
    """Leave what is written to the system: a test's machine doesn't go down, and a busy disk takes seconds for each file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield
