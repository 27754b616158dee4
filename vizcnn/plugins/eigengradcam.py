"""EigenGrad-CAM: the main component of a layer's feature maps times their gradients."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.cam import Rule, coarse, feature_maps, first_component, shown
from vizcnn.algorithms.cost import GRADIENT
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score


@register("eigengradcam", family="cam", needs={"gradients"}, of_layers=True, cost=GRADIENT)
def eigengradcam(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    layer: str | None = None,
    rule: Rule = "vanilla",
    relu: bool = True,
) -> AttributionBatch:
    """Project a layer's feature maps, times their gradients, on their first singular vector [1]_ [2]_.

    As HiResCAM, with what the channels have in common kept, and the rest left out.

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
    It is as coarse as its layer. The sign of a singular vector is open: the side of the largest magnitude is taken for
    positive, which may be what speaks against the class.

    Notes
    -----
    pytorch-grad-cam takes the channels' means away first; the paper of Eigen-CAM does not.

    References
    ----------
    .. [1] Muhammad and Yeasin, "Eigen-CAM", IJCNN 2020. arXiv:2008.00299
    .. [2] Gildenblat and contributors, "PyTorch library for CAM methods", 2021.

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> result = vz.eigengradcam(cnn, digits[3], target="8")
    >>> result.layer, result.raw.shape, result.values.shape
    ('conv5', (1, 14, 14), (1, 28, 28))
    """
    grads = feature_maps(model, inputs, score, layer, rule)
    cam = first_component(grads.gradients * grads.values)
    return AttributionBatch.of(grads, shown(cam, relu), raw=cam, signed=not relu, notes=coarse(cam, grads.layer))
