"""Integrated Gradients: how the way from a baseline to the image adds up to the score."""

from __future__ import annotations

from numbers import Number
from typing import Any

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.adapter.changed import Copies
from vizcnn.algorithms.baselines import Baseline, baselines
from vizcnn.algorithms.changes import blend, one_each
from vizcnn.algorithms.cost import gradients_by
from vizcnn.algorithms.paths import REMEDY, Quadrature, Way, completeness, straight
from vizcnn.algorithms.reduction import REDUCTION_ALIASES, Reduction, reduce_channels
from vizcnn.errors import OptionError
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score


@register(
    "integrated_gradients",
    family="gradient",
    needs={"gradients"},
    aliases=REDUCTION_ALIASES,
    cost=gradients_by("num_steps"),
)
def integrated_gradients(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    num_steps: int = 50,
    baseline: Baseline = 0.0,
    quadrature: Quadrature = "gauss_legendre",
    idgi: bool = False,
    reduce: Reduction = "sum",
    seed: int = 0,
) -> AttributionBatch:
    """Add up the gradients on the straight way from a baseline to the image [1]_.

    What each pixel gives to the difference between the image's score and the baseline's: red speaks for the class, blue against
    it, and all of it adds up to that difference.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    num_steps : int, default 50
        Points of the way at which the gradient is taken.
    baseline : float, sequence of float, name, path or image, or a list of these, default 0.0
        Where the way begins; see `occlusion`. "blur" is by a Gaussian of a tenth of the image. Of several, as ["black", "white"],
        the mean of their maps is taken.
    quadrature : {"gauss_legendre", "trapezoid"}, default "gauss_legendre"
        How the points lie on the way, and what each counts. Ignored with `idgi`.
    idgi : bool, default False
        At each step of the way, share out the score's rise by the squares of the gradient [2]_: what moves along the contours
        of the score, and gives nothing, is left out. The sum is exact; all pixels of a step have the same sign.
    reduce : {"max_abs", "sum", "none"}, default "sum"
        How the channels become one value; see `saliency`. Only sums add up.
    seed : int, default 0
        Seed of the noise.

    Returns
    -------
    Attributions
        `values` (N, H, W), or (N, H, W, C) with reduce="none", in units of the score; `raw` (N, H, W, C): of each channel.
        `measures` "completeness gap" (N,): what all values add up to, less the score's difference from the baseline's; 0 were
        the integral exact.

    Raises
    ------
    OptionError
        If `num_steps` is not a whole number above 1, or the baseline is unknown.
    CapabilityError
        If the model has no gradients.

    Warnings
    --------
    What looks like the baseline gets nothing: of black on a black baseline it can't tell. Another baseline is another question,
    and on the way from it lie images as the model never saw them, whose gradients give the map its grain.

    Notes
    -----
    Captum takes 50 points by Gauss and Legendre, Xplique 50 by trapezoids, PAIR 25; all begin at 0, which is black, gray or the
    mean color, according to the preprocessing. PAIR's points count all alike, also the two ends; and the weights of Captum's
    trapezoids add up to (n - 1) / n, so that its map is smaller by as much.

    Trapezoids take the gradient at the baseline itself. At one of an even color most windows of a max-pooling are ties, which
    the last digits of the sums decide; the points of Gauss and Legendre lie beside it.

    References
    ----------
    .. [1] Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", ICML 2017. arXiv:1703.01365
    .. [2] Yang, Wang and Bilgic, "IDGI: A Framework to Eliminate Explanation Noise from Integrated Gradients", CVPR 2023.
       arXiv:2303.14242

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> result = vz.integrated_gradients(cnn, digits[3])
    >>> bool(abs(result.measures["completeness gap"][0]) < 0.05 * result.scores[0])
    True
    """
    if num_steps < 2:
        raise OptionError(f"`num_steps` must be a whole number above 1; got {num_steps!r}.")
    sigma, ways = [length / 10 for length in inputs.shape[1:-1]], []
    for each in _several(baseline):
        start = baselines(inputs, each, sigma, seed=seed)
        if idgi:
            ways.append(_by_rises(model, inputs, score, start, num_steps))
        else:
            ways.append(straight(model, inputs, score, start, num_steps, quadrature, "integrated gradients"))
    changed, raw, first = ways[0]
    if len(ways) > 1:
        raw, first = (np.mean(parts, axis=0) for parts in ([way.raw for way in ways], [way.first for way in ways]))
    gap, notes = completeness(raw, changed.scores - first, changed.scores, "more `num_steps` come closer")
    return AttributionBatch.of(
        changed,
        reduce_channels(raw, reduce),
        raw=raw,
        signed=reduce != "max_abs",
        measures={"completeness gap": gap},
        notes=notes,
    )


def _several(baseline: Baseline) -> list[Any]:
    """Return the baselines, one or several: a sequence of numbers is one color."""
    several = isinstance(baseline, list | tuple) and not all(isinstance(one, Number) for one in baseline)
    return list(baseline) if several else [baseline]


def _by_rises(model: ModelAdapter, inputs: np.ndarray, score: Score, start: np.ndarray, count: int) -> Way:
    """Return the way by IDGI."""
    change = blend(np.linspace(0, 1, count + 1), name="IDGI", remedy=REMEDY)
    changed = model.changed_gradients(
        inputs, score, change, companions={"baseline": start}, sums={"shared": _shared_rise}, in_steps=True
    )
    return Way(changed, changed.sums["shared"], changed.copy_scores[:, 0])


def _shared_rise(xp: Any, copies: Copies) -> Any:
    """Return the rise of a step, shared out by the squares of the gradient where it begins."""
    squares, rise = copies.before.gradients**2, copies.scores - copies.before.scores
    total = xp.sum(squares, axis=tuple(range(1, len(squares.shape))), keepdims=True)
    return xp.where(total > 0, squares / xp.where(total > 0, total, 1.0), 0.0) * one_each(xp, rise, squares)
