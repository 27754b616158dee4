"""Grad-CAM++: feature maps weighed by their positive gradients, each place by its own share."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.cam import Rule, coarse, feature_maps, places, ratio, shown
from vizcnn.algorithms.cost import GRADIENT
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score


@register("gradcam_plus_plus", family="cam", needs={"gradients"}, of_layers=True, cost=GRADIENT)
def gradcam_plus_plus(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    layer: str | None = None,
    rule: Rule = "vanilla",
    relu: bool = True,
) -> AttributionBatch:
    """Weigh a layer's feature maps by their positive gradients, each place by its own share [1]_.

    Where a class is in the image several times, Grad-CAM's mean lets the largest one win; here each counts for itself.

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
    It is as coarse as Grad-CAM. What speaks against the class is left out of the weights, so the map says less of why not;
    and the shares are derived for a score behind an exponential, for ReLU features: on features with a sign they can be of
    any size.

    Notes
    -----
    With A the maps and G the gradients, the weight of channel k is the sum over places of a ReLU(G), where a = G^2 / (2 G^2 +
    sum(A_k) G^3), and 0 where that is 0 / 0. The derivatives are those of exp(score), whose factor is the same for all
    channels of an image and is left out. pytorch-grad-cam adds 1e-6 to the denominator; Xplique takes means for both sums, so
    that its maps differ.

    References
    ----------
    .. [1] Chattopadhay et al., "Grad-CAM++", WACV 2018. arXiv:1710.11063

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> result = vz.gradcam_plus_plus(cnn, digits[3], target="8")
    >>> result.layer, result.raw.shape, result.values.shape
    ('conv5', (1, 14, 14), (1, 28, 28))
    """
    grads = feature_maps(model, inputs, score, layer, rule)
    maps, gradients, axes = grads.values, grads.gradients, places(grads.values)
    squares = gradients**2
    shares = ratio(squares, 2 * squares + maps.sum(axis=axes, keepdims=True) * squares * gradients)
    weights = (shares * np.maximum(gradients, 0)).sum(axis=axes, keepdims=True)
    cam = (weights * maps).sum(axis=-1)
    return AttributionBatch.of(grads, shown(cam, relu), raw=cam, signed=not relu, notes=coarse(cam, grads.layer))
