"""Completeness: whether a map adds up to what the image adds to the score of a baseline."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.baselines import Baseline, baselines
from vizcnn.measures.metric import MetricBatch
from vizcnn.measures.register import register_metric
from vizcnn.targets.score import Score


@register_metric("completeness", better="low", needs={"scores", "outputs"})
def completeness(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    maps: np.ndarray,
    *,
    baseline: Baseline = 0.0,
    seed: int = 0,
) -> MetricBatch:
    """Return how far a map's sum is from the score's rise over a baseline, as a share of that rise [1]_.

    0 where all of the rise is given to pixels and no more. Only methods that promise it can be held to it: those that follow a
    path from the baseline, Shapley values, gradient times input in a network without biases.

    Parameters
    ----------
    model, inputs, score, maps : as in every metric
        See `vizcnn.register_metric`.
    baseline : float, sequence of float, name, path or image, default 0.0
        Where the rise begins, in the units of the model's inputs: **the one that the method had**; see
        `vizcnn.integrated_gradients`. The blur is as wide as a tenth of the image.
    seed : int, default 0
        Seed of the noise.

    Returns
    -------
    MetricBatch
        `values` (N,): ``|sum - rise| / |rise|``; 1 of a map that is zero everywhere. Undefined where the baseline has the image's
        own score.

    Raises
    ------
    OptionError
        If the baseline is unknown.

    Warnings
    --------
    All of the rise on one pixel, whichever, is complete too. A class activation map, or a gradient, is in other units and fails
    without being wrong. Where the rise is small, so is what it is divided by.

    References
    ----------
    .. [1] Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", ICML 2017. arXiv:1703.01365

    Examples
    --------
    >>> import vizcnn as vz
    >>> explained = vz.explain(
    ...     vz.assets.digits_cnn(), vz.assets.digits()[3], methods="integrated_gradients", metrics="completeness"
    ... )
    >>> float(explained["integrated_gradients"].measures["completeness"][0]) < 0.05
    True
    """
    start = baselines(inputs, baseline, [length / 10 for length in inputs.shape[1:-1]], seed=seed)
    first = model.scores(np.broadcast_to(start, inputs.shape), score)
    last = model.scores(inputs, score).astype(np.float64)
    rise = last - first
    gap = np.abs(maps.reshape(len(maps), -1).sum(axis=1, dtype=np.float64) - rise)
    undefined = {"the baseline has the score of the image": np.abs(rise) <= 1e-6 * np.abs(last)}
    return MetricBatch(gap / np.where(rise != 0, np.abs(rise), 1), undefined=undefined)
