"""Ours beside what the references give, on one small model: the arrays of `tests/golden`, which `make golden` makes anew."""

from __future__ import annotations

import re

import numpy as np
import pytest

import vizcnn as vz
from tests.golden import table
from tests.golden.cases import CASES, METRICS, Case
from tests.golden.model import FILE, TARGETS, given
from tests.golden.store import LIBRARIES, golden, paths
from vizcnn.measures import registry

IN_DOCSTRINGS = {**table.NAMES, "saliency": "PAIR", "lime": "authors' code", "shap": "shap"}
"""What a reference is called where a method or a metric says what it does otherwise."""

DIFFERENT = [case for case in CASES if case.differs]


def named(case: Case) -> str:
    return f"{case.package} {case.name}"


@pytest.mark.parametrize("case", CASES, ids=named)
def test_ours_equals_the_reference(case: Case) -> None:
    assert case.difference() <= case.within


@pytest.mark.parametrize("case", DIFFERENT, ids=named)
def test_what_is_done_otherwise_is_seen_and_told(case: Case) -> None:
    apart = case.difference_as_it_is()
    assert apart is not None
    assert apart > 1e-4
    name = case.asked.partition(":")[0]
    documented = registry.get(name).run if case in METRICS else getattr(vz, name)
    notes = documented.__doc__.partition("Notes\n")[2].partition("References\n")[0]
    assert IN_DOCSTRINGS[case.package] in notes


def test_page_has_a_row_for_each_case_with_what_is_measured() -> None:
    page = table.PAGE.read_text(encoding="utf-8").partition(table.BEGIN)[2].partition(table.END)[0]
    rows = [tuple(line.strip("| ").split(" | ")) for line in page.splitlines() if line.startswith("| `")]
    cases = [case for one in table.tables() for case in one.cases]
    assert [row[:3] for row in rows] == [table.key(case) for case in cases]
    for (*_, before, difference), case in zip(rows, cases, strict=True):
        assert case.difference() <= 3 * float(difference.removeprefix("< "))
        for number in table.as_they_are(case):
            assert float(before) == pytest.approx(number, abs=0.011, rel=0.06)
    for library in LIBRARIES:
        assert f"{table.NAMES[library]} {golden(library).versions[library]} (with " in page


@pytest.mark.parametrize("library", LIBRARIES)
def test_arrays_are_small_and_say_how_they_were_made(library: str) -> None:
    kept = golden(library)
    assert max(file.stat().st_size for file in paths(library)) < 50_000
    assert set(kept.settings) == set(kept.arrays)
    used = {case.name for case in CASES if case.package == library}
    apart = {name for name in kept.arrays if name not in used}
    assert not {name for name in apart if not re.search(r", its |, shown$|^its ", name)}


def test_model_and_images_are_of_numbers_that_every_precision_has() -> None:
    arrays = given()
    assert FILE.stat().st_size < 50_000
    assert len(arrays.images) == len(TARGETS)
    for values in (arrays.images, arrays.background, arrays.noise, arrays.points, *arrays.weights):
        np.testing.assert_array_equal(values * 1024, np.round(values * 1024))
