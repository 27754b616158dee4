"""What a row says of a map: a few numbers of where its mass lies, the same for every method."""

from __future__ import annotations

import numpy as np

_BORDER = 0.1
"""The share of each axis, at each of its ends, that counts as border."""

AXES = {1: ("time",), 2: ("row", "column"), 3: ("depth", "row", "column")}
"""What the axes of a map are called, by their number."""


def names(ndim: int) -> tuple[str, ...]:
    """Return what the numbers of a map are called, in the order in which `statistics` gives them."""
    centers = (f"centroid_{axis}" for axis in AXES.get(ndim, map(str, range(ndim))))
    return ("mass", "positive", "entropy", "border", *centers)


def statistics(maps: np.ndarray) -> dict[str, np.ndarray]:
    """Return where the mass of maps lies.

    Parameters
    ----------
    maps : ndarray, shape (N, H, W)
        The maps; of signals (N, T), of volumes (N, D, H, W).

    Returns
    -------
    dict of str to ndarray of float32, shape (N,)
        "mass": the sum of magnitudes. Shares of it, 0 to 1: "positive", what has a positive value; "border", what lies in the
        outer tenth at the ends of any axis. "entropy": that of the magnitudes as a distribution over the places, 1 where all
        are equal and 0 where it is one place. "centroid_row", "centroid_column": the center of mass, 0 at the first edge and 1
        at the last.
        Of maps without mass, or that aren't finite, all but the mass are NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.runs.statistics import statistics
    >>> found = statistics(np.array([[[0.0, 0.0], [1.0, -3.0]]]))
    >>> {name: round(float(values[0]), 3) for name, values in found.items()}
    {'mass': 4.0, 'positive': 0.25, 'entropy': 0.406, 'border': 1.0, 'centroid_row': 0.75, 'centroid_column': 0.625}
    """
    values = maps.reshape(len(maps), -1).astype(np.float64)
    magnitudes = np.abs(values)
    mass = magnitudes.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = magnitudes / np.where(mass > 0, mass, np.nan)[:, None]
        bits = np.where(share > 0, share * np.log(np.where(share > 0, share, 1)), share)
        found = {
            "mass": mass,
            "positive": np.where(values > 0, share, 0 * share).sum(axis=1),
            "entropy": np.maximum(-bits.sum(axis=1), 0) / max(np.log(values.shape[1]), np.finfo(float).tiny),
            "border": share @ _is_border(maps.shape[1:]).ravel(),
        }
        placed = share.reshape(maps.shape)
        for axis, name in enumerate(names(maps.ndim - 1)[4:]):
            others = tuple(other for other in range(1, maps.ndim) if other != axis + 1)
            centers = (np.arange(maps.shape[axis + 1]) + 0.5) / maps.shape[axis + 1]
            found[name] = placed.sum(axis=others) @ centers
    return {name: of_maps.astype(np.float32) for name, of_maps in found.items()}


def _is_border(shape: tuple[int, ...]) -> np.ndarray:
    """Return 1 at the places within a tenth of an edge, by their centers, and at least at the outermost ones."""
    inside = np.ones(shape)
    for axis, length in enumerate(shape):
        width = max(1, round(_BORDER * length))
        ends = np.zeros(length)
        ends[width : length - width] = 1
        inside *= ends.reshape([-1 if other == axis else 1 for other in range(len(shape))])
    return 1 - inside
