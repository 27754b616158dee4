"""The browser that tests open pages in."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

FOUND = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start it; without one the test is skipped, or fails where the environment says that it is required."""
    if FOUND is None:
        if os.environ.get("VIZCNN_BROWSER") == "required":
            pytest.fail("VIZCNN_BROWSER is 'required', and no chromium, chromium-browser or google-chrome is on PATH")
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=FOUND, args=flags)
        yield browser
        browser.close()
