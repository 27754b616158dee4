"""Increase in confidence: whether the probability rises when the image is seen through its map."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.curves import seen_through_map
from vizcnn.measures.metric import MetricBatch
from vizcnn.measures.register import register_metric
from vizcnn.targets.score import Score


@register_metric("increase", better="high", needs={"scores", "outputs"})
def increase(model: ModelAdapter, inputs: np.ndarray, score: Score, maps: np.ndarray) -> MetricBatch:
    """Return whether the class's probability is higher when the image is seen through its map [1]_.

    1 where it is, 0 where it isn't; the mean over many images is the increase in confidence.

    Parameters
    ----------
    model, inputs, score, maps : as in every metric
        See `vizcnn.register_metric`.

    Returns
    -------
    MetricBatch
        `values` (N,): 1 or 0.

    Raises
    ------
    CapabilityError
        If the model gives the explained class no probability.

    Warnings
    --------
    An image in the shape of a soft mask is unlike any that the model has seen. A map that is 1 everywhere hides nothing and is
    perfect by this number: read it beside one that asks for little.

    References
    ----------
    .. [1] Chattopadhay et al., "Grad-CAM++", WACV 2018. arXiv:1710.11063

    Examples
    --------
    >>> import vizcnn as vz
    >>> explained = vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[3], methods="gradcam", metrics="increase")
    >>> 0 <= float(explained["gradcam"].measures["increase"][0]) <= 1
    True
    """
    before, after = seen_through_map(model, inputs, score, maps, "increase")
    return MetricBatch((after > before).astype(np.float32))
