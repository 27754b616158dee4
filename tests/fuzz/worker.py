"""Reads one changed file after the other, as it is told on its standard input, and says what came of each."""

from __future__ import annotations

import gc
import json
import os
import re
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.case import GRACE, Case, outcome


def main() -> None:
    """Answer each line with another."""
    seeds = Path(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries print where they like
    sys.setrecursionlimit(1000)
    _warm_up(seeds)
    answers.write("ready\n")
    answers.flush()
    for number, line in enumerate(sys.stdin, start=1):
        case = Case(**json.loads(line))
        folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
        try:
            path = case.write(seeds, folder)
            size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
            before, start = _memory("VmRSS"), time.perf_counter()
            _forget_peak()
            result, text = outcome(path, case.kind)
            seconds, grown = time.perf_counter() - start, _memory("VmHWM") - before
            if grown > GRACE + 20 * size and result != "foreign":
                result, text = "memory", f"{grown:,} bytes; {text}"
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        answers.write(json.dumps([result, text, seconds, grown]) + "\n")
        answers.flush()
        if number % 25 == 0:
            gc.collect()  # models hold themselves; a collection each time would take most of the time


def _warm_up(seeds: Path) -> None:
    """Read each whole file once, so that what is imported and compiled is no part of a case; then limit the memory."""
    for seed in sorted(seeds.iterdir()):
        kind = seed.name.partition(".")[0]
        result, text = outcome(seed / "m.weights.h5" if kind == "weights" else seed, kind)
        if result != "read":
            raise RuntimeError(f"the whole file {seed.name} is not read: {text}")
    limit = _memory("VmSize") + 4 * GRACE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _memory(name: str) -> int:
    """Return a size of this process, in bytes, as Linux tells it."""
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


if __name__ == "__main__":
    main()
