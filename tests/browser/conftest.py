"""A report of the bundled CNN's digits, and a browser to open it in."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

import vizcnn as vz
from tests.browser.chromium import chromium
from tests.browser.visit import COUNT, METHODS, Report, Visit
from vizcnn.errors import VizcnnWarning


@pytest.fixture(scope="package")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()[:COUNT]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VizcnnWarning)
        first = vz.explain(cnn, digits, methods=METHODS)
        ranked = [int(top[1][0]) for top in first["saliency"].top_classes]  # its labels are the digits
        second = vz.explain(cnn, digits, ranked, methods=METHODS)
        figures = {"How it is built": vz.architecture(cnn), "What its layers see": vz.activations(cnn, digits[:1])}
    path = first.to_html(
        tmp_path_factory.mktemp("report") / "report.html",
        about={"command": "vizcnn report digits_cnn.keras"},
        figures=figures,
        others={"the second class": second},
    )
    return Report(path, [first, second])


# For this folder only: Playwright runs an event loop in the thread, which other tests start of their own.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, report: Report) -> Iterator[Page]:
    """The report at desk width; whatever a test does there, the console stays clean and nothing comes from outside."""
    with Visit(browser, report.path) as visit:
        yield visit.page


@pytest.fixture(scope="package")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: to be looked at, if VIZCNN_SCREENSHOTS names a folder."""
    folder = Path(os.environ.get("VIZCNN_SCREENSHOTS") or tmp_path_factory.mktemp("pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
