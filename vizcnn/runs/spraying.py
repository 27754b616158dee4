"""`spray`: the maps of a run, clustered class by class, for what a model does beside its main strategy."""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from vizcnn.algorithms.strategies import FEWEST, LONGEST, Group, find_groups, null_contrast, spectrum, to_shares
from vizcnn.errors import Note, OptionError, ResultError, VizcnnError, check_choice, listed
from vizcnn.results import Cluster, Spray
from vizcnn.results.place import place_of
from vizcnn.runs.covering import Coverer
from vizcnn.runs.run import Run, open_run
from vizcnn.text import natural_key

EXAMPLES = 16
"""Images of a cluster that are kept to be shown."""

_CHUNK, _HELD = 256, 2**28
"""Maps that are read at a time, and bytes of reduced maps that are held at a time: of as many classes as fit."""

_TRIED = 32
"""Images of a cluster, and others of its class, that are covered."""

_COLUMNS = ("path", "sha256", "label", "label_class", "target", "target_class", "predicted_class")


def spray(
    run: Run | str | os.PathLike[str],
    method: str | None = None,
    *,
    model: Any = None,
    classes: Sequence[str] | None = None,
    sample: int = 2000,
    cover: int = 12,
    seed: int = 0,
) -> Spray:
    """Look for images that are decided by something else than the others of their class: Clever Hans [1]_.

    The maps of each class that was explained are reduced to 16 x 16 places and to shares of what speaks for it, and clustered by
    the spectrum of the graph of their neighbors; the widest gap between eigenvalues says into how many clusters. They are ranked
    by how small, tight, separate and pure they are. Those whose maps have mass where the others' have little, by more spreads
    than chance gives maps that vary as these do, have that place covered. One is suspect that both set far apart: its maps, and
    what covering costs it beside what it costs the others.

    Parameters
    ----------
    run : Run or path
        The run, or its folder.
    method : str, default None
        The method whose maps are taken; None: the run's first.
    model : path, keras.Model or ModelAdapter, default None
        The model, for what covering does; None: the file that the run had. Without it nothing is covered, and a note says so.
    classes : sequence of str, default None
        Targets of the run that are looked at, as its rows name them; None: all.
    sample : int, default 2000
        Maps of each class that are looked at, at the most; which ones is drawn by `seed`. At least 20.
    cover : int, default 12
        Of how many clusters, from the strangest, sixteen images are kept, and their place is covered where they stand apart.
    seed : int, default 0
        Seed of all that is drawn.

    Returns
    -------
    Spray
        The clusters of all classes, the strangest first.

    Raises
    ------
    OptionError
        If there is no such method or class, or a number is too small.
    ResultError
        If scikit-learn isn't installed, the run has no maps of images, no class has twenty of them, or all are the same.

    Warnings
    --------
    What isn't in the maps isn't found: take a method that is as fine as what you look for, and say yourself whether what is
    found belongs to the class. Something that most images of a class have is its main strategy here.

    Notes
    -----
    Memory holds at most 256 MB of reduced maps, and the distances within one class. What was found of planted watermarks, and
    suspected without any, stands in the how-to on datasets.

    References
    ----------
    .. [1] Lapuschkin et al., "Unmasking Clever Hans predictors and assessing what machines really learn", Nature Communications
       10, 1096, 2019. arXiv:1902.10178

    Examples
    --------
    >>> import tempfile, vizcnn as vz
    >>> folder = vz.assets.digits()[0].parent
    >>> run = vz.explain_dataset(vz.assets.digits_cnn(), folder, tempfile.mkdtemp(), methods="gradcam")
    >>> vz.spray(run)
    Traceback (most recent call last):
    ...
    vizcnn.errors.ResultError: The run must have 20 maps of a class, or more; its largest, '0', has 1.
    """
    check_spray()
    if sample < FEWEST:
        raise OptionError(f"`sample` must be at least {FEWEST} maps of a class; got {sample}.")
    if cover < 0:
        raise OptionError(f"`cover` must be a number of clusters, 0 or more; got {cover}.")
    run = run if isinstance(run, Run) else open_run(run)
    if not run.methods:
        raise ResultError("The run holds predictions alone: it must have maps by a method.")
    method = run.methods[0] if method is None else method
    check_choice("method", method, run.methods)
    height_width = run.maps(slice(0, 1), method).shape[1:]
    if len(height_width) != 2:
        raise ResultError(f"`run` must have maps of images, (rows, columns); those by {method!r} are {height_width}.")
    chosen = _chosen(run, method, classes, sample, seed)
    found: list[_Found] = []
    blank, few, total = 0, [], 0
    for part in _parts(chosen, height_width):
        for of_class in part:
            of_class.begin(height_width)
        _read_maps(run, method, part)
        for of_class in part:
            blank += of_class.leave_out_blank()
            if len(of_class.places) < FEWEST:
                few.append(of_class.target)
            else:
                total += len(of_class.places)
                found += of_class.clusters(seed)
            of_class.shares = None
    if total and not found:
        raise ResultError("The run must have maps that differ within a class; those of each one are all the same.")
    if not found:
        most = max(chosen, key=lambda of_class: of_class.count)
        raise ResultError(
            f"The run must have {FEWEST} maps of a class, or more; its largest, {most.target!r}, has {len(most.places)}."
        )
    found.sort(key=lambda one: -one.cluster.strangeness)
    notes = _notes(chosen, few, blank, sample)
    clusters, uncovered = _covered(run, found, model, cover, seed)
    embedded = [of_class for of_class in chosen if of_class.embedding is not None]
    return Spray(
        clusters,
        method,
        run.about["model"]["name"],
        total,
        embeddings={of_class.target: of_class.embedding for of_class in embedded},
        eigenvalues={of_class.target: of_class.eigenvalues for of_class in embedded},
        notes=(*notes, *uncovered),
    )


