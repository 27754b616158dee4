"""A method by two libraries: the numbers that both must agree on, and the size of batches that suits the other one best."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

import vizcnn as vz
from tests.benchmarks.timing import in_turn, seconds

BATCHES = (8, 16, 32)
"""Sizes of which the other library gets the one that suits it best; vizcnn chooses by itself."""

ALIKE = 0.9999
"""The least that two maps must correlate which are computed in different batches: where a ReLU flips by a last digit, a gradient
moves by a percent."""


class Pair(NamedTuple):
    """A method, by us and by another library.

    Attributes
    ----------
    options : mapping
        Ours.
    theirs : callable
        ``theirs(model, inputs, size)``: a function without arguments that returns their map, by batches of that size.
    same : callable or None
        What of our result is the same as their map; None where either side draws at random.
    """

    options: Mapping[str, Any]
    theirs: Callable[[Any, np.ndarray, int], Callable[[], Any]]
    same: Callable[[Any], np.ndarray] | None = None


def time_pair(
    row: str, pair: Pair, model: Any, bare: Any, inputs: np.ndarray, target: int, *, other: str, quick: bool
) -> dict[str, float]:
    """Time both sides, "vizcnn" on its adapter and the other on the bare model, after they were found to agree."""
    method, sizes = getattr(vz, row.partition(",")[0]), [pair.theirs(bare, inputs, size) for size in BATCHES]

    def ours() -> Any:
        return method(model, inputs, target, **pair.options)

    firsts = [theirs() for theirs in sizes]  # trace and compile
    if pair.same is not None:
        assert_alike(pair.same(ours()), firsts[0], row)
    return in_turn({"vizcnn": ours, other: min(sizes, key=seconds)}, quick=quick)


def assert_alike(values: Any, expected: Any, what: str) -> None:
    """Fail unless two maps are the same but for last digits, and what these do to a ReLU."""
    values, expected = np.asarray(values), np.asarray(expected)
    assert values.shape == expected.shape, f"{what}: shapes {values.shape} and {expected.shape}"
    correlation = float(np.corrcoef(values.ravel(), expected.ravel())[0, 1])
    assert correlation >= ALIKE, f"{what}: the maps correlate by {correlation} only"
    scale = float(np.linalg.norm(values) / np.linalg.norm(expected))
    assert abs(scale - 1) < 0.01, f"{what}: one is {scale} times as large as the other"
