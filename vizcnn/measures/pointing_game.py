"""Pointing game: whether a map is highest where the object is."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.ranks import is_flat
from vizcnn.algorithms.sampling import check_not_negative
from vizcnn.measures.metric import MetricBatch
from vizcnn.measures.register import register_metric
from vizcnn.targets.score import Score


@register_metric("pointing_game", better="high", needs={"images"})
def pointing_game(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    maps: np.ndarray,
    regions: np.ndarray,
    *,
    margin: float = 0.067,
) -> MetricBatch:
    """Return whether a map is highest in the region, or close to it [1]_.

    1 where it is and 0 where it isn't; the mean over many images is the accuracy of pointing.

    Parameters
    ----------
    model, inputs, score, maps, regions : as in every metric
        See `vizcnn.register_metric`.
    margin : float, default 0.067
        How far from the region still counts, as a share of the image's longer side: the 15 pixels of 224 that the paper grants.

    Returns
    -------
    MetricBatch
        `values` (N,): 1 or 0; of a map with several highest pixels the share of these that hit. Undefined where the map is the
        same everywhere, or no region is known.
        `extras` "by chance" (N,): the share of the image that the region is, which a map without meaning gets.

    Raises
    ------
    OptionError
        If the margin is negative.

    Warnings
    --------
    It tells where a map points, and nothing of whether the model looks there: one that decides by the background has a right map
    outside of the region. One pixel decides, so a map that is wrong everywhere else passes; a large region is hit by
    chance.

    References
    ----------
    .. [1] Zhang et al., "Top-down Neural Attention by Excitation Backprop", ECCV 2016. arXiv:1608.00507

    Examples
    --------
    >>> import vizcnn as vz
    >>> middle = [[4, 4, 24, 24]]  # left, top, right, bottom
    >>> explained = vz.explain(
    ...     vz.assets.digits_cnn(), vz.assets.digits()[3], methods="gradcam", metrics="pointing_game", regions=middle
    ... )
    >>> 0 <= float(explained["gradcam"].measures["pointing_game"][0]) <= 1
    True
    """
    del model, inputs, score
    from scipy import ndimage  # costs a while to import

    check_not_negative("margin", margin)
    reach = margin * max(maps.shape[1:])
    hits = np.zeros(len(maps))
    for at, (values, region) in enumerate(zip(maps, regions, strict=True)):
        near = ndimage.distance_transform_edt(~region) <= reach if region.any() else region
        hits[at] = near[values == values.max()].mean()
    unknown = np.asarray(~regions.any(axis=(1, 2)))
    undefined = {"it is the same everywhere": is_flat(maps), "no region is known": unknown}
    return MetricBatch(hits, {"by chance": regions.mean(axis=(1, 2))}, undefined)
