"""Why a map is blank, and which layers and inputs no good map comes of: asked of the model, and only where something is amiss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vizcnn.adapter.probe import extremes
from vizcnn.adapter.roles import CONVOLUTIONS
from vizcnn.algorithms.trials import training_gap
from vizcnn.errors import Note, VizcnnError

if TYPE_CHECKING:
    from vizcnn.adapter.base import ModelAdapter
    from vizcnn.targets.score import Score

Fault = tuple[str, dict[str, float | str]]
"""What is wrong with a map, and the facts that are said of it."""

BLANK = {
    "dead layer": "is zero everywhere, as layer {layer.listed} is on any image, noise too: a ReLU whose input is always "
    "negative, or weights that are zero. Name another layer; `vizcnn.diagnose` tells which units do anything.",
    "constant output": "is zero everywhere, since the model gives this score to any image, to noise too. Check whether the "
    "weights of its head were loaded; `vizcnn.diagnose` tells whether a layer before that is dead or saturated.",
    "flat": "is next to zero everywhere, since the score hardly moves: from this image to noise by {spread.max:.1g} of its size. "
    "Activations inside may be saturated: check the scale of the inputs, and what `vizcnn.diagnose` says.",
    "unused layer": "is zero everywhere, since the score doesn't depend on layer {layer.listed}: the image moves it by another "
    "way. Name a layer on that way; `vizcnn.architecture` draws them.",
    "blank image": "has one value everywhere, as its image has: nothing in it can be told from anything else.",
}
"""Kinds of notes on blank maps whose cause was found, to what is said of them."""

_NUM_NOISE = 4
_FLAT = 1e-3
"""Share of its size that a score moves at least, from an image to noise."""

_UNSURE = 0.25
"""Probability up to which it is asked whether inputs are like those of training."""

_FAR = 2.5
"""Divergence of the first normalized values from those of training, in nats, which an image of the right scale hardly has."""


class Causes:
    """Finds out why a map says nothing.

    Parameters
    ----------
    model : ModelAdapter
        The model that was explained.
    """

    def __init__(self, model: ModelAdapter) -> None:
        self._model = model

    def of_blank(self, fault: str, image: np.ndarray, score: Score, layer: str | None) -> Fault:
        """Find the cause of a map that is of one value, or next to zero.

        Parameters
        ----------
        fault : str
            What is known of it: "zero", "constant", "tiny" for one next to zero; others stay as they are.
        image : ndarray, shape (1, H, W, C)
            The model's input.
        score : Score
            What was explained of it.
        layer : str or None
            Whose map it is.

        Returns
        -------
        Fault
            As it was, where no cause is found.
        """
        if fault == "constant":
            return ("blank image" if np.ptp(image) == 0 else fault), {}
        nothing = "" if fault == "tiny" else fault
        if fault not in ("tiny", "zero"):
            return nothing, {}
        try:
            return self._of_zero(nothing, image, score, layer)
        except VizcnnError:  # what the model can't answer is no cause
            return nothing, {}

    def _of_zero(self, fault: str, image: np.ndarray, score: Score, layer: str | None) -> Fault:
        model = self._model
        if not fault:
            spread = self._spread(image, score)
            return ("flat", {"spread": spread}) if 0 < spread < _FLAT else ("", {})
        if layer is not None and "activations" in model.capabilities and self._is_dead(layer, image.shape[1:]):
            return "dead layer", {"layer": layer}
        spread = self._spread(image, score)
        if spread < _FLAT:
            return ("flat", {"spread": spread}) if spread else ("constant output", {})
        if layer is not None and "gradients" in model.capabilities and model.gradients(image, score).gradients.any():
            return "unused layer", {"layer": layer}
        return fault, {}

    def _spread(self, image: np.ndarray, score: Score) -> float:
        """Return how far the score of noise is from that of an image, as a share of its size."""
        noise = extremes(image.shape[1:], _NUM_NOISE)
        own = self._model.scores(image, score)[0]
        others = self._model.scores(noise, score.take(np.zeros(_NUM_NOISE, dtype=int)))
        far, size = float(np.abs(others.astype(np.float64) - own).max()), abs(float(own))
        return far / size if np.isfinite(far) and size else 0.0 if far == 0 else float("inf")

    def _is_dead(self, layer: str, sample_shape: tuple[int, ...]) -> bool:
        return not self._model.activations(extremes(sample_shape, _NUM_NOISE), [layer])[layer].any()

    def of_layer(self, layer: str) -> Iterator[Note]:
        """Yield what speaks against a layer that was named.

        Parameters
        ----------
        layer : str
            Its path.

        Yields
        ------
        Note
        """
        yield from self._model.remember(("notes on a layer", layer), lambda: tuple(self._notes_on(layer)))

    def _notes_on(self, layer: str) -> Iterator[Note]:
        roles = {info.path: info.role for info in self._model.layers}
        info = self._model.layer(layer)
        if info.role in ("input", "preprocessing"):
            yield Note(
                f"Layer {layer!r} has learned nothing, and its values are the image's own: a map of it shows bright pixels. "
                f"Name one of the convolutions after it.",
                "no features",
            )
        if info.role in CONVOLUTIONS and info.activation is None:
            after = [to for by, to in self._model.connections if by == layer and roles.get(to) == "normalization"]
            if after:
                yield Note(
                    f"Layer {layer!r} is a convolution before its normalization {after[0]!r}, which sets the scale and the zero "
                    f"of each channel anew: what a map weighs here isn't yet what the model reads. Name {after[0]!r}, or the "
                    f"activation after it.",
                    "before normalization",
                )

    def of_head(self) -> Iterator[Note]:
        """Yield what is wrong with how the model ends, whatever it is shown.

        Yields
        ------
        Note
        """
        yield from self._model.remember("notes on the head", lambda: tuple(self._notes_on_head()))

    def _notes_on_head(self) -> Iterator[Note]:
        ends = [
            info.path
            for info in self._model.layers
            if not info.is_container and "softmax" in (info.activation, info.role) and info.role != "attention"
        ]
        pairs = self._model.connections if len(ends) > 1 else ()
        for first, second in pairs:
            if first in ends and second in ends:
                yield Note(
                    f"Model {self._model.name!r} takes the softmax twice, in {first!r} and in {second!r}: its probabilities are "
                    f"all nearly the same, and its scores only reach from 0 to 1. Leave one of them out, and train it again.",
                    "softmax twice",
                )

    def unlike_training(self, inputs: np.ndarray, probabilities: Sequence[float | None]) -> list[Fault]:
        """Tell which inputs, of those that the model is unsure of, are unlike those of its training.

        Parameters
        ----------
        inputs : ndarray, shape (N, H, W, C)
            The model's inputs.
        probabilities : sequence of float or None
            Those of the predicted classes.

        Returns
        -------
        list of Fault
            One for each input.
        """
        faults: list[Fault] = [("", {}) for _ in probabilities]
        unsure = [at for at, value in enumerate(probabilities) if value is not None and value < _UNSURE]
        moments = self._model.normalized_moments(inputs[unsure]) if unsure else None
        for at, of_image in zip(unsure, () if moments is None else moments, strict=False):
            gap, probability = training_gap(of_image[None]), probabilities[at]
            if gap > _FAR and probability is not None:
                faults[at] = "unlike training", {"gap": gap, "probability": probability}
        return faults
