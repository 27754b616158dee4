"""Groups of maps that stand apart from the others of their class: other strategies of a model, as SpRAy finds them [1]_.

Maps are taken as shares of their mass. Each is joined with its nearest neighbors; the first eigenvectors of that graph say which
maps belong together, and the widest gap between its eigenvalues how many such groups there are. What the paper leaves to the
eye is measured: where a group has mass that the others lack, and how many spreads that sets it apart. A class without any groups
is what it is compared with: maps mixed of all its maps, which vary as these do, one place with another.

.. [1] Lapuschkin et al., "Unmasking Clever Hans predictors and assessing what machines really learn", Nature Communications 10,
   1096, 2019. arXiv:1902.10178
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from vizcnn.resample import resize

LONGEST = 16
"""Places, down and across, that a map is reduced to."""

FEWEST = 20
"""Maps that groups can be looked for in."""

_NEIGHBORS, _MOST_GROUPS, _STARTS, _NULLS = 10, 12, 5, 5

_FLOOR = 0.02
"""Share of a map's mass below which a difference is none."""

_NORMAL = 1.4826
"""Standard deviations of a normal distribution in its median absolute deviation."""

Box = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Group:
    """Maps of a class that belong together.

    Attributes
    ----------
    members : ndarray of bool, shape (N,)
        Which maps.
    region : ndarray of bool, shape (h, w)
        The place where they have most that the others lack: it hangs together.
    mass : ndarray of float32, shape (N,)
        The share of each map, of members and of others, that lies there.
    contrast : float
        How far the members' median mass lies above that of the others, in spreads of both.
    purity : float
        How many of the members' nearest neighbors are members too, 0 to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.strategies import find_groups, to_shares
    >>> maps = np.random.default_rng(0).uniform(size=(60, 4, 4))
    >>> maps[:12, 3, 0] += 8
    >>> group = find_groups(to_shares(maps))[0]
    >>> np.flatnonzero(group.members).tolist(), np.argwhere(group.region).tolist(), group.contrast > 3, group.purity
    ([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], [[3, 0]], True, 1.0)
    """

    members: np.ndarray
    region: np.ndarray
    mass: np.ndarray
    contrast: float
    purity: float

    @property
    def share(self) -> float:
        """How many of the maps are members, 0 to 1."""
        return float(self.members.mean())

    @property
    def strangeness(self) -> float:
        """How small, tight, separate and pure the group is: its contrast, times its purity, times the share of the others."""
        return self.contrast * self.purity * (1 - self.share)

    @property
    def box(self) -> Box:
        """The rows and columns of the region: the first ones, and those behind the last: top, left, bottom, right."""
        rows, columns = (np.flatnonzero(self.region.any(axis=axis)) for axis in (1, 0))
        return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


class Spectrum(NamedTuple):
    """The graph of maps and their nearest neighbors, and the first eigenvectors of its Laplacian.

    Attributes
    ----------
    graph : ndarray, shape (N, N)
        1 where two maps are each other's nearest, 1/2 where one of them is the other's, else 0.
    values : ndarray, shape (d,)
        The lowest eigenvalues of its normalized Laplacian: thirteen, or one for each map.
    vectors : ndarray, shape (N, d)
        Their eigenvectors: where each map lies.
    """

    graph: np.ndarray
    values: np.ndarray
    vectors: np.ndarray


