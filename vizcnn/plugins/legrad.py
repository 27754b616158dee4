"""LeGrad: how much more attention to each patch would raise the score, over all layers of a transformer."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.attention import few_patches, from_layer, positive_gradients
from vizcnn.algorithms.cost import GRADIENT
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score


@register("legrad", family="transformer", needs={"attention", "gradients"}, cost=GRADIENT)
def legrad(
    model: ModelAdapter, inputs: np.ndarray, score: Score, *, per_block: bool = True, start_layer: int = 0
) -> AttributionBatch:
    """Take the gradient of the score by each layer's attention, and the mean of its positive part over layers and heads [1]_.

    The map is bright where a patch that is looked at more would raise the score.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    per_block : bool, default True
        As in [1]_, take for each layer the gradient of the score as the model's head reads it from the tokens that leave that
        layer's own block. Where these can't be told, or the score depends on more than the last of them, and with False, it is
        the gradient of the model's own score for all layers; the result's `options` say which it was.
    start_layer : int, default 0
        The first attention layer that counts, from 0 on; below zero it is counted from the end.

    Returns
    -------
    Attributions
        `values` (N, H, W): the map, enlarged bilinearly with half-pixel centers; `raw` (N, h, w): the mean over the layers, their
        heads and the tokens that look, in score units, no less than 0. Tokens that are no patches (class, distillation, register
        tokens) come first and are left out. `layer` makes the tokens.

    Raises
    ------
    CapabilityError
        If the model has no attention among the patches of the whole image (as Swin, whose attention is within windows), or keeps
        it to itself; it says which. Also if the score doesn't depend on it.
    OptionError
        If `start_layer` is out of its range.

    Warnings
    --------
    It tells how the score would move, not what it is made of: a patch may have a high gradient and be looked at by no head. What
    speaks against the class is cut away. The head was made for the last block alone, and what it reads after an early one may
    mean little.

    Notes
    -----
    The blocks are told by what a run shows: after each attention the last addition, or the last layer around it alone, that
    returns all tokens. [1]_ scales the map to 0..1; here it keeps its units, and pictures scale it.

    References
    ----------
    .. [1] Bousselham et al., "LeGrad: An Explainability Method for Vision Transformers via Feature Formation Sensitivity",
       2024. arXiv:2404.03214

    Examples
    --------
    >>> import keras, vizcnn as vz
    >>> image = keras.Input((28, 28, 1))
    >>> tokens = keras.layers.Reshape((49, 8))(keras.layers.Conv2D(8, 4, strides=4)(image))
    >>> for _ in range(2):
    ...     tokens = tokens + keras.layers.MultiHeadAttention(2, 4)(tokens, tokens)
    >>> pooled = keras.layers.GlobalAveragePooling1D()(tokens)
    >>> vit = keras.Model(image, keras.layers.Dense(10, activation="softmax")(pooled))
    >>> result = vz.legrad(vz.adapt(vit, preprocess="0..1"), vz.assets.digits()[3], target=3)
    >>> result.raw.shape, result.values.shape, result.options["per_block"]
    ((1, 7, 7), (1, 28, 28), True)
    """
    found = model.attentions(inputs, score, formula=positive_gradients, gradients=True, per_block=per_block)
    layers = from_layer(found.values, start_layer)
    values = found.on_grid(np.asarray(layers, dtype=np.float64).mean(axis=0)).astype(np.float32)
    # Of one layer there is one reading of the score.
    done = per_block and (found.per_block or len(found.values) == 1)
    return AttributionBatch.of(found, values, raw=values, notes=few_patches(found.grid), options={"per_block": done})
