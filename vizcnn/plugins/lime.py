"""LIME: the weights of a linear model that answers as the network does when segments of the image are hidden."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.adapter.changed import Changed
from vizcnn.algorithms.baselines import Baseline
from vizcnn.algorithms.cost import runs_by
from vizcnn.algorithms.regression import Fit, fit
from vizcnn.algorithms.sampling import (
    check_count,
    check_not_negative,
    check_positive,
    check_tolerance,
    rounds,
    sampled,
    samples_used,
    share_of_map,
)
from vizcnn.algorithms.segments import Segments, described, fills, segment, show_segments, spread
from vizcnn.algorithms.segments import counts as counts_of
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score


@register("lime", family="perturbation", needs={"scores", "outputs"}, cost=runs_by("num_samples"))
def lime(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    segments: Segments = "grid",
    num_segments: int = 50,
    num_samples: int = 1000,
    tolerance: float | None = None,
    baseline: Baseline = "mean",
    kernel_width: float = 0.25,
    ridge: float = 1.0,
    seed: int = 0,
) -> AttributionBatch:
    """Fit a linear model to the scores of the image with random segments hidden, and show its weights [1]_.

    Positive where the score is higher when the segment is seen, negative where it is lower.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    segments : str, array or callable, default "grid"
        How the image is cut: "grid", cells as nearly square as they may be; "slic", "quickshift" or "felzenszwalb" of
        scikit-image (``pip install 'vizcnn[segments]'``), along the edges of photographs; an array (H, W) of labels for all
        images; or a function of an image (H, W, C), as the model is given it, that returns one.
    num_segments : int, default 50
        About how many segments "grid" and "slic" make; the others find their own number.
    num_samples : int, default 1000
        How many copies of the image, each with about half of the segments hidden.
    tolerance : float, default None
        For each image, take no more copies once `measures` "standard error" is this small a share of the map, as 0.1;
        `num_samples` is then the most that are taken. It is looked after 64, 96, 144, ... of them, once there are four for each
        segment.
    baseline : float, sequence of float, name, path or image, default "mean"
        What is seen in place of a hidden segment, as `occlusion` takes it; "blur" is by a Gaussian as wide as a segment. Or
        "segment_mean": the segment's own mean color, as the authors' code has it.
    kernel_width : float, default 0.25
        How fast copies count less the more is hidden: by ``sqrt(exp(-d**2 / kernel_width**2))``, d the cosine distance from the
        whole image.
    ridge : float, default 1.0
        How much the squares of the weights are kept down.
    seed : int, default 0
        Seed of the copies and of the noise.

    Returns
    -------
    Attributions
        `values` (N, H, W): the weight of each pixel's segment, in score units. `measures` "R2" (N,): the share of the scores'
        variance that the linear model explains; and "standard error" (N,): how far the map would differ with other copies, as a
        share of it. With a `tolerance` also "samples" (N,): how many copies there were of each image. `extras` "standard error"
        (N, H, W): the error of each segment; "segments" (N, H, W): their labels.

    Raises
    ------
    OptionError
        If there are fewer copies than segments and two, `kernel_width` or `tolerance` is not positive, `ridge` is negative, or
        segments or baseline are unknown.
    CapabilityError
        If scikit-image is needed and not installed.

    Warnings
    --------
    Where R2 is low, the weights say little of the model: it isn't nearly linear in the segments. How the image is cut decides
    what can be seen, and another cut, seed or baseline is another map.

    Notes
    -----
    One run of the model per copy; the image itself is one of the samples. The authors' code [1]_ cuts by quickshift, fills by
    "segment_mean", and fits the class's probability; here the score is the target's, a logit unless it says otherwise. The
    standard errors are those of a weighted regression whose residuals may have any variance.

    References
    ----------
    .. [1] Ribeiro, Singh and Guestrin, "'Why Should I Trust You?' Explaining the Predictions of Any Classifier", KDD 2016.
       arXiv:1602.04938

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> result = vz.lime(cnn, digits[3], num_samples=300)
    >>> result.values.shape, len(set(result.extras["segments"].ravel()))
    ((1, 28, 28), 49)
    """
    check_positive("kernel_width", kernel_width)
    check_not_negative("ridge", ridge)
    check_tolerance(tolerance)
    labels = segment(inputs, segments, num_segments)
    numbers = counts_of(labels)
    check_count("num_samples", num_samples, max(numbers) + 2, f", two more than the {max(numbers)} segments")

    @cache
    def design(number: int) -> np.ndarray:
        return np.random.default_rng(seed).random((num_samples, number)) < 0.5

    change, companions = show_segments(
        labels,
        lambda number, part: design(number)[part],
        num_samples,
        name="lime",
        remedy="Fewer `num_samples` take less.",
    )
    companions["fill"] = fills(inputs, labels, baseline, seed)

    def fitted(changed: Changed, counts: np.ndarray, which: np.ndarray) -> list[Fit]:
        fits = []
        for at, count, whole, scores in zip(which, counts, changed.scores, changed.copy_scores, strict=True):
            seen = np.concatenate([np.ones((1, numbers[at])), design(numbers[at])[:count]])
            fits.append(fit(seen, np.append(whole, scores[:count]), _nearness(seen, kernel_width), ridge=ridge))
        return fits

    def error(changed: Changed, counts: np.ndarray, which: np.ndarray) -> np.ndarray:
        values, errors = _maps(fitted(changed, counts, which), labels[which])
        return np.where(counts < 4 * np.array(numbers)[which], np.inf, share_of_map(errors, values))

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
    fits = fitted(changed, counts, np.arange(len(inputs)))
    values, errors = _maps(fits, labels)
    share = share_of_map(errors, values)
    used, notes = samples_used(share, tolerance, counts)
    return AttributionBatch.of(
        changed,
        values,
        signed=True,
        measures={"R2": np.array([each.r2 for each in fits]), "standard error": share, **used},
        extras={"standard error": errors, "segments": labels.astype(np.float32)},
        options=described(segments),
        notes=notes,
    )


def _maps(fits: list[Fit], labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of the segments and their standard errors, each at the pixels of its segment."""
    errors = [np.sqrt(np.diag(each.covariance)) for each in fits]
    return spread([each.coefficients for each in fits], labels), spread(errors, labels)


def _nearness(seen: np.ndarray, width: float) -> Any:
    """Return how much each sample (n, K) counts: less, the less of the image is seen."""
    distance = 1 - np.sqrt(seen.mean(axis=1))
    return np.sqrt(np.exp(-((distance / width) ** 2)))
