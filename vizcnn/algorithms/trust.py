"""How far a map can be trusted: the numbers of one image's map as they stand in a result, read back and said in plain words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
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
COMPLETENESS, STANDARD_ERROR, SENSITIVITY = "completeness", "standard error", "max_sensitivity"
"""What the numbers are called that a result holds beside it."""

REPEATABILITY = {
    COMPLETENESS: "Its values should add up to the change in the model's score that they explain; they miss it by {:.0%}.",
    STANDARD_ERROR: "It was drawn from random samples; with other samples it would differ by about {:.0%}.",
    SENSITIVITY: "When the image is changed by too little to be seen, the map changes by up to {:.0%}.",
}
"""What the number of a map's repeatability may be called, the first of them that there is, and what it means."""

_NULLS = {"edges": "the image's edges", "center": "a spot in the middle", "random": "chance"}
"""What the null maps are called above a table."""

_ALIKE = "much like an untrained model's map"

_OTHERS = {ROAD, RANDOMIZATION, EDGES, *REPEATABILITY}

MAX_LIKENESS = {EDGES: 0.6, RANDOMIZATION: 0.5}
"""From which likeness on a map says more of the image's edges, or of what the model is without having learned, than it should."""


@dataclass(frozen=True, repr=False)
class Trust:
    """How far the map of one image can be trusted.

    Attributes
    ----------
    faithfulness : mapping of str to Faithfulness
        By the fill, what came of hiding its pixels, beside what came of null maps.
    others : mapping of str to (float or None)
        The other numbers by name, as far as they were measured: "road", ROAD combined; "randomization" and "edges", how like the
        map is to that of the model before its training and to the image's edges, 0 to 1; and of `REPEATABILITY`, how far it would
        be the same again. None: undefined.
    is_blank : bool
        Whether the map has one value everywhere.

    Examples
    --------
    >>> import vizcnn as vz
    >>> explained = vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[3], methods="saliency", trust=True)
    >>> (trust,) = explained["saliency"].trust
    >>> trust.verdict.label
    'no better than a spot in the middle'
    """

    faithfulness: Mapping[str, Faithfulness]
    others: Mapping[str, float | None] = field(default_factory=dict)
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
        numbers = {name: float(values[index]) for name, values in measures.items() if is_of_trust(name)}
        others = {name: None if math.isnan(number) else number for name, number in numbers.items() if name in _OTHERS}
        return cls(
            faithfulness={fill: Faithfulness.of(of_fill) for fill, of_fill in curves.items()},
            others=others,
            is_blank=any(math.isnan(numbers[difference(fill)]) for fill in curves),
        )

    @cached_property
    def verdict(self) -> Verdict:
        """What can be said of it, by all that is known of its faithfulness."""
        return judge(self.faithfulness.values(), self.others.get(ROAD), is_blank=self.is_blank)

    @property
    def is_model_independent(self) -> bool:
        """Whether it is too like the map of the model before its training."""
        return (self.others.get(RANDOMIZATION) or 0) > MAX_LIKENESS[RANDOMIZATION]

    @property
    def label(self) -> str:
        """The verdict in a few words, and whether the model's training has little to do with the map."""
        return self.verdict.label + (f"; {_ALIKE}" if self.is_model_independent else "")

    @property
    def sentence(self) -> str:
        """What is known of it, in plain words."""
        return " ".join([self.verdict.sentence, *self._likenesses(), *self._repeatability()])

    def _likenesses(self) -> list[str]:
        said = []
        edges, untrained = self.others.get(EDGES), self.others.get(RANDOMIZATION)
        if edges is not None and edges > MAX_LIKENESS[EDGES]:
            said.append(f"It looks much like the edges in the image (likeness {edges:.2f} of 1).")
        if untrained is not None:
            copy = "A copy of the model that has learned nothing, with random weights, gives"
            if self.is_model_independent:
                shows = "it shows the image more than what the model has learned"
                said.append(f"{copy} much the same map (likeness {untrained:.2f} of 1): {shows}.")
            else:
                said.append(f"{copy} another map, as it should (likeness {untrained:.2f} of 1).")
        return said

    def _repeatability(self) -> list[str]:
        numbers = {name: self.numbers[name] for name in REPEATABILITY if name in self.numbers}
        return [REPEATABILITY[name].format(number) for name, number in numbers.items() if number is not None]

    @property
    def numbers(self) -> dict[str, float | None]:
        """The four numbers by name, the first one for each fill; None where one is undefined."""
        of_fills = {difference(fill): None if self.is_blank else each.value for fill, each in self.faithfulness.items()}
        repeatability = [name for name in REPEATABILITY if name in self.others][:1]
        others = [name for name in (ROAD, RANDOMIZATION, *repeatability) if name in self.others]
        return {**of_fills, **{name: None if self.is_blank else self.others[name] for name in others}}

    @property
    def caption(self) -> str:
        """The verdict, and the four numbers in two lines, to stand under a picture."""
        first, second = [], []
        for name, number in self.numbers.items():
            if name.startswith(DIFFERENCE):
                first.append(f"{_short(number)} {name.removeprefix(DIFFERENCE).strip(' ()')}")
            else:
                second.append(f"{name.replace('_', ' ')} {_short(number)}")
        alike = _ALIKE if self.is_model_independent else ""
        return "\n".join(
            filter(None, (self.verdict.label, alike, f"ins. - del. {' / '.join(first)}", ", ".join(second)))
        )

    @property
    def lines(self) -> list[str]:
        """The numbers in words, those of the null maps behind the first ones."""
        first = []
        for fill, each in self.faithfulness.items():
            own, nulls = (
                _short(None if self.is_blank else each.value),
                {name: _short(of) for name, of in each.nulls.items()},
            )
            among = f"of edges {nulls['edges']}, of a spot in the middle {nulls['center']}, of chance {nulls['random']}"
            first.append(f"{difference(fill)} {own}; {among}")
        others = {name: number for name, number in self.numbers.items() if not name.startswith(DIFFERENCE)}
        return [*first, ", ".join(f"{name.replace('_', ' ')} {_short(number)}" for name, number in others.items())]

    def __str__(self) -> str:
        return self.sentence

    def __repr__(self) -> str:
        return f"<Trust: {self.label}; {'; '.join(self.lines)}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the sentence, and the numbers beside those of the null maps."""
        rows = [("", "this map", *_NULLS.values())]
        for name, number in self.numbers.items():
            fill = name.removeprefix(f"{DIFFERENCE} (").removesuffix(")")
            nulls = [self.faithfulness[fill].nulls[null] for null in _NULLS] if fill in self.faithfulness else []
            rows.append((name.replace("_", " "), *map(_short, (number, *nulls))))
        head, *others = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows)
        table = "".join(f"<tr>{row}</tr>" for row in (head.replace("td>", "th>"), *others))
        return f"<p>{escape(self.sentence)}</p><table>{table}</table>"

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
            "label": self.label,
            "sentence": self.sentence,
            "numbers": self.numbers,
            "nulls": {difference(fill): dict(each.nulls) for fill, each in self.faithfulness.items()},
            "edges": self.others.get(EDGES),
        }


def difference(fill: str) -> str:
    """Return what insertion minus deletion with a fill is called in a result."""
    return f"{DIFFERENCE} ({fill})"


def is_of_trust(name: str) -> bool:
    """Tell whether a measure of a result that was asked for trust is told by `Trust`."""
    return name.startswith(f"{DIFFERENCE} (") or name in _OTHERS


def _short(number: float | None) -> str:
    return "undefined" if number is None else f"{number:z.2f}"
