"""Saliency: how each pixel moves the score."""

from __future__ import annotations

from typing import Literal

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.cost import GRADIENT
from vizcnn.algorithms.reduction import REDUCTION_ALIASES, Reduction, reduce_channels
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score

Rule = Literal["vanilla", "guided", "relu", "deconv", "rectified"]


@register("saliency", family="gradient", needs={"gradients"}, aliases=REDUCTION_ALIASES, cost=GRADIENT)
def saliency(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    rule: Rule = "vanilla",
    reduce: Reduction = "max_abs",
) -> AttributionBatch:
    """Take the gradient of the score by every input value [1]_.

    The brighter a pixel, the more the score would move if that pixel changed a little.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    rule : {"vanilla", "guided", "relu"}, default "vanilla"
        What ReLU does to the gradient that comes back through it. "vanilla": the derivative, where the unit was on.
        "guided" [2]_: the derivative, of positive gradients only. "relu" (also "deconv", "rectified") [3]_: positive gradients
        pass, wherever the unit stood.
    reduce : {"max_abs", "sum", "none"}, default "max_abs"
        How the channels become one value: the largest magnitude, as in [1]_; their sum, with its sign; or not at all.

    Returns
    -------
    Attributions
        `values` (N, H, W), or (N, H, W, C) with reduce="none": change of the score per unit of input; `raw` (N, H, W, C): the
        gradient.

    Raises
    ------
    RuleError
        If a rule other than "vanilla" finds no ReLU in the model.
    CapabilityError
        If the model has no gradients.

    Warnings
    --------
    It tells of small changes only: where the model is sure, a pixel can matter and stay dark. The rules "guided" and "relu" draw
    the edges of what is in the image, and go on to do so when the model's weights are made random [4]_: they say more of the
    image than of the decision.

    Notes
    -----
    The class score is the logit, while tf-keras-vis differentiates whatever the model returns unless its `ReplaceToLinear` is
    applied. Through a ReLU with a cap or a slope the guided rule keeps that ReLU's own derivative (ReLU6 passes nothing above
    6), where others test x > 0 alone.

    References
    ----------
    .. [1] Simonyan, Vedaldi and Zisserman, "Deep Inside Convolutional Networks", 2013. arXiv:1312.6034
    .. [2] Springenberg et al., "Striving for Simplicity: The All Convolutional Net", 2014. arXiv:1412.6806
    .. [3] Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014. arXiv:1311.2901
    .. [4] Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018. arXiv:1810.03292

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> result = vz.saliency(cnn, digits[3], rule="guided", reduce="sum")
    >>> result.values.shape, result.raw.shape, result.signed
    ((1, 28, 28), (1, 28, 28, 1), True)
    """
    grads = model.gradients(inputs, score, rule=rule)
    values = reduce_channels(grads.gradients, reduce)
    return AttributionBatch.of(grads, values, raw=grads.gradients, signed=reduce != "max_abs")
