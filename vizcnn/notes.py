"""What makes a map blank or suspect, said with the numbers and the remedy."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vizcnn.errors import VizcnnWarning

if TYPE_CHECKING:
    from vizcnn.adapter.base import ModelAdapter

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
    names : sequence of str
        The images' names.
    """

    def __init__(self, model: ModelAdapter, names: Sequence[str]) -> None:
        self._model = model
        self._names = names
        self._low, self._high = np.inf, -np.inf
        self._ends: list[tuple[float, float]] = []
        self._probabilities: list[float | None] = []

    def see(self, inputs: np.ndarray, values: np.ndarray, probabilities: Sequence[float | None]) -> None:
        """Look at one batch: its inputs, its maps and the probabilities of what is explained."""
        self._low, self._high = min(self._low, float(inputs.min())), max(self._high, float(inputs.max()))
        flat = values.reshape(len(values), -1)
        self._ends += zip(flat.min(axis=1).tolist(), flat.max(axis=1).tolist(), strict=True)
        self._probabilities += probabilities

    def notes(self) -> tuple[str, ...]:
        """Return what is suspect."""
        zero, constant, saturated, broken = [], [], [], []
        for name, (low, high), probability in zip(self._names, self._ends, self._probabilities, strict=True):
            if not np.isfinite(low + high):
                broken.append(name)
            elif low == high == 0:
                (saturated if probability is not None and probability >= SATURATED else zero).append(name)
            elif low == high:
                constant.append(name)
        notes = []
        if saturated:
            notes.append(
                f"The map of {_which(saturated, self._names)} is zero everywhere, and the output is saturated (probability "
                f"{max(p for p in self._probabilities if p is not None):.6f}): explain logits, which is what a class index or "
                f"a label does, rather than a function of the probabilities."
            )
        if zero:
            notes.append(
                f"The map of {_which(zero, self._names)} is zero everywhere (0 is its lowest and its highest value): nothing in "
                f"the image moves this score. Try another target, an earlier layer, or a method without gradients."
            )
        if constant:
            notes.append(
                f"The map of {_which(constant, self._names)} has one value everywhere: it tells no part of the image from "
                f"another. Try an earlier layer."
            )
        if broken:
            notes.append(
                f"The map of {_which(broken, self._names)} holds NaN or infinity: the model's numbers overflow. Check its "
                f"weights and, with float16, its scale."
            )
        return (*notes, *self._range_notes())

    def _range_notes(self) -> Iterable[str]:
        known = self._model.input_range
        seen = f"{self._low:.4g} to {self._high:.4g}"
        if known is None:
            if self._high > _PIXELS:
                yield (
                    f"The inputs lie in {seen}, and the model has no layer that scales them: most models are trained on -1..1 or "
                    f"0..1. Give vizcnn.adapt the `preprocess` of training, or 'none' if raw pixels are right."
                )
            return
        low, high = known
        margin = 0.01 * (high - low)
        if self._low < low - margin or self._high > high + margin:
            yield f"The inputs lie in {seen}, outside the {low:.4g} to {high:.4g} that the model takes. Check `preprocess`."
        elif high - low > 2 * _PIXELS and self._low >= -1 and 0 < self._high <= 1:
            yield (
                f"The inputs lie in {seen}, but the model takes {low:.4g} to {high:.4g}: they look scaled already. Give pixels, "
                f"0 to 255."
            )


def warn(notes: Iterable[str]) -> None:
    """Give each note as a warning, at the line outside vizcnn that made the call."""
    for note in notes:
        warnings.warn(note, VizcnnWarning, stacklevel=_depth())


def _depth() -> int:
    """Return how many frames above `warn` the caller of vizcnn is."""
    home = str(Path(__file__).parent)
    frame, depth = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(home):
        frame, depth = frame.f_back, depth + 1
    return depth


def _which(names: Sequence[str], everything: Sequence[str]) -> str:
    if len(everything) == 1:
        return names[0]
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{len(names)} of {len(everything)} images ({shown})"
