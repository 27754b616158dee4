"""Deletion: how fast the model gives a class up when the brightest pixels of a map are hidden first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.adapter.changed import Change, Copies
from vizcnn.algorithms.baselines import Baseline, baselines
from vizcnn.errors import OptionError
from vizcnn.measures.metric import MetricBatch
from vizcnn.measures.register import register_metric
from vizcnn.targets.score import Score, pick


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
    if isinstance(num_steps, bool) or not isinstance(num_steps, int | np.integer) or num_steps < 1:
        raise OptionError(f"`num_steps` must be a positive whole number; got {num_steps!r}.")
    size = int(np.prod(maps.shape[1:]))
    hidden = np.rint(np.linspace(0, size, num_steps + 1)).astype(np.int32)
    change = Change(
        "pixels deleted",
        len(hidden),
        lambda part: {"hidden": hidden[part]},
        _deleted,
        name="deletion",
        remedy="Fewer `num_steps` take less.",
    )
    companions = {
        "ranks": _ranks(maps, seed),
        "fill": baselines(inputs, baseline, [length / 10 for length in inputs.shape[1:-1]], seed=seed),
    }
    output = model.output_name(score.output)
    of_classes = model.head(output).is_classes and all(index is not None and index >= 0 for index in score.classes)
    if of_classes:
        companions["class"] = np.array(score.classes, dtype=np.int32)
    changed = model.changed_scores(
        inputs, score, change, companions=companions, each={"value": _ClassValue(output)} if of_classes else {}
    )
    is_probability = of_classes and model.class_outputs(changed.outputs, output)[2]
    curve = changed.each["value"] if is_probability else changed.copy_scores
    means = (curve[:, 1:] + curve[:, :-1]) / 2
    return MetricBatch((means * np.diff(hidden / size)).sum(axis=1), extras={"curve": curve})


def _ranks(maps: np.ndarray, seed: int) -> np.ndarray:
    """Return the place (N, ...) of each pixel in the order in which they are hidden; chance orders those of equal values."""
    chance = np.random.default_rng(seed).random(maps[0].size)
    orders = [np.lexsort((chance, -values.ravel())) for values in maps]
    return np.stack([np.argsort(order) for order in orders]).reshape(maps.shape).astype(np.int32)


def _deleted(xp: Any, images: Any, companions: Any, numbers: Any) -> Any:
    ranks = companions["ranks"]
    hidden = xp.less(ranks, xp.reshape(numbers["hidden"], (-1, *[1] * (len(ranks.shape) - 1))))
    return xp.where(hidden[..., None], companions["fill"], images)


@dataclass(frozen=True)
class _ClassValue:
    """The formula of what the model says of the explained class."""

    output: str

    def __call__(self, xp: Any, copies: Copies) -> Any:
        index = copies.companions["class"]
        return pick(xp, copies.class_outputs(self.output), index, index)
