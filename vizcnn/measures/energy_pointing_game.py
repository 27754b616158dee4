"""Energy-based pointing game: how much of what a map says for the target lies where the object is."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.measures.metric import MetricBatch
from vizcnn.measures.register import register_metric
from vizcnn.targets.score import Score


@register_metric("energy_pointing_game", better="high", needs={"images"})
def energy_pointing_game(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    maps: np.ndarray,
    regions: np.ndarray,
) -> MetricBatch:
    """Return the share of a map's positive values that lies in the region [1]_.

    1 where all of it does. What speaks against the target doesn't count; `relevance_mass` counts it too.

    Parameters
    ----------
    model, inputs, score, maps, regions : as in every metric
        See `vizcnn.register_metric`.

    Returns
    -------
    MetricBatch
        `values` (N,): from 0 to 1. Undefined where no value of the map is positive, or no region is known.
        `extras` "by chance" (N,): the share of the image that the region is, which a map without meaning gets.

    Warnings
    --------
    It tells where a map points, and nothing of whether the model looks there: one that decides by the background has a right map
    outside of the region. It rises with the size of the region, and with how few pixels hold the map.

    References
    ----------
    .. [1] Wang et al., "Score-CAM", CVPR Workshops 2020. arXiv:1910.01279

    Examples
    --------
    >>> import vizcnn as vz
    >>> middle = [[4, 4, 24, 24]]  # left, top, right, bottom
    >>> explained = vz.explain(
    ...     vz.assets.digits_cnn(),
    ...     vz.assets.digits()[3],
    ...     methods="gradcam",
    ...     metrics="energy_pointing_game",
    ...     regions=middle,
    ... )
    >>> 0 <= float(explained["gradcam"].measures["energy_pointing_game"][0]) <= 1
    True
    """
    del model, inputs, score
    positive = np.maximum(maps, 0).astype(np.float64)
    total = positive.sum(axis=(1, 2))
    values = (positive * regions).sum(axis=(1, 2)) / np.where(total > 0, total, 1)
    undefined = {"none of it is positive": total == 0, "no region is known": ~regions.any(axis=(1, 2))}
    return MetricBatch(values, {"by chance": regions.mean(axis=(1, 2))}, undefined)