def to_shares(maps: np.ndarray) -> np.ndarray:
    """Return maps as shares of what speaks for the class, reduced in size.

    Parameters
    ----------
    maps : ndarray, shape (N, H, W)
        The maps; what is negative speaks against the class, and is left out.

    Returns
    -------
    ndarray of float32, shape (N, h, w)
        Of no more than 16 rows and columns, each map adding up to 1; NaN where nothing speaks for the class, or a value is NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.strategies import to_shares
    >>> to_shares(np.array([[[3.0, -2.0], [0.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]])).tolist()
    [[[0.75, 0.0], [0.0, 0.25]], [[nan, nan], [nan, nan]]]
    """
    height, width = (min(length, LONGEST) for length in maps.shape[1:])
    values = np.maximum(maps, np.float32(0))
    if (height, width) != values.shape[1:]:
        values = np.array([resize(one, (height, width)) for one in values], np.float32).reshape(-1, height, width)
    mass = values.sum(axis=(1, 2), keepdims=True, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        shares: np.ndarray = (values / np.where(mass > 0, mass, np.nan)).astype(np.float32)
    return shares


def spectrum(shares: np.ndarray) -> Spectrum:
    """Join maps with their neighbors, and return the spectrum of that graph.

    Parameters
    ----------
    shares : ndarray, shape (N, h, w)
        Maps as `to_shares` returns them.

    Returns
    -------
    Spectrum
    """
    from scipy.linalg import eigh
    from threadpoolctl import threadpool_limits

    points = np.sqrt(shares.reshape(len(shares), -1))  # whose distances are Hellinger's, of distributions
    with threadpool_limits(1):  # of so little several threads take longer
        graph = _neighbor_graph(points)
        root = 1 / np.sqrt(graph.sum(axis=1))
        laplacian = np.eye(len(graph)) - root[:, None] * graph * root
        return Spectrum(graph, *eigh(laplacian, subset_by_index=(0, min(_MOST_GROUPS, len(graph) - 1))))


def find_groups(shares: np.ndarray, *, seed: int = 0, found: Spectrum | None = None) -> list[Group]:
    """Find the groups among the maps of a class.

    Parameters
    ----------
    shares : ndarray, shape (N, h, w)
        Maps as `to_shares` returns them, N at least 20.
    seed : int, default 0
        Seed of what the clustering starts from.
    found : Spectrum, default None
        Their spectrum, where it is known.

    Returns
    -------
    list of Group
        At least two and no more than twelve, the strangest first. Of maps that are all the same: none.
    """
    from threadpoolctl import threadpool_limits

    found = spectrum(shares) if found is None else found
    with threadpool_limits(1):
        labels = _labels(found, seed)
    groups = [_group(shares, found.graph, labels == label) for label in np.unique(labels) if (labels != label).any()]
    return sorted(groups, key=lambda group: -group.strangeness)


def null_contrast(shares: np.ndarray, *, seed: int = 0) -> float:
    """Return the highest contrast that chance gives a group of at most half of the maps, where there are no groups.

    Parameters
    ----------
    shares : ndarray, shape (N, h, w)
        As `find_groups` takes them.
    seed : int, default 0
        Seed of the mixtures.

    Returns
    -------
    float
        Over five times as many maps, mixed of these: the mean map, and of each map's difference from it (in roots of shares) a
        random multiple. That gives them the means and covariances of the maps, but those of one heap, with no groups in it.
    """
    roots = np.sqrt(shares.reshape(len(shares), -1)).astype(np.float64)
    mean = roots.mean(axis=0)
    highest = 0.0
    for number in range(_NULLS):
        weights = np.random.default_rng([seed, number]).standard_normal((len(roots), len(roots))) / np.sqrt(len(roots))
        mixed = np.square(np.maximum(mean + weights @ (roots - mean), 0))
        mixed /= np.maximum(mixed.sum(axis=1, keepdims=True), np.finfo(float).tiny)
        groups = find_groups(mixed.reshape(shares.shape).astype(np.float32), seed=seed)
        highest = max([highest, *(group.contrast for group in groups if group.share <= 0.5)])
    return highest


def contrast(one: np.ndarray, other: np.ndarray) -> Any:
    """Return how far the median of some numbers lies above that of others, in spreads of both.

    Parameters
    ----------
    one, other : ndarray, shape (n, ...), (m, ...)
        The numbers.

    Returns
    -------
    float or ndarray, shape (...)
        Spreads are median absolute deviations, as standard deviations; that of both is their sum, and at least 0.02.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.strategies import contrast
    >>> round(float(contrast(np.array([5.0, 6.0, 7.0]), np.array([1.0, 1.0, 1.0, 9.0]))), 2)
    3.33
    """
    return (np.median(one, axis=0) - np.median(other, axis=0)) / (_spread(one) + _spread(other) + _FLOOR)


def _spread(values: np.ndarray) -> Any:
    return _NORMAL * np.median(np.abs(values - np.median(values, axis=0)), axis=0)


def _neighbor_graph(points: np.ndarray) -> np.ndarray:
    """Return which points are neighbors, (N, N): 1 where each is one of the other's nearest, 1/2 where one of them is."""
    from sklearn.neighbors import kneighbors_graph

    one_way = kneighbors_graph(points, min(_NEIGHBORS, len(points) - 1)).toarray()
    graph: np.ndarray = (one_way + one_way.T) / 2
    return graph


def _labels(found: Spectrum, seed: int) -> np.ndarray:
    """Return the cluster of each point: by the first eigenvectors of the graph's Laplacian, as many as the eigengap says."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    _, values, vectors = found
    count = int(np.argmax(np.diff(values)[1:])) + 2
    rows = vectors[:, :count] / np.maximum(np.linalg.norm(vectors[:, :count], axis=1, keepdims=True), 1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of points that are the same
        labels: np.ndarray = KMeans(count, n_init=_STARTS, random_state=seed).fit_predict(rows)
    return labels


def _group(shares: np.ndarray, graph: np.ndarray, members: np.ndarray) -> Group:
    region = _region(contrast(shares[members], shares[~members]))
    mass = shares[:, region].sum(axis=1)
    inside = graph[members]
    return Group(
        members,
        region,
        mass,
        float(contrast(mass[members], mass[~members])),
        float(inside[:, members].sum() / inside.sum()),
    )


def _region(contrasts: np.ndarray) -> np.ndarray:
    """Return the places around the highest contrast that have half of it or more."""
    from scipy import ndimage

    peak = np.unravel_index(contrasts.argmax(), contrasts.shape)
    high = contrasts >= max(contrasts[peak] / 2, 0)
    high[peak] = True
    pieces, _ = ndimage.label(high, np.ones((3, 3)))
    region: np.ndarray = pieces == pieces[peak]
    return region
