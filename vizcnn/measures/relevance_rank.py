"""Relevance rank accuracy: how many of a map's highest pixels lie where the object is."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.curves import pixel_ranks
from vizcnn.algorithms.ranks import is_flat
from vizcnn.measures.metric import MetricBatch
from vizcnn.measures.register import register_metric
from vizcnn.targets.score import Score


@register_metric("relevance_rank", better="high", needs={"images"})
def relevance_rank(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    maps: np.ndarray,
    regions: np.ndarray,
    *,
    seed: int = 0,
) -> MetricBatch:
    """Return the share of a map's highest pixels, as many as the region has, that lie in it [1]_.

    1 where every pixel of the region is higher than every other one.

    Parameters
    ----------
    model, inputs, score, maps, regions : as in every metric
        See `vizcnn.register_metric`.
    seed : int, default 0
        Seed of the order among pixels of equal values.

    Returns
    -------
    MetricBatch
        `values` (N,): from 0 to 1. Undefined where the map is the same everywhere, or no region is known.
        `extras` "by chance" (N,): the share of the image that the region is, which a map without meaning gets.

    Warnings
    --------
    It tells where a map points, and nothing of whether the model looks there: one that decides by the background has a right map
    outside of the region. A map of few points leaves most of the order to chance, and so does a blurred one to its
    edge. A large region is met by chance.

    References
    ----------
    .. [1] Arras, Osman and Samek, "CLEVR-XAI: A benchmark dataset for the ground truth evaluation of neural network
       explanations", Information Fusion, 2022. arXiv:2003.07258

    Examples
    --------
    >>> import vizcnn as vz
    >>> middle = [[4, 4, 24, 24]]  # left, top, right, bottom
    >>> explained = vz.explain(
    ...     vz.assets.digits_cnn(), vz.assets.digits()[3], methods="gradcam", metrics="relevance_rank", regions=middle
    ... )
    >>> 0 <= float(explained["gradcam"].measures["relevance_rank"][0]) <= 1
    True
    """
    del model, inputs, score
    sizes = regions.sum(axis=(1, 2), keepdims=True)
    highest = pixel_ranks(maps, seed) < sizes
    values = (highest & regions).sum(axis=(1, 2)) / np.maximum(sizes[:, 0, 0], 1)
    undefined = {"it is the same everywhere": is_flat(maps), "no region is known": sizes[:, 0, 0] == 0}
    return MetricBatch(values, {"by chance": regions.mean(axis=(1, 2))}, undefined)
