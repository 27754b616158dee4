"""Ways from a baseline to the image: the gradients along the straight one, and whether what was added up is the score's rise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.adapter.changed import Change, Changed, Copies
from vizcnn.algorithms.changes import blend, one_each
from vizcnn.errors import Note
from vizcnn.targets.score import Score

Quadrature = Literal["gauss_legendre", "trapezoid"]

TOLERANCE = 0.05
"""How large the gap may be, as a share of the difference between the scores, before a note speaks of it."""

REMEDY = "Fewer `num_steps` take less."


class Way(NamedTuple):
    """What was found on a way: what was asked of the model, the attributions, and the scores where it begins.

    Attributes
    ----------
    changed : Changed
        What came back of the points.
    raw : ndarray of float32, shape (N, H, W, C)
        What each value gives to the score's rise.
    first : ndarray, shape (N,)
        The scores of the baselines.
    """

    changed: Changed
    raw: np.ndarray
    first: np.ndarray


def straight(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    start: np.ndarray,
    count: int,
    quadrature: Quadrature,
    name: str,
) -> Way:
    """Integrate the gradients on the straight way from a baseline to the image.

    Parameters
    ----------
    model : ModelAdapter
        The model.
    inputs : ndarray, shape (N, H, W, C)
        The images.
    score : Score
        What is explained.
    start : ndarray, shape (N, H, W, C) or (N, 1, 1, C)
        The baselines.
    count : int
        Points of the way.
    quadrature : {"gauss_legendre", "trapezoid"}
        How they lie on the way, and what each counts.
    name : str
        What is done, for the progress bar.

    Returns
    -------
    Way

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> from vizcnn.algorithms.paths import straight
    >>> cnn = vz.assets.digits_cnn()
    >>> inputs = cnn.load_images(vz.assets.digits()[3]).inputs(slice(None))
    >>> score = vz.targets.Class("3").score(cnn, 1)
    >>> way = straight(cnn, inputs, score, np.zeros((1, 1, 1, 1), np.float32), 50, "gauss_legendre", "3")
    >>> rise = way.changed.scores - way.first
    >>> bool(abs(way.raw.sum() - rise[0]) < 0.05 * rise[0])
    True
    """
    alphas, weights = _POINTS[quadrature](count)
    change = numbered(blend(alphas, name=name, remedy=REMEDY), weight=weights)
    changed = model.changed_gradients(
        inputs, score, change, companions={"baseline": start}, sums={"mean": weighed_gradients}
    )
    first = model.scores(np.broadcast_to(start, inputs.shape).astype(np.float32), changed.score)
    return Way(changed, (inputs - start) * changed.sums["mean"], first)


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
    """The numbers of a change, and more for each copy."""

    change: Change
    more: dict[str, np.ndarray]

    def __call__(self, part: slice) -> dict[str, Any]:
        return {**self.change.numbers(part), **{name: values[part] for name, values in self.more.items()}}


def numbered(change: Change, **more: np.ndarray) -> Change:
    """Return a change whose copies have more numbers, by name one row for each copy."""
    return replace(change, numbers=_Numbers(change, more))


def weighed_gradients(xp: Any, copies: Copies) -> Any:
    """Return the gradients of the copies times their "weight"."""
    return copies.gradients * one_each(xp, copies.numbers["weight"], copies.gradients)


def completeness(raw: np.ndarray, rise: np.ndarray, scores: np.ndarray, remedy: str) -> tuple[np.ndarray, list[Note]]:
    """Return what a map adds up to beyond the score's rise, and a note where that is much.

    Parameters
    ----------
    raw : ndarray, shape (N, ...)
        The attributions.
    rise : ndarray, shape (N,)
        The scores less those where the way begins.
    scores : ndarray, shape (N,)
        The scores.
    remedy : str
        What makes it less, as "more `num_steps` come closer".

    Returns
    -------
    (ndarray of float32, shape (N,), list of Note)

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.paths import completeness
    >>> gap, (note,) = completeness(np.array([[1.0, 2.0]]), np.array([2.5]), np.array([3.0]), "more steps come closer")
    >>> gap, str(note)[-67:]
    (array([0.5], dtype=float32), 'from the baseline, off by up to 20 % of it: more steps come closer.')
    """
    gap = (raw.sum(axis=tuple(range(1, raw.ndim)), dtype=np.float64) - rise).astype(np.float32)
    # Where image and baseline have the same score, a gap of rounding is no matter.
    least = np.maximum(0.01 * np.abs(scores), np.finfo(np.float32).tiny)
    share = np.abs(gap) / np.maximum(np.abs(rise), least)
    wide = np.flatnonzero(share > TOLERANCE)
    if not len(wide):
        return gap, []
    template = (
        "The map of {images} adds up to something else than the score's rise from the baseline, off by up to "
        f"{{share.max:.0f}} % of it: {remedy}."
    )
    return gap, [
        Note.about(wide, [""] * len(gap), "incomplete", template, {"share": np.rint(100 * share[wide]).tolist()})
    ]
