"""Images of one class that are explained by maps of one kind, and what is to be thought of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, Self

import numpy as np

from vizcnn.results.checks import Shapes
from vizcnn.results.place import Region, place_of, where

APART, FAR_APART = 2.5, 3.5
"""Spreads that set a cluster's region apart from the others of its class: from which on it is covered, and this alone says it."""

EVIDENCE = 3.4
"""Spreads that make a suspect: the geometric mean of those of the maps and of what covering costs; clean digits reach 3.1."""

SUSPECT, UNCHECKED, NO_EFFECT, VARIATION = "suspect", "unchecked", "no effect", "variation"
"""Verdicts: what a cluster is."""

ARRAYS = ("images", "mean_map", "examples")
"""Fields of a cluster that are arrays."""


class Effect(NamedTuple):
    """What covering does to some images.

    Attributes
    ----------
    images : int
        How many were tried.
    drop : float
        How far the score falls, on the average.
    confidence, confidence_covered : float
        The mean probability of the explained class before and after; NaN where the model gives none.
    accuracy, accuracy_covered : float
        The share that is taken for its true class, before and after; where no true classes are known, for the explained one;
        NaN where that isn't one of those that are predicted.

    Examples
    --------
    >>> from vizcnn.results.cluster import Effect
    >>> Effect(32, 1.6, 0.98, 0.95, 1.0, 0.97).drop
    1.6
    """

    images: int
    drop: float
    confidence: float
    confidence_covered: float
    accuracy: float
    accuracy_covered: float


class Covered(NamedTuple):
    """What it does to cover the region of a cluster.

    Attributes
    ----------
    here : Effect
        On images of the cluster.
    elsewhere : Effect or None
        On the same images, with a region of the same size covered at four other places; None where the region leaves no room.
    others : Effect or None
        On images of the class whose maps have little in the region, with that covered; None where there are none.
    difference : float
        How far the median drop here lies above that of the others, in spreads of both; NaN without others.

    Examples
    --------
    >>> from vizcnn.results.cluster import Covered, Effect
    >>> Covered(Effect(32, 1.6, 0.98, 0.95, 1.0, 0.97), None, None, float("nan")).here.accuracy_covered
    0.97
    """

    here: Effect
    elsewhere: Effect | None
    others: Effect | None
    difference: float


