"""Guided Integrated Gradients: a way from a baseline to the image that goes round where the gradient is large."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.baselines import Baseline, baselines
from vizcnn.algorithms.cost import gradients_by
from vizcnn.algorithms.paths import completeness
from vizcnn.algorithms.reduction import REDUCTION_ALIASES, Reduction, reduce_channels
from vizcnn.algorithms.sampling import check_count, check_share
from vizcnn.plugins.register import register
from vizcnn.progress import Clock, track
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score


@register(
    "guided_ig", family="gradient", needs={"gradients"}, aliases=REDUCTION_ALIASES, cost=gradients_by("num_steps")
)
def guided_ig(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    num_steps: int = 200,
    fraction: float = 0.25,
    max_distance: float = 0.02,
    baseline: Baseline = 0.0,
    reduce: Reduction = "sum",
    seed: int = 0,
) -> AttributionBatch:
    """Add up the gradients on a way to the image on which those pixels move first that change the score least [1]_.

    As `integrated_gradients`, with less of the grain that comes from places of steep gradients beside the way: red speaks for
    the class, blue against it.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    num_steps : int, default 200
        Steps of the way, one after another.
    fraction : float, default 0.25
        Share of the values that move in one move: those with the smallest gradients.
    max_distance : float, default 0.02
        How far a value may be before or behind the straight way, as a share of all of it; 0 is the straight way.
    baseline : float, sequence of float, name, path or image, default 0.0
        Where the way begins; see `integrated_gradients`.
    reduce : {"max_abs", "sum", "none"}, default "sum"
        How the channels become one value; see `saliency`. Only sums add up.
    seed : int, default 0
        Seed of the noise.

    Returns
    -------
    Attributions
        `values` (N, H, W), or (N, H, W, C) with reduce="none", in units of the score; `raw` (N, H, W, C): of each channel.
        `measures` "completeness gap" (N,): what all values add up to, less the score's difference from the baseline's.

    Raises
    ------
    OptionError
        If `num_steps` is not a positive whole number, `fraction` or `max_distance` no share, or the baseline is unknown.
    CapabilityError
        If the model has no gradients.

    Warnings
    --------
    The way depends on the model, so two models' maps have gone different ways. What looks like the baseline gets nothing. The
    gradient is taken at the beginning of each step, so the values add up worse than those of `integrated_gradients`.

    Notes
    -----
    A step can't begin before the one before it has ended, so more images go through the model at once, and no more steps. The
    values are those of the authors' code: each step makes the distance to the image smaller by the same amount, in L1.

    References
    ----------
    .. [1] Kapishnikov et al., "Guided Integrated Gradients: An Adaptive Path Method for Removing Noise", CVPR 2021.
       arXiv:2106.09788

    Examples
    --------
    >>> import warnings, vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")  # of so few steps that it doesn't quite add up
    ...     vz.guided_ig(cnn, digits[3], num_steps=20).values.shape
    (1, 28, 28)
    """
    check_count("num_steps", num_steps)
    check_share("fraction", fraction)
    if max_distance != 0:
        check_share("max_distance", max_distance)
    sigma = [length / 10 for length in inputs.shape[1:-1]]
    start = np.broadcast_to(baselines(inputs, baseline, sigma, seed=seed), inputs.shape).astype(np.float32)
    scores, outputs = model.scores_and_outputs(inputs, score)
    score = model.with_predicted_classes(inputs, score, outputs)
    walks = [_Walk(*ends, fraction, max_distance) for ends in zip(start, inputs, strict=True)]
    clock, first = Clock(num_steps), None
    for step in track(range(num_steps), num_steps, "guided ig"):
        clock.tick(f"Guided IG takes {num_steps:,} gradients one after another", "Fewer `num_steps` take less.")
        grads = model.gradients(np.stack([walk.image() for walk in walks]), score)
        first = grads.scores if first is None else first
        for walk, gradient in zip(walks, grads.gradients, strict=True):
            walk.go((step + 1) / num_steps, gradient)
    raw = np.stack([walk.map() for walk in walks])
    gap, notes = completeness(raw, scores - first, scores, "more `num_steps` come closer")
    return AttributionBatch(
        reduce_channels(raw, reduce),
        raw=raw,
        signed=reduce != "max_abs",
        scores=scores,
        outputs=outputs,
        measures={"completeness gap": gap},
        notes=tuple(notes),
    )


class _Walk:
    """One image on its way from the baseline."""

    def __init__(self, start: np.ndarray, end: np.ndarray, fraction: float, max_distance: float) -> None:
        self._start, self._end = start.astype(np.float64), end.astype(np.float64)
        self._fraction, self._max_distance = fraction, max_distance
        self._now = self._start.copy()
        self._whole = np.abs(self._end - self._start).sum()
        self._map = np.zeros_like(self._now)

    def image(self) -> np.ndarray:
        """Return where it is."""
        return self._now.astype(np.float32)

    def map(self) -> np.ndarray:
        """Return what each value has given so far."""
        return self._map.astype(np.float32)

    def go(self, alpha: float, gradient: np.ndarray) -> None:
        """Go on until the distance to the image is that of the point `alpha` on the straight way, least gradients first."""
        before = self._now.copy()
        least, most = (self._straight(alpha + side * self._max_distance) for side in (-1, 1))
        # Nobody stays behind: what lags is brought up.
        behind = np.abs(self._end - self._now) > np.abs(self._end - least)
        self._now = np.where(behind, least, self._now)
        wanted = self._whole * (1 - alpha)
        size = np.where(self._now == most, np.inf, np.abs(gradient))
        while True:
            left = np.abs(self._end - self._now).sum() - wanted
            open_ = size < np.inf
            if left <= 1e-9 * self._whole or not open_.any():
                break
            count = max(int(self._fraction * (size.size - 1)), 0)
            threshold = np.partition(size, count, axis=None)[count] if open_.sum() > count else size[open_].max()
            chosen = open_ & (size <= threshold)
            reach = np.abs(most - self._now)[chosen].sum()
            share = min(left / reach, 1.0) if reach > 0 else 1.0
            self._now[chosen] += share * (most - self._now)[chosen]
            size[chosen] = np.inf
            if share < 1:
                break
        self._map += (self._now - before) * gradient

    def _straight(self, alpha: float) -> np.ndarray:
        point: np.ndarray = self._start + min(max(alpha, 0.0), 1.0) * (self._end - self._start)
        return point
