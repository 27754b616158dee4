"""Max-sensitivity: how much a map changes when the image changes by less than an eye sees."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.sampling import check_count, check_positive
from vizcnn.measures.metric import Again, MetricBatch
from vizcnn.measures.register import register_metric
from vizcnn.targets.score import Score


@register_metric("max_sensitivity", better="low")
def max_sensitivity(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    maps: np.ndarray,
    again: Again,
    *,
    num_samples: int = 10,
    radius: float = 0.02,
    seed: int = 0,
) -> MetricBatch:
    """Return how much a map changes, at the most, under noise that is too weak to see [1]_.

    0 where it stays as it is; at 1 the change is as large as the map.

    Parameters
    ----------
    model, inputs, score, maps, again : as in every metric
        See `vizcnn.register_metric`.
    num_samples : int, default 10
        How many noisy images; a map is made of each.
    radius : float, default 0.02
        Most that a value of the image is changed by, as a share of the image's range.
    seed : int, default 0
        Seed of the noise, which is even between both signs of that, and the same for all images.

    Returns
    -------
    MetricBatch
        `values` (N,): the largest norm of the change over the norm of the map. Undefined where the map is zero everywhere, or the
        image the same everywhere.

    Raises
    ------
    OptionError
        If `num_samples` is not a positive whole number, or `radius` no positive one.

    Warnings
    --------
    A map that is the same for every image is perfect, an edge filter nearly so: it says that a map can be repeated, and
    nothing of whether it is right. Where the model itself turns, a right map has to. The maximum grows with `num_samples`.

    Notes
    -----
    The class that is explained stays the one of the image without noise. Captum's radius is in the units of the inputs, and
    so is that of Quantus. Xplique's `AverageStability` is the mean distance in the map's units, by noise that only adds.

    References
    ----------
    .. [1] Yeh et al., "On the (In)fidelity and Sensitivity of Explanations", NeurIPS 2019. arXiv:1901.09392

    Examples
    --------
    >>> import vizcnn as vz
    >>> metric = "max_sensitivity:num_samples=2"
    >>> explained = vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[3], methods="gradcam", metrics=metric)
    >>> 0 < float(explained["gradcam"].measures[metric][0]) < 1
    True
    """
    del model, score  # `again` has them
    check_count("num_samples", num_samples)
    check_positive("radius", radius)
    axes = tuple(range(1, maps.ndim))
    spread = np.ptp(inputs.reshape(len(inputs), -1), axis=1)
    reach = (radius * spread).reshape(-1, *[1] * (inputs.ndim - 1))
    size = np.sqrt(np.square(maps, dtype=np.float64).sum(axis=axes))
    generator = np.random.default_rng(seed)
    changes = np.zeros(len(maps))
    for _ in range(num_samples):
        noise = generator.uniform(-1, 1, inputs.shape[1:]).astype(np.float32)
        moved = again(inputs=(inputs + reach * noise).astype(np.float32)).astype(np.float64) - maps
        changes = np.maximum(changes, np.sqrt(np.square(moved).sum(axis=axes)))
    undefined = {"it is zero everywhere": size == 0, "the image is the same everywhere": spread == 0}
    return MetricBatch(changes / np.where(size > 0, size, 1), undefined=undefined)
