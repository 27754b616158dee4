"""RISE: what the score is, on the average over random masks, where a pixel is seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.adapter.changed import Changed, Copies
from vizcnn.algorithms.baselines import Baseline, baselines
from vizcnn.algorithms.changes import grid_masks, mask_by_grids
from vizcnn.algorithms.cost import runs_by
from vizcnn.algorithms.sampling import (
    check_count,
    check_share,
    check_tolerance,
    rounds,
    sampled,
    samples_used,
    share_of_map,
)
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score

_ROUNDING = 8 * float(np.finfo(np.float32).eps)
"""How far scores of the same image may lie apart, as a share of it, by the order of their sums."""


@register("rise", family="perturbation", needs={"scores", "outputs"}, cost=runs_by("num_samples"))
def rise(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    num_samples: int = 1000,
    tolerance: float | None = None,
    cells: int = 7,
    keep: float = 0.5,
    baseline: Baseline = "mean",
    seed: int = 0,
) -> AttributionBatch:
    """Take the mean of the scores of randomly masked images where the masks show a pixel, less their mean [1]_.

    Positive where the score is higher when the place is seen, negative where it is lower.

    A mask is a coarse grid of cells that are seen or hidden by chance, enlarged smoothly and shifted by less than a cell.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    num_samples : int, default 1000
        How many masks. The paper takes 4,000 to 8,000; `measures` says what is lost by fewer.
    tolerance : float, default None
        For each image, take no more masks once `measures` "standard error" is this small a share of the map, as 0.1;
        `num_samples` is then the most that are taken. It is looked after 64, 96, 144, ... of them.
    cells : int, default 7
        Cells of the grid along each axis of the image: what is smaller than a cell can't be told from what is around it.
    keep : float, default 0.5
        Probability of a cell to be seen, between 0 and 1.
    baseline : float, sequence of float, name, path or image, default "mean"
        What is seen in place of the image where it is hidden, as `occlusion` takes it; "blur" is by a Gaussian as wide as a cell.
        The paper's is 0.0, the value that its preprocessing makes of the mean color of all images.
    seed : int, default 0
        Seed of the masks, which are the same for all images, and of the noise.

    Returns
    -------
    Attributions
        `values` (N, H, W): ``sum(f M) / sum(M) - mean(f)`` over masks M and scores f of the images seen through them, in score
        units. `raw` (N, H, W): the paper's map, without the mean of all scores taken off. `extras` "standard error" (N, H, W):
        how far each value would differ with other masks; `measures` "standard error" (N,): the same as a share of the map, the
        root mean square of these by that of the values. Both with three masks and more. With a `tolerance` also `measures`
        "samples" (N,): how many masks there were of each image.

    Raises
    ------
    OptionError
        If `num_samples` or `cells` is not a positive whole number, `keep` isn't between 0 and 1, `tolerance` is not
        positive, or the baseline is unknown.

    Warnings
    --------
    The map is as coarse as the cells, and its grain is chance: with another seed it is elsewhere, by as much as the standard
    error says. Images with half of their cells hidden are unlike any that the model has seen, and the map depends on what is put
    in their place.

    Notes
    -----
    One run of the model per mask. The authors' code divides by the expected sum of the masks, ``num_samples * keep``, which
    leaves the chance in their number in the map; here, as in Xplique, it is their own sum. Xplique shifts all masks of a batch
    by the same pixels, here each has a shift of its own. The authors weigh by the probability of the class; here the score is
    the target's, a logit unless the target says otherwise.

    The standard error is that of a regression of the score on one pixel of the mask, whose other pixels count as noise.

    References
    ----------
    .. [1] Petsiuk, Das and Saenko, "RISE: Randomized Input Sampling for Explanation of Black-box Models", BMVC 2018.
       arXiv:1806.07421

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> result = vz.rise(cnn, digits[3], num_samples=500)
    >>> result.values.shape, result.extras["standard error"].shape, result.measures["standard error"].round(1)
    ((1, 28, 28), (1, 28, 28), array([0.2], dtype=float32))
    """
    check_count("num_samples", num_samples)
    check_count("cells", cells)
    check_share("keep", keep)
    check_tolerance(tolerance)
    size = inputs.shape[1:-1]
    change = mask_by_grids(
        num_samples,
        size,
        cells=cells,
        keep=keep,
        seed=seed,
        name="rise",
        remedy="Fewer `num_samples` take less, and make the map grainier.",
    )
    companions = {
        "fill": baselines(inputs, baseline, [length / cells / 2 for length in size], seed=seed),
        "reference": model.scores(inputs, score),
    }
    changed, counts = sampled(
        model.changed_scores,
        inputs,
        score,
        change,
        companions=companions,
        tolerance=tolerance,
        error=lambda changed, counts, which: _Found.of(changed, counts, companions["reference"][which]).share(),
        stops=rounds(64, num_samples),
        sums={"moments": _moments},
    )
    found = _Found.of(changed, counts, companions["reference"])
    errors = {"standard error": found.errors} if num_samples > 2 else {}
    used, notes = samples_used(found.share(), tolerance, counts)
    return AttributionBatch.of(
        changed,
        found.values.astype(np.float32),
        raw=found.raw.astype(np.float32),
        signed=True,
        measures={**{name: found.share() for name in errors}, **used},
        extras={name: error.astype(np.float32) for name, error in errors.items()},
        notes=notes,
    )


def _moments(xp: Any, copies: Copies) -> Any:
    """Return the mask of each copy, its square, and the mask times the score, (B, 3, H, W)."""
    masks = grid_masks(xp, copies.numbers, copies.inputs.shape[1:-1])
    scores = copies.scores - copies.companions["reference"]
    return xp.stack([masks, masks * masks, masks * xp.reshape(scores, (-1, *[1] * (len(masks.shape) - 1)))], axis=1)


class _Found(NamedTuple):
    """The map, the paper's map, and the standard errors of the map; these are NaN for one mask or two."""

    values: np.ndarray
    raw: np.ndarray
    errors: np.ndarray

    @classmethod
    def of(cls, changed: Changed, counts: np.ndarray, reference: np.ndarray) -> _Found:
        """Make them of the sums over masks, `counts` of each image; `reference` is its own score, (N,)."""
        size = changed.sums["moments"].shape[2:]
        number = _beside(counts, size)
        mask, squared, weighted = np.moveaxis(changed.sums["moments"].astype(np.float64), 1, 0) / number
        scores = changed.copy_scores.astype(np.float64) - reference[:, None]
        used = [row[:count] for row, count in zip(scores, counts, strict=True)]
        mean, variance = (
            _beside(np.array(values), size) for values in zip(*((s.mean(), s.var()) for s in used), strict=True)
        )
        still = np.sqrt(variance) <= _ROUNDING * np.abs(_beside(reference, size))
        covariance = np.where(still, 0, weighted - mean * mask)
        shown = np.where(mask > 0, mask, 1)
        values = covariance / shown
        spread = np.maximum(squared - mask**2, 0)
        left = np.maximum(variance - covariance**2 / np.where(spread > 0, spread, 1), 0)
        free = np.where(number > 2, number - 2, np.nan)
        return cls(values, values + mean + _beside(reference, size), np.sqrt(left * spread / free) / shown)

    def share(self) -> np.ndarray:
        """Return how large the errors are, as a share of the map."""
        return share_of_map(self.errors, self.values)


def _beside(values: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Return one value per image so that it stands beside the pixels."""
    return values.reshape(-1, *[1] * len(size))
