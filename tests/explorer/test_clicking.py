"""Whoever clicks at random finds no error, and the explorer holds no more and more."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.explorer.clicking import click_around, memory
from tests.explorer.look import Look, ask
from vizcnn.explorer import Server


def test_a_few_seconds_of_random_clicks_leave_no_error(browser: Browser, digits: Server) -> None:
    with Look(browser, digits, allowed="Failed to load resource") as look:
        assert click_around(look.page, 3, seed=1) > 2
    assert ask(digits, "api/facts").status == 200


@pytest.mark.slow
def test_half_an_hour_of_random_clicks_leaves_no_error_and_flat_memory(browser: Browser, digits: Server) -> None:
    with Look(browser, digits, allowed="Failed to load resource") as look:
        held = []
        for part in range(6):
            assert click_around(look.page, 300, seed=part) > 100
            held.append(memory())
        assert look.page.evaluate("performance.memory.usedJSHeapSize") < 300_000_000
    assert held[-1] - held[2] < 200_000_000  # what is compiled and kept is there by then
