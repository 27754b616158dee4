"""Guided Grad-CAM: the edges that guided saliency draws, where Grad-CAM is bright."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.cam import coarse, feature_maps, grad_cam
from vizcnn.algorithms.cost import Cost
from vizcnn.algorithms.reduction import REDUCTION_ALIASES, Reduction, reduce_channels
from vizcnn.errors import LayerError
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.results.placing import over_inputs
from vizcnn.targets.score import Score


@register("guided_gradcam", family="gradient", needs={"gradients"}, aliases=REDUCTION_ALIASES, cost=Cost(gradients=2))
def guided_gradcam(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    layer: str | None = None,
    reduce: Reduction = "max_abs",
) -> AttributionBatch:
    """Multiply the guided gradient by the map of Grad-CAM [1]_.

    Fine lines, in the places that speak for the class.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    layer : str, default None
        Path or name of the layer of Grad-CAM; None: the one that `gradcam` takes.
    reduce : {"max_abs", "sum", "none"}, default "max_abs"
        How the channels become one value; see `saliency`.

    Returns
    -------
    Attributions
        `values` (N, H, W), or (N, H, W, C) with reduce="none"; `raw` (N, H, W, C): the product for each channel.

    Raises
    ------
    LayerError
        If there is no such layer, it has no rows and columns, or its map lies nowhere in the image.
    RuleError
        If there is no ReLU in the model.

    Warnings
    --------
    The lines are those of guided saliency: edges of what is in the image, and hardly changed when the model's weights are made
    random [2]_. Only the places are Grad-CAM's.

    Notes
    -----
    Grad-CAM is enlarged as by `gradcam`; Captum's default enlarges by the nearest value.

    References
    ----------
    .. [1] Selvaraju et al., "Grad-CAM", ICCV 2017. arXiv:1610.02391
    .. [2] Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018. arXiv:1810.03292

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> result = vz.guided_gradcam(cnn, digits[3], target="8")
    >>> result.values.shape, result.raw.shape
    ((1, 28, 28), (1, 28, 28, 1))
    """
    grads = feature_maps(model, inputs, score, layer)
    cam = np.maximum(grad_cam(grads.values, grads.gradients), 0)
    over, lies_nowhere, notes = over_inputs(cam, grads.layer, model, inputs.shape[1:])
    if lies_nowhere:
        raise LayerError(f"`layer` {grads.layer!r} has a map that lies nowhere in the image. Name another layer.")
    guided = model.gradients(inputs, score, rule="guided")
    raw = guided.gradients * over[..., None]
    notes = (*notes, *coarse(cam, grads.layer))
    return AttributionBatch.of(guided, reduce_channels(raw, reduce), raw=raw, signed=reduce != "max_abs", notes=notes)
