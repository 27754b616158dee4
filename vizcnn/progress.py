"""A bar for work that takes over two seconds; in terminals and notebooks only."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from html import escape
from typing import Any, TypeVar

from vizcnn.errors import warn

Item = TypeVar("Item")

Watcher = Callable[[int, int, str], None]
"""Is told how many of how many parts are done, and of what; it may raise, which ends the work."""

MIN_BAR_SECONDS = 2.0
"""Seconds after which a bar is shown."""

MIN_ANNOUNCED_SECONDS = 60.0
"""Seconds from which it is said beforehand how long work takes."""


_DEADLINE: ContextVar[float | None] = ContextVar("deadline", default=None)
_WATCHER: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


class TimeIsUpError(Exception):
    """Work was to end by now."""


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Let work that tells of its progress end, by `TimeIsUpError`, once it has taken so long.

    Parameters
    ----------
    seconds : float or None
        None: no limit. A limit inside another ends no later than that.
    """
    outer = _DEADLINE.get()
    if seconds is None:
        yield
        return
    own = time.monotonic() + seconds
    token = _DEADLINE.set(own if outer is None else min(own, outer))
    try:
        yield
    finally:
        _DEADLINE.reset(token)


def check_time() -> None:
    """Raise `TimeIsUpError` where the time that work was given is up."""
    deadline = _DEADLINE.get()
    if deadline is not None and time.monotonic() >= deadline:
        raise TimeIsUpError


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Tell of the progress of the work inside, in place of showing a bar.

    Parameters
    ----------
    watcher : callable
        Called as ``watcher(done, total, description)`` before each part and after the last; what it raises ends the work.

    Examples
    --------
    >>> from vizcnn.progress import track, watched
    >>> told = []
    >>> with watched(lambda done, total, what: told.append(f"{what}: {done} of {total}")):
    ...     total = sum(track([1, 2], 2, "adding"))
    >>> told
    ['adding: 0 of 2', 'adding: 1 of 2', 'adding: 2 of 2']
    """
    token = _WATCHER.set(watcher)
    try:
        yield
    finally:
        _WATCHER.reset(token)


def track(items: Iterable[Item], total: int, description: str) -> Iterator[Item]:
    """Yield the items, and show a bar once they take long.

    Parameters
    ----------
    items : iterable
        What is worked through.
    total : int
        How many there are.
    description : str
        What is being done.
    """
    watcher = _WATCHER.get()
    if watcher is not None or not _is_shown():
        count = 0
        for count, item in enumerate(items, start=1):
            check_time()
            if watcher is not None:
                watcher(count - 1, total, description)
            yield item
        if watcher is not None:
            watcher(count, total, description)
        return
    start = time.monotonic()
    bar: _NotebookBar | _TerminalBar | None = None
    try:
        for count, item in enumerate(items):
            if bar is None and count and time.monotonic() - start > MIN_BAR_SECONDS:
                bar = (_NotebookBar if in_notebook() else _TerminalBar)(description, total)
                bar.show(count)
            check_time()
            yield item
            if bar is not None:
                bar.show(count + 1)
    finally:
        if bar is not None:
            bar.stop()


class Clock:
    """Says early in a long run how long it will take.

    Parameters
    ----------
    total : int
        How many times `tick` will be called.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._start = 0.0

    def tick(self, what: str, remedy: str) -> None:
        """Call it as each part begins; a warning is given before the third where all of it takes over a minute.

        The first part is not counted, since it may have been compiled.
        """
        now = time.monotonic()
        if self._done == 1:
            self._start = now
        elif self._done == 2:
            seconds = (now - self._start) * (self._total - 1)
            if seconds > MIN_ANNOUNCED_SECONDS:
                warn([f"{what}, about {duration(seconds)} on this machine. {remedy}"])
        self._done += 1


def duration(seconds: float) -> str:
    """Return a time in words, as people say it.

    Parameters
    ----------
    seconds : float
        How long.

    Returns
    -------
    str

    Examples
    --------
    >>> from vizcnn.progress import duration
    >>> duration(8.4), duration(200), duration(9000)
    ('8 s', '3 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _is_shown() -> bool:
    return (sys.stderr is not None and sys.stderr.isatty()) or in_notebook()


def in_notebook() -> bool:
    """Return whether a notebook's kernel runs this."""
    # That a kernel could run is not enough: other libraries import ipykernel too.
    application = getattr(sys.modules.get("ipykernel.kernelapp"), "IPKernelApp", None)
    return application is not None and bool(application.initialized())


class _TerminalBar:
    """A bar on the terminal."""

    def __init__(self, description: str, total: int) -> None:
        from rich.console import Console
        from rich.progress import Progress

        # Rich would send standard output to the bar's console too, and a pipe would get nothing.
        console, redirects = Console(stderr=True), sys.stdout.isatty()
        self._progress = Progress(console=console, transient=True, redirect_stdout=redirects)
        self._progress.start()
        self._task = self._progress.add_task(description, total=total)

    def show(self, done: int) -> None:
        """Show how many are done."""
        self._progress.update(self._task, completed=done)

    def stop(self) -> None:
        """Take the bar away."""
        self._progress.stop()


class _NotebookBar:
    """A bar below a notebook's cell, in HTML alone: Rich's needs ipywidgets."""

    def __init__(self, description: str, total: int) -> None:
        self._description, self._total = description, total
        self._handle: Any = None

    def show(self, done: int) -> None:
        """Show how many are done."""
        said = f"{self._description}: {done} of {self._total}"
        self._display(said, f'<progress value="{done}" max="{self._total}"></progress> {escape(said)}')

    def stop(self) -> None:
        """Take the bar away."""
        self._display("", "")

    def _display(self, text: str, html: str) -> None:
        import IPython.display

        shown: Any = IPython.display
        data = {"text/plain": text, "text/html": html}
        if self._handle is None:
            self._handle = shown.display(data, raw=True, display_id=True)
        else:
            shown.update_display(data, raw=True, display_id=self._handle.display_id)
