"""How far a map can be trusted: the numbers of one image's map as they stand in a result, read back and said in plain words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from vizcnn.algorithms.verdicts import Faithfulness, Verdict, judge

FILLS = ("mean", "blur")
"""What is painted over hidden pixels, one after the other."""

CURVES = "kept pixels"
"""What the arrays are called that hold what the model said, with the fill behind it."""

DIFFERENCE = "insertion minus deletion"
"""What the number is called that is made of them, with the fill behind it."""

ROAD, RANDOMIZATION, EDGES = "road", "randomization", "edges"
COMPLETENESS, STANDARD_ERROR, SENSITIVITY = "completeness", "standard error", "max sensitivity"
"""What the numbers are called that a result holds beside it."""

REPEATABILITY = {
    COMPLETENESS: "Its values should add up to the change in the model's score that they explain; they miss it by {:.0%}.",
    STANDARD_ERROR: "It was drawn from random samples; with other samples it would differ by about {:.0%}.",
    SENSITIVITY: "When the image is changed by too little to be seen, the map changes by up to {:.0%}.",
}
"""What the number of a map's repeatability may be called, the first of them that there is, and what it means."""

MAX_LIKENESS = {EDGES: 0.6, RANDOMIZATION: 0.5}
"""From which likeness on a map says more of the image's edges, or of what the model is without having learned, than it should."""


@dataclass(frozen=True)
class Trust:
    """How far the map of one image can be trusted.

    Attributes
    ----------
    faithfulness : mapping of str to Faithfulness
        By the fill, what came of hiding its pixels, beside what came of null maps.
    road : float or None
        ROAD combined; None where it is undefined.
    randomization : float or None
        How like the map is to that of the model with its weights drawn anew, 0 to 1; None where that is undefined.
    edges : float or None
        How like it is to the image's edges, 0 to 1; None where that is undefined.
    repeatability : tuple of (str, float) or None
        How far it would be the same again: what of `REPEATABILITY` is known, and the number.
    is_blank : bool
        Whether the map has one value everywhere.

    Examples
    --------
    >>> import vizcnn as vz
    >>> explained = vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[3], methods="saliency", trust=True)
    >>> (trust,) = explained["saliency"].trust
    >>> trust.verdict.label
    'no better than edges'
    """

    faithfulness: Mapping[str, Faithfulness]
    road: float | None = None
    randomization: float | None = None
    edges: float | None = None
    repeatability: tuple[str, float] | None = None
    is_blank: bool = False

    @classmethod
    def of(cls, measures: Mapping[str, np.ndarray], extras: Mapping[str, np.ndarray], index: int) -> Trust | None:
        """Read back what a result holds.

        Parameters
        ----------
        measures : mapping of str to ndarray, shape (N,)
            The result's numbers.
        extras : mapping of str to ndarray, shape (N, ...)
            The result's arrays.
        index : int
            Which image.

        Returns
        -------
        Trust or None
            None where nobody asked for it.
        """
        curves = {
            name.removeprefix(f"{CURVES} "): extras[name][index] for name in extras if name.startswith(f"{CURVES} ")
        }
        if not curves:
            return None
        numbers = {name: float(values[index]) for name, values in measures.items()}
        return cls(
            faithfulness={fill: Faithfulness.of(of_fill) for fill, of_fill in curves.items()},
            road=_known(numbers.get(ROAD)),
            randomization=_known(numbers.get(RANDOMIZATION)),
            edges=_known(numbers.get(EDGES)),
            repeatability=next(
                ((name, numbers[name]) for name in REPEATABILITY if _known(numbers.get(name)) is not None), None
            ),
            is_blank=any(math.isnan(numbers[difference(fill)]) for fill in curves),
        )

    @cached_property
    def verdict(self) -> Verdict:
        """What can be said of it, by all that is known of its faithfulness."""
        return judge(self.faithfulness.values(), self.road, is_blank=self.is_blank)

    @property
    def sentence(self) -> str:
        """What is known of it, in plain words."""
        return " ".join([self.verdict.sentence, *self._likenesses(), *self._repeatability()])

    def _likenesses(self) -> list[str]:
        said = []
        if self.edges is not None and self.edges > MAX_LIKENESS[EDGES]:
            said.append(f"It looks much like the edges in the image (likeness {self.edges:.2f} of 1).")
        if self.randomization is not None:
            copy = "A copy of the model that has learned nothing, with random weights, gives"
            if self.randomization > MAX_LIKENESS[RANDOMIZATION]:
                said.append(
                    f"{copy} much the same map (likeness {self.randomization:.2f} of 1): it shows the image more than what the "
                    f"model has learned."
                )
            else:
                said.append(f"{copy} another map, as it should (likeness {self.randomization:.2f} of 1).")
        return said

    def _repeatability(self) -> list[str]:
        if self.repeatability is None or self.is_blank:
            return []
        name, number = self.repeatability
        return [REPEATABILITY[name].format(number)]

    @property
    def numbers(self) -> dict[str, float | None]:
        """The four numbers by name, the first one for each fill; None where one is undefined."""
        of_fills = {difference(fill): None if self.is_blank else each.value for fill, each in self.faithfulness.items()}
        return {
            **of_fills,
            ROAD: self.road,
            RANDOMIZATION: self.randomization,
            **dict([self.repeatability] if self.repeatability else []),
        }

    @property
    def caption(self) -> str:
        """The verdict, and the four numbers in two lines, for a picture."""
        first, second = [], []
        for name, number in self.numbers.items():
            short = "undefined" if number is None else f"{number:.2f}"
            if name.startswith(DIFFERENCE):
                first.append(f"{short} {name.removeprefix(DIFFERENCE).strip(' ()')}")
            else:
                second.append(f"{name} {short}")
        return f"{self.verdict.label}\nins. - del. {' / '.join(first)}\n{', '.join(second)}"

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON takes it.

        Returns
        -------
        dict
            "verdict", its kind; "label" and "sentence"; the "numbers", and "nulls", those of the null maps; how like it is to the
            image's "edges". A number is None where it is undefined.
        """
        return {
            "verdict": self.verdict.kind,
            "label": self.verdict.label,
            "sentence": self.sentence,
            "numbers": self.numbers,
            "nulls": {difference(fill): dict(each.nulls) for fill, each in self.faithfulness.items()},
            "edges": self.edges,
        }


def difference(fill: str) -> str:
    """Return what insertion minus deletion with a fill is called in a result."""
    return f"{DIFFERENCE} ({fill})"


def is_of_trust(name: str) -> bool:
    """Tell whether a measure of a result that was asked for trust is told by `Trust`."""
    return name.startswith(f"{DIFFERENCE} (") or name in {ROAD, RANDOMIZATION, EDGES, *REPEATABILITY}


def _known(number: float | None) -> float | None:
    return None if number is None or math.isnan(number) else number
