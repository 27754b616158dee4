"""Deletion: how fast the model gives a class up when the brightest pixels of a map are hidden first."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.baselines import Baseline, baselines
from vizcnn.algorithms.curves import area_under, pixel_curve
from vizcnn.algorithms.sampling import check_count
from vizcnn.measures.metric import MetricBatch
from vizcnn.measures.register import register_metric
from vizcnn.targets.score import Score


@register_metric("deletion", better="low", needs={"scores", "outputs"})
def deletion(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    maps: np.ndarray,
    *,
    num_steps: int = 20,
    baseline: Baseline = "mean",
    seed: int = 0,
) -> MetricBatch:
    """Return the area under the curve of the probability while a map's highest pixels are hidden first [1]_.

    Low where few pixels, those that the map calls the most important, carry the decision.

    Parameters
    ----------
    model, inputs, score, maps : as in every metric
        See `vizcnn.register_metric`.
    num_steps : int, default 20
        In how many equal steps the pixels are hidden.
    baseline : float, sequence of float, name, path or image, default "mean"
        What is put in their place, in the units of the model's inputs; see `vizcnn.occlusion`. The blur is as wide as a tenth of
        the image.
    seed : int, default 0
        Seed of the noise, and of the order among pixels of equal values.

    Returns
    -------
    MetricBatch
        `values` (N,): the area for each image, over the share of hidden pixels from 0 to 1: from 0 to 1 where the model gives
        the explained class a probability, else in the units of the score. `extras` "curve" (N, num_steps + 1).

    Raises
    ------
    OptionError
        If `num_steps` is not a positive whole number, or the baseline is unknown.

    Warnings
    --------
    Images with hidden pixels are unlike any that the model has seen, and another baseline gives another number: compare maps of
    the same image by the same baseline and steps, and with what a map without meaning gets.

    References
    ----------
    .. [1] Petsiuk, Das and Saenko, "RISE", BMVC 2018. arXiv:1806.07421

    Examples
    --------
    >>> import vizcnn as vz
    >>> explained = vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[3], methods="gradcam", metrics="deletion")
    >>> result = explained["gradcam"]
    >>> result.measures["deletion"].shape, result.extras["deletion curve"].shape
    ((1,), (1, 21))
    """
    check_count("num_steps", num_steps)
    fill = baselines(inputs, baseline, [length / 10 for length in inputs.shape[1:-1]], seed=seed)
    shares, curve = pixel_curve(model, inputs, score, maps, fill, num_steps, seed=seed, name="deletion")
    return MetricBatch(area_under(curve, shares), extras={"curve": curve})
