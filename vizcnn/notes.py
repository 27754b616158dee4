"""What makes a map blank or suspect, said with the numbers and the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from vizcnn.adapter.base import ModelAdapter
    from vizcnn.inputs import ImageSet
    from vizcnn.inputs.preprocessing import Preprocess

SATURATED = 0.9999
"""Probability from which on an output counts as saturated."""

_PIXELS = 10.0
"""Inputs larger than this look like raw pixels; what models are trained on is mostly within -5..5."""

_SCALED = 0.01
"""Inputs within this part of what a model takes look as if they were scaled for another model."""


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
        if self._model.preprocess is None:
            yield from self._notes_on_scaling("Check what range the images have, and `preprocess`.")
        elif self._model.preprocess.name != "none":
            yield from self._notes_on_preprocess(self._model.preprocess)
            yield from self._notes_on_scaling("The model scales its inputs itself: leave `preprocess` out.")

    def _notes_on_preprocess(self, preprocess: Preprocess) -> Iterable[str]:
        known = preprocess.output_range
        if known is None:
            return
        if self._look_scaled():
            given = self._images.float_range() or (0.0, 0.0)
            yield (
                f"The images lie in {given[0]:.4g} to {given[1]:.4g}, but `preprocess` {preprocess.name!r} takes pixels, 0 to "
                f"255: they look scaled already. Give pixels, or leave `preprocess` out."
            )
        elif not _within(self._low, self._high, known):
            yield (
                f"The inputs lie in {self._low:.4g} to {self._high:.4g}, outside the {known[0]:.4g} to {known[1]:.4g} that the "
                f"model takes. Check `preprocess`."
            )

    def _notes_on_scaling(self, remedy: str) -> Iterable[str]:
        """Yield what is wrong with the inputs by what the model itself does to them before its first weights."""
        scaling, preprocess = self._model.input_scaling, self._model.preprocess
        seen = f"{self._low:.4g} to {self._high:.4g}"
        if scaling is None:
            if preprocess is None and self._high > _PIXELS:
                reason = (
                    "the model has no layer that scales them"
                    if "layers" in self._model.capabilities
                    else "how the model scales them can't be seen"
                )
                yield (
                    f"The inputs lie in {seen}, and {reason}: most models are trained on -1..1 or 0..1. Give vizcnn.adapt the "
                    f"`preprocess` of training, or 'none' if raw pixels are right."
                )
            return
        takes, accepted = scaling.range, scaling.accepted
        if takes is None or accepted is None:
            return
        scaled = self._look_scaled() if preprocess is None else preprocess.output_range is not None
        what = "pixels, 0 to 255" if takes == (0, 255) else f"{takes[0]:.4g} to {takes[1]:.4g}"
        own = f"Before its first weights it computes {scaling.formula}."
        if scaled and max(abs(self._low), abs(self._high)) <= _SCALED * (takes[1] - takes[0]):
            inputs = "images" if preprocess is None else "inputs"
            yield f"The {inputs} lie in {seen}, but the model takes {what}: they look scaled already. {own} " + (
                "Give pixels." if preprocess is None and takes == (0, 255) else remedy
            )
        elif not _within(self._low, self._high, accepted):
            yield f"The inputs lie in {seen}, outside the {takes[0]:.4g} to {takes[1]:.4g} that the model takes. {own} {remedy}"

    def _look_scaled(self) -> bool:
        """Tell whether the images are real numbers in -1..1, unlike pixels."""
        given = self._images.float_range()
        return given is not None and given[0] >= -1 and 0 < given[1] <= 1


def _within(low: float, high: float, ends: tuple[float, float]) -> bool:
    slack = 0.01 * (ends[1] - ends[0])
    return low >= ends[0] - slack and high <= ends[1] + slack


def _which(names: Sequence[str], everything: Sequence[str]) -> str:
    if len(everything) == 1:
        return names[0]
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{len(names)} of {len(everything)} images ({shown})"
