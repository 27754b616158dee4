"""A process without a framework, which forks another for each attempt at a run, and stops that one in the middle.

``python -m tests.runs.disturbed SOURCE FOLDER kill=20 int=2`` makes a run that nothing disturbs, FOLDER/whole, and for each way
of stopping another of that name; it prints, a line each, the way, how many attempts were stopped before the run was whole, and
how they ended.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import sys
import time
from pathlib import Path

from tests.runs.made import explained
from vizcnn.errors import VizcnnError


def attempt(source: Path, out: Path, most: int = 0) -> int:
    """Run in a process of its own, on a disk where no file gets larger than that, and return its id."""
    process = os.fork()
    if process:
        return process
    code = 3
    os.fsync = lambda _: None  # a killed process loses nothing that it has handed over; only a machine does
    try:
        if most:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        explained(source, out)
        code = 0
    except VizcnnError as error:
        code = 2 if "can't be written" in str(error) else 3
    except KeyboardInterrupt:
        code = 130
    finally:
        os._exit(code)


def ended(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def disturb(source: Path, out: Path, how: str, times: int, seconds: float) -> tuple[int, list[int]]:
    """Stop attempts, as many as that, then let one come to its end."""
    chance, codes = random.Random(0), []
    for number in range(times):
        process = attempt(source, out, 3000 * (number + 1) if how == "full" else 0)
        if how != "full":
            time.sleep(chance.uniform(0.02, seconds * 0.6))
            os.kill(process, {"kill": signal.SIGKILL, "int": signal.SIGINT}[how])
        codes.append(ended(process))
        if codes[-1] == 0:
            break  # it was whole before
    codes.append(ended(attempt(source, out)))
    return len([code for code in codes if code]), codes


def main(source: Path, folder: Path, *ways: str) -> None:
    """Make all runs."""
    # A shell starts what runs in the background with this signal ignored, and the tests may run there.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    start = time.monotonic()
    ended(attempt(source, folder / "whole"))
    seconds = time.monotonic() - start
    for way in ways:
        how, _, times = way.partition("=")
        stopped, codes = disturb(source, folder / how, how, int(times), seconds)
        print(how, stopped, *codes)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
