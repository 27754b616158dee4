"""Grad-CAM: where in a layer's feature maps the score comes from."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.cam import Rule, coarse, feature_maps, grad_cam, shown
from vizcnn.algorithms.cost import GRADIENT
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score


@register("gradcam", family="cam", needs={"gradients"}, of_layers=True, cost=GRADIENT)
def gradcam(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    layer: str | None = None,
    rule: Rule = "vanilla",
    relu: bool = True,
) -> AttributionBatch:
    """Weigh a layer's feature maps by their mean gradient, and add them up [1]_.

    The map is bright where the layer's feature maps speak for the class.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    layer : str, default None
        Path or name of the layer. None: the last one with more than one row and column before they are pooled or flattened
        away, after its addition or activation; in a transformer what goes into the last attention. `Attributions.layer` says
        which that was.
    rule : {"vanilla", "guided", "relu"}, default "vanilla"
        What ReLU does to the gradient between the score and the layer; see `saliency`.
    relu : bool, default True
        Keep the positive part of the map only, as in [1]_: what speaks for the target.

    Returns
    -------
    Attributions
        `values` (N, H, W): the map enlarged bilinearly with half-pixel centers, where the layer looks; `raw` (N, h, w): the
        signed map at the layer's size, before its negative part is cut.

    Raises
    ------
    LayerError
        If there is no such layer, it has no rows and columns, or the score doesn't depend on it.
    RuleError
        If a rule other than "vanilla" finds no ReLU in the model.

    Warnings
    --------
    The map is coarse, often 7 x 7 values for the whole image: its smooth edges are those of the enlarging, not of an object. In
    a model that doesn't end in global average pooling and one dense layer it can light up places that the score doesn't depend
    on [2]_.

    Notes
    -----
    tf-keras-vis takes the last convolution instead, which in ResNets is before the addition, and in MobileNet comes after the
    pooling; and it enlarges by `scipy.ndimage.zoom`, which shifts the map by up to half a cell.

    References
    ----------
    .. [1] Selvaraju et al., "Grad-CAM", ICCV 2017. arXiv:1610.02391
    .. [2] Draelos and Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations", 2020. arXiv:2011.08891

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> result = vz.gradcam(cnn, digits[3], target="8")
    >>> result.layer, result.raw.shape, result.values.shape
    ('conv5', (1, 14, 14), (1, 28, 28))
    """
    grads = feature_maps(model, inputs, score, layer, rule)
    cam = grad_cam(grads.values, grads.gradients)
    return AttributionBatch.of(grads, shown(cam, relu), raw=cam, signed=not relu, notes=coarse(cam, grads.layer))
