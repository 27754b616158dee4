"""Random logit: how much of a map is still there when another class is explained."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.ranks import is_flat, map_similarity
from vizcnn.measures.metric import Again, MetricBatch
from vizcnn.measures.register import register_metric
from vizcnn.targets import Class
from vizcnn.targets.score import Score


@register_metric("random_logit", better="low", needs={"scores", "outputs"})
def random_logit(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    maps: np.ndarray,
    again: Again,
    *,
    seed: int = 0,
) -> MetricBatch:
    """Return how alike a map is to that of another class, taken by chance [1]_.

    High where the map shows what is in the image, whatever is asked; low where it shows what speaks for the class.

    Parameters
    ----------
    model, inputs, score, maps, again : as in every metric
        See `vizcnn.register_metric`.
    seed : int, default 0
        Seed of the other class: how many classes further on it is, which is the same for all images.

    Returns
    -------
    MetricBatch
        `values` (N,): Spearman's correlation of the magnitudes of both maps, without its sign, from 0 to 1; 0 where only the
        other map is the same everywhere. Undefined where the map itself is, where no class is explained, and where there is no
        other one: of a single class, or of two that one number tells apart.

    Warnings
    --------
    Of two classes what speaks for one speaks against the other, so their maps are alike and neither is wrong; classes that look
    alike share their evidence too. In an image of one object on an empty ground all maps are alike. Noise passes.

    Notes
    -----
    Xplique compares by SSIM, and so does Quantus unless it is told otherwise; both draw another class for each image.

    References
    ----------
    .. [1] Sixt, Granz and Landgraf, "When Explanations Lie", ICML 2020. arXiv:1912.09818

    Examples
    --------
    >>> import vizcnn as vz
    >>> explained = vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[3], methods="gradcam", metrics="random_logit")
    >>> 0 <= float(explained["gradcam"].measures["random_logit"][0]) <= 1
    True
    """
    del inputs  # `again` has them
    output = model.output_name(score.output)
    head = model.head(output)
    classes = [-1 if index is None else index for index in score.classes]
    if not head.is_classes or min(classes) < 0:
        return MetricBatch.none(len(maps), "what is explained is no class")
    if head.units < 2:
        return MetricBatch.none(len(maps), "the model has one number, and so no other class")
    further = int(np.random.default_rng(seed).integers(1, head.units))
    others = Class([(index + further) % head.units for index in classes], output).score(model, len(maps))
    return MetricBatch(
        map_similarity(maps, again(score=others)), undefined={"it is the same everywhere": is_flat(maps)}
    )
