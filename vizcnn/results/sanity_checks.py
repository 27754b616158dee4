"""What makes a map blank or suspect, said with the numbers and the remedy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from vizcnn.errors import Note
from vizcnn.results.causes import BLANK, Causes, Fault

if TYPE_CHECKING:
    from vizcnn.adapter.base import ModelAdapter
    from vizcnn.inputs import ImageSet
    from vizcnn.inputs.preprocessing import Preprocess
    from vizcnn.targets.score import Score

MIN_SATURATED_PROBABILITY = 0.9999
"""Probability from which on an output counts as saturated."""

_PIXELS = 10.0
"""Inputs larger than this look like raw pixels; what models are trained on is mostly within -5..5."""

_SCALED = 0.01
"""Inputs within this part of what a model takes look as if they were scaled for another model."""

Ends = tuple[float, float]

_FAULTS = {
    "negative": "is negative everywhere before its ReLU (highest value {highest.max:.3g}), so it is drawn blank: nothing there "
    "speaks for the target. `raw` keeps the signed map.",
    "saturated": "is zero everywhere, and the output is saturated (probability {probability.max:.6f}), where a probability no "
    "longer moves. Explain a logit: a class index or a label does, of a model whose last layer is the softmax or the sigmoid.",
    "zero": "is zero everywhere (0 is its lowest and its highest value): nothing in the image moves this score. Try another "
    "target, an earlier layer, or a method without gradients.",
    "constant": "has one value everywhere: it does not distinguish parts of the image. Try an earlier layer, or smaller patches.",
    "broken": "holds NaN or infinity: the model's numbers overflow. Check its weights and, with float16, its scale.",
    **BLANK,
}

_TINY = 1e-6
"""Share of the score up to which a map's values are next to zero."""

_BORDER = (
    "The map of {images} lies at the border: {share.max:.2f} of its magnitude within a sixteenth of the image's edge. Padding "
    "inside a model makes such frames, and so does a frame that it has learned. Crop the images, and see whether the score stays."
)
_MIN_BORDER_SHARE, _MIN_BORDERED = 0.75, 16

_UNLIKE = (
    "The inputs{in_images} are unlike those that the model was trained on, as its first normalization remembers these, and it is "
    "unsure (probability {probability.max:.2f} at most): `preprocess` looks wrong. `vizcnn.doctor` tries others."
)


