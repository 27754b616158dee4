"""Eigen-CAM: the main component of a layer's feature maps, whatever the class."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.cam import coarse, feature_maps, first_component, shown
from vizcnn.algorithms.cost import GRADIENT
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score


@register("eigencam", family="cam", needs={"gradients"}, of_layers=True, cost=GRADIENT)
def eigencam(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    layer: str | None = None,
    relu: bool = True,
) -> AttributionBatch:
    """Project a layer's feature maps on their first singular vector [1]_.

    It shows what the layer sees most of, whatever the class.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    layer : str, default None
        Path or name of the layer; None: the one that `gradcam` takes.
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

    Warnings
    --------
    **It doesn't depend on the class**: the target only picks the layer where none is named. It shows what stands out in the
    feature maps, not what the decision rests on.

    Notes
    -----
    The sign of a singular vector is open: the side of the largest magnitude is taken for positive. pytorch-grad-cam takes the
    channels' means away first; the paper does not.

    References
    ----------
    .. [1] Muhammad and Yeasin, "Eigen-CAM: Class Activation Map using Principal Components", IJCNN 2020. arXiv:2008.00299

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> result = vz.eigencam(cnn, digits[3], target="8")
    >>> result.layer, result.raw.shape, result.values.shape
    ('conv5', (1, 14, 14), (1, 28, 28))
    """
    grads = feature_maps(model, inputs, score, layer)
    cam = first_component(grads.values)
    return AttributionBatch.of(grads, shown(cam, relu), raw=cam, signed=not relu, notes=coarse(cam, grads.layer))
