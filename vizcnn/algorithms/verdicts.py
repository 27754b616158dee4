"""Verdicts on maps, by what came of keeping their first pixels beside what came of null maps: here alone they are judged."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vizcnn.algorithms.kept_pixels import between_curves

Kind = Literal[
    "better", "center", "center_by_fill", "edges", "edges_by_fill", "chance", "chance_by_fill", "worse", "flat", "blank"
]
"""What sort of verdict it is."""

SIGNIFICANCE = 0.02
"""Of random maps, which share is taken to be better than chance with one fill."""

MIN_LEAD = 0.02
"""What a map must be ahead of a null map, as a share of how far the score moved."""

MIN_MOVE = 0.01
"""How far a score must move, as a share of its largest magnitude, for anything to be told by it."""


@dataclass(frozen=True)
class Verdict:
    """What can be said of a map.

    Attributes
    ----------
    kind : str
        "better" than all null maps; no better than a spot in the "center", than "edges", or than "chance", each also
        "_by_fill": with one fill it is, with another it isn't; "worse" than chance; the score is "flat", or the map "blank", so
        that nothing can be told.
    label : str
        In a few words.
    sentence : str
        In plain words, understood without knowing the field.

    Examples
    --------
    >>> from vizcnn.algorithms.verdicts import VERDICTS
    >>> VERDICTS["edges"].label
    'no better than edges'
    """

    kind: Kind
    label: str
    sentence: str


_MORE = "The parts that this map marks carry the decision more than pixels chosen by chance"
_UNTOLD = "Whether the parts that this map marks carry the decision can't be told"
_PAINTED = "what hidden parts of the image are painted over with"

_SAID: Mapping[Kind, tuple[str, str]] = {
    "better": ("better than chance and edges", f"{_MORE}, than the edges in the image, and than its middle."),
    "center": ("no better than a spot in the middle", f"{_MORE}, but no more than the middle of the image does."),
    "center_by_fill": (
        "better than edges, perhaps than the middle",
        f"{_MORE}, and than the edges in the image; whether also more than its middle depends on {_PAINTED}.",
    ),
    "edges": (
        "no better than edges",
        f"{_MORE}, but no more than the edges in the image do, which can be drawn without asking the model.",
    ),
    "edges_by_fill": (
        "better than chance, perhaps than edges",
        f"{_MORE}; whether also more than the edges in the image, which can be drawn without asking the model, depends on "
        f"{_PAINTED}.",
    ),
    "chance": (
        "no better than chance",
        "The parts that this map marks carry the decision no more than pixels chosen by chance: don't read it as the reason.",
    ),
    "chance_by_fill": ("can't tell: the fill decides", f"{_UNTOLD}: it depends on {_PAINTED}."),
    "worse": (
        "worse than chance",
        "The parts that this map marks least carry the decision more than those that it marks most: don't read it as the "
        "reason.",
    ),
    "flat": (
        "can't tell: the score barely moves",
        f"{_UNTOLD}: the model's answer stays nearly the same, whatever part of the image is hidden.",
    ),
    "blank": (
        "can't tell: the map is blank",
        "This map has one value everywhere: it marks nothing that could be tested.",
    ),
}

VERDICTS: Mapping[Kind, Verdict] = {kind: Verdict(kind, *said) for kind, said in _SAID.items()}
"""All verdicts, by kind."""


@dataclass(frozen=True)
class Faithfulness:
    """What came of hiding pixels by one map, with one fill.

    Attributes
    ----------
    value : float
        Insertion less deletion, by the map.
    nulls : mapping of str to float
        The same by each null map: "edges", "center", and "random", the mean of the random maps.
    threshold : float
        What must be reached to be better than chance.
    moved : float
        How far the score moved, over all parts that were kept.
    is_flat : bool, default False
        Whether that is so little that nothing can be told.

    Examples
    --------
    >>> from vizcnn.algorithms.verdicts import Faithfulness
    >>> sorted(Faithfulness(0.5, {"edges": 0.6, "center": 0.1, "random": 0.0}, threshold=0.05, moved=1.0).beats)
    ['center', 'chance']
    """

    value: float
    nulls: Mapping[str, float]
    threshold: float
    moved: float
    is_flat: bool = False

    @classmethod
    def of(cls, curves: np.ndarray) -> Faithfulness:
        """Read it off the curves.

        Parameters
        ----------
        curves : ndarray, shape (3 + R, 2, S)
            As `KeptPixels.curves` returns them: of the map, the edges, the spot in the middle, and R random maps.

        Returns
        -------
        Faithfulness

        Examples
        --------
        >>> import numpy as np
        >>> from vizcnn.algorithms.verdicts import Faithfulness
        >>> curves = np.zeros((5, 2, 4))
        >>> curves[0, 0] = 1  # whatever part of the map is kept first brings all of the score
        >>> Faithfulness.of(curves).value
        0.8
        """
        curves = np.asarray(curves, dtype=np.float64)
        value, edges, center, *random = between_curves(curves).tolist()
        moved, largest = float(np.ptp(curves)), float(np.abs(curves).max())
        return cls(
            value=value,
            nulls={"edges": edges, "center": center, "random": float(np.mean(random))},
            threshold=max(_reached_by_chance(curves[3:]), MIN_LEAD * moved),
            moved=moved,
            is_flat=not moved > MIN_MOVE * largest,
        )

    @property
    def beats(self) -> frozenset[str]:
        """The null maps that the map is better than: of "chance", "edges", "center"."""
        lead = MIN_LEAD * self.moved
        beaten = {name for name in ("edges", "center") if self.value > self.nulls[name] + lead}
        return frozenset(beaten | ({"chance"} if self.value > self.threshold else set()))

    @property
    def is_worse(self) -> bool:
        """Whether the map is so much worse than chance as it would have to be better."""
        return self.value < -self.threshold


def judge(faithfulness: Collection[Faithfulness], road: float | None = None, *, is_blank: bool = False) -> Verdict:
    """Return the verdict on a map.

    Parameters
    ----------
    faithfulness : collection of Faithfulness
        With each fill. One by which the score is flat says nothing.
    road : float or None, default None
        ROAD combined, which fills in another way; where its sign says the opposite, the fill decides. None: it isn't known.
    is_blank : bool, default False
        Whether the map has one value everywhere.

    Returns
    -------
    Verdict

    Examples
    --------
    >>> from vizcnn.algorithms.verdicts import Faithfulness, judge
    >>> nulls = {"edges": 0.3, "center": 0.1, "random": 0.0}
    >>> mean, blur = (Faithfulness(value, nulls, threshold=0.05, moved=1.0) for value in (0.5, 0.0))
    >>> judge([mean, mean]).kind, judge([mean, blur]).kind, judge([blur, blur]).kind, judge([mean, mean], -0.2).kind
    ('better', 'chance_by_fill', 'chance', 'chance_by_fill')
    """
    return VERDICTS[_kind([each for each in faithfulness if not each.is_flat], road, is_blank=is_blank)]


def _kind(moving: Collection[Faithfulness], road: float | None, *, is_blank: bool) -> Kind:
    if is_blank:
        return "blank"
    if not moving:
        return "flat"
    beaten = [each.beats for each in moving]
    above_chance = ["chance" in names for names in beaten]
    if not any(above_chance):
        opposed = road is not None and road > 0
        return "worse" if all(each.is_worse for each in moving) and not opposed else "chance"
    if not all(above_chance) or (road is not None and road <= 0):
        return "chance_by_fill"
    for null, as_good, by_fill in _STAGES:
        ahead = [null in names for names in beaten]
        if not all(ahead):
            return by_fill if any(ahead) else as_good
    return "better"


_STAGES: tuple[tuple[str, Kind, Kind], ...] = (
    ("edges", "edges", "edges_by_fill"),
    ("center", "center", "center_by_fill"),
)


def _reached_by_chance(curves: np.ndarray) -> float:
    """Return what few random maps reach, by Student's t: they give 0 in the mean, and how far they lie from it is known of some.

    There is a number of each map; and one of each share, twice as many to learn from, since a map gives much the same at a share
    and at that of the rest. The spread at the shares is no smaller than that of their mean, but may be larger: so the closer
    bound holds.
    """
    from scipy.special import stdtrit

    differences, numbers = curves[:, 0] - curves[:, 1], between_curves(curves)
    scale, count = curves.shape[-1] / (curves.shape[-1] + 1), len(curves)
    bounds = ((count, numbers), (2 * count, scale * differences))
    return min(float(stdtrit(freedom, 1 - SIGNIFICANCE) * np.sqrt(np.square(of).mean())) for freedom, of in bounds)
