"""XGrad-CAM: feature maps weighed by their gradients, places by their share of the channel."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.cam import Rule, coarse, feature_maps, places, ratio, shown
from vizcnn.algorithms.cost import GRADIENT
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score


@register("xgradcam", family="cam", needs={"gradients"}, of_layers=True, cost=GRADIENT)
def xgradcam(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    layer: str | None = None,
    rule: Rule = "vanilla",
    relu: bool = True,
) -> AttributionBatch:
    """Weigh a layer's feature maps by the mean of their gradients, each place by its share of its channel's sum [1]_.

    The weights are such that the map comes as near as it can to adding up to the score.

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
    It is as coarse as its layer. The shares are made for features behind a ReLU: of a channel with a sign the sum can be near
    zero, and its weight then is of any size.

    Notes
    -----
    A channel whose sum is 0 has no weight. pytorch-grad-cam adds 1e-7 to the sums.

    References
    ----------
    .. [1] Fu et al., "Axiom-based Grad-CAM", BMVC 2020. arXiv:2008.02312

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> result = vz.xgradcam(cnn, digits[3], target="8")
    >>> result.layer, result.raw.shape, result.values.shape
    ('conv5', (1, 14, 14), (1, 28, 28))
    """
    grads = feature_maps(model, inputs, score, layer, rule)
    maps, axes = grads.values, places(grads.values)
    weights = ratio((grads.gradients * maps).sum(axis=axes, keepdims=True), maps.sum(axis=axes, keepdims=True))
    cam = (weights * maps).sum(axis=-1)
    return AttributionBatch.of(grads, shown(cam, relu), raw=cam, signed=not relu, notes=coarse(cam, grads.layer))