def check_spray() -> None:
    """Make sure that what clusters maps is installed.

    Raises
    ------
    ResultError
        If not.
    """
    from vizcnn.runs.dataset import check_extra

    check_extra()
    if importlib.util.find_spec("sklearn") is None:
        raise ResultError("`spray` needs scikit-learn, which isn't installed: pip install 'vizcnn[spray]'.")


@dataclass(eq=False)
class _Class:
    """The maps that were explained for one target."""

    target: str
    index: int | None
    count: int = 0
    places: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    keys: np.ndarray = field(default_factory=lambda: np.empty(0))
    right: np.ndarray = field(default_factory=lambda: np.empty(0, np.float32))
    shares: Any = None
    embedding: Any = None
    eigenvalues: Any = None

    def add(self, places: np.ndarray, keys: np.ndarray, right: np.ndarray, most: int) -> None:
        """Take more places, and keep those with the lowest keys."""
        self.count += len(places)
        joined = [np.concatenate(pair) for pair in ((self.keys, keys), (self.places, places), (self.right, right))]
        kept = np.argsort(joined[0], kind="stable")[:most]
        self.keys, self.places, self.right = (values[kept] for values in joined)

    def begin(self, size: Sequence[int]) -> None:
        """Put the places in order, and make room for their maps."""
        order = np.argsort(self.places)
        self.places, self.right = self.places[order], self.right[order]
        self.shares = np.full((len(order), *(min(length, LONGEST) for length in size)), np.nan, np.float32)

    def leave_out_blank(self) -> int:
        """Leave out the maps in which nothing speaks for the class; return how many there were."""
        good = np.isfinite(self.shares).all(axis=(1, 2))
        self.places, self.right, self.shares = self.places[good], self.right[good], self.shares[good]
        return int(len(good) - good.sum())

    def clusters(self, seed: int) -> list[_Found]:
        """Return the clusters of the maps, and keep where these lie."""
        found = spectrum(self.shares)
        groups = find_groups(self.shares, seed=seed, found=found)
        if not groups:
            return []
        self.embedding, self.eigenvalues = found.vectors.astype(np.float32), found.values.astype(np.float32)
        null = null_contrast(self.shares, seed=seed)
        return [self._found(group, null, seed) for group in groups]

    def _found(self, group: Group, null: float, seed: int) -> _Found:
        members, mass = group.members, group.mass
        mean = self.shares[members].mean(axis=0)
        apart = np.square(np.sqrt(self.shares[members]) - np.sqrt(mean)).sum(axis=(1, 2))
        right = self.right[members]
        top, left, bottom, end = group.box
        height, width = mean.shape
        region = (left / width, top / height, end / width, bottom / height)
        without = ~members & (mass <= (np.median(mass[members]) + np.median(mass[~members])) / 2)
        generator = np.random.default_rng(seed)
        return _Found(
            Cluster(
                label=self.target,
                class_index=self.index,
                size=int(members.sum()),
                share=group.share,
                images=self.places[members][np.argsort(apart, kind="stable")],
                mean_map=mean,
                region=region,
                mass=float(mass[members].mean()),
                mass_others=float(mass[~members].mean()),
                contrast=group.contrast,
                null=null,
                purity=group.purity,
                strangeness=group.strangeness,
                place=place_of(region),
                accuracy=float(np.nanmean(right)) if np.isfinite(right).any() else float("nan"),
            ),
            generator.permutation(self.places[members])[:_TRIED],
            generator.permutation(self.places[without])[:_TRIED],
        )


@dataclass(frozen=True, eq=False)
class _Found:
    """A cluster, and the places of images of it, and of others of its class, that are covered."""

    cluster: Cluster
    tried: np.ndarray
    others: np.ndarray


