"""Ours beside each reference."""

from __future__ import annotations

from tests.golden.cases.case import Case
from tests.golden.cases.methods import METHODS
from tests.golden.cases.metrics import METRICS

CASES = (*METHODS, *METRICS)
"""All of them."""

__all__ = ["CASES", "METHODS", "METRICS", "Case"]
