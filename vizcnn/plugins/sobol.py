"""Sobol: the share of the score's variance that a segment has a part in while all of them are dimmed at random."""

from __future__ import annotations

from functools import cache

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.adapter.changed import Changed
from vizcnn.algorithms.baselines import Baseline
from vizcnn.algorithms.cost import Cost
from vizcnn.algorithms.sampling import check_count, check_tolerance, rounds, sampled, samples_used, share_of_map
from vizcnn.algorithms.segments import Segments, described, fills, segment, show_segments, spread
from vizcnn.algorithms.segments import counts as counts_of
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score


@register(
    "sobol",
    family="perturbation",
    needs={"scores", "outputs"},
    cost=lambda model, shape, options: Cost(int(options["num_samples"]) * (int(options["num_segments"]) + 1)),
)
def sobol(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    segments: Segments = "grid",
    num_segments: int = 64,
    num_samples: int = 32,
    tolerance: float | None = None,
    baseline: Baseline = "mean",
    seed: int = 0,
) -> AttributionBatch:
    """Take each segment's total Sobol index: its part in the score's variance when all are dimmed at random [1]_.

    High where the score moves with how much of the segment is seen, alone or together with others, up or down.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    segments : str, array or callable, default "grid"
        How the image is cut; see `lime`.
    num_segments : int, default 64
        About how many segments "grid" and "slic" make; the others find their own number.
    num_samples : int, default 32
        How many points of the design, each of which is run once, and once more for each segment; best a power of two.
    tolerance : float, default None
        For each image, take no more points once `measures` "standard error" is this small a share of the map, as 0.1;
        `num_samples` is then the most that are taken. It is looked after 16, 32, 64, ... of them.
    baseline : float, sequence of float, name, path or image, default "mean"
        What a segment is dimmed towards; see `lime`.
    seed : int, default 0
        Seed of the design and of the noise.

    Returns
    -------
    Attributions
        `values` (N, H, W): the index of each pixel's segment, from 0, without a sign: a share of the variance, and those of all
        segments add up to 1 or more. `extras` "standard error" (N, H, W): how far it would differ with other points, were these
        drawn independently; "segments" (N, H, W): the labels. `measures` "standard error" (N,): the same as a share of the map;
        with a `tolerance` also "samples" (N,): how many points there were for each image.

    Raises
    ------
    OptionError
        If there are fewer than three points, `tolerance` is not positive, or segments or baseline are unknown.
    CapabilityError
        If scikit-image is needed and not installed.

    Warnings
    --------
    An index says that the score moves, not which way: what speaks against the class is as high as what speaks for it. With few
    points its error is large. Half-dimmed images are unlike any that the model has seen.

    Notes
    -----
    ``num_samples * (K + 1)`` runs of the model for K segments. How much is seen of each segment is the points A and B of a
    scrambled Sobol sequence; C_i is A with column i of B, and by Jansen's estimator [2]_ the index of i is
    ``mean((f(A) - f(C_i))**2) / (2 var f(A))``. Xplique runs B too, which this estimator doesn't need, and enlarges the map by
    cubic interpolation; here a pixel has the value of its segment.

    References
    ----------
    .. [1] Fel et al., "Look at the Variance! Efficient Black-box Explanations with Sobol-based Sensitivity Analysis", NeurIPS
       2021. arXiv:2111.04138
    .. [2] Jansen, "Analysis of variance designs for model output", Computer Physics Communications 117, 1999.

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> result = vz.sobol(cnn, digits[3], num_segments=16, num_samples=16)
    >>> result.values.shape, bool(result.values.min() >= 0)
    ((1, 28, 28), True)
    """
    check_count("num_samples", num_samples, 3)
    check_tolerance(tolerance)
    labels = segment(inputs, segments, num_segments)
    numbers = counts_of(labels)
    draw = cache(lambda number: _points(number, num_samples, seed))
    each = max(numbers) + 1

    def rows(number: int, part: slice) -> np.ndarray:
        # Behind each other: a point of A, and that point with one segment after another as B has it.
        point, column = np.divmod(np.arange(part.start, part.stop), each)
        first, second = draw(number)
        is_of_b = column[:, None] == np.arange(1, number + 1)
        return np.where(is_of_b, second[point], first[point])

    change, companions = show_segments(
        labels,
        rows,
        num_samples * each,
        name="sobol",
        remedy="Fewer `num_segments` take less, and so do fewer `num_samples`.",
    )
    companions["fill"] = fills(inputs, labels, baseline, seed)

    def found(changed: Changed, counts: np.ndarray, which: np.ndarray) -> list[np.ndarray]:
        scores = changed.copy_scores.astype(np.float64).reshape(len(which), -1, each)
        totals = [
            _total(rows[: count // each, 0], rows[: count // each, 1 : 1 + numbers[at]])
            for at, count, rows in zip(which, counts, scores, strict=True)
        ]
        return [spread(values, labels[which]) for values in zip(*totals, strict=True)]

    changed, counts = sampled(
        model.changed_scores,
        inputs,
        score,
        change,
        companions=companions,
        tolerance=tolerance,
        error=lambda changed, counts, which: share_of_map(*reversed(found(changed, counts, which))),
        stops=[stop * each for stop in rounds(16, num_samples, growth=2)],
    )
    values, errors = found(changed, counts, np.arange(len(inputs)))
    share = share_of_map(errors, values)
    used, notes = samples_used(share, tolerance, counts // each)
    return AttributionBatch.of(
        changed,
        values,
        measures={"standard error": share, **used},
        extras={"standard error": errors, "segments": labels.astype(np.float32)},
        options=described(segments),
        notes=notes,
    )


def _points(number: int, num_samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the points A and B, (num_samples, number) each."""
    from scipy.stats import qmc  # costs a while to import, and no other method needs it

    sequence = qmc.Sobol(2 * number, rng=np.random.default_rng(seed))
    points = sequence.random_base2((num_samples - 1).bit_length())[:num_samples]
    return points[:, :number], points[:, number:]


def _total(whole: np.ndarray, swapped: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the total indices of f(A) (n,) and f(C) (n, K), and their standard errors; 0 where the score doesn't vary."""
    count = len(whole)
    around = (whole - whole.mean()) ** 2 * count / (count - 1)
    variance = around.mean()
    # What is smaller than the last digits of the scores is no variance.
    if variance <= (np.finfo(np.float32).eps * np.abs(whole).max()) ** 2:
        return np.zeros(swapped.shape[1]), np.zeros(swapped.shape[1])
    moves = (whole[:, None] - swapped) ** 2 / 2
    index = moves.mean(axis=0) / variance
    left = moves - index * around[:, None]
    return index, left.std(axis=0, ddof=1) / np.sqrt(count) / variance