def _chosen(run: Run, method: str, classes: Sequence[str] | None, sample: int, seed: int) -> list[_Class]:
    """Return the places of the maps of each target, a sample where there are many; no more is held of the run."""
    found: dict[str, _Class] = {}
    for rows in run.rows(["target", "target_class", "label_class", "predicted_class", f"{method}.scale"]):
        rows = rows.dropna(subset=["target", f"{method}.scale"])
        if not len(rows):
            continue
        keys = np.random.default_rng([seed, int(rows.index[0])]).random(len(rows))
        known = rows[["label_class", "predicted_class"]].notna().all(axis=1).to_numpy()
        right = (rows["label_class"] == rows["predicted_class"]).fillna(False).to_numpy(np.float32)
        right[~known] = np.nan
        for target, at in rows.groupby("target", sort=False).indices.items():
            if target not in found:
                index = rows["target_class"].iloc[at[0]]
                found[target] = _Class(str(target), None if index != index or index is None else int(index))
            found[target].add(rows.index.to_numpy()[at], keys[at], right[at], sample)
    if not found:
        raise ResultError(f"The run has no maps by {method!r} yet. Start it again to go on with it.")
    for name in classes or ():
        check_choice("classes", name, sorted(found))
    return [found[name] for name in sorted(found, key=natural_key) if classes is None or name in classes]


def _parts(chosen: Sequence[_Class], size: Sequence[int]) -> Iterator[list[_Class]]:
    """Cut the classes into parts whose reduced maps are held together."""
    room = max(1, _HELD // (4 * math.prod(min(length, LONGEST) for length in size)))
    part: list[_Class] = []
    for of_class in chosen:
        if part and sum(len(one.places) for one in part) + len(of_class.places) > room:
            yield part
            part = []
        part.append(of_class)
    yield part


def _read_maps(run: Run, method: str, part: Sequence[_Class]) -> None:
    """Read the maps of some classes, a chunk at a time, and keep them reduced."""
    for start in range(0, len(run), _CHUNK):
        stop = min(start + _CHUNK, len(run))
        ends = [np.searchsorted(of_class.places, (start, stop)) for of_class in part]
        if any(first < last for first, last in ends):
            maps = run.maps(slice(start, stop), method)
            for of_class, (first, last) in zip(part, ends, strict=True):
                of_class.shares[first:last] = to_shares(maps[of_class.places[first:last] - start])


def _covered(
    run: Run, found: Sequence[_Found], model: Any, count: int, seed: int
) -> tuple[tuple[Cluster, ...], tuple[Note, ...]]:
    """Cover the places of the strangest clusters, of small ones, and keep what they look like."""
    clusters = [one.cluster for one in found]
    first = [at for at, cluster in enumerate(clusters) if cluster.share <= 0.5][:count]
    if not first:
        return tuple(clusters), ()
    shown = {at: clusters[at].images[:EXAMPLES] for at in first}
    wanted = {int(place) for at in first for place in (*shown[at], *found[at].tried, *found[at].others)}
    rows = _rows(run, wanted)
    try:
        coverer = Coverer.of(run.about, run._model if model is None else model, {row["path"] for row in rows.values()})
        for at in first:
            left, top, right, bottom = clusters[at].region
            tried, others = ([rows[int(place)] for place in places] for places in (found[at].tried, found[at].others))
            clusters[at] = replace(
                clusters[at],
                covered=coverer.check(tried, others, (top, left, bottom, right), seed)
                if clusters[at].stands_apart
                else None,
                examples=coverer.thumbnails([rows[int(place)] for place in shown[at]]),
            )
    except VizcnnError as error:
        return tuple(one.cluster for one in found), (Note(f"Nothing was covered: {error}", "not covered"),)
    if any(clusters[at].stands_apart and clusters[at].covered is None for at in first):
        text = "Images of some clusters aren't there any more, or aren't what they were: nothing was covered on them."
        return tuple(clusters), (Note(text, "not covered"),)
    return tuple(clusters), ()


def _rows(run: Run, places: set[int]) -> dict[int, dict[str, Any]]:
    """Return rows of a run, by their places."""
    found: dict[int, dict[str, Any]] = {}
    for rows in run.rows(_COLUMNS):
        some = rows[rows.index.isin(places)]
        for place, row in zip(
            some.index, some.astype(object).where(some.notna(), None).to_dict("records"), strict=True
        ):
            found[int(place)] = row
    return found


def _notes(chosen: Sequence[_Class], few: Sequence[str], blank: int, sample: int) -> Iterator[Note]:
    sampled = [of_class.target for of_class in chosen if of_class.count > sample]
    if sampled:
        yield Note(f"Of {listed(sampled, 6)} {sample:,} maps each were drawn; `sample` takes more.", "sampled")
    if few:
        yield Note(f"{listed(few, 6)} were left out: they have fewer than {FEWEST} maps.", "left out")
    if blank:
        yield Note(f"{blank:,} maps were left out: nothing in them speaks for the class.", "zero")
