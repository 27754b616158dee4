"""Sparseness: how few pixels hold a map's magnitude, by Gini's coefficient."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.measures.metric import MetricBatch
from vizcnn.measures.register import register_metric
from vizcnn.targets.score import Score


@register_metric("sparseness", better="high")
def sparseness(model: ModelAdapter, inputs: np.ndarray, score: Score, maps: np.ndarray) -> MetricBatch:
    """Return Gini's coefficient of the map's magnitudes [1]_.

    0 where all pixels have the same magnitude, near 1 where few have all of it.

    Parameters
    ----------
    model, inputs, score, maps : as in every metric
        See `vizcnn.register_metric`.

    Returns
    -------
    MetricBatch
        `values` (N,): from 0 to 1; 0 of a map that is zero everywhere.

    Warnings
    --------
    It is a matter of taste, and no truth: a map of one random pixel is the sparsest of all. It asks the model nothing.

    References
    ----------
    .. [1] Chalasani et al., "Concise Explanations of Neural Networks using Adversarial Training", ICML 2020. arXiv:1810.06583

    Examples
    --------
    >>> import vizcnn as vz
    >>> explained = vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[3], methods="saliency", metrics="sparseness")
    >>> bool(0 < explained["saliency"].measures["sparseness"][0] < 1)
    True
    """
    del model, inputs, score
    values = np.sort(np.abs(maps.reshape(len(maps), -1)).astype(np.float64), axis=1)
    count, total = values.shape[1], values.sum(axis=1)
    places = 2 * np.arange(1, count + 1) - count - 1
    return MetricBatch((values @ places / (count * np.where(total > 0, total, 1))).astype(np.float32))
