"""What a row says of a map: a few numbers of where its mass lies, the same for every method."""

from __future__ import annotations

import numpy as np

_BORDER = 0.1
"""The share of each axis, at each of its ends, that counts as border."""

_AT_ONCE = 2**18
"""Bytes of maps that are gone through at once: what a processor's core keeps at hand."""

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
    size = max(1, _AT_ONCE // max(1, maps[:1].nbytes))
    parts = [_statistics(maps[start : start + size]) for start in range(0, len(maps), size)]
    return {
        name: np.concatenate([np.empty(0), *(part[name] for part in parts)]).astype(np.float32)
        for name in names(maps.ndim - 1)
    }


def _statistics(maps: np.ndarray) -> dict[str, np.ndarray]:
    magnitudes = np.abs(maps)
    mass = _sums(magnitudes)
    total = mass if maps.min() >= 0 else _sums(maps)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        whole = np.where(mass > 0, mass, np.nan)
        inside = magnitudes[(slice(None), *(slice(_border(size), size - _border(size)) for size in maps.shape[1:]))]
        found = {
            "mass": mass,
            "positive": (mass + total) / 2 / whole,
            "border": 1 - _sums(np.ascontiguousarray(inside)) / whole,
        }
        for axis, name in enumerate(names(maps.ndim - 1)[4:]):
            others = tuple(other for other in range(1, maps.ndim) if other != axis + 1)
            centers = (np.arange(maps.shape[axis + 1]) + 0.5) / maps.shape[axis + 1]
            found[name] = magnitudes.sum(axis=others) @ centers / whole
        found["entropy"] = _entropy(magnitudes, whole)
    return found


def _sums(maps: np.ndarray) -> np.ndarray:
    """Return the sum of each map, (N,) in float64; pairwise over the places, as NumPy adds up what lies side by side."""
    sums: np.ndarray = maps.reshape(len(maps), -1).sum(axis=1).astype(np.float64)
    return sums


def _entropy(magnitudes: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return the entropy of magnitudes (N, ...) as distributions, as a share of the highest; NaN where there is none.

    The magnitudes become these distributions.
    """
    shares = magnitudes.reshape(len(magnitudes), -1)
    shares /= whole[:, None].astype(magnitudes.dtype)
    bits = np.maximum(shares, np.finfo(shares.dtype).tiny)
    np.log(bits, out=bits)
    np.multiply(shares, bits, out=bits)
    entropy: np.ndarray = np.maximum(-_sums(bits), 0) / max(np.log(shares.shape[1]), 1e-300)
    return entropy


def _border(size: int) -> int:
    """Return how many places at each end of an axis are border: a tenth, and one at least where others are left."""
    return max(min(1, size // 2), round(_BORDER * size))
