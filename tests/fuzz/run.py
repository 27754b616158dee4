"""Change files at random and read them, some at a time: `python -m tests.fuzz.run --models 20000 --others 20000`."""

from __future__ import annotations

import argparse
import json
import os
import queue
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.case import Case
from tests.fuzz.seeds import MODELS, OTHERS, make_seeds

ROOT = Path(__file__).resolve().parents[2]
FINE = ("read", "refused")
LONGEST = 10.0
"""Seconds of work, or six times as many of waiting for a processor, after which a case hangs."""

EACH = 1000
"""Cases that a process reads before another takes its place: frameworks keep something of each model."""


@dataclass(frozen=True)
class Answer:
    """What came of a case.

    Attributes
    ----------
    case : Case
        The case.
    result : str
        "read", "refused"; or what may not be: "foreign", "memory", "hang", "crash".
    text : str
        The error.
    """

    case: Case
    result: str
    text: str


class Reader:
    """A process that reads cases, and is replaced when it ends or hangs."""

    def __init__(self, seeds: Path) -> None:
        self._seeds = seeds
        self._process: subprocess.Popen[str] | None = None
        self._left = 0

    def read(self, case: Case) -> Answer:
        """Return what comes of a case."""
        if self._process is None or self._left <= 0:
            self.close()
            self._start()
        self._left -= 1
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            raise RuntimeError("the process has no pipes")
        process.stdin.write(json.dumps(vars(case)) + "\n")
        process.stdin.flush()
        before, start = _work(process.pid), time.monotonic()
        while not select.select([process.stdout], [], [], 0.5)[0]:
            if _work(process.pid) - before > LONGEST or time.monotonic() - start > 6 * LONGEST:
                self.close()
                return Answer(case, "hang", f"{time.monotonic() - start:.0f} s")
        line = process.stdout.readline()
        if not line:
            code = process.wait()
            self.close()
            return Answer(case, "crash", f"exit status {code}")
        result, text, *_ = json.loads(line)
        return Answer(case, result, text)

    def _start(self) -> None:
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "tests.fuzz.worker", str(self._seeds)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
            cwd=ROOT,
        )
        self._left = EACH
        if self._process.stdout is None or self._process.stdout.readline().strip() != "ready":
            raise RuntimeError("the process that reads doesn't start: try `python -m tests.fuzz.worker FOLDER`")

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _work(pid: int) -> float:
    """Return the seconds that a process has worked."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(cases: Sequence[Case], seeds: Path, *, processes: int = 2, failures: Path | None = None) -> list[Answer]:
    """Read cases, and keep those that come to no good end.

    Parameters
    ----------
    cases : sequence of Case
        The cases.
    seeds : Path
        A folder of whole files.
    processes : int, default 2
        How many read at a time.
    failures : Path, default None
        A folder for the files that come to no good end.

    Returns
    -------
    list of Answer
        In any order.
    """
    waiting: queue.SimpleQueue[Case] = queue.SimpleQueue()
    for case in cases:
        waiting.put(case)
    answers: list[Answer] = []

    def work() -> None:
        reader = Reader(seeds)
        try:
            while True:
                answer = reader.read(waiting.get_nowait())
                answers.append(answer)
                if failures is not None and answer.result not in FINE:
                    _keep(answer, seeds, failures)
        except queue.Empty:
            pass
        finally:
            reader.close()

    threads = [threading.Thread(target=work) for _ in range(processes)]
    for thread in threads:
        thread.start()
    start = time.monotonic()
    while any(thread.is_alive() for thread in threads):
        for thread in threads:
            thread.join(timeout=15)
        rate = len(answers) / (time.monotonic() - start)
        print(f"{len(answers)} of {len(cases)}, {rate:.1f} a second", flush=True)
    return answers


def _keep(answer: Answer, seeds: Path, failures: Path) -> None:
    folder = failures / answer.case.name
    folder.mkdir(parents=True, exist_ok=True)
    answer.case.write(seeds, folder)
    (folder / "outcome.txt").write_text(f"{answer.result}: {answer.text}\n")


def cases_of(kinds: Sequence[str], count: int, seed: int) -> list[Case]:
    """Return so many cases, of all kinds alike."""
    return [Case(kinds[number % len(kinds)], seed, number) for number in range(count)]


def main() -> int:
    """Read as many cases as were asked for; the exit status tells whether all came to a good end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=20_000, help="how many changed models")
    parser.add_argument("--others", type=int, default=20_000, help="how many changed images, labels and results")
    parser.add_argument("--seed", type=int, default=0, help="what the changes are drawn by")
    parser.add_argument("--kind", action="append", help="of this kind only; may be given more than once")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--failures", type=Path, default=ROOT / "build" / "fuzz", help="where to keep what comes to no good end"
    )
    asked = parser.parse_args()
    cases = [
        case
        for kinds, count in ((MODELS, asked.models), (OTHERS, asked.others))
        for case in cases_of(kinds, count, asked.seed)
    ]
    cases = [case for case in cases if not asked.kind or case.kind in asked.kind]
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        make_seeds(Path(folder))
        answers = run(cases, Path(folder), processes=asked.processes, failures=asked.failures)
    bad = [answer for answer in answers if answer.result not in FINE]
    for kind in dict.fromkeys(case.kind for case in cases):
        print(f"{kind:13}", dict(Counter(answer.result for answer in answers if answer.case.kind == kind)))
    for text, count in Counter(
        f"{answer.case.kind} {answer.result}: {answer.text[:150]}" for answer in bad
    ).most_common(40):
        print(f"{count:5} {text}")
    print(
        f"{len(answers)} cases, {len(bad)} of them bad, in {time.monotonic() - start:.0f} s; kept in {asked.failures}"
    )
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
