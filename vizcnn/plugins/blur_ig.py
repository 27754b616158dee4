"""Blur Integrated Gradients: how the way from a blurred image to the sharp one adds up to the score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.adapter.changed import Arrays, Change, Copies
from vizcnn.algorithms.paths import REMEDY, completeness
from vizcnn.algorithms.reduction import REDUCTION_ALIASES, Reduction, reduce_channels
from vizcnn.algorithms.sampling import check_count, check_positive
from vizcnn.plugins.register import register
from vizcnn.resample import blur
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score


@register("blur_ig", family="gradient", needs={"gradients"}, aliases=REDUCTION_ALIASES)
def blur_ig(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    num_steps: int = 50,
    max_sigma: float | None = None,
    reduce: Reduction = "sum",
) -> AttributionBatch:
    """Add up the gradients on the way from a blurred image to the image, as it grows sharp [1]_.

    What the detail that comes in at each pixel gives to the score: red speaks for the class, blue against it. No color is the
    baseline; what is missing is only blurred away.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    num_steps : int, default 50
        Steps of the way.
    max_sigma : float, default None
        Standard deviation of the Gaussian at the beginning, in pixels. None: a fifth of the image along each axis.
    reduce : {"max_abs", "sum", "none"}, default "sum"
        How the channels become one value; see `saliency`. Only sums add up.

    Returns
    -------
    Attributions
        `values` (N, H, W), or (N, H, W, C) with reduce="none", in units of the score; `raw` (N, H, W, C): of each channel.
        `measures` "completeness gap" (N,): what all values add up to, less the score's difference from that of the blurred
        image; 0 were the integral exact.

    Raises
    ------
    OptionError
        If `num_steps` is not a positive whole number, or `max_sigma` not a positive number.
    CapabilityError
        If the model has no gradients.

    Warnings
    --------
    What makes the score of the blurred image is not in the map: large even areas, and the color of the whole. Along edges it is
    brightest, for that is where sharpening changes the image.

    Notes
    -----
    The image's derivative by the width of the Gaussian is taken as the difference of one step, and the gradient as the mean of
    both of its ends, so all of it adds up; the steps are narrow where the image is nearly sharp. PAIR's code takes the
    derivative over 0.01 pixels at the beginning of each of 100 equal steps, and blurs with black beyond the edges, which darkens
    them; here the edges' values are continued.

    References
    ----------
    .. [1] Xu, Venugopalan and Sundararajan, "Attribution in Scale and Space", CVPR 2020. arXiv:2004.03383

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> result = vz.blur_ig(cnn, digits[3])
    >>> bool(abs(result.measures["completeness gap"][0]) < 0.05 * result.scores[0])
    True
    """
    check_count("num_steps", num_steps)
    if max_sigma is not None:
        check_positive("max_sigma", max_sigma)
    size = inputs.shape[1:-1]
    widest = [length / 5 if max_sigma is None else max_sigma for length in size]
    blurred = _Blurred(size, widest, num_steps)
    change = Change("blurred", num_steps + 1, blurred, _apply, name="blur ig", remedy=REMEDY)
    changed = model.changed_gradients(inputs, score, change, sums={"shares": _shares})
    raw = changed.sums["shares"]
    first = changed.copy_scores[:, 0]
    gap, notes = completeness(raw, changed.scores - first, changed.scores, "more `num_steps` come closer")
    return AttributionBatch.of(
        changed,
        reduce_channels(raw, reduce),
        raw=raw,
        signed=reduce != "max_abs",
        measures={"completeness gap": gap},
        notes=notes,
    )


class _Blurred:
    """The numbers of the points of the way: for each axis the matrices that blur along it there, a step before, and one after."""

    def __init__(self, size: Sequence[int], widest: Sequence[float], count: int) -> None:
        self._size, self._widest, self._count = size, widest, count

    def __call__(self, part: slice) -> Arrays:
        numbers = {}
        for axis, (length, widest) in enumerate(zip(self._size, self._widest, strict=True)):
            first, last = max(part.start - 1, 0), min(part.stop, self._count)
            each = np.stack([_matrix(length, widest * (1 - at / self._count) ** 2) for at in range(first, last + 1)])
            places = np.arange(part.start, part.stop)
            for name, at in (("here", places), ("before", places - 1), ("after", places + 1)):
                numbers[f"{name}{axis}"] = each[np.clip(at, 0, self._count) - first]
        return numbers


def _matrix(length: int, sigma: float) -> np.ndarray:
    """Return the matrix (length, length) that blurs an axis."""
    unit = np.eye(length, dtype=np.float32)
    return blur(unit, (sigma,)) if sigma > 0 else unit


def _apply(xp: Any, images: Any, companions: Any, numbers: Any) -> Any:
    del companions
    return _along_axes(xp, images, numbers, "here")


def _along_axes(xp: Any, images: Any, numbers: Any, name: str) -> Any:
    for axis in range(1, len(images.shape) - 1):
        last = xp.moveaxis(images, axis, -1)
        images = xp.moveaxis(xp.einsum("b...c,blc->b...l", last, numbers[f"{name}{axis - 1}"]), -1, axis)
    return images


def _shares(xp: Any, copies: Copies) -> Any:
    """Return what a point gives: half of the step before it, and half of the one after it."""
    before, after = (_along_axes(xp, copies.originals, copies.numbers, name) for name in ("before", "after"))
    return 0.5 * (after - before) * copies.gradients
