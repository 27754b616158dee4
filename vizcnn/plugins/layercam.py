"""LayerCAM: feature maps weighed by their positive gradients, place by place."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.cam import Rule, coarse, feature_maps, layer_cam, shown
from vizcnn.algorithms.cost import GRADIENT
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score


@register("layercam", family="cam", needs={"gradients"}, of_layers=True, cost=GRADIENT)
def layercam(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    layer: str | None = None,
    rule: Rule = "vanilla",
    relu: bool = True,
) -> AttributionBatch:
    """Multiply a layer's feature maps by their positive gradients, place by place, and add them up [1]_.

    It stays sharp on early layers, where Grad-CAM's one weight per channel says little.

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
    On an early layer it draws the edges of what is in the image, whether the decision rests on them or not. What speaks
    against the class is left out.

    References
    ----------
    .. [1] Jiang et al., "LayerCAM: Exploring Hierarchical Class Activation Maps for Localization", IEEE Transactions on Image
       Processing, 2021. doi:10.1109/TIP.2021.3089943

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> result = vz.layercam(cnn, digits[3], target="8")
    >>> result.layer, result.raw.shape, result.values.shape
    ('conv5', (1, 14, 14), (1, 28, 28))
    """
    grads = feature_maps(model, inputs, score, layer, rule)
    cam = layer_cam(grads.values, grads.gradients)
    return AttributionBatch.of(grads, shown(cam, relu), raw=cam, signed=not relu, notes=coarse(cam, grads.layer))
