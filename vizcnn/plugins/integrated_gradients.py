"""Integrated Gradients: how the way from a baseline to the image adds up to the score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.adapter.changed import Change, Changed, Copies
from vizcnn.algorithms.baselines import baselines
from vizcnn.algorithms.changes import blend, one_each
from vizcnn.algorithms.reduction import REDUCTION_ALIASES, Reduction, reduce_channels
from vizcnn.errors import Note, OptionError
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score

Quadrature = Literal["gauss_legendre", "trapezoid"]

TOLERANCE = 0.05
"""How large the gap may be, as a share of the difference between the scores, before a note speaks of it."""

_REMEDY = "Fewer `num_steps` take less."


@register("integrated_gradients", needs={"gradients"}, aliases=REDUCTION_ALIASES)
def integrated_gradients(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    num_steps: int = 50,
    baseline: float | Sequence[float] | str = 0.0,
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
    baseline : float, sequence of float, "mean", "blur" or "noise", default 0.0
        Where the way begins, in the units of the model's inputs; see `occlusion`. "blur" is by a Gaussian of a tenth of the
        image.
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
    mean color, according to the preprocessing.

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
    sigma = [length / 10 for length in inputs.shape[1:-1]]
    start = baselines(inputs, baseline, sigma, seed=seed)
    way = _by_rises if idgi else _by_gradients
    changed, raw, first = way(model, inputs, score, start, num_steps, quadrature)
    difference = changed.scores - first
    gap = raw.sum(axis=tuple(range(1, raw.ndim)), dtype=np.float64).astype(np.float32) - difference
    return AttributionBatch.of(
        replace(changed, notes=(*changed.notes, *_notes(gap, difference, changed.scores))),
        reduce_channels(raw, reduce),
        raw=raw,
        signed=reduce != "max_abs",
        measures={"completeness gap": gap},
    )


def _by_gradients(
    model: ModelAdapter, inputs: np.ndarray, score: Score, start: np.ndarray, count: int, quadrature: Quadrature
) -> tuple[Changed, np.ndarray, np.ndarray]:
    """Return what was asked of the model, the attributions, and the scores of the baselines."""
    alphas, weights = _POINTS[quadrature](count)
    change = _with(blend(alphas, name="integrated gradients", remedy=_REMEDY), weight=weights)
    changed = model.changed_gradients(
        inputs, score, change, companions={"baseline": start}, sums={"mean": _weighed_gradients}
    )
    first = model.scores(np.broadcast_to(start, inputs.shape).astype(np.float32), changed.score)
    return changed, (inputs - start) * changed.sums["mean"], first


def _by_rises(
    model: ModelAdapter, inputs: np.ndarray, score: Score, start: np.ndarray, count: int, quadrature: Quadrature
) -> tuple[Changed, np.ndarray, np.ndarray]:
    """Return the same by IDGI: the scores of the way first, then the squares of its gradients."""
    del quadrature
    alphas = np.linspace(0, 1, count + 1)
    companions = {"baseline": start}
    way = model.changed_scores(inputs, score, blend(alphas, name="IDGI", remedy=_REMEDY), companions=companions)
    rises = np.diff(way.copy_scores, axis=1)
    change = _with(blend(alphas[:-1], name="IDGI", remedy=_REMEDY), step=np.arange(count, dtype=np.int32))
    changed = model.changed_gradients(
        inputs, way.score, change, companions={**companions, "rises": rises}, sums={"shared": _shared_rises}
    )
    return changed, changed.sums["shared"], way.copy_scores[:, 0]


def _gauss_legendre(count: int) -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2, weights / 2


def _trapezoid(count: int) -> tuple[np.ndarray, np.ndarray]:
    weights = np.full(count, 1 / (count - 1))
    weights[[0, -1]] /= 2
    return np.linspace(0, 1, count), weights


_POINTS = {"gauss_legendre": _gauss_legendre, "trapezoid": _trapezoid}


@dataclass(frozen=True)
class _Numbers:
    """The numbers of a change, and one more for each copy."""

    change: Change
    more: dict[str, np.ndarray]

    def __call__(self, part: slice) -> dict[str, Any]:
        return {**self.change.numbers(part), **{name: values[part] for name, values in self.more.items()}}


def _with(change: Change, **more: np.ndarray) -> Change:
    return replace(change, numbers=_Numbers(change, more))


def _weighed_gradients(xp: Any, copies: Copies) -> Any:
    return copies.gradients * one_each(xp, copies.numbers["weight"], copies.gradients)


def _shared_rises(xp: Any, copies: Copies) -> Any:
    squares = copies.gradients**2
    total = xp.sum(squares, axis=tuple(range(1, len(squares.shape))), keepdims=True)
    steps = xp.expand_dims(copies.numbers["step"], -1)
    rise = xp.take_along_axis(copies.companions["rises"], steps, axis=1)[:, 0]
    return xp.where(total > 0, squares / xp.where(total > 0, total, 1.0), 0.0) * one_each(xp, rise, squares)


def _notes(gap: np.ndarray, difference: np.ndarray, scores: np.ndarray) -> list[Note]:
    # Where image and baseline have the same score, a gap of rounding is no matter.
    least = np.maximum(0.01 * np.abs(scores), np.finfo(np.float32).tiny)
    share = np.abs(gap) / np.maximum(np.abs(difference), least)
    wide = np.flatnonzero(share > TOLERANCE)
    if not len(wide):
        return []
    template = (
        "The map of {images} adds up to something else than the score's rise from the baseline, off by up to "
        "{share.max:.0f} % of it: more `num_steps` come closer."
    )
    return [Note.about(wide, [""] * len(gap), "incomplete", template, {"share": (100 * share[wide]).tolist()})]
