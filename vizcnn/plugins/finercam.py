"""Finer-CAM: a class activation map of what tells the class from those that are nearest to it."""

from __future__ import annotations

from typing import Literal

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.cam import Rule, coarse, feature_maps, grad_cam, hires_cam, layer_cam, shown
from vizcnn.algorithms.cost import Cost
from vizcnn.algorithms.sampling import check_count, check_not_negative
from vizcnn.errors import TargetError
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.targets.rivals import against, logits_of_all
from vizcnn.targets.score import Score

_CAMS = {"gradcam": grad_cam, "hirescam": hires_cam, "layercam": layer_cam}


@register("finercam", family="cam", needs={"gradients"}, of_layers=True, cost=Cost(2, 1))
def finercam(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    layer: str | None = None,
    rivals: int = 3,
    alpha: float = 1.0,
    cam: Literal["gradcam", "hirescam", "layercam"] = "gradcam",
    rule: Rule = "vanilla",
    relu: bool = True,
) -> AttributionBatch:
    """Draw the class activation map of the class's logit less those of its nearest rivals [1]_.

    The map is bright where the class is told from what it is taken for most easily; what speaks for all of them alike is left
    out.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    layer : str, default None
        Path or name of the layer; None: the one that `gradcam` takes.
    rivals : int, default 3
        How many other classes: those whose logits on the image are nearest to that of the class. Fewer where the model has fewer.
    alpha : float, default 1.0
        How much of the rivals' logits is taken away; 0 is the map of the class alone.
    cam : {"gradcam", "hirescam", "layercam"}, default "gradcam"
        Which map is drawn of that difference.
    rule : {"vanilla", "guided", "relu"}, default "vanilla"
        What ReLU does to the gradient between the score and the layer; see `saliency`.
    relu : bool, default True
        Keep the positive part of the map only.

    Returns
    -------
    Attributions
        `values` (N, H, W): the map, enlarged as Grad-CAM's; `raw` (N, h, w): the signed map at the layer's size. `scores` are the
        differences that are explained. `extras` "rivals" (N, k): the other classes, the nearest first.

    Raises
    ------
    TargetError
        If the target is no class, or there is no other one.
    OptionError
        If `rivals` is not a positive whole number, or `alpha` is negative.
    LayerError
        If there is no such layer, it has no rows and columns, or the score doesn't depend on it.
    RuleError
        If a rule other than "vanilla" finds no ReLU in the model.

    Warnings
    --------
    It answers "why this and not those", which is another question than "why this": a place that every one of them has is dark,
    however much the class rests on it. Where the rivals are far away, little may be left of the map. Which they are is said in
    the result, and another image may have others.

    Notes
    -----
    The difference is ``sum(p_d * (z_c - alpha * z_d)) / sum(p_d)`` over the rivals d; their probabilities p_d are numbers, which
    no gradient goes through. pytorch-grad-cam lets it go through them.

    References
    ----------
    .. [1] Zhang et al., "Finer-CAM: Spotting the Difference Reveals Finer Details for Visual Explanation", CVPR 2025.
       arXiv:2501.11309

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> result = vz.finercam(cnn, digits[3], rivals=2)
    >>> result.target, [result.class_labels[index] for index in result.extras["rivals"][0]]
    (('3',), ['9', '7'])
    """
    check_count("rivals", rivals)
    check_not_negative("alpha", alpha)
    logits = model.scores(inputs, logits_of_all(score)).astype(np.float64)
    if logits.shape[1] < 2:
        raise TargetError("`target` must be one of several classes, to be told from others; the model has one.")
    outputs = model.outputs(inputs)
    score = model.with_predicted_classes(inputs, score, outputs)
    classes = np.asarray(score.classes)[:, None]
    own = np.take_along_axis(logits, classes, axis=1)
    distance = np.abs(logits - own)
    np.put_along_axis(distance, classes, np.inf, axis=1)
    others = np.argsort(distance, axis=1, kind="stable")[:, : min(rivals, logits.shape[1] - 1)]
    theirs = np.take_along_axis(logits, others, axis=1)
    shares = np.exp(theirs - theirs.max(axis=1, keepdims=True))
    difference = against(score, others, shares / shares.sum(axis=1, keepdims=True), alpha)
    grads = feature_maps(model, inputs, difference, layer, rule)
    signed = _CAMS[cam](grads.values, grads.gradients)
    return AttributionBatch.of(
        grads,
        shown(signed, relu),
        raw=signed,
        signed=not relu,
        notes=coarse(signed, grads.layer),
        extras={"rivals": others.astype(np.int32)},
    )
