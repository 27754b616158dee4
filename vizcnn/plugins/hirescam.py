"""HiResCAM: feature maps times their gradients, place by place."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.cam import Rule, coarse, feature_maps, hires_cam, shown
from vizcnn.algorithms.cost import GRADIENT
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score


@register("hirescam", family="cam", needs={"gradients"}, of_layers=True, cost=GRADIENT)
def hirescam(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    layer: str | None = None,
    rule: Rule = "vanilla",
    relu: bool = True,
) -> AttributionBatch:
    """Multiply a layer's feature maps by their gradients, place by place, and add them up [1]_.

    Unlike Grad-CAM it never lights up a place that the score doesn't depend on.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    layer : str, default None
        Path or name of the layer; None: the one that `gradcam` takes.
    rule : {"vanilla", "guided", "relu"}, default "vanilla"
        What ReLU does to the gradient between the score and the layer; see `saliency`.
    relu : bool, default True
        Keep the positive part of the map only.

    Returns
    -------
    Attributions
        `values` (N, H, W): the map, enlarged as Grad-CAM's; `raw` (N, h, w): the signed map at the layer's size.

    Raises
    ------
    LayerError
        If there is no such layer, it has no rows and columns, or the score doesn't depend on it.
    RuleError
        If a rule other than "vanilla" finds no ReLU in the model.

    Warnings
    --------
    It is as coarse as its layer. That the map adds up to the score, as it is proved in [1]_, holds where one dense layer
    follows; behind more layers it tells of small changes only, as a gradient does.

    Notes
    -----
    Where global average pooling and one dense layer follow, it equals Grad-CAM.

    References
    ----------
    .. [1] Draelos and Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations", 2020. arXiv:2011.08891

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> result = vz.hirescam(cnn, digits[3], target="8")
    >>> result.layer, result.raw.shape, result.values.shape
    ('conv5', (1, 14, 14), (1, 28, 28))
    """
    grads = feature_maps(model, inputs, score, layer, rule)
    cam = hires_cam(grads.values, grads.gradients)
    return AttributionBatch.of(grads, shown(cam, relu), raw=cam, signed=not relu, notes=coarse(cam, grads.layer))
