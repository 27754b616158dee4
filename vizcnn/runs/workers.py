"""Several processes on one run: each with a model of its own, and where there are several GPUs, each on another."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vizcnn.errors import VizcnnError
from vizcnn.files import unwritable
from vizcnn.runs import gpus

if TYPE_CHECKING:
    from vizcnn.runs.job import Job
    from vizcnn.runs.plan import Plan

_CONTEXT = multiprocessing.get_context("spawn")
"""Frameworks don't survive a fork."""


@contextmanager
def shared(plan: Plan) -> Iterator[Plan]:
    """Keep the images that are listed in a file, among the system's temporary ones, as long as processes need it.

    Parameters
    ----------
    plan : Plan
        The images.

    Yields
    ------
    Plan
        The same images; the processes that it is sent to map them from the file, so that all of them have one copy in memory.

    Raises
    ------
    ResultError
        If the file can't be written.
    """
    with ExitStack() as stack:
        try:
            number, name = tempfile.mkstemp(".arrow", "vizcnn-")
            stack.callback(_remove, Path(name))
            os.close(number)
            plan = replace(plan, listing=plan.listing.written(Path(name)))
        except OSError as error:
            raise unwritable(tempfile.gettempdir(), error, "TMPDIR") from error
        _ = plan.digest  # once, for all
        yield plan


def begin(job: Job, plan: Plan, *, is_done: bool = False) -> None:
    """Begin a run, or check it, in a process of its own, which gives back the memory that its model took."""
    for _ in _messages([_started("begin_run", job, plan, is_done=is_done)]):
        pass


def work(job: Job, plan: Plan, part: tuple[int, int], count: int) -> Iterator[int]:
    """Let processes work on a run.

    Parameters
    ----------
    job : Job
        The run.
    plan : Plan
        Its images.
    part : (int, int)
        Which part of it.
    count : int
        How many processes.

    Yields
    ------
    int
        How many images one of them has explained since the last time.
    """
    yield from _messages([_started("work_on", job, plan, part, turn, turn=turn, count=count) for turn in range(count)])


_Process = tuple[Any, Any]
"""A process, and the connection by which it tells."""


def _started(name: str, job: Job, plan: Plan, *more: Any, turn: int = 0, count: int = 1, **options: Any) -> _Process:
    ours, theirs = _CONTEXT.Pipe(duplex=False)
    given = (theirs, gpus.of_worker(turn, count), name, job, plan, *more)
    process = _CONTEXT.Process(target=_main, args=given, kwargs=options, name=f"vizcnn-{turn}")
    process.start()
    theirs.close()
    return process, ours


def _messages(started: list[_Process]) -> Iterator[int]:
    """Yield what processes tell of their progress; where one fails, the others are stopped."""
    open_ones: dict[Any, Any] = {connection: process for process, connection in started}
    try:
        while open_ones:
            for connection in _ready(open_ones):
                try:
                    message = connection.recv()
                except EOFError:
                    open_ones.pop(connection).join()  # it is done, or was killed: the others do its work
                    continue
                if isinstance(message, Exception):
                    raise message
                yield message
    finally:
        for process, connection in started:
            if process.is_alive() and connection in open_ones:
                process.terminate()
            process.join()
            connection.close()


def _ready(connections: Iterable[Any]) -> list[Any]:
    return list(wait(list(connections)))


def _main(
    told: Connection, variables: dict[str, str], name: str, job: Job, plan: Plan, *more: Any, **options: Any
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process is asked, and stops this one
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent, plan.listing.file), daemon=True).start()
    os.environ.update(variables)
    try:
        for message in getattr(importlib.import_module("vizcnn.runs.running"), name)(job, plan, *more, **options) or ():
            told.send(message)
    except Exception as error:  # noqa: BLE001 - told where somebody sees it
        with suppress(OSError):
            told.send(as_told(error))
    told.close()


def as_told(error: Exception) -> Exception:
    """Return an error as it is told to the process that is asked, which may not know its class."""
    known = isinstance(error, VizcnnError)
    return error if known else RuntimeError(f"A worker failed: {type(error).__name__}: {error}")


def _end_with(parent: Any, file: Path | None) -> None:
    """End when the first process does, and take away what it can't any more."""
    parent.join()
    if file is not None:
        _remove(file)
    os._exit(1)


def _remove(file: Path) -> None:
    with suppress(OSError):  # it is gone; or Windows, which keeps what is mapped
        file.unlink()
