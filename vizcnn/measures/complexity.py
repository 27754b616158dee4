"""Complexity: over how many pixels a map's magnitude is spread, by its entropy."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.measures.metric import MetricBatch
from vizcnn.measures.register import register_metric
from vizcnn.targets.score import Score


@register_metric("complexity", better="low")
def complexity(model: ModelAdapter, inputs: np.ndarray, score: Score, maps: np.ndarray) -> MetricBatch:
    """Return the entropy of each pixel's share of the map's magnitude [1]_.

    0 where one pixel has all of it; the logarithm of their number where all pixels have the same.

    Parameters
    ----------
    model, inputs, score, maps : as in every metric
        See `vizcnn.register_metric`.

    Returns
    -------
    MetricBatch
        `values` (N,): in nats; the logarithm of the number of pixels of a map that is zero everywhere.

    Warnings
    --------
    It is a matter of taste, and no truth: a map of one random pixel is the simplest of all. It asks the model nothing, and grows
    with the number of pixels.

    References
    ----------
    .. [1] Bhatt, Weller and Moura, "Evaluating and Aggregating Feature-based Model Explanations", IJCAI 2020. arXiv:2005.00631

    Examples
    --------
    >>> import vizcnn as vz
    >>> explained = vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[3], methods="saliency", metrics="complexity")
    >>> bool(0 < explained["saliency"].measures["complexity"][0] < 6.7)  # log(28 * 28)
    True
    """
    del model, inputs, score
    values = np.abs(maps.reshape(len(maps), -1)).astype(np.float64)
    total = values.sum(axis=1, keepdims=True)
    shares = np.where(total > 0, values / np.where(total > 0, total, 1), 1 / values.shape[1])
    logs = np.log(shares, where=shares > 0, out=np.zeros_like(shares))
    return MetricBatch(-(shares * logs).sum(axis=1).astype(np.float32))
