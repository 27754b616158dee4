"""Clusters of a run's images that the model decides by another strategy, as `vizcnn.spray` returns them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from vizcnn.errors import Note
from vizcnn.render.keywords import takes_style
from vizcnn.render.style import NOTEBOOK
from vizcnn.results import Picture
from vizcnn.runs.covering import Covered

if TYPE_CHECKING:
    import pandas

    from vizcnn.render.groups import Drawn

APART, FAR_APART = 2.5, 3.5
"""Spreads that set a cluster's region apart from the others of its class: from which on it is covered, and this alone says it."""

EVIDENCE = 3.4
"""Spreads that make a suspect: the geometric mean of those of the maps and of what covering costs; clean digits reach 3.1."""

SUSPECT, UNCHECKED, NO_EFFECT, VARIATION = "suspect", "unchecked", "no effect", "variation"
"""Verdicts: what a cluster is."""

_EDGE, _WIDE = 0.1, 0.4
"""Shares of an image: what is its border along an axis, and from which area on a region is no place."""


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
        How many of the nearest neighbours of its images, by their maps, belong to it too, 0 to 1.
    strangeness : float
        How small, tight, separate and pure it is: contrast times purity times the share of the others.
    place : {"corner", "border", "inside", "wide"}
        What kind of place the region is.
    accuracy : float
        The share of its images that are taken for their true class; NaN where none is known.
    covered : Covered or None
        What it does to cover the region; None where that wasn't tried.
    examples : ndarray of uint8, shape (n, H, W, C)
        The first sixteen of `images`, small; none where they aren't there any more.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.runs.clusters import Cluster
    >>> none = np.empty((0, 1, 1, 1), np.uint8)
    >>> few = np.arange(24)
    >>> cluster = Cluster(
    ...     "horse",
    ...     4,
    ...     24,
    ...     0.05,
    ...     few,
    ...     np.eye(4),
    ...     (0, 0.75, 0.25, 1),
    ...     0.3,
    ...     0.02,
    ...     4.7,
    ...     0.9,
    ...     1.0,
    ...     4.5,
    ...     "corner",
    ...     1.0,
    ...     None,
    ...     none,
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
    region: tuple[float, float, float, float]
    mass: float
    mass_others: float
    contrast: float
    null: float
    purity: float
    strangeness: float
    place: str
    accuracy: float
    covered: Covered | None
    examples: np.ndarray

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
        changes = [f"accuracy {_change(here.accuracy, here.accuracy_covered)}"]
        if here.confidence == here.confidence:
            changes.insert(0, f"confidence {_change(here.confidence, here.confidence_covered)}")
        compared = f" ({', '.join(beside)})" if beside else ""
        return f"Covering it takes {here.drop:.2f} from their score{compared}; {', '.join(changes)}. "


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


def place_of(region: tuple[float, float, float, float]) -> str:
    """Return what kind of place a region is: "corner", "border", "inside" or "wide"."""
    left, top, right, bottom = region
    if (right - left) * (bottom - top) > _WIDE:
        return "wide"
    edges = [low < _EDGE or high > 1 - _EDGE for low, high in ((left, right), (top, bottom))]
    return ("inside", "border", "corner")[sum(edges)]


def where(region: tuple[float, float, float, float]) -> str:
    """Return where a region lies, in words.

    Parameters
    ----------
    region : tuple of float
        Left, top, right and bottom, as shares of the image.

    Returns
    -------
    str

    Examples
    --------
    >>> from vizcnn.runs.clusters import where
    >>> where((0.8, 0, 1, 0.1)), where((0, 0.4, 0.1, 0.6)), where((0.4, 0.2, 0.6, 0.3)), where((0, 0, 1, 0.9))
    ('in the top right corner', 'at the left border', 'inside, at the top', 'all over the image')
    """
    left, top, right, bottom = region
    down = _third((top + bottom) / 2, ("top", "", "bottom"))
    across = _third((left + right) / 2, ("left", "", "right"))
    kind = place_of(region)
    if kind == "wide":
        return "all over the image"
    if kind == "corner":
        return f"in the {'bottom' if top + bottom > 1 else 'top'} {'right' if left + right > 1 else 'left'} corner"
    if kind == "border":
        vertical = top < _EDGE or bottom > 1 - _EDGE
        at = ("bottom" if top + bottom > 1 else "top") if vertical else ("right" if left + right > 1 else "left")
        beside = across if vertical else down
        return f"at the {at} border{f', {_SIDES[beside]}' if beside else ''}"
    return f"inside, at the {' '.join(filter(None, (down, across)))}" if down or across else "in the middle"


_SIDES = {"left": "on the left", "right": "on the right", "top": "above", "bottom": "below"}


def _third(at: float, names: tuple[str, str, str]) -> str:
    return names[min(2, int(3 * at))]


@dataclass(frozen=True, eq=False)
class Spray(Picture):
    """The clusters of the maps of a run, the strangest first.

    Attributes
    ----------
    clusters : tuple of Cluster
        Those of all classes.
    method : str
        The method whose maps they are.
    model : str
        The model's name.
    num_images : int
        How many maps were looked at.
    notes : tuple of Note
        What was left out, and why.

    Examples
    --------
    >>> from vizcnn.runs.clusters import Spray
    >>> print(Spray((), "gradcam", "tiny", 200))
    No cluster of 0, of 200 maps by gradcam, is suspect.
    """

    clusters: tuple[Cluster, ...]
    method: str
    model: str
    num_images: int
    notes: tuple[Note, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.clusters)

    def __iter__(self) -> Iterator[Cluster]:
        return iter(self.clusters)

    def __getitem__(self, index: int) -> Cluster:
        return self.clusters[index]

    def __repr__(self) -> str:
        return f"<Spray of {self.num_images:,} maps by {self.method!r}: {len(self)} clusters, {len(self.suspects)} suspect>"

    def __str__(self) -> str:
        if not self.suspects:
            return f"No cluster of {len(self)}, of {self.num_images:,} maps by {self.method}, is suspect."
        return "\n".join(cluster.verdict for cluster in self.suspects)

    @property
    def suspects(self) -> tuple[Cluster, ...]:
        """The clusters that may be a Clever Hans."""
        return tuple(cluster for cluster in self.clusters if cluster.is_suspect)

    def to_frame(self) -> pandas.DataFrame:
        """Return a table with a row for each cluster, the strangest first.

        Returns
        -------
        pandas.DataFrame
            Its fields, and of `covered` the numbers as ``drop``, ``drop_others``, ``drop_elsewhere``, ``difference``,
            ``confidence``, ``confidence_covered``, ``accuracy`` and ``accuracy_covered``; NaN where nothing was covered.

        Examples
        --------
        >>> from vizcnn.runs.clusters import Spray
        >>> Spray((), "gradcam", "tiny", 200).to_frame().columns.tolist()[:4]
        ['label', 'class', 'size', 'share']
        """
        import pandas

        return pandas.DataFrame([_row(cluster) for cluster in self.clusters], columns=_COLUMNS)

    @takes_style("title")
    def plot(self, ax: Any = None, *, clusters: int | None = None, **style: Any) -> Any:
        """Draw clusters: the mean map with its region over the mean of sixteen images, these, and the verdict.

        Parameters
        ----------
        ax : sequence of Axes, default None
            Two for each cluster; None: a new figure.
        clusters : int, default None
            How many, from the first; None: all suspects, or the first three where there are none.
        **style
            `title` (write the verdicts; default True).

        Returns
        -------
        ndarray of Axes, shape (clusters, 2)

        Raises
        ------
        OptionError
            If there are no clusters to draw.

        Examples
        --------
        >>> import numpy as np
        >>> from vizcnn.runs.clusters import Cluster, Spray
        >>> images = np.zeros((16, 8, 8, 1), np.uint8)
        >>> few = np.arange(24)
        >>> cluster = Cluster(
        ...     "horse",
        ...     4,
        ...     24,
        ...     0.05,
        ...     few,
        ...     np.eye(4),
        ...     (0, 0.75, 0.25, 1),
        ...     0.3,
        ...     0.02,
        ...     4.7,
        ...     0.9,
        ...     1.0,
        ...     4.5,
        ...     "corner",
        ...     1.0,
        ...     None,
        ...     images,
        ... )
        >>> Spray((cluster,), "gradcam", "tiny", 480).plot().shape
        (1, 2)
        """
        from vizcnn.render.groups import plot_groups

        return plot_groups(self._drawn(clusters), ax, **style)

    @takes_style("clusters", "title")
    def draw(self, file: BinaryIO, suffix: str, **style: Any) -> None:
        """See `Picture.draw`.

        Examples
        --------
        >>> import io
        >>> from vizcnn.runs.clusters import Spray
        >>> Spray((), "gradcam", "tiny", 200).draw(io.BytesIO(), ".png")
        Traceback (most recent call last):
        ...
        vizcnn.errors.OptionError: ...
        """
        from vizcnn.render.groups import save_groups

        save_groups(self._drawn(style.pop("clusters", None)), file, suffix, **style)

    def _drawn(self, count: int | None) -> list[Drawn]:
        from vizcnn.errors import OptionError
        from vizcnn.render.groups import Drawn
        from vizcnn.render.panels import Panel

        shown = (self.suspects[:NOTEBOOK] or self.clusters[:3]) if count is None else self.clusters[:count]
        if not shown:
            raise OptionError("A result must hold at least one cluster to be drawn; this one holds none.")
        drawn = []
        for at, cluster in enumerate(shown, start=1):
            mean = cluster.examples.mean(axis=0).round().astype(np.uint8) if len(cluster.examples) else None
            panel = Panel(mean, cluster.mean_map, boxes=() if mean is None else (cluster.region,))
            drawn.append(Drawn(panel, cluster.examples, f"{at}. {cluster.verdict}"))
        return drawn


_COLUMNS = (
    "label",
    "class",
    "size",
    "share",
    "kind",
    "where",
    "strangeness",
    "contrast",
    "null",
    "purity",
    "mass",
    "mass_others",
    "drop",
    "drop_others",
    "drop_elsewhere",
    "difference",
    "evidence",
    "confidence",
    "confidence_covered",
    "accuracy",
    "accuracy_covered",
    "verdict",
)


_OF_EFFECT = ("drop", "confidence", "confidence_covered", "accuracy", "accuracy_covered")


def _row(cluster: Cluster) -> dict[str, Any]:
    row = {
        "class": cluster.class_index,
        **{name: getattr(cluster, name) for name in _COLUMNS if hasattr(cluster, name)},
    }
    if cluster.covered is not None:
        here, elsewhere, others, difference = cluster.covered
        row |= {
            name: getattr(here, name)
            for name in ("drop", "confidence", "confidence_covered", "accuracy", "accuracy_covered")
        }
        row |= {
            "drop_others": np.nan if others is None else others.drop,
            "drop_elsewhere": np.nan if elsewhere is None else elsewhere.drop,
            "difference": difference,
        }
    return row
