"""The connection to a Ray cluster: made for a run and ended with it, and what Ray raises told as an error of the run."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from vizcnn.errors import OptionError, ResultError


@contextmanager
def connected() -> Iterator[None]:
    """Connect this process to the cluster that ``RAY_ADDRESS`` names, or that runs here; or start one of this machine alone.

    What was connected or started for this is shut down in the end.

    Yields
    ------
    None

    Raises
    ------
    OptionError
        If none answers there.
    """
    with _same_handler():
        import ray

    if ray.is_initialized():
        yield
        return
    address = os.environ.get("RAY_ADDRESS", "")
    host, _, port = address.rpartition("//")[2].rpartition(":")
    try:
        if port.isdecimal():
            socket.create_connection((host, int(port)), timeout=_PATIENCE).close()  # Ray itself would try for minutes
        with _same_handler():
            ray.init(log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError) as error:
        raise OptionError(
            f"`executor` 'ray' needs a cluster that answers; at RAY_ADDRESS={address!r} none does: {_line(error)}."
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


_PATIENCE = 10.0
"""Seconds in which the head of a cluster answers."""


@contextmanager
def _same_handler() -> Iterator[None]:
    """Keep what SIGTERM does in this process, where Ray takes it for itself."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is not before:
            signal.signal(signal.SIGTERM, before)


@contextmanager
def told() -> Iterator[None]:
    """Tell what Ray itself raises, of nodes that fail or can't begin, as an error of the run.

    Yields
    ------
    None

    Raises
    ------
    ResultError
        In place of Ray's error, which says what it came of.
    """
    import ray

    try:
        yield
    except ray.exceptions.RayError as error:
        is_traceback = isinstance(error, ray.exceptions.RayTaskError) or getattr(error, "actor_init_failed", False)
        what = _line(error, -1 if is_traceback else 0).rstrip(".")
        raise ResultError(
            f"A node of the Ray cluster failed: {what}. What is explained stays: start the run again, with fewer `workers` or "
            f"more `num_cpus` for each where it lacked memory. 'vizcnn[ray]' must be installed on every node."
        ) from error


def _line(error: Exception, number: int = 0) -> str:
    """Return one line of what an error says, the first one or, of a traceback, the last."""
    return (str(error).strip().splitlines() or [type(error).__name__])[number]
