"""The table of `docs/golden.md`: `python -m tests.golden.table` prints it, with `--write` it goes into the page."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path

from tests.golden.cases import CASES, Case
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
}
LEAST = 1e-6
"""Differences below are rounding of float32."""

SAME = ("Method", "Reference", "Its setting", "Largest difference")
OTHER = ("Method", "Reference", "What it does otherwise", "As they are", "That set alike")


def bound(difference: float) -> str:
    """Return the power of ten that a difference is below."""
    return f"< {max(10.0 ** math.ceil(math.log10(max(difference, 1e-12))), LEAST):.0e}".replace("e-0", "e-")


def key(case: Case) -> tuple[str, ...]:
    """Return the cells of a case's row that are no measurements."""
    kind = case.name.partition(",")[0]
    reference = f"{NAMES[case.package]} `{kind}`"
    setting = golden(case.package).settings[case.name] or "its defaults"
    return (f"`{case.method}`", reference, case.differs or setting)


def row(case: Case) -> tuple[str, ...]:
    """Return a case's row."""
    correlation = case.correlation()
    measured = (bound(case.difference()),)
    return (*key(case), *measured) if correlation is None else (*key(case), f"{correlation:.2f}", *measured)


def lines() -> Iterator[str]:
    """Yield the lines of the page between its markers."""
    yield "Versions: "
    for library in LIBRARIES:
        versions = golden(library).versions
        beside = ", ".join(f"{name} {number}" for name, number in versions.items() if name != library)
        yield f"- {NAMES[library]} {versions[library]} (with {beside})"
    for head, cases in ((SAME, [c for c in CASES if not c.differs]), (OTHER, [c for c in CASES if c.differs])):
        yield ""
        yield "**The same**" if head is SAME else "**Different on purpose**"
        yield ""
        yield f"| {' | '.join(head)} |"
        yield f"|{'---|' * len(head)}"
        for case in cases:
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
