"""KernelSHAP: Shapley values of the image's segments, by a weighted regression."""

from __future__ import annotations

import itertools
from functools import cache
from math import comb
from typing import NamedTuple

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.adapter.changed import Changed
from vizcnn.algorithms.baselines import Baseline
from vizcnn.algorithms.cost import runs_by
from vizcnn.algorithms.regression import fit
from vizcnn.algorithms.sampling import check_count, check_tolerance, rounds, sampled, samples_used, share_of_map
from vizcnn.algorithms.segments import Segments, described, fills, segment, show_segments, spread
from vizcnn.algorithms.segments import counts as counts_of
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score


@register("kernel_shap", family="perturbation", needs={"scores", "outputs"}, cost=runs_by("num_samples"))
def kernel_shap(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    segments: Segments = "grid",
    num_segments: int = 50,
    num_samples: int = 1000,
    tolerance: float | None = None,
    baseline: Baseline = "mean",
    seed: int = 0,
) -> AttributionBatch:
    """Share out the score's rise from a hidden to the seen image among its segments, by their Shapley values [1]_.

    Positive where the segment raises the score, on the average over what else is seen; negative where it lowers it.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    segments : str, array or callable, default "grid"
        How the image is cut; see `lime`.
    num_segments : int, default 50
        About how many segments "grid" and "slic" make; the others find their own number.
    num_samples : int, default 1000
        How many copies of the image, each with some segments hidden; an odd number is one less. They come in pairs: what is
        seen in one is hidden in the other. Where there are no more ways to hide segments, each is taken once, and the values
        are exact.
    tolerance : float, default None
        For each image, take no more copies once `measures` "standard error" is this small a share of the map, as 0.1;
        `num_samples` is then the most that are taken. It is looked after 64, 96, 144, ... of them, once there are four for each
        segment. Values that can be exact are.
    baseline : float, sequence of float, name, path or image, default "mean"
        What is seen in place of a hidden segment; see `lime`.
    seed : int, default 0
        Seed of the copies and of the noise.

    Returns
    -------
    Attributions
        `values` (N, H, W): the Shapley value of each pixel's segment, in score units; those of all segments add up to the score
        of the image less that of the baseline. `measures` "standard error" (N,): how far the map would differ with other copies,
        as a share of it, 0 where it is exact; with a `tolerance` also "samples" (N,): how many copies there were of each image.
        `extras` "standard error" (N, H, W): the error of each segment; "segments" (N, H, W): their labels.

    Raises
    ------
    OptionError
        If there are fewer than two copies for each segment, `tolerance` is not positive, or segments or baseline are unknown.
    CapabilityError
        If scikit-image is needed and not installed.

    Warnings
    --------
    A Shapley value is a fair share, not a cause: segments that only work together share what they do. Most copies are images as
    the model never saw them, and dozens of segments take thousands of copies: read the standard error.

    Notes
    -----
    One run of the model per copy, and one for the baseline. Of K segments, s seen ones have probability proportional to
    ``(K - 1) / (s (K - s))``; then ``sum(phi) = f(x) - f(x')`` is put into a least-squares fit, whose copies all count alike.
    Where they are few, each coalition is taken once, as by shap's KernelExplainer; Captum draws them even then, some several
    times.

    References
    ----------
    .. [1] Lundberg and Lee, "A Unified Approach to Interpreting Model Predictions", NeurIPS 2017. arXiv:1705.07874

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> result = vz.kernel_shap(cnn, digits[3], num_segments=4, baseline=0.0)  # 4 quarters: 14 ways to hide some
    >>> black = cnn.scores(np.zeros((1, 28, 28, 1)), result.classes)
    >>> bool(np.allclose(result.values[0, ::14, ::14].sum(), result.scores - black, atol=1e-3)), result.measures
    (True, {'standard error': array([0.], dtype=float32)})
    """
    check_tolerance(tolerance)
    labels = segment(inputs, segments, num_segments)
    numbers = counts_of(labels)
    check_count("num_samples", num_samples, 2)
    draw = cache(lambda number: _drawn(number, num_samples, seed))
    for number in numbers:
        if not draw(number).exact:
            check_count("num_samples", num_samples, 2 * number, f", two for each of the {number} segments")
    most = max(len(draw(number).seen) for number in numbers)
    count = 1 + most

    def rows(number: int, part: slice) -> np.ndarray:
        table = np.zeros((count, number), dtype=bool)  # the first copy shows no segment
        table[1 : 1 + len(draw(number).seen)] = draw(number).seen
        return table[part]

    change, companions = show_segments(labels, rows, count, name="kernel shap", remedy="Fewer `num_samples` take less.")
    companions["fill"] = fills(inputs, labels, baseline, seed)

    def found(changed: Changed, counts: np.ndarray, which: np.ndarray) -> list[np.ndarray]:
        each = zip(which, counts, changed.scores, changed.copy_scores, strict=True)
        fitted = [
            _values(draw(numbers[at]).first(count - 1), float(whole), float(scores[0]), scores[1:])
            for at, count, whole, scores in each
        ]
        return [spread(values, labels[which]) for values in zip(*fitted, strict=True)]

    def error(changed: Changed, counts: np.ndarray, which: np.ndarray) -> np.ndarray:
        values, errors = found(changed, counts, which)
        least = [len(draw(number).seen) if draw(number).exact else 4 * number for number in numbers]
        return np.where(counts <= np.array(least)[which], np.inf, share_of_map(errors, values))

    changed, counts = sampled(
        model.changed_scores,
        inputs,
        score,
        change,
        companions=companions,
        tolerance=tolerance,
        error=error,
        stops=[1 + stop for stop in rounds(64, most)],
    )
    values, errors = found(changed, counts, np.arange(len(inputs)))
    share = share_of_map(errors, values)
    used, notes = samples_used(share, tolerance, np.minimum(counts - 1, [len(draw(number).seen) for number in numbers]))
    return AttributionBatch.of(
        changed,
        values,
        signed=True,
        measures={"standard error": share, **used},
        extras={"standard error": errors, "segments": labels.astype(np.float32)},
        options=described(segments),
        notes=notes,
    )


