"""The table of `docs/golden.md`: `python -m tests.golden.table` prints it, with `--write` it goes into the page."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.golden.cases import METHODS, METRICS, Case
from tests.golden.store import LIBRARIES, golden

PAGE = Path(__file__).parents[2] / "docs" / "golden.md"
BEGIN, END = "<!-- golden: begin -->\n", "<!-- golden: end -->\n"
NAMES = {
    "captum": "Captum",
    "saliency": "PAIR's saliency",
    "grad-cam": "pytorch-grad-cam",
    "xplique": "Xplique",
    "lime": "lime",
    "shap": "shap",
    "quantus": "Quantus",
}
LEAST = 1e-6
"""Differences below are rounding of float32."""


@dataclass(frozen=True)
class Table:
    """One of the page's.

    Attributes
    ----------
    title : str
        What stands above it.
    head : tuple of str
        Of its columns.
    cases : list of Case
        Of its rows.
    """

    title: str
    head: tuple[str, ...]
    cases: list[Case]


def tables() -> list[Table]:
    """Return the page's tables, in its order."""
    made = []
    for kind, cases in (("Method", METHODS), ("Metric", METRICS)):
        same, other = ([case for case in cases if bool(case.differs) == differs] for differs in (False, True))
        as_they_are = "Correlated as they are" if kind == "Method" else "Apart as they are"
        made += [
            Table(f"{kind}s: the same", (kind, "Reference", "Its setting", "Largest difference"), same),
            Table(
                f"{kind}s: different on purpose",
                (kind, "Reference", "What it does otherwise", as_they_are, "That set alike"),
                other,
            ),
        ]
    return made


def bound(difference: float) -> str:
    """Return the power of ten that a difference is below."""
    return f"< {max(10.0 ** math.ceil(math.log10(max(difference, 1e-12))), LEAST):.0e}".replace("e-0", "e-")


def key(case: Case) -> tuple[str, ...]:
    """Return the cells of a case's row that are no measurements."""
    kind = case.name.partition(",")[0]
    reference = f"{NAMES[case.package]} `{kind}`"
    setting = golden(case.package).settings[case.name] or "its defaults"
    return (f"`{case.asked}`", reference, case.differs or setting)


def as_they_are(case: Case) -> tuple[float, ...]:
    """Return how two maps that differ are correlated, or how far two numbers are apart; nothing where they are the same."""
    found = case.difference_as_it_is() if case in METRICS else case.correlation()
    return () if found is None else (found,)


def row(case: Case) -> tuple[str, ...]:
    """Return a case's row."""
    digits = ".2g" if case in METRICS else ".2f"
    return (*key(case), *(f"{number:{digits}}" for number in as_they_are(case)), bound(case.difference()))


def lines() -> Iterator[str]:
    """Yield the lines of the page between its markers."""
    yield "Versions: "
    for library in LIBRARIES:
        versions = golden(library).versions
        beside = ", ".join(f"{name} {number}" for name, number in versions.items() if name != library)
        yield f"- {NAMES[library]} {versions[library]} (with {beside})"
    for table in tables():
        yield from ("", f"**{table.title}**", "", f"| {' | '.join(table.head)} |", f"|{'---|' * len(table.head)}")
        for case in table.cases:
            yield f"| {' | '.join(row(case))} |"


def main() -> None:
    """Print the table, or write it."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden.table", description=__doc__)
    parser.add_argument("--write", action="store_true", help=f"write it into {PAGE.name}")
    text = "\n".join(lines()) + "\n"
    if not parser.parse_args().write:
        print(text)
        return
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    print(f"wrote {PAGE}")


if __name__ == "__main__":
    main()