@dataclass(frozen=True, eq=False)
class Cluster:
    """Images of one class that are explained by maps of one kind.

    Attributes
    ----------
    label : str
        The class that was explained.
    class_index : int or None
        Its index; None where the target was no class.
    size : int
        How many images it has, of those that were looked at.
    share : float
        How many of the class's images that are, 0 to 1.
    images : ndarray of int, shape (size,)
        Their places in the run, the most typical first.
    mean_map : ndarray of float32, shape (h, w)
        The mean of their maps as shares of what speaks for the class, reduced to no more than 16 x 16 places.
    region : tuple of float
        Where its maps have most that the others lack: left, top, right, bottom, as shares of the image.
    mass, mass_others : float
        The share of the map's mass that lies there: the mean over the cluster, and over the others of the class.
    contrast : float
        How far that sets the cluster apart from the others of its class, in spreads of both.
    null : float
        The highest contrast of maps that vary as these do, without any groups.
    purity : float
        How many of the nearest neighbors of its images, by their maps, belong to it too, 0 to 1.
    strangeness : float
        How small, tight, separate and pure it is: contrast times purity times the share of the others.
    place : {"corner", "border", "inside", "wide"}
        What kind of place the region is.
    accuracy : float
        The share of its images that are taken for their true class; NaN where none is known.
    covered : Covered or None, default None
        What it does to cover the region; None where that wasn't tried.
    examples : ndarray of uint8, shape (n, H, W, C)
        The first sixteen of `images`, small; none where they aren't there any more. Default: none.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.results.cluster import Cluster
    >>> cluster = Cluster(
    ...     label="horse",
    ...     class_index=4,
    ...     size=24,
    ...     share=0.05,
    ...     images=np.arange(24),
    ...     mean_map=np.eye(4),
    ...     region=(0, 0.75, 0.25, 1),
    ...     mass=0.3,
    ...     mass_others=0.02,
    ...     contrast=4.7,
    ...     null=0.9,
    ...     purity=0.9,
    ...     strangeness=4.5,
    ...     place="corner",
    ...     accuracy=1.0,
    ... )
    >>> cluster.kind, cluster.where
    ('unchecked', 'in the bottom left corner')
    >>> print(cluster.verdict)
    24 images of 'horse' (5 %) are decided in the bottom left corner: 30 % of their maps' mass lies there, 2 % of the others'. ...
    """

    label: str
    class_index: int | None
    size: int
    share: float
    images: np.ndarray
    mean_map: np.ndarray
    region: Region
    mass: float
    mass_others: float
    contrast: float
    null: float
    purity: float
    strangeness: float
    place: str
    accuracy: float
    covered: Covered | None = None
    examples: np.ndarray = field(default_factory=lambda: np.empty((0, 1, 1, 1), np.uint8))

    @classmethod
    def restored(cls, facts: Sequence[Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Return the cluster of which a file holds these.

        Parameters
        ----------
        facts : sequence
            Its `FACTS`.
        arrays : mapping of str to ndarray
            Its `ARRAYS`, by name.

        Returns
        -------
        Cluster

        Examples
        --------
        >>> import numpy as np
        >>> from vizcnn.results.cluster import Cluster
        >>> facts = ["horse", 4, 24, 0.05, (0, 0.75, 0.25, 1), 0.3, 0.02, 4.7, 0.9, 0.9, 4.5, "corner", 1.0, None]
        >>> arrays = {"images": np.arange(24), "mean_map": np.eye(4), "examples": np.zeros((0, 1, 1, 1), np.uint8)}
        >>> Cluster.restored(facts, arrays).where
        'in the bottom left corner'
        """
        known: dict[str, Any] = dict(zip(FACTS, facts, strict=True))
        if known["covered"] is not None:
            here, *others, difference = known["covered"]
            elsewhere, beside = (None if effect is None else Effect(*effect) for effect in others)
            known["covered"] = Covered(Effect(*here), elsewhere, beside, difference)
        return cls(**{**known, **arrays})

    def check(self) -> None:
        """Make sure that its fields fit each other, as those of a file may not.

        Raises
        ------
        ValueError
            Where they don't.

        Examples
        --------
        >>> import numpy as np
        >>> from vizcnn.results.cluster import Cluster
        >>> facts = ["horse", 4, 24, 0.05, (0, 0.75, 0.25, 7), 0.3, 0.02, 4.7, 0.9, 0.9, 4.5, "corner", 1.0, None]
        >>> arrays = {"images": np.arange(24), "mean_map": np.eye(4), "examples": np.zeros((0, 1, 1, 1), np.uint8)}
        >>> Cluster.restored(facts, arrays).check()
        Traceback (most recent call last):
        ValueError: `region` (0, 0.75, 0.25, 7) isn't one of an image, or no 'corner'
        """
        shapes = Shapes()
        shapes.check("images", self.images, self.size, kinds="iu")
        shapes.check("mean_map", self.mean_map, None, None)
        shapes.check("examples", self.examples, None, None, None, None, kinds="u", empty=True)
        left, top, right, bottom = self.region
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1) or self.place != place_of(self.region):
            raise ValueError(f"`region` {self.region} isn't one of an image, or no {self.place!r}")

    @property
    def stands_apart(self) -> bool:
        """Whether its maps say more than that maps vary: small, apart from the others, and farther than chance gets."""
        return self.share <= 0.5 and self.contrast >= max(APART, self.null)

    @property
    def evidence(self) -> float:
        """How far maps and the cost of covering set it apart: the geometric mean of both; NaN where it was not covered."""
        if self.covered is None or self.covered.others is None:
            return float("nan")
        return math.sqrt(max(self.contrast, 0) * max(self.covered.difference, 0))

    @property
    def kind(self) -> str:
        """What it is: "suspect", "unchecked" (not covered), "no effect" (covering costs too little more), or "variation"."""
        if not self.stands_apart:
            return VARIATION
        if self.covered is None or self.covered.others is None:
            return UNCHECKED if self.contrast >= FAR_APART else VARIATION
        if self.evidence >= EVIDENCE and self.covered.here.drop > 0:
            return SUSPECT
        return NO_EFFECT if self.contrast >= FAR_APART else VARIATION

    @property
    def is_suspect(self) -> bool:
        """Whether it may be a Clever Hans: images that are decided by something else than the others of their class."""
        return self.kind in (SUSPECT, UNCHECKED)

    @property
    def where(self) -> str:
        """The region, in words."""
        return where(self.region)

    @property
    def verdict(self) -> str:
        """What was found, in plain words."""
        return (
            f"{self.size:,} images of {self.label!r} ({_percent(self.share)}) are decided {self.where}: {_percent(self.mass)} of "
            f"their maps' mass lies there, {_percent(self.mass_others)} of the others'. {self._cost}{_ENDS[self.kind]}"
        )

    @property
    def _cost(self) -> str:
        """What covering does, in words."""
        if self.covered is None:
            return ""
        here, elsewhere, others, _ = self.covered
        beside = [
            *([f"{others.drop:.2f} from that of the others"] if others is not None else []),
            *([f"{elsewhere.drop:.2f} elsewhere"] if elsewhere is not None else []),
        ]
        known = {
            "confidence": (here.confidence, here.confidence_covered),
            "accuracy": (here.accuracy, here.accuracy_covered),
        }
        changes = [f"{name} {_change(*ends)}" for name, ends in known.items() if ends[0] == ends[0]]
        compared = f" ({', '.join(beside)})" if beside else ""
        told = f"; {', '.join(changes)}" if changes else ""
        return f"Covering it takes {here.drop:.2f} from their score{compared}{told}. "


FACTS = tuple(one.name for one in fields(Cluster) if one.name not in ARRAYS)
"""Fields of a cluster that are none."""


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _change(before: float, after: float) -> str:
    one, other = _percent(before), _percent(after)
    return (
        f"stays {one}"
        if one == other
        else f"falls from {one} to {other}"
        if after < before
        else f"rises from {one} to {other}"
    )


_ENDS = {
    SUSPECT: "Suspect: look at what is there.",
    UNCHECKED: "Suspect; it wasn't tried whether the model needs it.",
    NO_EFFECT: "It stands apart, but what covering costs doesn't set it far enough apart.",
    VARIATION: "No more than maps vary.",
}
