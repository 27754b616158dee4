"""Chefer's transformer attribution: attention times gradient, followed through all layers."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.attention import few_patches, from_layer, positive_relevance, seen
from vizcnn.algorithms.cost import GRADIENT
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score


@register("transformer_attribution", family="transformer", needs={"attention", "gradients"}, cost=GRADIENT)
def transformer_attribution(
    model: ModelAdapter, inputs: np.ndarray, score: Score, *, start_layer: int = 0
) -> AttributionBatch:
    """Follow the attention that raises the score from a transformer's last layer back to the patches of the image [1]_.

    The map is bright where attention to a patch, passed on from layer to layer, speaks for the class.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    start_layer : int, default 0
        The first attention layer that counts, from 0 on; below zero it is counted from the end.

    Returns
    -------
    Attributions
        `values` (N, H, W): the map, enlarged bilinearly with half-pixel centers; `raw` (N, h, w): the relevance of each patch, no
        less than 0. Tokens that are no patches (class, distillation, register tokens) come first and are left out. `layer` makes
        the tokens.

    Raises
    ------
    CapabilityError
        If the model has no attention among the patches of the whole image (as Swin, whose attention is within windows), or keeps
        it to itself; it says which. Also if the score doesn't depend on it.
    OptionError
        If `start_layer` is out of its range.

    Warnings
    --------
    What speaks against the class is cut away in each layer, so the map has no sign, and it doesn't add up to the score. Only
    attention is followed: what the dense layers, the values and the norms do counts by the gradient alone. Where the output is
    saturated, or the score is a probability, little is left of the gradient, and the map is faint.

    Notes
    -----
    It is the rule for self-attention of [1]_: ``R <- R + E_h[ReLU(dA * A)] R``, from ``R = I`` on and the first layer to the
    last, dA the gradient of the score by a layer's attention A, and E_h the mean over the heads. The map is the mean of the rows
    of R that the score reads: that of the class token, as in [1]_, or all that are averaged. The identity that R starts from says
    nothing of the image and is taken off again, which matters where all rows are read. The method of [2]_ takes relevance by LRP
    in the place of A.

    References
    ----------
    .. [1] Chefer, Gur and Wolf, "Generic Attention-model Explainability for Interpreting Bi-Modal and Encoder-Decoder
       Transformers", ICCV 2021. arXiv:2103.15679
    .. [2] Chefer, Gur and Wolf, "Transformer Interpretability Beyond Attention Visualization", CVPR 2021. arXiv:2012.09838

    Examples
    --------
    >>> import keras, vizcnn as vz
    >>> image = keras.Input((28, 28, 1))
    >>> tokens = keras.layers.Reshape((49, 8))(keras.layers.Conv2D(8, 4, strides=4)(image))
    >>> tokens = tokens + keras.layers.MultiHeadAttention(2, 4)(tokens, tokens)
    >>> pooled = keras.layers.GlobalAveragePooling1D()(tokens)
    >>> vit = keras.Model(image, keras.layers.Dense(10, activation="softmax")(pooled))
    >>> result = vz.transformer_attribution(vz.adapt(vit, preprocess="0..1"), vz.assets.digits()[3], target=3)
    >>> result.raw.shape, result.values.shape, bool(result.raw.min() >= 0)
    ((1, 7, 7), (1, 28, 28), True)
    """
    found = model.attentions(inputs, score, formula=positive_relevance, gradients=True)
    one = np.eye(found.read.shape[1])
    relevance = np.broadcast_to(one, (len(inputs), *one.shape))
    for attention in from_layer(found.values, start_layer):
        relevance = relevance + attention.astype(np.float64) @ relevance
    values = seen(found, relevance - one)
    return AttributionBatch.of(found, values, raw=values, notes=few_patches(found.grid))
