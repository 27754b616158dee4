"""Telling how a detector says what it has found: from the shapes of its outputs, and from the numbers that they hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vizcnn.errors import TargetError
from vizcnn.targets.anchors import mediapipe_anchors, yolo_anchors
from vizcnn.targets.box_layout import BoxLayout
from vizcnn.targets.model import Model

Shapes = Mapping[str, tuple[int | None, ...]]

_BOXES = ("box", "regress", "loc")
_SCORES = ("score", "conf", "prob", "logit", "classif", "cls")
_CLASSES = ("class", "label", "categor")


@dataclass(frozen=True, eq=False)
class Detector:
    """A model whose boxes can be read.

    Attributes
    ----------
    layout : BoxLayout
        How, with nothing left open.
    size : (int, int)
        Height and width of its inputs.
    names : tuple of str
        What its classes are called; of "detections" as far as they have names.
    num_candidates : int
        How many boxes it returns.
    """

    layout: BoxLayout
    size: tuple[int, int]
    names: tuple[str, ...]
    num_candidates: int

    @property
    def suppressed(self) -> bool:
        """Whether its boxes are what is left after suppression: another one of each image, in any order."""
        return self.layout.kind == "detections"

    @property
    def output(self) -> str:
        """The output that the scores are in."""
        boxes = self.layout.boxes if isinstance(self.layout.boxes, str) else self.layout.boxes[0]
        return str(boxes if self.layout.scores is None else self.layout.scores)


def scores_beside_boxes(model: Model) -> str | None:
    """Return the output of the scores, where some output is shaped as boxes are and another as their scores."""
    pair = _pair(model.output_shapes, BoxLayout())
    return None if pair is None else str(pair.scores)


def detector(model: Model, layout: BoxLayout | None, sample_shape: tuple[int | None, ...]) -> Detector:
    """Return a model as a detector; what it takes is told once.

    Returns
    -------
    Detector

    Raises
    ------
    TargetError
        If no box can be read from its outputs, or too little is known of them.
    """
    asked = layout or BoxLayout()
    if len(sample_shape) != 3 or None in sample_shape:
        raise TargetError(
            f"`target` Box needs a model of images of a known size; the input of model {model.name!r} is {sample_shape}. Give "
            f"vizcnn.adapt an `image_size`."
        )
    shape = tuple(int(size or 0) for size in sample_shape)
    return model.remember(("detector", asked.key, shape, model.labels), lambda: _told(model, asked, shape))


def _told(model: Model, asked: BoxLayout, shape: tuple[int, ...]) -> Detector:
    size, returned = (shape[0], shape[1]), model.outputs_of_noise(shape)
    numbers = dict(zip(model.output_shapes, returned, strict=True))
    shapes: Shapes = {name: values.shape[1:] for name, values in numbers.items()}
    layout = _with_outputs(model, asked, shapes, numbers)
    if layout.kind == "grid":
        layout, count, places = _told_grid(model, layout, shapes, numbers)
    elif layout.kind == "rows":
        layout, count, places = _told_rows(model, layout, shapes, numbers, size)
    elif layout.kind == "candidates":
        layout, count, places = _told_candidates(model, layout, shapes, numbers, size)
    else:
        layout, count, places = _told_detections(model, layout, shapes, numbers)
    names = tuple(model.labels or ())
    if len(names) != count and layout.kind != "detections":
        names = ("object",) if count == 1 else tuple(f"class {i}" for i in range(count))
    model.add_note(_described(model.name, layout, count, asked), "reading", quiet=True)
    return Detector(layout, size, names, places)


# Which outputs --------------------------------------------------------------------------------------------------------


def _with_outputs(model: Model, asked: BoxLayout, shapes: Shapes, numbers: Mapping[str, np.ndarray]) -> BoxLayout:
    """Return the layout with its kind and outputs, by name."""
    named: dict[str, Any] = {}
    for name in ("boxes", "scores", "classes"):
        value = getattr(asked, name)
        many = isinstance(value, list | tuple)
        if value is not None:
            named[name] = tuple(map(model.output_name, value)) if many else model.output_name(value)
    asked = replace(asked, **named)
    if asked.kind in (None, "candidates", "detections"):
        pair = _pair(shapes, asked)
        if pair is not None:
            return pair
        if asked.kind == "candidates" or (asked.kind == "detections" and len(shapes) > 1):
            raise _unread(model, "no output of boxes (A, 4) has another of scores (A, K) beside it")
    if asked.kind == "grid" or (asked.kind is None and all(len(shape) >= 3 for shape in shapes.values())):
        boxes = (asked.boxes,) if isinstance(asked.boxes, str) else asked.boxes or tuple(shapes)
        if any(len(shapes[name]) not in (3, 4) for name in boxes):
            raise _unread(model, "a grid is a map (rows, columns, B * (5 + K))")
        return replace(asked.given(kind="grid"), boxes=boxes)
    output = asked.boxes or model.output_name(None)
    if not isinstance(output, str) or len(shapes[output]) != 2 or max(int(n or 0) for n in shapes[output]) < 5:
        raise _unread(model, "none holds rows of a box and its scores, (A, 4 + K)")
    rows = numbers[output]
    is_found = rows.shape[-1] == 6 and (rows[..., 5] == np.round(rows[..., 5])).all()
    return replace(asked.given(kind="detections" if is_found else "rows"), boxes=output)


def _pair(shapes: Shapes, asked: BoxLayout) -> BoxLayout | None:
    """Return the layout of an output of boxes beside one of their scores; None where there are no two such."""
    boxes = [asked.boxes] if isinstance(asked.boxes, str) else _sorted(shapes, _BOXES)
    for name in boxes:
        shape = shapes[name]
        if len(shape) < 2 or shape[-1] is None or shape[-1] < 4 or (shape[-1] > 4 and not _called(name, _BOXES)):
            continue
        places = shape[:-1]
        beside = [other for other in _sorted(shapes, _SCORES) if other != name]
        full = [
            other
            for other in beside
            if shapes[other][: len(places)] == places and len(shapes[other]) == len(places) + 1
        ]
        flat = [other for other in beside if shapes[other] == places]
        if asked.scores is not None:
            full, flat = ([other for other in kind if other == asked.scores] for kind in (full, flat))
        if full and asked.kind != "detections":
            return replace(asked.given(kind="candidates"), boxes=name, scores=full[0])
        if flat and len(places) == 1 and asked.kind != "candidates":
            return replace(asked.given(kind="detections"), boxes=name, scores=flat[0])
    return None


def _sorted(shapes: Shapes, words: tuple[str, ...]) -> list[str]:
    """Return the names of outputs, those first that hold a word, and of these the shortest: others are of inner layers."""
    return sorted(shapes, key=lambda name: (not _called(name, words), len(name)))


def _called(name: str, words: tuple[str, ...]) -> bool:
    return any(word in name.lower() for word in words)


# What their numbers are ----------------------------------------------------------------------------------------------


def _told_candidates(
    model: Model, layout: BoxLayout, shapes: Shapes, numbers: Mapping[str, np.ndarray], size: tuple[int, int]
) -> tuple[BoxLayout, int, int]:
    count, places = (
        int(shapes[str(layout.scores)][-1] or 0),
        math.prod(int(size or 0) for size in shapes[layout.boxes][:-1]),
    )
    scores = numbers[str(layout.scores)]
    layout = layout.given(probabilities=_are_probabilities(model, str(layout.scores), scores))
    layout = layout.given(background=_background(model, scores) if layout.probabilities else -1)
    layout = _with_coordinates(model, layout, numbers[layout.boxes], size, places)
    return layout, count, places


def _told_rows(
    model: Model, layout: BoxLayout, shapes: Shapes, numbers: Mapping[str, np.ndarray], size: tuple[int, int]
) -> tuple[BoxLayout, int, int]:
    first, second = (int(n or 0) for n in shapes[layout.boxes])
    named = len(model.labels or ())
    is_known = named > 0 and {first, second} & {4 + named, 5 + named}
    turned = first in (4 + named, 5 + named) and second not in (4 + named, 5 + named) if is_known else first < second
    layout = layout.given(transposed=turned)
    places, width = (second, first) if layout.transposed else (first, second)
    layout = layout.given(objectness=width == 5 + named if is_known else not layout.transposed)
    rows = numbers[layout.boxes]
    rows = np.swapaxes(rows, 1, 2) if layout.transposed else rows
    layout = layout.given(probabilities=_are_within(rows[..., 4:]), background=-1)
    layout = _with_coordinates(model, layout, rows, size, places)
    return layout, max(1, width - 4 - bool(layout.objectness)), places


def _told_grid(
    model: Model, layout: BoxLayout, shapes: Shapes, numbers: Mapping[str, np.ndarray]
) -> tuple[BoxLayout, int, int]:
    layout = replace(layout, coordinates="center_xywh").given(objectness=True, background=-1)
    shape = shapes[layout.boxes[0]]
    width, boxes = int(shape[-1] or 0), None if layout.anchors is None else layout.anchors.shape[-2]
    if len(shape) == 4:
        count = width - 5
    elif model.labels:
        count = len(model.labels)
    elif boxes:
        count = width // boxes - 5
    else:
        raise TargetError(
            f"`target` Box can't tell how many boxes are at each place of output {layout.boxes[0]!r} of model {model.name!r}, "
            f"{width} numbers. Name the classes (`labels` of vizcnn.adapt, or --labels), or give the `anchors` of a BoxLayout."
        )
    if count < 0 or width % (5 + count):
        raise TargetError(
            f"`target` Box needs 5 + {count} numbers for each box at a place; output {layout.boxes[0]!r} of model {model.name!r} "
            f"holds {width} at each."
        )
    scores = [numbers[name].reshape(*numbers[name].shape[:3], -1, 5 + count)[..., 4:] for name in layout.boxes]
    layout = layout.given(probabilities=all(map(_are_within, scores)))
    return layout, max(1, count), sum(int(np.prod(part.shape[1:4])) for part in scores)


def _told_detections(
    model: Model, layout: BoxLayout, shapes: Shapes, numbers: Mapping[str, np.ndarray]
) -> tuple[BoxLayout, int, int]:
    places = int(shapes[layout.boxes][0] or 0)
    if layout.scores is not None:
        flat = [name for name, shape in shapes.items() if shape == (places,)]
        counts = [name for name, shape in shapes.items() if shape in ((), (1,)) and places != 1]
        if layout.classes is None and len(flat) > 1:
            scores, classes = _scores_and_classes(flat, numbers, classes_first=bool(counts))
            layout = replace(layout, scores=scores, classes=classes)
        if counts and not _called(layout.boxes, ("box",)):
            layout = layout.given(coordinates="rel_yxyx")  # as TensorFlow's own operation returns them
    layout = layout.given(probabilities=True, background=-1)
    if layout.coordinates is None:
        told = _coordinates(numbers[layout.boxes][..., :4])
        layout = layout.given(coordinates=told or "xyxy")
        if told is None:
            model.add_note(
                f"Model {model.name!r}: nothing that it found shows how its boxes are written; they are read as left, top, right "
                f"and bottom in pixels. Say it: vizcnn.targets.BoxLayout(coordinates=...).",
                "reading",
            )
    return layout, len(model.labels or ()), places


def _scores_and_classes(flat: list[str], numbers: Mapping[str, np.ndarray], *, classes_first: bool) -> tuple[str, str]:
    """Return which of two rows of numbers are scores, and which are classes: by name, then by what they hold, then by order."""
    by_name = [name for name in flat if _called(name, _CLASSES) and not _called(name, _SCORES)]
    whole = [
        name for name in flat if (numbers[name] == np.round(numbers[name])).all() and numbers[name].max(initial=0) > 1
    ]
    classes = (by_name or whole or ([flat[0]] if classes_first else [flat[1]]))[0]
    return next(name for name in flat if name != classes), classes


_SIDES = 4 * 16
"""Numbers of YOLOv8 for a box: the logits of sixteen distances for each side."""


def _with_coordinates(
    model: Model, layout: BoxLayout, numbers: np.ndarray, size: tuple[int, int], places: int
) -> BoxLayout:
    if layout.coordinates is None and layout.anchors is None and numbers.shape[-1] > 4 and layout.kind == "candidates":
        is_yolo = numbers.shape[-1] == _SIDES
        anchors = yolo_anchors(size, places) if is_yolo else mediapipe_anchors(size, places)
        if anchors is not None:
            layout = replace(layout, anchors=anchors, deltas="sides" if is_yolo else "linear")
    if layout.anchors is None and layout.coordinates is None and layout.kind == "candidates":
        layout = replace(layout, anchors=model.box_anchors((*size, int(model.input_shape[-1] or 1))))
    if layout.anchors is not None:
        if len(layout.anchors) != places:
            raise TargetError(
                f"`anchors` must be one for each of the {places} boxes of output {layout.boxes!r}; got {len(layout.anchors)}."
            )
        is_relative = layout.deltas == "linear" and str(layout.coordinates).startswith("rel_")
        return replace(layout, coordinates="rel_center_xywh" if is_relative else "center_xywh")
    if layout.coordinates is None:
        told = _coordinates(numbers[..., :4])
        if told is None:
            raise TargetError(
                f"`target` Box can't read boxes in output {layout.boxes!r} of model {model.name!r}: its numbers are no edges, "
                f"and no centers and sizes. If they are differences from anchors, give these: "
                f"vizcnn.targets.BoxLayout(anchors=...), (A, 4)."
            )
        layout = layout.given(coordinates=told)
    return layout


def _coordinates(boxes: np.ndarray) -> str | None:
    """Return what the four numbers of boxes are, as far as they show it; None where they aren't boxes, or there are none."""
    rows = boxes.reshape(-1, 4)
    rows = rows[np.isfinite(rows).all(axis=1) & rows.any(axis=1)]
    if not len(rows):
        return None
    prefix = "rel_" if np.quantile(np.abs(rows), 0.95) <= 2 else ""
    if ((rows[:, 2] >= rows[:, 0]) & (rows[:, 3] >= rows[:, 1])).mean() >= 0.98:
        return f"{prefix}xyxy"
    return f"{prefix}center_xywh" if (rows[:, 2:] >= 0).mean() >= 0.98 else None


