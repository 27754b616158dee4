"""A bar for long work, on terminals alone."""

from __future__ import annotations

import contextlib
import io
import sys
from typing import Any

import pytest

from vizcnn import progress


class Screen(io.StringIO):
    """What is written to it, and whether it says that it is a terminal."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Work through five items, so many seconds each, and return what the screen shows in the end."""

    def run(seconds: float, terminal: bool = True, fail_at: int | None = None) -> str:
        screen, clock = Screen(terminal), [0.0]
        monkeypatch.setattr(sys, "stderr", screen)
        monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
        monkeypatch.setenv("TERM", "xterm")
        done = []
        for item in progress.track(range(5), 5, "saliency, 5 images"):
            if item == fail_at:
                raise ValueError("half way")
            done.append(item)
            clock[0] += seconds
        assert done == [0, 1, 2, 3, 4]
        return screen.getvalue()

    return run


def test_long_work_shows_a_bar(work):
    assert "saliency, 5 images" in work(1.5)


def test_short_work_shows_nothing(work):
    assert work(0.3) == ""


def test_bar_is_silent_when_piped(work):
    assert work(10, terminal=False) == ""


def test_bar_is_silent_when_piped_though_a_library_imported_jupyter_s_kernel(work):
    pytest.importorskip("ipykernel.kernelapp")
    assert work(10, terminal=False) == ""


def test_bar_waits_for_two_seconds(work):
    assert work(0.39) == ""
    assert work(0.51) != ""


def test_bar_goes_when_the_work_fails(work):
    with pytest.raises(ValueError, match="half way"):
        work(1.5, fail_at=3)
    assert sys.stderr.getvalue().rstrip().endswith(("\x1b[?25h", "\x1b[2K"))  # the cursor is back, the line is gone


def test_program_without_a_terminal_of_any_kind_is_served(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert list(progress.track([1, 2], 2, "nothing")) == [1, 2]


def test_methods_report_their_batches(monkeypatch):
    import numpy as np
    from keras import Input, Sequential, layers

    import vizcnn as vz

    seen = []
    monkeypatch.setattr(
        "vizcnn.plugins.door.track", lambda items, total, text: seen.append((total, text)) or iter(items)
    )
    model = Sequential([Input((2, 2, 1)), layers.Flatten(), layers.Dense(2)])
    vz.saliency(vz.adapt(model, batch_size=2), np.ones((5, 2, 2, 1), np.float32))
    assert seen == [(3, "saliency, 5 images")]


# Limits of time -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def done_within(clock: list[float], *limits: float | None) -> list[int]:
    """Work through five items, a second each, within limits, the outer one first; return those that were done."""
    done = []
    with contextlib.ExitStack() as stack:
        for limit in limits:
            stack.enter_context(progress.time_limit(limit))
        with contextlib.suppress(progress.TimeIsUpError):
            for item in progress.track(range(5), 5, "work"):
                clock[0] += 1
                done.append(item)
    return done


def test_work_ends_when_its_time_is_up(clock):
    assert done_within(clock, 2.5) == [0, 1, 2]


def test_limit_inside_another_ends_no_later(clock):
    assert done_within(clock, 1.5, 3.5) == done_within(clock, 3.5, 1.5) == [0, 1]


def test_without_a_limit_work_goes_on(clock):
    assert done_within(clock, None) == [0, 1, 2, 3, 4]
    assert done_within(clock, 2.5, None) == [0, 1, 2]
    progress.check_time()  # the limits are gone
