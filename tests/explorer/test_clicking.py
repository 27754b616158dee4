"""Whoever clicks at random finds no error, and the explorer holds no more and more."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

import vizcnn as vz
from tests.explorer.clicking import click_around, memory
from tests.explorer.look import Look, ask, explorer
from vizcnn.explorer import Server


def test_a_few_seconds_of_random_clicks_leave_no_error(browser: Browser, digits: Server) -> None:
    with Look(browser, digits, allowed="Failed to load resource") as look:
        assert click_around(look.page, 3, seed=1) > 2
    assert ask(digits, "api/facts").status == 200


@pytest.mark.slow
def test_minutes_of_random_clicks_leave_no_error_and_memory_grows_by_what_is_compiled_alone(browser: Browser) -> None:
    cnn, held, compiled, done = vz.assets.digits_cnn(), [], [], 0
    with (
        explorer("digits", lambda: cnn, vz.assets.digits()) as server,
        Look(browser, server, allowed="Failed to load resource") as look,
    ):
        for part in range(6):
            done += click_around(look.page, 30, seed=part)
            held.append(memory())
            compiled.append(cnn.num_traces)
        assert look.page.evaluate("performance.memory.usedJSHeapSize") < 300_000_000
    assert done > 100
    # A compiled function is kept, and takes four megabytes; the caches have an end, and the first two parts fill most of them.
    assert held[-1] - held[1] < 30_000_000 + 5_000_000 * (compiled[-1] - compiled[1]), (held, compiled)
