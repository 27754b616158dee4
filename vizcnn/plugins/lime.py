"""LIME: the weights of a linear model that answers as the network does when segments of the image are hidden."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.baselines import Baseline
from vizcnn.algorithms.regression import fit
from vizcnn.algorithms.sampling import check_count, check_not_negative, check_positive, share_of_map
from vizcnn.algorithms.segments import Segments, counts, described, fills, segment, show_segments, spread
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score


@register("lime", family="perturbation", needs={"scores", "outputs"})
def lime(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    segments: Segments = "grid",
    num_segments: int = 50,
    num_samples: int = 1000,
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
        share of it. `extras` "standard error" (N, H, W): the same of each segment; "segments" (N, H, W): their labels.

    Raises
    ------
    OptionError
        If there are fewer copies than segments and two, `kernel_width` is not positive, `ridge` is negative, or segments or
        baseline are unknown.
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
    labels = segment(inputs, segments, num_segments)
    numbers = counts(labels)
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
    changed = model.changed_scores(inputs, score, change, companions=companions)
    fitted = []
    for number, whole, scores in zip(numbers, changed.scores, changed.copy_scores, strict=True):
        seen = np.concatenate([np.ones((1, number)), design(number)])
        fitted.append(fit(seen, np.append(whole, scores), _nearness(seen, kernel_width), ridge=ridge))
    values = spread([each.coefficients for each in fitted], labels)
    errors = spread([np.sqrt(np.diag(each.covariance)) for each in fitted], labels)
    return AttributionBatch.of(
        changed,
        values,
        signed=True,
        measures={"R2": np.array([each.r2 for each in fitted]), "standard error": share_of_map(errors, values)},
        extras={"standard error": errors, "segments": labels.astype(np.float32)},
        options=described(segments),
    )


def _nearness(seen: np.ndarray, width: float) -> Any:
    """Return how much each sample (n, K) counts: less, the less of the image is seen."""
    distance = 1 - np.sqrt(seen.mean(axis=1))
    return np.sqrt(np.exp(-((distance / width) ** 2)))
