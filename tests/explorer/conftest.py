"""A browser, and explorers of the bundled CNN and of a small nested model: one of each for all tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

import vizcnn as vz
from tests import models
from tests.browser.chromium import chromium
from tests.explorer.look import Look, explorer
from vizcnn.explorer import Server
from vizcnn.explorer.records import Records
from vizcnn.explorer.run_rows import RunImages
from vizcnn.explorer.studio import Studio
from vizcnn.runs import Run

WRONG = {3: "5", 8: "5"}
"""Digits that lie in the folder of another."""


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


@pytest.fixture(scope="package")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run over the ten digits in folders of their classes, two of which lie in a wrong one."""
    photos, out = tmp_path_factory.mktemp("photos"), tmp_path_factory.mktemp("run") / "digits run"
    for digit, file in enumerate(vz.assets.digits()):
        folder = photos / WRONG.get(digit, str(digit))
        folder.mkdir(exist_ok=True)
        shutil.copy(file, folder)
    return vz.explain_dataset(
        vz.assets.digits_cnn(), photos, out, methods=["gradcam", "saliency"], labels_by="folders", shard_size=4
    )


@pytest.fixture(scope="package")
def kept(run: Run) -> Iterator[Server]:
    records = Records(run)
    studio = Studio("digits_cnn.keras", lambda: (vz.assets.digits_cnn(), ()), RunImages(records), kept=records)
    with Server(studio) as server:
        assert studio.ready.wait(60)
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
