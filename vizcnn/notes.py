"""What makes a map blank or suspect, said with the numbers and the remedy."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vizcnn.errors import VizcnnWarning

if TYPE_CHECKING:
    from vizcnn.adapter.base import ModelAdapter
    from vizcnn.inputs import ImageSet

SATURATED = 0.9999
"""Probability from which on an output counts as saturated."""

_PIXELS = 10.0
"""Inputs larger than this look like raw pixels; what models are trained on is mostly within -5..5."""


class Watch:
    """Looks at every batch of maps, and says what is suspect of all of them together.

    Parameters
    ----------
    model : ModelAdapter
        The model that was explained.
    images : ImageSet
        The images.
    """

    def __init__(self, model: ModelAdapter, images: ImageSet) -> None:
        self._model = model
        self._images = images
        self._low, self._high = np.inf, -np.inf
        self._faults: dict[str, list[str]] = {"negative": [], "saturated": [], "zero": [], "constant": [], "broken": []}
        self._negative = -np.inf
        self._probability = 0.0

    def see(
        self,
        names: Sequence[str],
        inputs: np.ndarray,
        values: np.ndarray,
        raw: np.ndarray,
        probabilities: Iterable[float | None],
    ) -> None:
        """Look at one batch.

        Parameters
        ----------
        names : sequence of str
            The images' names.
        inputs : ndarray, shape (N, H, W, C)
            The model's inputs.
        values, raw : ndarray
            The maps, and what they were before they were reduced.
        probabilities : iterable of float or None
            Those of the predicted classes.
        """
        self._low, self._high = min(self._low, float(inputs.min())), max(self._high, float(inputs.max()))
        for name, value, signed, probability in zip(names, values, raw, probabilities, strict=True):
            low, high = float(value.min()), float(value.max())
            if not (np.isfinite(low) and np.isfinite(high)):
                self._faults["broken"].append(name)
            elif low == high == 0 and signed.max() <= 0 and signed.min() < 0:
                self._faults["negative"].append(name)
                self._negative = max(self._negative, float(signed.max()))
            elif low == high == 0 and probability is not None and probability >= SATURATED:
                self._faults["saturated"].append(name)
                self._probability = max(self._probability, probability)
            elif low == high == 0:
                self._faults["zero"].append(name)
            elif low == high and value.size > 1:
                self._faults["constant"].append(name)

    def notes(self) -> tuple[str, ...]:
        """Return what is suspect."""
        texts = {
            "negative": f"is negative everywhere before its ReLU (highest value {self._negative:.3g}), so it is drawn blank: "
            f"nothing there speaks for the target. `raw` keeps the signed map.",
            "saturated": f"is zero everywhere, and the output is saturated (probability {self._probability:.6f}), where a "
            f"probability no longer moves. Explain a logit: a class index or a label does, of a model whose last layer is the "
            f"softmax or the sigmoid.",
            "zero": "is zero everywhere (0 is its lowest and its highest value): nothing in the image moves this score. Try "
            "another target, an earlier layer, or a method without gradients.",
            "constant": "has one value everywhere: it tells no part of the image from another. Try an earlier layer, or "
            "smaller patches.",
            "broken": "holds NaN or infinity: the model's numbers overflow. Check its weights and, with float16, its scale.",
        }
        notes = [
            f"The map of {_which(names, self._images.names)} {texts[fault]}"
            for fault, names in self._faults.items()
            if names
        ]
        return (*notes, *self._range_notes())

    def _range_notes(self) -> Iterable[str]:
        preprocess, known = self._model.preprocess, self._model.input_range
        seen = f"{self._low:.4g} to {self._high:.4g}"
        if preprocess is not None and preprocess.name == "none":
            return
        if known is None:
            if preprocess is None and self._high > _PIXELS:
                yield (
                    f"The inputs lie in {seen}, and the model has no layer that scales them: most models are trained on -1..1 or "
                    f"0..1. Give vizcnn.adapt the `preprocess` of training, or 'none' if raw pixels are right."
                )
        elif (given := self._images.float_range()) is not None and given[0] >= -1 and 0 < given[1] <= 1:
            taker = "the model" if preprocess is None else f"`preprocess` {preprocess.name!r}"
            yield (
                f"The images lie in {given[0]:.4g} to {given[1]:.4g}, but {taker} takes pixels, 0 to 255: they look scaled "
                f"already. Give pixels, or leave `preprocess` out."
            )
        elif self._low < known[0] - 0.01 * (known[1] - known[0]) or self._high > known[1] + 0.01 * (
            known[1] - known[0]
        ):
            yield (
                f"The inputs lie in {seen}, outside the {known[0]:.4g} to {known[1]:.4g} that the model takes. Check "
                f"`preprocess`."
            )


def warn(notes: Iterable[str], category: type[Warning] = VizcnnWarning) -> None:
    """Give each note as a warning, at the line outside vizcnn that made the call."""
    for note in notes:
        warnings.warn(note, category, stacklevel=_depth())


def _depth() -> int:
    """Return how many frames above `warn` the caller of vizcnn is."""
    home = str(Path(__file__).parent) + os.sep
    frame, depth = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(home):
        frame, depth = frame.f_back, depth + 1
    return depth


def _which(names: Sequence[str], everything: Sequence[str]) -> str:
    if len(everything) == 1:
        return names[0]
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{len(names)} of {len(everything)} images ({shown})"