class SanityChecks:
    """Looks at maps, and says what is suspect of each: so the notes of a part are those of the whole that concern it.

    Parameters
    ----------
    model : ModelAdapter
        The model that was explained.
    images : ImageSet
        All images of the call.
    """

    def __init__(self, model: ModelAdapter, images: ImageSet) -> None:
        self._model = model
        self._images = images
        self._causes = Causes(model)

    def notes(
        self,
        part: slice,
        inputs: np.ndarray,
        values: np.ndarray,
        raw: np.ndarray,
        probabilities: Sequence[float | None],
        score: Score,
        scores: np.ndarray,
        *,
        signed: bool = False,
        layer: str | None = None,
        is_named: bool = False,
    ) -> tuple[Note, ...]:
        """Return what is suspect in one batch.

        Parameters
        ----------
        part : slice
            Where its images are among all of them.
        inputs : ndarray, shape (N, H, W, C)
            The model's inputs.
        values, raw : ndarray
            The maps, and what they were before they were reduced.
        probabilities : sequence of float or None
            Those of the predicted classes.
        score : Score
            What was explained, predicted classes settled.
        scores : ndarray, shape (N,)
            Its numbers.
        signed : bool, default False
            Whether the maps kept their sign.
        layer : str, default None
            Whose maps they are.
        is_named : bool, default False
            Whether that layer was asked for by name.

        Returns
        -------
        tuple of Note
        """
        names = self._images.names[part]
        faults = [_fault(*of_image, signed=signed) for of_image in zip(values, raw, probabilities, strict=True)]
        for at, (kind, _) in enumerate(faults):
            is_tiny = not kind and float(np.abs(values[at]).max()) < _TINY * abs(float(scores[at]))
            if is_tiny or kind in ("zero", "constant"):
                one = slice(at, at + 1)
                faults[at] = self._causes.of_blank("tiny" if is_tiny else kind, inputs[one], score[one], layer)
        rank = len(self._images.sample_shape) - 1
        borders = [
            on_border(value, rank) if not kind else ("", {}) for value, (kind, _) in zip(values, faults, strict=True)
        ]
        unlike = self._causes.unlike_training(inputs, probabilities)
        return (
            *_notes_of_kinds(faults, {kind: f"The map of {{images}} {text}" for kind, text in _FAULTS.items()}, names),
            *_notes_of_kinds(borders, {"border": _BORDER}, names),
            *self._range_notes(part, inputs, names),
            *_notes_of_kinds(unlike, {"unlike training": _UNLIKE}, names),
            *(self._causes.of_layer(layer) if layer is not None and is_named else ()),
            *(self._causes.of_head() if "layers" in self._model.capabilities else ()),
        )

    def _range_notes(self, part: slice, inputs: np.ndarray, names: Sequence[str]) -> Iterator[Note]:
        model, preprocess = self._model, self._preprocess
        rows = inputs.reshape(len(inputs), -1)
        ends = list(zip(rows.min(axis=1).tolist(), rows.max(axis=1).tolist(), strict=True))
        if preprocess is None:
            remedy = "Check what range the images have, and `preprocess`."
        elif preprocess.is_none:
            return
        else:
            remedy = "The model scales its inputs itself: leave `preprocess` out."
            if self._look_scaled and preprocess.output_range is not None:
                yield from self._note_on_scaled_images(part, preprocess, names)
            elif preprocess.output_range is not None:
                low, high = preprocess.output_range
                text = f"outside the {low:.4g} to {high:.4g} that the model takes. Check `preprocess`."
                yield from _note_on_range(ends, lambda of: not _within(of, (low, high)), text, names)
        if model.input_scaling is not None:
            yield from self._notes_on_scaling(ends, remedy, names)
        elif preprocess is None:
            reason = (
                "the model has no layer that scales them"
                if "layers" in model.capabilities
                else "how the model scales them can't be seen"
            )
            text = (
                f"and {reason}: most models are trained on -1..1 or 0..1. Give the `preprocess` of training (vizcnn.adapt, or "
                f"--preprocess), or 'none' if raw pixels are right."
            )
            yield from _note_on_range(ends, lambda of: of[1] > _PIXELS, text, names)

    def _note_on_scaled_images(self, part: slice, preprocess: Preprocess, names: Sequence[str]) -> Iterator[Note]:
        places = range(len(self._images))[part]
        ends = [self._images.float_range_of(at) or (0.0, 0.0) for at in places]
        text = (
            f"but `preprocess` {preprocess.name!r} takes pixels, 0 to 255: they look scaled already. Give pixels, or leave "
            f"`preprocess` out."
        )
        yield from _note_on_range(ends, lambda of: True, text, names, what="images")

    def _notes_on_scaling(self, ends: Sequence[Ends], remedy: str, names: Sequence[str]) -> Iterator[Note]:
        """Yield what is wrong with the inputs by what the model itself does to them before its first weights."""
        scaling, preprocess = self._model.input_scaling, self._preprocess
        if scaling is None or scaling.range is None or scaling.accepted is None:
            return
        low, high = scaling.range
        accepted, own = scaling.accepted, f"Before its first weights it computes {scaling.formula}."
        limits = preprocess.output_range if preprocess is not None else self._float_range if self._look_scaled else None
        if limits is not None and max(map(abs, limits)) <= _SCALED * (high - low):
            takes, are_pixels = (
                ("pixels, 0 to 255", True) if (low, high) == (0, 255) else (f"{low:.4g} to {high:.4g}", False)
            )
            remedy = "Give pixels." if preprocess is None and are_pixels else remedy
            text = f"but the model takes {takes}: they look scaled already. {own} {remedy}"
            what = "images" if preprocess is None else "inputs"
            yield from _note_on_range(ends, lambda of: True, text, names, what=what)
        else:
            text = f"outside the {low:.4g} to {high:.4g} that the model takes. {own} {remedy}"
            yield from _note_on_range(ends, lambda of: not _within(of, accepted), text, names)

    @property
    def _preprocess(self) -> Preprocess | None:
        """What says how pixels are scaled."""
        preprocess = self._model.preprocess
        return preprocess if preprocess is not None and preprocess.changes_numbers else None

    @cached_property
    def _float_range(self) -> Ends | None:
        return self._images.float_range()

    @property
    def _look_scaled(self) -> bool:
        """Whether the images are real numbers in -1..1, unlike pixels."""
        return self._float_range is not None and self._float_range[0] >= -1 and 0 < self._float_range[1] <= 1


