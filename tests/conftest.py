"""What all tests share."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest
from hypothesis import HealthCheck, settings

from tests.models import ZOO, Built

if keras.backend.backend() != "tensorflow":
    # TensorFlow's own files and tensors, its twin of our resizing, the library that runs on nothing else; a page, which is the
    # same on all.
    collect_ignore = [
        "adapter/test_blackbox.py",
        "browser",
        "plugins/test_tf_keras_vis.py",
        "render/test_image.py",
        "test_inputs.py",
        "test_tf_keras_vis.py",
    ]

# No clock: compiling a model takes as long as it takes. No chance: a test that passes here passes everywhere.
settings.register_profile(
    "vizcnn",
    deadline=None,
    derandomize=True,
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("vizcnn")


@pytest.fixture(autouse=True)
def no_figure_is_left_open() -> Any:
    """A figure that a test draws by pyplot is its own: the next test in the same process, whichever it is, finds none."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="module", params=ZOO)
def built(request: Any) -> Built:
    """The network of `tests.models`, put together in every way; one model for all tests of a module."""
    builder: Callable[[], Built] = ZOO[request.param]
    return builder()


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real models and images; tests that need it are skipped without it."""
    folder = os.environ.get("VIZCNN_TEST_DATA")
    if not folder:
        pytest.skip("set VIZCNN_TEST_DATA to the folder with the real models to run this")
    path = Path(folder)
    if not path.is_dir():
        pytest.fail(f"VIZCNN_TEST_DATA is {folder!r}, which is not a folder")
    return path
