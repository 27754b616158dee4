"""FullGrad: the score as what the input gives and what the biases of all layers give, each where it is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from vizcnn.adapter import FullGradients, ModelAdapter
from vizcnn.algorithms.cost import GRADIENT
from vizcnn.errors import Note
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.results.placing import laid_over
from vizcnn.targets.score import Score

_TOLERANCE = 0.01
"""How large the gap may be, as a share of the score, before a note speaks of it."""

_ROUNDING = 1e-3
"""The least share of all parts together, whatever their signs, that the score is taken to have: below, the gap is rounding."""


@register("fullgrad", family="gradient", needs={"biases", "gradients"}, cost=GRADIENT)
def fullgrad(model: ModelAdapter, inputs: np.ndarray, score: Score) -> AttributionBatch:
    """Lay what the input and the biases of all layers give to the score over one another [1]_.

    A network of ReLUs is a straight line through the image: its score is the gradient times the input, and the biases of each
    layer times the gradient there. Bright places gave much, in many layers, for the class or against it.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.

    Returns
    -------
    Attributions
        `values` (N, H, W), at least 0, without units: the magnitudes of the gradient times the input, brought to 0..1 and summed
        over the channels, and the same of each layer with a bias and a map, enlarged to the input's size.
        `measures` "completeness gap" (N,): gradient times input and all biases' terms, those of dense layers too, added up with
        their signs, less the score; 0, but for rounding, for a network of ReLUs.

    Raises
    ------
    CapabilityError
        If the model has no gradients, or its biases can't be read.

    Warnings
    --------
    It has no sign: what speaks against the class is as bright as what speaks for it. Each layer is brought to 0..1 by itself,
    so that one which gives next to nothing counts as much as one which decides; the sum, not the map, adds up to the score.
    Deep layers are coarse, and most of the fine lines are those of the image.

    Notes
    -----
    The bias of a batch normalization is what it makes of zero, beta - gamma mean / sqrt(variance + epsilon); so it is with
    rescalings and constants that are added. Other activations than ReLU (SiLU, GELU, a ReLU with a limit), attention and other
    normalizations give to the score in ways of their own, which the map leaves out; where that is more than 1 % of the score, a
    note says so, and names them. The authors' code enlarges by `align_corners`; here a map lies where its layer's cells look.
    pytorch-grad-cam brings every channel to 0..1 by itself, here every layer is.
    Maps of a single place are left out: they would be the same everywhere.

    References
    ----------
    .. [1] Srinivas and Fleuret, "Full-Gradient Representation for Neural Network Visualization", NeurIPS 2019.
       arXiv:1905.00780

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> result = vz.fullgrad(cnn, digits[3])
    >>> result.values.shape, bool(abs(result.measures["completeness gap"][0]) < 1e-3)
    ((1, 28, 28), True)
    """
    full = model.full_gradients(inputs, score)
    terms = full.gradients * full.values
    sizes, axes = np.abs(terms), tuple(range(1, terms.ndim))
    least, most = sizes.min(axis=axes), sizes.max(axis=axes)
    values = _unit(sizes.sum(axis=-1), least, most, sizes.shape[-1])
    placements: list[Note] = []
    shapes = {bias.layer: bias.sums.shape[1:] for bias in full.biases if bias.sums is not None}
    known = model.placements(shapes, inputs.shape[1:])
    for bias in full.biases:
        if bias.sums is None:
            continue
        of_layer = _unit(bias.sums, bias.least, bias.most, bias.channels)
        over, lies_nowhere, notes = laid_over(of_layer, bias.layer, known[bias.layer], inputs.shape[1:-1])
        placements += notes
        if not lies_nowhere:
            values += over
    gap, incomplete = _completeness(full, terms.sum(axis=axes, dtype=np.float64))
    notes = (*_one_of(placements), *incomplete)
    return AttributionBatch.of(full, values, measures={"completeness gap": gap}, notes=notes)


def _one_of(placements: Sequence[Note]) -> Sequence[Note]:
    """Return one note on where layers' maps lie, rather than one for each of dozens of layers."""
    others = len(placements) - 1
    if others < 1:
        return placements
    text = f"{placements[0]} The same is to be said of {others} other layer{'s' if others > 1 else ''}."
    return (Note(text, placements[0].kind),)


def _unit(sums: Any, least: Any, most: Any, channels: int) -> np.ndarray:
    """Return the sums over channels that values have once they are brought to 0..1; 0 where all of an image's are the same."""
    ones = (-1, *[1] * (sums.ndim - 1))
    low, span = least.reshape(ones), (most - least).reshape(ones)
    return np.where(span > 0, (sums - channels * low) / np.where(span > 0, span, 1), 0).astype(np.float32)


def _completeness(full: FullGradients, by_input: np.ndarray) -> tuple[np.ndarray, Sequence[Note]]:
    """Return what all parts add up to beyond the score, and a note where that is much."""
    parts = np.stack([by_input, *(bias.totals for bias in full.biases)]).astype(np.float64)
    gap = parts.sum(axis=0) - full.scores
    least = np.maximum(_ROUNDING * np.abs(parts).sum(axis=0), np.finfo(np.float32).tiny)
    share = np.abs(gap) / np.maximum(np.abs(full.scores), least)
    wide = np.flatnonzero(share > _TOLERANCE)
    if not len(wide):
        return gap.astype(np.float32), ()
    why = ", ".join(full.left_out) or "what it computes between its layers"
    template = (
        "What the input and the biases give to the score of {images} adds up to something else than the score, off by up to "
        f"{{share.max:.0f}} % of it: the model has parts that give to it by neither, and that the map leaves out: {why}."
    )
    facts = {"share": np.round(100 * share[wide]).tolist()}
    return gap.astype(np.float32), (Note.about(wide, [""] * len(gap), "incomplete", template, facts),)
