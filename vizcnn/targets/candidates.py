"""What a detector's outputs say, whatever their layout: boxes, and for each the scores of the classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vizcnn.targets.box_layout import BoxLayout
from vizcnn.targets.score import ForwardPass

_LEAST = 1e-7
"""Probability that a logit ends at."""


@dataclass(frozen=True)
class Candidates:
    """What might be something.

    Attributes
    ----------
    boxes : array, shape (N, A, 4)
        Left, top, right and bottom in the input's pixels.
    logits : array, shape (N, A, K)
        Scores as they are explained.
    confidence : array, shape (N, A, K)
        Scores as probabilities.
    """

    boxes: Any
    logits: Any
    confidence: Any


def read_candidates(reading: ForwardPass, layout: BoxLayout, size: tuple[int, int], num_classes: int) -> Candidates:
    """Return what a run of a model says, by a layout that is settled, of inputs of a size (H, W)."""
    xp = reading.xp
    if layout.kind == "candidates":
        raw = _by_anchor(xp, reading.output(layout.boxes))
        raw = raw if layout.deltas == "sides" else raw[..., :4]
        logits, confidence = _scores(reading, layout, num_classes)
    elif layout.kind == "rows":
        rows = reading.output(layout.boxes)
        rows = xp.swapaxes(rows, 1, 2) if layout.transposed else rows
        raw = rows[..., :4]
        logits, confidence = _with_objectness(xp, rows[..., 4:], layout)
    else:
        raw, logits, confidence = _of_grids(reading, layout, size, num_classes)
    return Candidates(to_corners(xp, _decoded(xp, raw, layout, size), layout.coordinates, size), logits, confidence)


@dataclass(frozen=True)
class Detections:
    """What was found, after suppression.

    Attributes
    ----------
    boxes : array, shape (N, n, 4)
        As those of `Candidates`.
    confidence : array, shape (N, n)
        How sure the model is.
    classes : array, shape (N, n)
        Indices of classes, as numbers.
    """

    boxes: Any
    confidence: Any
    classes: Any


def read_detections(reading: ForwardPass, layout: BoxLayout, size: tuple[int, int]) -> Detections:
    """Return what a run of a model found, by a layout that is settled, of inputs of a size (H, W)."""
    xp, rows = reading.xp, reading.output(layout.boxes)
    if layout.scores is None:
        raw, confidence, classes = rows[..., :4], rows[..., 4], rows[..., 5]
    else:
        raw, confidence = rows[..., :4], reading.output(str(layout.scores))
        confidence = xp.reshape(confidence, (-1, confidence.shape[1]))
        classes = xp.zeros_like(confidence) if layout.classes is None else reading.output(str(layout.classes))
        classes = xp.reshape(classes, (-1, confidence.shape[1]))
    return Detections(to_corners(xp, raw, layout.coordinates, size), confidence, classes)


def overlaps(xp: Any, boxes: Any, box: Any) -> Any:
    """Return the intersection over union of boxes (N, A, 4) with one box each, (N, 4): (N, A)."""
    box = xp.expand_dims(box, 1)
    across = xp.minimum(boxes[..., 2], box[..., 2]) - xp.maximum(boxes[..., 0], box[..., 0])
    down = xp.minimum(boxes[..., 3], box[..., 3]) - xp.maximum(boxes[..., 1], box[..., 1])
    common = xp.maximum(across, 0.0) * xp.maximum(down, 0.0)
    return common / xp.maximum(_area(xp, boxes) + _area(xp, box) - common, 1e-9)


def _area(xp: Any, boxes: Any) -> Any:
    return xp.maximum(boxes[..., 2] - boxes[..., 0], 0.0) * xp.maximum(boxes[..., 3] - boxes[..., 1], 0.0)


def to_corners(xp: Any, boxes: Any, coordinates: str | None, size: tuple[int, int]) -> Any:
    """Return boxes (..., 4) as left, top, right and bottom in pixels of a picture of that size (H, W)."""
    kind = str(coordinates)
    a, b, c, d = (boxes[..., i] for i in range(4))
    kind, relative = kind.removeprefix("rel_"), kind.startswith("rel_")
    if kind == "yxyx":
        corners = [b, a, d, c]
    elif kind == "xywh":
        corners = [a, b, a + c, b + d]
    elif kind == "center_xywh":
        corners = [a - c / 2, b - d / 2, a + c / 2, b + d / 2]
    else:
        corners = [a, b, c, d]
    height, width = size if relative else (1, 1)
    return xp.stack([corners[0] * width, corners[1] * height, corners[2] * width, corners[3] * height], axis=-1)


def _decoded(xp: Any, raw: Any, layout: BoxLayout, size: tuple[int, int]) -> Any:
    """Return boxes in the coordinates of a layout: those of differences from anchors are pixels, by center and size."""
    if layout.anchors is None or layout.kind == "grid":
        return raw
    x, y, width, height = (_array(xp, layout.anchors[:, i]) for i in range(4))
    if layout.deltas == "sides":
        left, top, right, bottom = (
            side * length for side, length in zip(_sides(xp, raw), (width, height) * 2, strict=True)
        )
        return xp.stack([x + (right - left) / 2, y + (bottom - top) / 2, left + right, top + bottom], axis=-1)
    moves = [raw[..., i] * float(layout.variances[i]) for i in range(4)]
    if layout.deltas == "linear":
        rows, columns = size if str(layout.coordinates).startswith("rel_") else (1, 1)
        parts = [x + moves[0] * columns, y + moves[1] * rows, moves[2] * columns, moves[3] * rows]
    else:
        grown = [xp.exp(xp.minimum(move, 20.0)) for move in moves[2:]]
        parts = [x + moves[0] * width, y + moves[1] * height, grown[0] * width, grown[1] * height]
    if str(layout.coordinates).startswith("rel_"):
        parts = [part / length for part, length in zip(parts, (size[1], size[0]) * 2, strict=True)]
    return xp.stack(parts, axis=-1)


def _sides(xp: Any, raw: Any) -> list[Any]:
    """Return the means of four distributions of whole numbers, each (N, A), of their logits (N, A, 4 R)."""
    bins = raw.shape[-1] // 4
    logits = xp.reshape(raw, (-1, raw.shape[1], 4, bins))
    grown = xp.exp(logits - xp.max(logits, axis=-1, keepdims=True))
    means = xp.sum(grown * xp.arange(bins, dtype="float32"), axis=-1) / xp.sum(grown, axis=-1)
    return [means[..., side] for side in range(4)]


def _by_anchor(xp: Any, values: Any) -> Any:
    """Return (N, A, K) of an output whose places may still lie on several axes."""
    return (
        values
        if len(values.shape) == 3
        else xp.reshape(values, (-1, int(np.prod(values.shape[1:-1])), values.shape[-1]))
    )


def _scores(reading: ForwardPass, layout: BoxLayout, num_classes: int) -> tuple[Any, Any]:
    xp, output = reading.xp, str(layout.scores)
    values = reading.output(output)
    values = xp.reshape(values, (-1, int(np.prod(values.shape[1:])) // num_classes, num_classes))
    if not layout.probabilities:
        return values, _sigmoid(xp, values)
    if reading.head(output).activation is not None and not reading.head(output).is_logarithm:
        return xp.reshape(reading.logits(output), (-1, *values.shape[1:])), values
    return _logit(xp, values), values


def _with_objectness(xp: Any, columns: Any, layout: BoxLayout) -> tuple[Any, Any]:
    """Return logits and probabilities of the classes, of columns that hold the scores of any object first."""
    logits = _logit(xp, columns) if layout.probabilities else columns
    confidence = columns if layout.probabilities else _sigmoid(xp, columns)
    if not layout.objectness:
        return logits, confidence
    if columns.shape[-1] == 1:
        return logits, confidence
    return logits[..., :1] + logits[..., 1:], confidence[..., :1] * confidence[..., 1:]


def _of_grids(reading: ForwardPass, layout: BoxLayout, size: tuple[int, int], num_classes: int) -> tuple[Any, Any, Any]:
    """Return boxes by center and size in pixels, logits and probabilities, of maps of B boxes at each place."""
    xp, found = reading.xp, []
    for place, output in enumerate(layout.boxes):
        values = reading.output(output)
        rows, columns = values.shape[1:3]
        values = xp.reshape(
            values, (-1, rows, columns, int(np.prod(values.shape[3:])) // (5 + num_classes), 5 + num_classes)
        )
        found.append((_of_cells(xp, values, layout, place, size), values[..., 4:]))
    raw, scores = (
        xp.concatenate(
            [xp.reshape(part[i], (-1, int(np.prod(part[i].shape[1:-1])), part[i].shape[-1])) for part in found], 1
        )
        for i in (0, 1)
    )
    return raw, *_with_objectness(xp, scores, layout)


def _of_cells(xp: Any, values: Any, layout: BoxLayout, place: int, size: tuple[int, int]) -> Any:
    rows, columns = values.shape[1:3]
    down, across = size[0] / rows, size[1] / columns
    top = xp.reshape(xp.arange(rows, dtype="float32") * down, (-1, 1, 1))
    left = xp.reshape(xp.arange(columns, dtype="float32") * across, (1, -1, 1))
    x, y, width, height = (values[..., i] for i in range(4))
    if layout.anchors is None:
        return xp.stack([x * across + left, y * down + top, width * size[1], height * size[0]], axis=-1)
    sizes = _array(xp, layout.anchors if layout.anchors.ndim == 2 else layout.anchors[place])
    x, y = (values_in if layout.probabilities else _sigmoid(xp, values_in) for values_in in (x, y))
    width, height = (xp.exp(xp.minimum(value, 20.0)) for value in (width, height))
    return xp.stack([x * across + left, y * down + top, width * sizes[:, 0], height * sizes[:, 1]], axis=-1)


def _array(xp: Any, values: np.ndarray) -> Any:
    return values if xp is np else xp.convert_to_tensor(values)


def _sigmoid(xp: Any, values: Any) -> Any:
    return (xp.tanh(values / 2) + 1) / 2


def _logit(xp: Any, values: Any) -> Any:
    kept = xp.clip(values, _LEAST, 1 - _LEAST)
    return xp.log(kept) - xp.log(1 - kept)
