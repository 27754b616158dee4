"""The images of a run on a plane: those whose maps are alike lie together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from vizcnn.runs.stored import StoredRun

CELLS = 16
"""Rows and columns that a map is averaged to, at most."""


@dataclass(frozen=True, eq=False)
class Embedding:
    """Maps on a plane, by their two principal components.

    Attributes
    ----------
    indices : ndarray of int64, shape (N,)
        The places of the images in the run.
    points : ndarray of float32, shape (N, 2)
        Where each lies.
    shares : tuple of float
        How much of the maps' variance each of the two components holds, 0 to 1.
    """

    indices: np.ndarray
    points: np.ndarray
    shares: tuple[float, float]


def embedding(run: StoredRun, method: str | None = None, *, count: int = 5000) -> Embedding:
    """Lay the maps of a run on a plane by principal component analysis.

    Each map counts as shares of its largest magnitude, averaged to at most 16 x 16 cells, so that images compare by where their
    maps lie, not by how high they are.

    Parameters
    ----------
    run : Run
        The run.
    method : str, default None
        The method; None: the first.
    count : int, default 5000
        How many images are taken at most, evenly spread.

    Returns
    -------
    Embedding
        A shard's maps are in memory at a time; images without a map are left out.

    Examples
    --------
    >>> import tempfile, vizcnn as vz
    >>> from vizcnn.runs.embedding import embedding
    >>> folder = vz.assets.digits()[0].parent
    >>> run = vz.explain_dataset(vz.assets.digits_cnn(), folder, tempfile.mkdtemp(), methods="gradcam")
    >>> embedding(run).points.shape
    (10, 2)
    """
    step = max(1, -(-len(run) // count))
    indices, rows = [], []
    for shard in run.rows([]):
        places = [place for place in shard.index if place % step == 0]
        if not places:
            continue
        first, last = int(shard.index[0]), int(shard.index[-1])
        maps = run.maps(slice(first, last + 1), method)[[place - first for place in places]]
        flat = coarse(maps).reshape(len(maps), -1)
        whole = np.isfinite(flat).all(axis=1)
        indices += [place for place, good in zip(places, whole, strict=True) if good]
        rows.append(flat[whole])
    found = np.concatenate(rows) if rows else np.zeros((0, 1))
    points, shares = principal(found)
    return Embedding(np.array(indices, np.int64), points.astype(np.float32), shares)


def coarse(maps: np.ndarray) -> np.ndarray:
    """Return maps as shares of their largest magnitudes, each axis averaged to at most `CELLS`.

    Returns
    -------
    ndarray

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.runs.embedding import coarse
    >>> coarse(np.full((2, 32, 3), 5.0)).shape
    (2, 16, 3)
    """
    largest = np.abs(maps).max(axis=tuple(range(1, maps.ndim)), keepdims=True)
    shares = maps / np.where(largest > 0, largest, 1)
    for axis in range(1, maps.ndim):
        size = shares.shape[axis]
        edges = np.linspace(0, size, min(CELLS, size) + 1).astype(int)
        widths = np.diff(edges).reshape([-1 if other == axis else 1 for other in range(maps.ndim)])
        shares = np.add.reduceat(shares, edges[:-1], axis=axis) / widths
    return shares


def principal(rows: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """Return the two principal components of rows, and the shares of their variance.

    Parameters
    ----------
    rows : ndarray, shape (N, D)
        A row for each.

    Returns
    -------
    (ndarray of shape (N, 2), (float, float))
        Signed so that the largest weight of each component is positive.
    """
    points, shares = np.zeros((len(rows), 2)), [0.0, 0.0]
    if len(rows) > 1:
        apart = (rows - rows.mean(axis=0)).astype(np.float64)
        variances, directions = np.linalg.eigh(apart.T @ apart / len(rows))
        for at in range(min(2, apart.shape[1])):
            weights = directions[:, -1 - at]
            weights = weights * np.sign(weights[np.abs(weights).argmax()])
            points[:, at] = apart @ weights
            shares[at] = float(variances[-1 - at] / variances.sum()) if variances.sum() > 0 else 0.0
    return points, (shares[0], shares[1])
