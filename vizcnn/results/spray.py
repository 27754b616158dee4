"""Clusters of a run's images that the model decides by another strategy, as `vizcnn.spray` finds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Self, get_type_hints

import numpy as np

from vizcnn.errors import Note, OptionError
from vizcnn.render.keywords import takes_style
from vizcnn.render.style import NOTEBOOK
from vizcnn.results.base import Result, tuples
from vizcnn.results.checks import Shapes, check_kind
from vizcnn.results.cluster import ARRAYS, FACTS, Cluster

if TYPE_CHECKING:
    import pandas

    from vizcnn.render.groups import Drawn


@dataclass(frozen=True, eq=False)
class Spray(Result):
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
    embeddings : dict of str to ndarray of float32, shape (n, d)
        Of each class with clusters: where its maps lie by the first eigenvectors of the graph of their neighbors; in the order
        of `places`.
    eigenvalues : dict of str to ndarray of float32, shape (d,)
        The eigenvalues of these.
    notes : tuple of Note
        What was left out, and why.

    Examples
    --------
    >>> import vizcnn as vz
    >>> print(vz.Spray((), "gradcam", "tiny", 200))
    No cluster of 0, of 200 maps by gradcam, is suspect.
    """

    clusters: tuple[Cluster, ...]
    method: str
    model: str
    num_images: int
    embeddings: dict[str, np.ndarray] = field(default_factory=dict)
    eigenvalues: dict[str, np.ndarray] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    kind: ClassVar[str] = "spray"
    collections: ClassVar[tuple[str, ...]] = ("embeddings", "eigenvalues")

    def _about(self) -> dict[str, Any]:
        return super()._about() | {"clusters": [[getattr(one, name) for name in FACTS] for one in self.clusters]}

    def _arrays(self) -> Iterator[tuple[str, np.ndarray]]:
        yield from super()._arrays()
        for at, cluster in enumerate(self.clusters):
            yield from ((key, getattr(cluster, name)) for name, key in _of_cluster(at).items())

    @classmethod
    def from_arrays(cls, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """See `Result.from_arrays`; those of a cluster are called ``"clusters 0 images"``.

        Returns
        -------
        Spray

        Examples
        --------
        >>> import vizcnn as vz
        >>> about = vz.Spray((), "gradcam", "tiny", 200).to_dict()
        >>> vz.Spray.from_arrays(about, {})
        <Spray of 200 maps by 'gradcam': 0 clusters, 0 suspect>
        """
        result = super().from_arrays(about, arrays)
        clusters = (
            Cluster.restored(facts, {name: arrays[key] for name, key in _of_cluster(at).items()})  # type: ignore[arg-type]
            for at, facts in enumerate(result.clusters)
        )
        return replace(result, clusters=tuple(clusters))

    @classmethod
    def _check_stored(cls, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        hints, stored = get_type_hints(Cluster), tuples(about.get("clusters"))
        facts: Any = tuple[tuple(hints[name] for name in FACTS)]  # type: ignore[misc]
        check_kind("clusters", stored, tuple[facts, ...])
        own = {key for at in range(len(stored)) for key in _of_cluster(at).values()}
        if own - arrays.keys():
            raise ValueError(f"`{min(own - arrays.keys())}` is missing")
        super()._check_stored(
            {**about, "clusters": []}, {name: array for name, array in arrays.items() if name not in own}
        )

    def _check(self) -> None:
        for cluster in self.clusters:
            cluster.check()
        if self.embeddings.keys() != self.eigenvalues.keys():
            raise ValueError("`embeddings` and `eigenvalues` are of different classes")
        for label, embedding in self.embeddings.items():
            shapes = Shapes()
            shapes.check("embeddings", embedding, len(self.places(label)), "d")
            shapes.check("eigenvalues", self.eigenvalues[label], "d")

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

    def places(self, label: str) -> np.ndarray:
        """Return which images of the run its clusters of a class hold.

        Parameters
        ----------
        label : str
            The class.

        Returns
        -------
        ndarray of int, shape (n,)
            Their places in the run, in rising order.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.Spray((), "gradcam", "tiny", 200).places("horse").tolist()
        []
        """
        held = [cluster.images for cluster in self.clusters if cluster.label == label]
        return np.sort(np.concatenate(held)) if held else np.empty(0, np.int64)

    def to_frame(self) -> pandas.DataFrame:
        """Return a table with a row for each cluster, the strangest first.

        Returns
        -------
        pandas.DataFrame
            Its fields, and of `covered` the numbers as ``drop``, ``drop_others``, ``drop_elsewhere``, ``difference``,
            ``confidence``, ``confidence_covered``, ``accuracy`` and ``accuracy_covered``; NaN where nothing was covered.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.Spray((), "gradcam", "tiny", 200).to_frame().columns.tolist()[:4]
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
            How many, from the first; None: the suspects, twelve at the most, or the first three where there are none.
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
        >>> import numpy as np, tempfile, vizcnn as vz
        >>> images = np.random.default_rng(0).uniform(0, 255, (40, 8, 8, 1))
        >>> model = vz.adapt(lambda x: np.stack([x.mean((1, 2, 3)), -x.mean((1, 2, 3))], -1), input_shape=(8, 8, 1))
        >>> run = vz.explain_dataset(model, images, tempfile.mkdtemp(), methods="occlusion:patch_size=2,stride=2")
        >>> vz.spray(run).plot(clusters=2).shape
        (2, 2)
        """
        from vizcnn.render.groups import plot_groups

        return plot_groups(self._drawn(clusters), ax, **style)

    @takes_style("clusters", "title")
    def draw(self, file: BinaryIO, suffix: str, **style: Any) -> None:
        """See `Picture.draw`.

        Examples
        --------
        >>> import io, vizcnn as vz
        >>> vz.Spray((), "gradcam", "tiny", 200).draw(io.BytesIO(), ".png")
        Traceback (most recent call last):
        ...
        vizcnn.errors.OptionError: ...
        """
        from vizcnn.render.groups import save_groups

        save_groups(self._drawn(style.pop("clusters", None)), file, suffix, **style)

    def _drawn(self, count: int | None) -> list[Drawn]:
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


_OF_EFFECT = ("drop", "confidence", "confidence_covered", "accuracy", "accuracy_covered")
_COLUMNS = (
    *(
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
    ),
    *("drop", "drop_others", "drop_elsewhere", "difference", "evidence", *_OF_EFFECT[1:], "verdict"),
)


def _row(cluster: Cluster) -> dict[str, Any]:
    row = {name: getattr(cluster, name) for name in _COLUMNS if hasattr(cluster, name)}
    row["class"] = cluster.class_index
    if cluster.covered is not None:
        here, elsewhere, others, difference = cluster.covered
        row |= {name: getattr(here, name) for name in _OF_EFFECT}
        row["drop_others"] = np.nan if others is None else others.drop
        row["drop_elsewhere"] = np.nan if elsewhere is None else elsewhere.drop
        row["difference"] = difference
    return row


def _of_cluster(at: int) -> dict[str, str]:
    """Return what the arrays of a cluster are called in the file, by their names."""
    return {name: f"clusters {at} {name}" for name in ARRAYS}
