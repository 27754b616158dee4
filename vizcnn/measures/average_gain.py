"""Average gain: how much nearer to certainty the probability comes when the image is seen through its map."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.curves import seen_through_map
from vizcnn.measures.metric import MetricBatch
from vizcnn.measures.register import register_metric
from vizcnn.targets.score import Score


@register_metric("average_gain", better="high", needs={"scores", "outputs"})
def average_gain(model: ModelAdapter, inputs: np.ndarray, score: Score, maps: np.ndarray) -> MetricBatch:
    """Return how much of what was missing to certainty is gained when the image is seen through its map [1]_.

    High where what the map hides spoke against the class.

    Parameters
    ----------
    model, inputs, score, maps : as in every metric
        See `vizcnn.register_metric`.

    Returns
    -------
    MetricBatch
        `values` (N,): ``max(0, p' - p) / (1 - p)``, from 0 to 1, p and p' as in `average_drop`.

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
    Xplique takes the map's magnitude, and stretches it from its lowest value to its highest.

    References
    ----------
    .. [1] Zhang et al., "Opti-CAM: Optimizing saliency maps for interpretability", 2023. arXiv:2301.07002

    Examples
    --------
    >>> import vizcnn as vz
    >>> explained = vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[3], methods="gradcam", metrics="average_gain")
    >>> 0 <= float(explained["gradcam"].measures["average_gain"][0]) <= 1
    True
    """
    before, after = seen_through_map(model, inputs, score, maps, "average_gain")
    return MetricBatch(np.maximum(after - before, 0) / np.where(before < 1, 1 - before, 1))
