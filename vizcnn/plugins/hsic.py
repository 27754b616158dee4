"""HSIC: how much the score depends, in any way, on whether a segment is seen."""

from __future__ import annotations

from functools import cache

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.adapter.changed import Changed
from vizcnn.algorithms.baselines import Baseline
from vizcnn.algorithms.cost import runs_by
from vizcnn.algorithms.sampling import check_count, check_tolerance, rounds, sampled, samples_used, share_of_map
from vizcnn.algorithms.segments import Segments, described, fills, segment, show_segments, spread
from vizcnn.algorithms.segments import counts as counts_of
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score


@register("hsic", family="perturbation", needs={"scores", "outputs"}, cost=runs_by("num_samples"))
def hsic(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    segments: Segments = "grid",
    num_segments: int = 50,
    num_samples: int = 500,
    tolerance: float | None = None,
    baseline: Baseline = "mean",
    seed: int = 0,
) -> AttributionBatch:
    """Measure how much the score depends on whether each segment is seen, by the Hilbert-Schmidt criterion [1]_.

    High where the scores with the segment and those without it are spread differently, in whatever way.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    segments : str, array or callable, default "grid"
        How the image is cut; see `lime`.
    num_segments : int, default 50
        About how many segments "grid" and "slic" make; the others find their own number.
    num_samples : int, default 500
        How many copies of the image, each with about half of the segments hidden.
    tolerance : float, default None
        For each image, take no more copies once `measures` "standard error" is this small a share of the map, as 0.1;
        `num_samples` is then the most that are taken. It is looked after 64, 96, 144, ... of them.
    baseline : float, sequence of float, name, path or image, default "mean"
        What is seen in place of a hidden segment; see `lime`.
    seed : int, default 0
        Seed of the copies and of the noise.

    Returns
    -------
    Attributions
        `values` (N, H, W): ``tr(K H L H) / (n - 1)**2`` for each pixel's segment, without a sign; K compares two copies by the
        segment (1 where it is the same in both, else 0), L by their scores. `measures` "chance" (N,): the mean value of a segment
        that the scores don't depend on; and "standard error" (N,): how far the map would differ with other copies, as a share of
        it; with a `tolerance` also "samples" (N,): how many copies there were of each image. `extras` "standard error" (N, H, W):
        the error of each segment; "segments" (N, H, W): their labels.

    Raises
    ------
    OptionError
        If there are fewer than three copies, `tolerance` is not positive, or segments or baseline are unknown.
    CapabilityError
        If scikit-image is needed and not installed.

    Warnings
    --------
    Values say that the score depends on the segment, not which way, nor by how much in its units. They are never below zero, so
    those of segments that do nothing lie about "chance". Copies are images as the model never saw them.

    Notes
    -----
    One run of the model per copy. L is a Gaussian whose width is the median distance of two scores; Xplique takes the median of
    the scores themselves, which moves with a constant added to them, and divides by n.

    References
    ----------
    .. [1] Novello, Fel and Vigouroux, "Making Sense of Dependence: Efficient Black-box Explanations Using Dependence Measure",
       NeurIPS 2022. arXiv:2206.06219

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> result = vz.hsic(cnn, digits[3], num_segments=16, num_samples=300)
    >>> result.values.shape, bool(result.values.max() > 3 * result.measures["chance"][0])
    ((1, 28, 28), True)
    """
    check_count("num_samples", num_samples, 3)
    check_tolerance(tolerance)
    labels = segment(inputs, segments, num_segments)
    numbers = counts_of(labels)

    @cache
    def design(number: int) -> np.ndarray:
        return np.random.default_rng(seed).random((num_samples, number)) < 0.5

    change, companions = show_segments(
        labels,
        lambda number, part: design(number)[part],
        num_samples,
        name="hsic",
        remedy="Fewer `num_samples` take less.",
    )
    companions["fill"] = fills(inputs, labels, baseline, seed)

    def found(changed: Changed, counts: np.ndarray, which: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        each = zip(which, counts, changed.copy_scores, strict=True)
        parts = [_dependence(design(numbers[at])[:count], scores[:count]) for at, count, scores in each]
        values, errors, chance = zip(*parts, strict=True)
        return spread(values, labels[which]), spread(errors, labels[which]), np.array(chance)

    def error(changed: Changed, counts: np.ndarray, which: np.ndarray) -> np.ndarray:
        values, errors, _ = found(changed, counts, which)
        return share_of_map(errors, values)

    changed, counts = sampled(
        model.changed_scores,
        inputs,
        score,
        change,
        companions=companions,
        tolerance=tolerance,
        error=error,
        stops=rounds(64, num_samples),
    )
    values, errors, chance = found(changed, counts, np.arange(len(inputs)))
    share = share_of_map(errors, values)
    used, notes = samples_used(share, tolerance, counts)
    return AttributionBatch.of(
        changed,
        values,
        measures={"chance": chance, "standard error": share, **used},
        extras={"standard error": errors, "segments": labels.astype(np.float32)},
        options=described(segments),
        notes=notes,
    )


def _dependence(seen: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Return HSIC of each segment, its standard error, and what chance alone makes of it; all 0 where the score is constant."""
    count, number = seen.shape
    alike = _alike(scores.astype(np.float64))
    if alike is None:
        return np.zeros(number), np.zeros(number), 0.0
    centered = seen - seen.mean(axis=0)
    # Of two values, H K H is twice the outer product of what is left of them without their mean.
    parts = 2 * centered * (alike @ centered)
    values = parts.sum(axis=0) / (count - 1) ** 2
    errors = 2 * parts.std(axis=0, ddof=1) * np.sqrt(count) / (count - 1) ** 2
    # The mean over all ways to assign the scores to the copies: tr(HKH) tr(HLH) / (n - 1).
    chance = 2 * np.square(centered).sum(axis=0).mean() * np.trace(alike) / (count - 1) ** 3
    return np.maximum(values, 0), errors, float(chance)


def _alike(scores: np.ndarray) -> np.ndarray | None:
    """Return how alike scores (n,) are, centered, (n, n); None where all are the same but for their last digits."""
    if np.ptp(scores) <= np.finfo(np.float32).eps * np.abs(scores).max():
        return None
    distance = np.abs(scores[:, None] - scores)
    apart = distance[np.triu_indices(len(scores), 1)]
    width = np.median(apart) or apart[apart > 0].min()
    kernel = np.exp(-((distance / width) ** 2) / 2)
    rows = kernel.mean(axis=0)
    return np.asarray(kernel - rows - rows[:, None] + rows.mean())