class _Drawn(NamedTuple):
    """Coalitions of segments: which are seen (n, K), how much each coalition counts, and whether they are all there are."""

    seen: np.ndarray
    weights: np.ndarray
    exact: bool

    def first(self, count: int) -> _Drawn:
        """Return the first of them; not yet exact where some are missing."""
        return _Drawn(self.seen[:count], self.weights[:count], self.exact and count >= len(self.seen))


def _drawn(number: int, num_samples: int, seed: int) -> _Drawn:
    if number == 1:
        return _Drawn(np.zeros((0, 1), dtype=bool), np.zeros(0), exact=True)
    sizes = np.arange(1, number)
    share = (number - 1) / (sizes * (number - sizes))
    if number < 32 and 2**number - 2 <= num_samples:
        seen = np.array(list(itertools.product([False, True], repeat=number)))[1:-1]
        size = seen.sum(axis=1)
        each = np.array([comb(number, many) for many in range(1, number)])
        return _Drawn(seen, (share / each)[size - 1], exact=True)
    # The first coalitions are the same, however many are drawn.
    first, second = (np.random.default_rng(one) for one in np.random.SeedSequence(seed).spawn(2))
    pairs = num_samples // 2
    size = first.choice(sizes, size=pairs, p=share / share.sum())
    order = second.random((pairs, number)).argsort(axis=1).argsort(axis=1)
    seen = order < size[:, None]
    return _Drawn(np.stack([seen, ~seen], axis=1).reshape(-1, number), np.ones(2 * pairs), exact=False)


def _values(drawn: _Drawn, whole: float, hidden: float, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the Shapley values of the segments, which add up, and their standard errors."""
    rise = whole - hidden
    seen = drawn.seen.astype(np.float64)
    if not len(seen):
        return np.array([rise]), np.zeros(1)
    # The last segment's value is what the others leave of the whole rise.
    last = seen[:, -1]
    fitted = fit(
        seen[:, :-1] - last[:, None],
        scores[: len(seen)] - hidden - last * rise,
        drawn.weights,
        intercept=False,
        group=1 if drawn.exact else 2,
    )
    values = np.append(fitted.coefficients, rise - fitted.coefficients.sum())
    if drawn.exact:
        return values, np.zeros(len(values))
    variances = np.append(np.diag(fitted.covariance), fitted.covariance.sum())
    return values, np.sqrt(np.maximum(variances, 0))