def _are_probabilities(model: Model, output: str, values: np.ndarray) -> bool:
    return model.output_activation(output) is not None or _are_within(values)


def _are_within(values: np.ndarray) -> bool:
    return bool(((values >= 0) & (values <= 1)).all())


def _background(model: Model, scores: np.ndarray) -> int:
    """Return the class that most places of what is no picture are taken for, where one class in all is chosen; -1: none."""
    count = scores.shape[-1]
    if count < 2 or not np.allclose(scores.sum(axis=-1), 1, atol=1e-2):
        return -1
    labels = [name.lower() for name in model.labels or ()]
    if len(labels) == count:
        return next(
            (i for i in (0, count - 1) if labels[i] in ("background", "__background__", "bg", "no object", "n/a")), -1
        )
    most = np.bincount(scores.reshape(-1, count).argmax(axis=-1), minlength=count)
    winner = int(most.argmax())
    return winner if winner in (0, count - 1) and most[winner] > most.sum() / 2 else -1


def _unread(model: Model, why: str) -> TargetError:
    shapes = ", ".join(f"{name!r} {shape}" for name, shape in model.output_shapes.items())
    return TargetError(
        f"`target` Box can't read boxes from the outputs of model {model.name!r}, {shapes}: {why}. "
        f"Say it: vizcnn.targets.Box(..., layout=vizcnn.targets.BoxLayout(...))."
    )


