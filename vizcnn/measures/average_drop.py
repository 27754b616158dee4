"""Average drop: how much of the probability is lost when the image is seen through its map."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.curves import seen_through_map
from vizcnn.measures.metric import MetricBatch
from vizcnn.measures.register import register_metric
from vizcnn.targets.score import Score


@register_metric("average_drop", better="low", needs={"scores", "outputs"})
def average_drop(model: ModelAdapter, inputs: np.ndarray, score: Score, maps: np.ndarray) -> MetricBatch:
    """Return how much of the class's probability is lost when the image is seen through its map [1]_.

    Low where what the map shows is enough for the decision. It is called average, as the mean over many images is meant.

    Parameters
    ----------
    model, inputs, score, maps : as in every metric
        See `vizcnn.register_metric`.

    Returns
    -------
    MetricBatch
        `values` (N,): ``max(0, p - p') / p``, from 0 to 1, p the probability of the explained class on the image and p' that on
        the image times its map, which is cut at 0 and divided by its largest value.

    Raises
    ------
    CapabilityError
        If the model gives the explained class no probability.

    Warnings
    --------
    An image in the shape of a soft mask is unlike any that the model has seen. A map that is 1 everywhere hides nothing and is
    perfect by this number: read it beside one that asks for little.

    Notes
    -----
    pytorch-grad-cam doesn't divide by the probability. Xplique takes the map's magnitude, and stretches it from its lowest value
    to its highest.

    References
    ----------
    .. [1] Chattopadhay et al., "Grad-CAM++", WACV 2018. arXiv:1710.11063

    Examples
    --------
    >>> import vizcnn as vz
    >>> explained = vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[3], methods="gradcam", metrics="average_drop")
    >>> 0 <= float(explained["gradcam"].measures["average_drop"][0]) <= 1
    True
    """
    before, after = seen_through_map(model, inputs, score, maps, "average_drop")
    return MetricBatch(np.maximum(before - after, 0) / np.where(before > 0, before, 1))
