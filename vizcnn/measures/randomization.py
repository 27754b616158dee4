"""Randomization: how much of a map is still there when the model has lost what it learned."""

from __future__ import annotations

from typing import Literal

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.ranks import is_flat, map_similarity
from vizcnn.errors import CapabilityError
from vizcnn.measures.metric import Again, MetricBatch
from vizcnn.measures.register import register_metric
from vizcnn.targets.score import Score


@register_metric("randomization", better="low", needs={"scores", "outputs"})
def randomization(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    maps: np.ndarray,
    again: Again,
    *,
    order: Literal["all", "top_down", "bottom_up"] = "all",
    seed: int = 0,
) -> MetricBatch:
    """Return how alike a map is to that of the same model before its training [1]_.

    High where the map shows the image, as an edge filter does, and little of what the model has learned; low is as it should be.

    Parameters
    ----------
    model, inputs, score, maps, again : as in every metric
        See `vizcnn.register_metric`.
    order : {"all", "top_down", "bottom_up"}, default "all"
        Which weights are drawn anew, by their layers' own initializers: all at once; or of one layer more at a time, from the
        last to the first or from the first to the last, until all are.
    seed : int, default 0
        Seed of the weights.

    Returns
    -------
    MetricBatch
        `values` (N,): Spearman's correlation of the magnitudes of both maps, without its sign, from 0 to 1; 0 where only the
        other map is the same everywhere. Layer by layer their mean, and `extras` "curve" (N, layers) holds each. Undefined where
        the map itself is the same everywhere, and where the model can't be run with other weights.

    Warnings
    --------
    It tells a bad map, and doesn't tell a good one: noise passes. From the last layer to the first, the untrained part is fed by
    a trained one, whose edges any map may follow, so the mean looks worse than "bottom_up". Both maps hold the same background:
    where most of an image is empty, maps are alike for that alone. One draw is one model: compare several seeds.

    Notes
    -----
    The class that is explained stays the one which the trained model predicts. Quantus keeps the correlation's sign, and its mean
    over the layers counts the trained model's own 1 too. Xplique draws all weights evenly between 0 and 1, of which no training
    begins.

    References
    ----------
    .. [1] Adebayo et al., "Sanity Checks for Saliency Maps", NeurIPS 2018. arXiv:1810.03292

    Examples
    --------
    >>> import vizcnn as vz
    >>> explained = vz.explain(
    ...     vz.assets.digits_cnn(), vz.assets.digits()[3], methods="saliency", metrics="randomization"
    ... )
    >>> 0 <= float(explained["saliency"].measures["randomization"][0]) <= 1
    True
    """
    del inputs, score  # `again` has them
    try:
        stages = [model.reinitialized(layers, seed=seed) for layers in _stages(model, order)]
        curve = np.stack([map_similarity(maps, again(model=stage)) for stage in stages], axis=1)
    except CapabilityError as error:
        return MetricBatch.none(len(maps), str(error).rstrip("."))
    notes = tuple(note for note in stages[-1].notes if note.kind == "shuffled weights")
    undefined = {"it is the same everywhere": is_flat(maps)}
    extras = {} if order == "all" else {"curve": curve}
    return MetricBatch(curve.mean(axis=1), extras, undefined, notes)


def _stages(model: ModelAdapter, order: str) -> list[list[str] | None]:
    """Return the layers whose weights are drawn, stage by stage; None: all."""
    paths = [info.path for info in model.layers if info.num_params and not info.is_container]
    if order == "top_down":
        paths.reverse()
    return [*(paths[:count] for count in range(1, len(paths) if order != "all" else 0)), None]