_WORDS = {
    "xyxy": "left, top, right and bottom",
    "yxyx": "top, left, bottom and right",
    "xywh": "left, top, width and height",
    "center_xywh": "center, width and height",
}


def _described(name: str, layout: BoxLayout, count: int, asked: BoxLayout) -> str:
    coordinates = str(layout.coordinates)
    unit = "shares of the image" if coordinates.startswith("rel_") else "pixels"
    what = {
        "candidates": f"boxes in output {layout.boxes!r}, scores of {count} classes in {layout.scores!r}",
        "rows": f"rows of a box, {'a score of any object, ' if layout.objectness else ''}and scores of {count} classes",
        "grid": f"a grid of boxes, each with a score of any object and of {count} classes",
        "detections": "boxes that are left after suppression",
    }[str(layout.kind)]
    from_anchors = ", counted from anchors" if layout.anchors is not None and layout.kind != "grid" else ""
    kind = "probabilities" if layout.probabilities else "logits"
    is_told = layout.background != -1 and asked.background is None
    background = f", class {layout.background} being the background" if is_told else ""
    return (
        f"Model {name!r} is read as a detector: {what}{background}; {_WORDS[coordinates.removeprefix('rel_')]} in {unit}"
        f"{from_anchors}; scores are {kind}. Where that is wrong, say it: vizcnn.targets.BoxLayout."
    )
