"""Attention rollout: where a transformer's tokens come from, by the attention of all its layers."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.attention import FusedHeads, Fusion, few_patches, from_layer, rolled_out, seen, without_least
from vizcnn.algorithms.cost import Cost
from vizcnn.errors import OptionError
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score


@register("attention_rollout", family="transformer", needs={"attention", "gradients"}, cost=Cost(1))
def attention_rollout(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    head_fusion: Fusion = "mean",
    discard_ratio: float = 0.0,
    start_layer: int = 0,
) -> AttributionBatch:
    """Follow a transformer's attention from its last layer back to the patches of the image [1]_.

    The map is bright where what the model reads at the end was gathered from.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    head_fusion : {"mean", "max", "min"}, default "mean"
        How the heads of a layer become one; [1]_ takes the mean.
    discard_ratio : float, default 0.0
        Share of each layer's attention that is left out, the lowest first, from 0 on and below 1. [1]_ leaves out none.
    start_layer : int, default 0
        The first attention layer that counts, from 0 on; below zero it is counted from the end.

    Returns
    -------
    Attributions
        `values` (N, H, W): the map, enlarged bilinearly with half-pixel centers; `raw` (N, h, w): the share of what is read that
        comes from each patch, no less than 0. They add up to 1 together with the shares of tokens that are no patches (class,
        distillation, register tokens), which come first and are left out. `layer` makes the tokens.

    Raises
    ------
    CapabilityError
        If the model has no attention among the patches of the whole image (as Swin, whose attention is within windows), or keeps
        it to itself; it says which.
    OptionError
        If `discard_ratio` or `start_layer` is out of its range.

    Warnings
    --------
    **It doesn't depend on the class**: the target only tells which tokens are read. That a token is looked at doesn't mean that
    it counts for the score, nor that it speaks for it: what is looked at may be thrown away by the layers behind. Over many
    layers the map grows even, and what dense layers and values do is left out of account. Single bright patches in plain parts
    of the image are often where the model keeps notes on the whole of it [2]_.

    Notes
    -----
    Of each layer it takes ``(A + I) / 2``, the half for the skip connection, with rows that add up to 1, and multiplies them, the
    later ones from the left. The rows of the product are what the tokens at the end come from, and the map is the mean of those
    that the score reads: of the class token, or of all that are averaged. Which these are is told by the gradient of the score by
    the last layer's attention.

    References
    ----------
    .. [1] Abnar and Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020. arXiv:2005.00928
    .. [2] Darcet et al., "Vision Transformers Need Registers", ICLR 2024. arXiv:2309.16588

    Examples
    --------
    >>> import keras, vizcnn as vz
    >>> image = keras.Input((28, 28, 1))
    >>> tokens = keras.layers.Reshape((49, 8))(keras.layers.Conv2D(8, 4, strides=4)(image))
    >>> tokens = tokens + keras.layers.MultiHeadAttention(2, 4)(tokens, tokens)
    >>> pooled = keras.layers.GlobalAveragePooling1D()(tokens)
    >>> vit = keras.Model(image, keras.layers.Dense(10, activation="softmax")(pooled))
    >>> result = vz.attention_rollout(vz.adapt(vit, preprocess="0..1"), vz.assets.digits()[3])
    >>> result.raw.shape, result.values.shape, round(float(result.raw.sum()), 4)
    ((1, 7, 7), (1, 28, 28), 1.0)
    """
    if not 0 <= discard_ratio < 1:
        raise OptionError(f"`discard_ratio` must be a number from 0 on and below 1; got {discard_ratio!r}.")
    found = model.attentions(inputs, score, formula=FusedHeads(head_fusion))
    layers = [without_least(one, discard_ratio) for one in from_layer(found.values, start_layer)]
    values = seen(found, rolled_out(layers))
    return AttributionBatch.of(found, values, raw=values, notes=few_patches(found.grid))
