"""The region of a map where a class is predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vizcnn.targets.model import Head, Model
from vizcnn.targets.score import Choice, ForwardPass, Score, class_logits, constant, pick

BACKGROUND = ("background", "__background__", "bg", "unlabeled", "void")
"""What a class is called that is no object."""

_PICTURES = (3, 4)
"""Channels of a map that, without a softmax and names, is more likely a picture than classes."""

_LEAST_SHARE = 8
"""Pixels of the input, down or across, that a position of a map without a softmax and names stands for at the most: one of
features is smaller."""


def is_segmentation(model: Model, head: Head) -> bool:
    """Tell whether an output is a map that says of each position what is there."""
    rows = head.positions
    if len(rows) != 2 or not head.is_classes or not all(size is None or size > 1 for size in rows):
        return False
    if head.is_mask or head.activation == "softmax" or head.is_logarithm or len(model.labels or ()) == head.num_classes:
        return True
    height = model.input_shape[0] if len(model.input_shape) == 3 else None
    is_fine = height is None or rows[0] is None or rows[0] * _LEAST_SHARE >= height
    return is_fine and head.num_classes not in _PICTURES


def predicted_region(head: Head, index: int, count: int, size: tuple[int, int]) -> Score:
    """Return the mean score of a class where it is predicted; -1: of the class that is predicted at most positions."""
    formula = _PredictedRegion(head.output, _background(head))
    return Score(
        key=("predicted region", head.output, formula.background),
        formula=formula.score,
        params=(np.full((count, *size), np.nan, np.float32), np.full(count, index, dtype=np.int32)),
        names=(None if index < 0 else head.names[index],) * count,
        classes=(index,) * count,
        output=head.output,
        choices=(
            Choice(1, head.output, formula.largest, count=head.num_classes),
            Choice(0, head.output, formula.region),
        ),
    )


def _background(head: Head) -> int:
    """Return the class that is named as no object; -1 where none is."""
    return next((i for i, name in enumerate(head.names) if name.casefold() in BACKGROUND), -1)


_ONE, _ZERO = np.float32(1), np.float32(0)
"""Of a dtype that every framework keeps: TensorFlow's NumPy makes float64 of bare numbers."""


@dataclass(frozen=True)
class _PredictedRegion:
    """The formulas: params are the weights of the positions (N, h, w), and the class (N,)."""

    output: str
    background: int

    def score(self, reading: ForwardPass, params: Sequence[Any]) -> Any:
        """Return the scores (N,)."""
        xp, values = reading.xp, class_logits(reading, self.output)
        index = self._settled(reading, params[1])
        live = self._weights(reading, index)
        weights = xp.expand_dims(constant(xp, xp.where(xp.isnan(params[0]), live, params[0])), -1)
        return pick(xp, xp.sum(values * weights, axis=(1, 2)), index, index)

    def region(self, reading: ForwardPass, params: Sequence[Any]) -> Any:
        """Return the weights of the positions, (N, h, w), of a class that is settled."""
        return self._weights(reading, self._settled(reading, params[1]))

    def largest(self, reading: ForwardPass, params: Sequence[Any]) -> Any:
        """Return the class that is predicted at most positions, (N,); the background where nothing else is at any."""
        return self._settled(reading, params[0])

    def _settled(self, reading: ForwardPass, index: Any) -> Any:
        xp, predicted = reading.xp, self._predicted(reading)
        counts = xp.sum(xp.where(predicted, _ONE, _ZERO), axis=(1, 2))
        own = xp.equal(xp.arange(counts.shape[-1]), self.background)
        largest = xp.argmax(xp.where(own, counts / 1e9, counts), axis=-1)
        largest = xp.ones_like(largest) if reading.head(self.output).is_mask else largest
        return xp.where(index < 0, xp.cast(largest, "int32") if hasattr(xp, "cast") else largest, index)

    def _weights(self, reading: ForwardPass, index: Any) -> Any:
        """Return equal weights where a class is predicted; everywhere, where it isn't at any position."""
        xp, predicted = reading.xp, self._predicted(reading)
        chosen = xp.reshape(
            xp.equal(xp.expand_dims(index, -1), xp.arange(predicted.shape[-1])), (-1, 1, 1, predicted.shape[-1])
        )
        there = xp.sum(xp.where(xp.logical_and(predicted, chosen), _ONE, _ZERO), axis=-1)
        total = xp.sum(there, axis=(1, 2), keepdims=True)
        there = xp.where(total > 0, there, xp.ones_like(there))
        return there / xp.sum(there, axis=(1, 2), keepdims=True)

    def _predicted(self, reading: ForwardPass) -> Any:
        """Return at which positions which class is predicted, (N, h, w, K)."""
        xp, values = reading.xp, constant(reading.xp, class_logits(reading, self.output))
        return xp.equal(xp.expand_dims(xp.argmax(values, axis=-1), -1), xp.arange(values.shape[-1]))
