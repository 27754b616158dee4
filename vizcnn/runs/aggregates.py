"""What many maps have in common, taken from a run a shard at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

Key = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class MeanMaps:
    """Means and variances of maps over groups of images.

    Attributes
    ----------
    keys : tuple of tuple of str
        The groups: (true class,), (predicted class,), or (true class, predicted class).
    counts : ndarray of int, shape (K,)
        How many images each has.
    means, variances : ndarray of float64, shape (K, h, w)
        Over them, place by place.

    Examples
    --------
    >>> import tempfile, vizcnn as vz
    >>> folder = vz.assets.digits()[0].parent
    >>> run = vz.explain_dataset(vz.assets.digits_cnn(), folder, tempfile.mkdtemp(), methods="gradcam")
    >>> maps = run.mean_maps(by="prediction")
    >>> maps.keys[3], int(maps.counts[3]), maps["3"].shape
    (('3',), 1, (14, 14))
    """

    keys: tuple[Key, ...]
    counts: np.ndarray
    means: np.ndarray
    variances: np.ndarray

    def __getitem__(self, key: str | Key) -> np.ndarray:
        """Return the mean map of a group."""
        mean: np.ndarray = self.means[self.keys.index((key,) if isinstance(key, str) else tuple(key))]
        return mean

    def __len__(self) -> int:
        return len(self.keys)


def mean_maps(parts: Iterator[tuple[list[Key | None], np.ndarray]]) -> MeanMaps:
    """Take means and variances over groups.

    Parameters
    ----------
    parts : iterator of (list, ndarray)
        The group of each image, None for none, and the maps (n, h, w); maps that hold NaN are left out.

    Returns
    -------
    MeanMaps
        By the names of the groups.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.runs.aggregates import mean_maps
    >>> found = mean_maps(iter([([("a",), ("a",)], np.array([[[1.0]], [[3.0]]])), ([("a",)], np.array([[[5.0]]]))]))
    >>> found.keys, found.counts.tolist(), found.means.ravel().tolist(), found.variances.ravel().tolist()
    ((('a',),), [3], [3.0], [2.6666666666666665])
    """
    known: dict[Key, tuple[int, Any, Any]] = {}
    for keys, maps in parts:
        whole = np.isfinite(maps.reshape(len(maps), -1)).all(axis=1)
        for key in dict.fromkeys(key for key, good in zip(keys, whole, strict=True) if good and key is not None):
            some = maps[[good and other == key for other, good in zip(keys, whole, strict=True)]].astype(np.float64)
            known[key] = _joined(
                known.get(key), (len(some), some.mean(axis=0), ((some - some.mean(axis=0)) ** 2).sum(axis=0))
            )
    groups = sorted(known)
    counts = np.array([known[key][0] for key in groups], dtype=np.int64)
    means = np.array([known[key][1] for key in groups])
    spread = np.array([known[key][2] / known[key][0] for key in groups])
    return MeanMaps(tuple(groups), counts, means, spread)


def _joined(one: tuple[int, Any, Any] | None, other: tuple[int, Any, Any]) -> tuple[int, Any, Any]:
    """Return count, mean and sum of squared distances from it, of two groups (Chan, Golub and LeVeque, 1979)."""
    if one is None:
        return other
    count, apart = one[0] + other[0], other[1] - one[1]
    mean = one[1] + apart * (other[0] / count)
    return count, mean, one[2] + other[2] + apart**2 * (one[0] * other[0] / count)
