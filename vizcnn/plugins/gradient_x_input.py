"""Gradient times input: what each pixel's own value gives to the score, to first order."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.cost import GRADIENT
from vizcnn.algorithms.reduction import REDUCTION_ALIASES, Reduction, reduce_channels
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score


@register("gradient_x_input", family="gradient", needs={"gradients"}, aliases=REDUCTION_ALIASES, cost=GRADIENT)
def gradient_x_input(
    model: ModelAdapter, inputs: np.ndarray, score: Score, *, reduce: Reduction = "sum"
) -> AttributionBatch:
    """Multiply the gradient of the score by the input, value by value [1]_.

    What would be lost, to first order, if a pixel were 0: red speaks for the class, blue against it.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    reduce : {"max_abs", "sum", "none"}, default "sum"
        How the channels become one value; see `saliency`. Only sums add up to the score.

    Returns
    -------
    Attributions
        `values` (N, H, W), or (N, H, W, C) with reduce="none", in units of the score; `raw` (N, H, W, C): of each channel.

    Raises
    ------
    CapabilityError
        If the model has no gradients.

    Warnings
    --------
    A value of 0 gets nothing, however much depends on it, and which gray is 0 depends on the preprocessing: on inputs of -1 to
    1 a middle gray, on 0 to 1 black. The map adds up to the score of a network of ReLUs without biases only; of others see
    `integrated_gradients`.

    References
    ----------
    .. [1] Shrikumar et al., "Not Just a Black Box: Learning Important Features Through Propagating Activation Differences",
       2016. arXiv:1605.01713

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> result = vz.gradient_x_input(cnn, digits[3])
    >>> result.values.shape, result.raw.shape, result.signed
    ((1, 28, 28), (1, 28, 28, 1), True)
    """
    grads = model.gradients(inputs, score)
    raw = grads.gradients * grads.values
    return AttributionBatch.of(grads, reduce_channels(raw, reduce), raw=raw, signed=reduce != "max_abs")
