"""Blur Integrated Gradients: how the way from a blurred image to the sharp one adds up to the score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.adapter.changed import Arrays, Change, Copies
from vizcnn.algorithms.cost import gradients_by
from vizcnn.algorithms.paths import REMEDY, completeness
from vizcnn.algorithms.reduction import REDUCTION_ALIASES, Reduction, reduce_channels
from vizcnn.algorithms.sampling import check_count, check_positive
from vizcnn.plugins.register import register
from vizcnn.resample import blur_matrix
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score


@register(
    "blur_ig", family="gradient", needs={"gradients"}, aliases=REDUCTION_ALIASES, cost=gradients_by("num_steps", more=1)
)
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
    changed = model.changed_gradients(inputs, score, change, sums={"shares": _shares}, in_steps=True)
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
    """The numbers of the points of the way: for each axis the matrix that blurs along it."""

    def __init__(self, size: Sequence[int], widest: Sequence[float], count: int) -> None:
        self._axes, self._count = list(zip(size, widest, strict=True)), count

    def __call__(self, part: slice) -> Arrays:
        shares = [(1 - at / self._count) ** 2 for at in range(part.start, part.stop)]
        of_axis = {
            axis: np.stack([_matrix(length, widest * share) for share in shares])
            for axis in set(self._axes)
            for length, widest in [axis]
        }
        return {f"axis {number}": of_axis[axis] for number, axis in enumerate(self._axes)}


def _matrix(length: int, sigma: float) -> np.ndarray:
    """Return the matrix (length, length) that blurs an axis."""
    return blur_matrix(length, sigma) if sigma > 0 else np.eye(length, dtype=np.float32)


def _apply(xp: Any, images: Any, companions: Any, numbers: Any) -> Any:
    del companions
    rank = len(images.shape) - 2
    images = xp.moveaxis(images, -1, 1)  # rows and columns are matrices then
    for axis in range(rank):
        matrices = xp.reshape(numbers[f"axis {axis}"], (-1, *[1] * (rank - 1), *numbers[f"axis {axis}"].shape[1:]))
        if axis == rank - 1:
            images = xp.matmul(images, xp.swapaxes(matrices, -1, -2))
        else:
            images = xp.moveaxis(xp.matmul(matrices, xp.moveaxis(images, axis + 2, -2)), -2, axis + 2)
    return xp.moveaxis(images, 1, -1)


def _shares(xp: Any, copies: Copies) -> Any:
    """Return what a step gives: the way from the point before, times the mean of the gradients there and here."""
    del xp
    before = copies.before
    return 0.5 * (copies.inputs - before.inputs) * (copies.gradients + before.gradients)
