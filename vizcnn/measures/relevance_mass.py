"""Relevance mass accuracy: how much of a map, for the target or against it, lies where the object is."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.measures.metric import MetricBatch
from vizcnn.measures.register import register_metric
from vizcnn.targets.score import Score


@register_metric("relevance_mass", better="high", needs={"images"})
def relevance_mass(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    maps: np.ndarray,
    regions: np.ndarray,
) -> MetricBatch:
    """Return the share of a map's magnitude that lies in the region [1]_.

    1 where all of it does. `energy_pointing_game` counts what speaks for the target alone.

    Parameters
    ----------
    model, inputs, score, maps, regions : as in every metric
        See `vizcnn.register_metric`.

    Returns
    -------
    MetricBatch
        `values` (N,): from 0 to 1. Undefined where the map is zero everywhere, or no region is known.
        `extras` "by chance" (N,): the share of the image that the region is, which a map without meaning gets.

    Warnings
    --------
    It tells where a map points, and nothing of whether the model looks there: one that decides by the background has a right map
    outside of the region. It rises with the size of the region, and with how few pixels hold the map.

    References
    ----------
    .. [1] Arras, Osman and Samek, "CLEVR-XAI: A benchmark dataset for the ground truth evaluation of neural network
       explanations", Information Fusion, 2022. arXiv:2003.07258

    Examples
    --------
    >>> import vizcnn as vz
    >>> middle = [[4, 4, 24, 24]]  # left, top, right, bottom
    >>> explained = vz.explain(
    ...     vz.assets.digits_cnn(), vz.assets.digits()[3], methods="saliency", metrics="relevance_mass", regions=middle
    ... )
    >>> 0 <= float(explained["saliency"].measures["relevance_mass"][0]) <= 1
    True
    """
    del model, inputs, score
    sizes = np.abs(maps).astype(np.float64)
    total = sizes.sum(axis=(1, 2))
    values = (sizes * regions).sum(axis=(1, 2)) / np.where(total > 0, total, 1)
    undefined = {"it is zero everywhere": total == 0, "no region is known": ~regions.any(axis=(1, 2))}
    return MetricBatch(values, {"by chance": regions.mean(axis=(1, 2))}, undefined)
