"""What a case is: ours beside a reference."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.golden.store import golden
from vizcnn.errors import VizcnnWarning

Ours = Callable[[], np.ndarray]


@dataclass(frozen=True)
class Case:
    """One of our methods or metrics beside one of a reference's.

    Attributes
    ----------
    asked, package, name : str
        Ours; the reference's package; the array in its file.
    ours : callable
        Our maps of both images, or our numbers of both maps. Where `differs` says what the reference does otherwise, with that
        set alike.
    differs : str
        What it does otherwise, in the docs' words; "" where the two are the same.
    plain : callable or None
        Where they differ, ours as they are.
    within : float, default 1e-4
        How far apart they may be; maps as a share of the reference's range, numbers above 1 as a share of these.
    """

    asked: str
    package: str
    name: str
    ours: Ours
    differs: str = ""
    plain: Ours | None = None
    within: float = 1e-4

    @property
    def theirs(self) -> np.ndarray:
        """What the reference gives."""
        return golden(self.package).arrays[self.name]

    def difference(self) -> float:
        """Return the largest difference of the two, as `within` has it."""
        ours, theirs = _quietly(self.ours), self.theirs
        assert ours.shape == theirs.shape
        return _apart(ours, theirs)

    def difference_as_it_is(self) -> float | None:
        """Return the largest difference of the two as they are."""
        return None if self.plain is None else _apart(_quietly(self.plain), self.theirs)

    def correlation(self) -> float | None:
        """Return the correlation of two maps as they are, on the image where it is lowest."""
        if self.plain is None or self.theirs.ndim == 1:
            return None
        ours = _quietly(self.plain)
        return min(float(np.corrcoef(a.ravel(), b.ravel())[0, 1]) for a, b in zip(ours, self.theirs, strict=True))


def _apart(ours: np.ndarray, theirs: np.ndarray) -> float:
    if theirs.ndim == 1:  # a number for each image
        return float((np.abs(ours - theirs) / np.maximum(1, np.abs(theirs))).max())
    return max(float(np.abs(a - b).max() / np.ptp(b)) for a, b in zip(ours, theirs, strict=True))


def _quietly(ours: Ours) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VizcnnWarning)
        return np.asarray(ours(), dtype=np.float64)
