"""Ablation-CAM: how far the score falls when one feature map of a layer is set to zero."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.cam import activation_maps, coarse, places, shown
from vizcnn.algorithms.cost import Cost, channels_of
from vizcnn.plugins.register import register
from vizcnn.progress import Clock, track
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score


@register(
    "ablationcam",
    family="cam",
    needs={"scores", "outputs", "activations", "layers"},
    of_layers=True,
    cost=lambda model, shape, options: Cost(1 + channels_of(model, options["layer"])),
)
def ablationcam(
    model: ModelAdapter, inputs: np.ndarray, score: Score, *, layer: str | None = None, relu: bool = True
) -> AttributionBatch:
    """Weigh a layer's feature maps by how far the score falls when each is set to zero [1]_.

    The map is bright where those feature maps are high that the score can't do without.

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
        `values` (N, H, W): the map, enlarged bilinearly with half-pixel centers; `raw` (N, h, w): ``sum(w_k A_k)`` at the layer's
        size, ``w_k = f(A) - f(A without k)`` in score units, before its negative part is cut.

    Raises
    ------
    LayerError
        If there is no such layer, or it has no rows and columns.
    CapabilityError
        If the model can't be run from a layer on, as a black box can't.

    Warnings
    --------
    A channel at zero may be one that the rest of the model has never met: in a layer whose values are seldom zero, without a ReLU
    before it, the map is one of such surprises. Channels that say the same aren't missed one at a time.

    Notes
    -----
    One run of the rest of the model per channel; channels that are zero all over an image have no weight and are not run. The
    paper divides the weights by the score, which turns the map's sign with that of a logit, and blows it up near zero; where the
    score is positive, the maps are the same but for that factor. pytorch-grad-cam sets a channel far below the layer's lowest
    value where that isn't zero.

    References
    ----------
    .. [1] Desai and Ramaswamy, "Ablation-CAM: Visual Explanations for Deep Convolutional Network via Gradient-free Localization",
       WACV 2020. doi:10.1109/WACV45572.2020.9093360

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> result = vz.ablationcam(cnn, digits[3])
    >>> result.layer, result.raw.shape, result.values.shape
    ('conv5', (1, 14, 14), (1, 28, 28))
    """
    path, maps = activation_maps(model, inputs, score, layer)
    scores, outputs = model.scores_and_outputs(inputs, score)
    score = model.with_predicted_classes(inputs, score, outputs)
    images, channels = np.nonzero(maps.any(axis=places(maps)))
    weights = np.zeros((len(maps), maps.shape[-1]), dtype=np.float32)
    size = model.batch_size_for(inputs.shape[1:])
    starts = range(0, len(images), size)
    clock = Clock(len(starts))
    for start in track(starts, len(starts), f"ablation-cam, {len(images):,} runs from layer {path}"):
        clock.tick(
            f"Ablation-CAM takes {len(images):,} runs from layer {path!r}", "A `layer` of fewer channels takes less."
        )
        part = slice(start, start + size)
        of, without = images[part], channels[part]
        ablated = maps[of]
        ablated[np.arange(len(of)), ..., without] = 0
        weights[of, without] = scores[of] - model.scores_from(path, ablated, score.take(of), inputs=inputs[of])
    cam = np.einsum("n...k,nk->n...", maps, weights)
    return AttributionBatch(
        shown(cam, relu),
        raw=cam,
        signed=not relu,
        layer=path,
        scores=scores,
        outputs=outputs,
        notes=coarse(cam, path),
    )