def on_border(values: np.ndarray, rank: int) -> Fault:
    """Tell whether nearly all of a map lies at the image's border.

    Parameters
    ----------
    values : ndarray, shape (h, w) or (h, w, C)
        The map, at the size that it was computed at.
    rank : int
        How many axes an image has beside its channels.

    Returns
    -------
    Fault
        Nothing for small maps, where the border is nearly all there is.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.results.sanity_checks import on_border
    >>> frame = np.ones((20, 20))
    >>> frame[1:-1, 1:-1] = 0.01
    >>> on_border(frame, 2)[0], on_border(np.ones((20, 20)), 2)[0]
    ('border', '')
    """
    size = values.shape[:2]
    if rank != 2 or values.ndim < 2 or min(size) < _MIN_BORDERED:
        return "", {}
    magnitude = np.abs(values).reshape(*size, -1).sum(axis=-1, dtype=np.float64)
    inside = magnitude[tuple(slice(width, -width) for width in (max(1, length // 16) for length in size))].sum()
    share = 1 - float(inside / (magnitude.sum() or 1.0))
    return ("border", {"share": share}) if share > _MIN_BORDER_SHARE else ("", {})


def _fault(values: np.ndarray, raw: np.ndarray, probability: float | None, *, signed: bool) -> Fault:
    """Return what is wrong with a map, and the facts that are said of it; "" for nothing."""
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        return "broken", {}
    if low != high:
        return "", {}
    if low != 0:
        return ("constant" if values.size > 1 else ""), {}
    if not signed and raw.max() <= 0 and raw.min() < 0:
        return "negative", {"highest": float(raw.max())}
    if probability is not None and probability >= MIN_SATURATED_PROBABILITY:
        return "saturated", {"probability": probability}
    return "zero", {}


def _notes_of_kinds(faults: Sequence[Fault], templates: dict[str, str], names: Sequence[str]) -> Iterator[Note]:
    for kind, template in templates.items():
        images = [at for at, (of, _) in enumerate(faults) if of == kind]
        if images:
            facts = {name: [faults[at][1][name] for at in images] for name in faults[images[0]][1]}
            yield Note.about(images, names, kind, template, facts)


def _note_on_range(
    ends: Sequence[Ends], is_wrong: Any, text: str, names: Sequence[str], what: str = "inputs"
) -> Iterator[Note]:
    """Yield a note on the images whose range is wrong."""
    faults: list[Fault] = [("range", {"low": of[0], "high": of[1]}) if is_wrong(of) else ("", {}) for of in ends]
    template = f"The {what} lie in {{low.min:.4g}} to {{high.max:.4g}}{{in_images}}, {text}"
    yield from _notes_of_kinds(faults, {"range": template}, names)


def _within(of: Ends, ends: Ends) -> bool:
    slack = 0.01 * (ends[1] - ends[0])
    return of[0] >= ends[0] - slack and of[1] <= ends[1] + slack
