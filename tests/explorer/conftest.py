"""A browser, and explorers of the bundled CNN and of a small nested model: one of each for all tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

import vizcnn as vz
from tests import models
from tests.browser.chromium import chromium
from tests.explorer.look import Look, explorer
from vizcnn.explorer import Server


# For this folder only: Playwright runs an event loop in the thread, which other tests start of their own.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def digits() -> Iterator[Server]:
    """The explorer of the bundled CNN and its ten digits."""
    with explorer("digits_cnn.keras", vz.assets.digits_cnn, vz.assets.digits()) as server:
        yield server


@pytest.fixture(scope="package")
def nested() -> Iterator[Server]:
    """The explorer of a model inside another, and two arrays."""
    with explorer("nested", lambda: vz.adapt(models.nested().model), list(models.images(2))) as server:
        yield server


@pytest.fixture
def look(browser: Browser, digits: Server) -> Iterator[Look]:
    """The explorer of the digits at desk width; whatever a test does, its console stays clean and nothing comes from outside."""
    with Look(browser, digits) as look:
        yield look


@pytest.fixture(scope="package")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: to be looked at, if VIZCNN_SCREENSHOTS names a folder."""
    folder = Path(os.environ.get("VIZCNN_SCREENSHOTS") or tmp_path_factory.mktemp("pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
