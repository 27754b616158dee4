"""Timing of several sides in turn, and the tables that say what came out."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

FEWEST, MOST = 5, 40
"""Rounds of the slow sides and of the fast ones."""

BUDGET = 12.0
"""Seconds that a row takes, unless the fewest rounds take longer or the most are through."""

PATIENCE = 40.0
"""Seconds that the fewest rounds may take where it has to be quick: slow sides get less of them, down to one."""

TOLERANCE = 1e-4
"""How far two sides may be apart, as a part of the largest value."""


def arguments(script: str, doc: str | None, models: Iterable[str] = ()) -> argparse.Namespace:
    """Return what a benchmark was called with: `quick`, `markdown`, and `models`, all of them where none was named."""
    parser = argparse.ArgumentParser(
        prog=f"python -m tests.benchmarks.{script}", description=(doc or "").partition("\n")[0]
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds of the rows that take long")
    parser.add_argument("--markdown", type=Path, help="write the tables here too")
    models = list(models)
    if models:
        parser.add_argument(
            "--model", choices=models, action="append", dest="models", help="only this model; may be given twice"
        )
    given = parser.parse_args()
    given.models = getattr(given, "models", None) or models
    return given


def in_turn(sides: Mapping[str, Callable[[], Any]], *, quick: bool = False, budget: float = BUDGET) -> dict[str, float]:
    """Time all sides round by round (A B C, C B A, ...), and return the median seconds of each."""
    taken: dict[str, list[float]] = {}
    for name, side in sides.items():
        side()  # traces and compiles
        taken[name] = [seconds(side)]
    a_round = sum(values[0] for values in taken.values())
    fewest = int(np.clip(PATIENCE / a_round, 1, FEWEST)) if quick else FEWEST
    order = list(sides)
    for _ in range(1, int(np.clip(budget / a_round, fewest, MOST))):
        order.reverse()  # so that no side always follows the same other
        for name in order:
            taken[name].append(seconds(sides[name]))
    return {name: statistics.median(values) for name, values in taken.items()}


def seconds(function: Callable[[], Any]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def assert_close(values: Any, expected: Any, what: str) -> None:
    """Fail unless two sides computed the same."""
    values, expected = np.asarray(values), np.asarray(expected)
    assert values.shape == expected.shape, f"{what}: shapes {values.shape} and {expected.shape}"
    scale = float(np.abs(expected).max())
    assert 0 < scale < np.inf, f"{what}: nothing to compare, the largest value is {scale}"
    apart = float(np.abs(values - expected).max()) / scale
    assert apart <= TOLERANCE, f"{what}: apart by {apart:.2g} of the largest value"


@dataclass(frozen=True)
class Limit:
    """A ratio of two sides that must not exceed `most`, or must reach `least`."""

    label: str
    over: str
    under: str
    most: float | None = None
    least: float | None = None

    @property
    def head(self) -> str:
        """The column's heading."""
        bound = f"<= {self.most:g}" if self.most is not None else f">= {self.least:g}"
        return f"{self.label} ({bound})"

    def judge(self, taken: Mapping[str, float]) -> tuple[float, bool]:
        """Return the ratio, and whether it is within the limit."""
        ratio = taken[self.over] / taken[self.under]
        return ratio, (self.most is None or ratio <= self.most) and (self.least is None or ratio >= self.least)


@dataclass
class Table:
    """Rows of timings, their ratios, and whether those are within the limits."""

    title: str
    keys: Sequence[str]
    sides: Sequence[str]
    limits: Sequence[Limit]
    rows: list[tuple[Sequence[Any], dict[str, float]]] = field(default_factory=list)

    def add(self, keys: Sequence[Any], taken: dict[str, float]) -> None:
        """Add a row, and say on the terminal that it is done."""
        self.rows.append((keys, taken))
        print("  ", *self._cells(keys, taken), flush=True)

    @property
    def missed(self) -> int:
        """How many rows miss a limit."""
        return sum(not all(limit.judge(taken)[1] for limit in self.limits) for _, taken in self.rows)

    def __str__(self) -> str:
        heads = [*self.keys, *(f"{side}, ms" for side in self.sides), *(limit.head for limit in self.limits)]
        heads += ["kept"] if self.limits else []
        lines = [heads, *(self._cells(keys, taken) for keys, taken in self.rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
        numbers = range(len(self.keys), len(self.keys) + len(self.sides) + len(self.limits))
        rule = ["-" * (width - 1) + ":" if i in numbers else "-" * width for i, width in enumerate(widths)]
        text = [
            "| " + " | ".join(c.rjust(w) if i in numbers else c.ljust(w) for i, (c, w) in enumerate(pairs)) + " |"
            for pairs in (list(zip(line, widths, strict=True)) for line in (heads, rule, *lines[1:]))
        ]
        if not self.limits:
            return "\n".join([f"**{self.title}**", "", *text])
        verdict = f"All {len(self.rows)} rows keep the limits."
        if self.missed:
            verdict = f"{self.missed} of {len(self.rows)} rows miss a limit."
        return "\n".join([f"**{self.title}**", "", *text, "", verdict])

    def _cells(self, keys: Sequence[Any], taken: Mapping[str, float]) -> list[str]:
        judged = [limit.judge(taken) for limit in self.limits]
        kept = "yes" if all(good for _, good in judged) else "NO"
        times = [f"{taken[side] * 1e3:.1f}" for side in self.sides]
        cells = [*map(str, keys), *times, *(f"{ratio:.2f}" for ratio, _ in judged)]
        return [*cells, kept] if self.limits else cells


def machine(*packages: str) -> str:
    """Describe the machine and the versions, without naming the machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else 0
    system = _field("/etc/os-release", "PRETTY_NAME", "=") or f"{platform.system()} {platform.release()}"
    processor = _field("/proc/cpuinfo", "model name", ":") or platform.processor() or platform.machine()
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    return f"{processor}, {_cores()} cores, {memory:.0f} GiB of memory, {system}, Python {platform.python_version()}, {versions}."


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _field(path: str, key: str, separator: str) -> str:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    found = [line.split(separator, 1)[1].strip().strip('"') for line in lines if line.startswith(key)]
    return found[0] if found else ""


def report(machine: str, tables: Iterable[Table], markdown: Path | None, marker: str) -> None:
    """Print the tables; with `markdown` write them there too, between its markers where it has them."""
    text = "\n\n".join([machine, *map(str, tables)])
    print(f"\n{text}\n")
    if markdown is None:
        return
    begin, end = f"<!-- {marker}: begin -->", f"<!-- {marker}: end -->"
    before, found, rest = (markdown.read_text(encoding="utf-8") if markdown.exists() else "").partition(begin)
    if found and end in rest:
        after = rest.partition(end)[2]
        text = f"{before}{begin}\n\n{text}\n\n{end}{after}"
    else:
        text += "\n"
    markdown.write_text(text, encoding="utf-8")
    print(f"Written to {markdown}.")
