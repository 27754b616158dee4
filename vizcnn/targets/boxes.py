"""What a detector predicts in a box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np

from vizcnn.errors import TargetError
from vizcnn.inputs.geometry import Geometry
from vizcnn.targets.box_layout import BoxLayout
from vizcnn.targets.candidates import Candidates, overlaps, read_candidates, read_detections
from vizcnn.targets.classes import ClassNames, class_index
from vizcnn.targets.detector import Detector, detector
from vizcnn.targets.model import Model, Pictures
from vizcnn.targets.score import Choice, ForwardPass, Score, constant
from vizcnn.targets.target import Target

_OPEN = float("nan")

_LEAST = 1e-12
"""Confidence that a candidate counts by at the least, so that of those that are sure of nothing some still do."""


@dataclass(frozen=True, eq=False)
class Box(Target):
    """The score of what a detector predicts in a box.

    Of boxes before suppression it is the mean of the class's logits over all that overlap the box, each weighted by its
    intersection over union with it times how sure the model is of the class there. Which boxes count, and how much, is taken from
    the unchanged image, and no gradient goes through it, so that the score is of the class and not of the place. Of boxes after
    suppression it is the largest product of overlap and score among those of the class, as in D-RISE [1]_: these are other boxes
    of each image.

    Parameters
    ----------
    where : sequence of 4 numbers, or of one such for each image, default None
        Left, top, right and bottom in the picture's own pixels (through `ModelAdapter.scores` and the like, in the input's);
        None: the box that the model is most sure of.
    index : int or str, default None
        The class, by index or label; None: the one that is most sure in the box.
    layout : BoxLayout, default None
        How the model's outputs are read; None: as their shapes and numbers say.
    reduce : {"mean", "max"}, default "mean"
        Whether all boxes count that overlap, or the one of the largest weight alone.
    min_overlap : float, default 0.5
        Intersection over union from which on a box counts; where none reaches it, the one that overlaps most does.

    References
    ----------
    .. [1] Petsiuk et al., "Black-box Explanation of Object Detectors via Saliency Maps", CVPR 2021. arXiv:2006.03204

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> def detector(images):  # two boxes, and a class that is as sure as its half of the image is bright
    ...     left, right = images[:, :, :4].mean(axis=(1, 2)), images[:, :, 4:].mean(axis=(1, 2))
    ...     boxes = np.repeat([[[0, 0, 4, 8], [4, 0, 8, 8]]], len(images), axis=0)
    ...     return {"boxes": boxes, "scores": np.stack([left, right], axis=1)}
    >>> model = vz.adapt(detector, input_shape=(8, 8, 1), labels=["lamp"], preprocess="0..1")
    >>> picture = np.zeros((8, 8, 1), np.uint8)
    >>> picture[:, 4:] = 204
    >>> result = vz.occlusion(model, picture, vz.targets.Box((4, 0, 8, 8), "lamp"), patch_size=4, stride=4, baseline=0)
    >>> result.raw[0].round(1), result.extras["boxes"].tolist()
    (array([[0. , 0.4],
           [0. , 0.4]], dtype=float32), [[[4.0, 0.0, 8.0, 8.0]]])
    """

    prefix: ClassVar[str] = "box"

    where: Any = None
    index: int | str | None = None
    layout: BoxLayout | None = field(default=None, kw_only=True)
    reduce: str = field(default="mean", kw_only=True)
    min_overlap: float = field(default=0.5, kw_only=True)
    sample_shape: tuple[int, ...] | None = field(default=None, kw_only=True, repr=False)

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the box that was typed: ``10,20,110,120``, ``10,20,110,120:dog``, ``:dog`` or nothing.

        Behind semicolons stand `reduce`, `min_overlap` and fields of `BoxLayout`: ``10,20,110,120;reduce=max;anchors=FILE.npy``.

        Returns
        -------
        Box

        Examples
        --------
        >>> import vizcnn as vz
        >>> box = vz.targets.Box.read("10,20,110,120:dog")
        >>> box.where, box.index
        ((10.0, 20.0, 110.0, 120.0), 'dog')
        """
        place, *fields = text.split(";")
        numbers, _, name = place.partition(":")
        try:
            where = tuple(float(number) for number in numbers.split(",")) if numbers.strip() else None
        except ValueError:
            where = ()
        if where is not None and len(where) != 4:
            raise TargetError(
                f"`target` box:LEFT,TOP,RIGHT,BOTTOM:CLASS must hold four numbers; got {numbers!r}. Without numbers it is "
                f"the box that the model is most sure of."
            )
        index = int(name) if name.strip().isdigit() else name.strip() or None
        given = _read_fields(fields)
        own = {name: given.pop(name) for name in ("reduce", "min_overlap") if name in given}
        return cls(where, index, layout=BoxLayout(**given) if given else None, **own)

    def on_images(self, images: Pictures) -> Self:
        """See `Target.on_images`: the box in the pixels of the inputs that the pictures become.

        Returns
        -------
        Box

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> pictures = vz.inputs.load(np.zeros((1, 20, 10, 3), np.uint8), (5, 5, 3))
        >>> vz.targets.Box((0, 0, 10, 20)).on_images(pictures).where
        array([[0., 0., 5., 5.]], dtype=float32)
        """
        if self.where is None:
            return replace(self, sample_shape=images.sample_shape)
        rows = self._rows(len(images))
        geometry = images.geometry or [
            Geometry.whole(images.shape_of(i)[:2], images.sample_shape[:2]) for i in range(len(images))
        ]
        # A place is a row and a column, so that each half of a box is one turned round.
        corners = [one.to_input(row.reshape(2, 2)[:, ::-1])[:, ::-1] for one, row in zip(geometry, rows, strict=True)]
        where = np.array(corners, dtype=np.float32).reshape(-1, 4)
        return replace(self, where=where, sample_shape=images.sample_shape)

    def score(self, model: Model, count: int) -> Score:
        """See `Target.score`.

        Returns
        -------
        Score

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> def detector(images):
        ...     return {"boxes": images[:, :5, 0, :4], "scores": images[:, :5, 0, :2]}
        >>> score = vz.targets.Box((0, 0, 4, 4), 1).score(vz.adapt(detector, input_shape=(8, 8, 4)), 1)
        >>> score.names, [param.shape for param in score.params]
        (('class 1 in a box',), [(1, 5), (1, 5)])
        """
        self._check_options()
        model.output_activation(model.output_name(None))  # runs a model of open size once
        found = detector(model, self.layout, self.sample_shape or model.shown_shape)
        rows = np.full((count, 4), _OPEN, np.float32) if self.where is None else self._rows(count)
        index = self._class(model, found)
        place = np.concatenate([rows, np.full((count, 1), _OPEN if index is None else index, np.float32)], axis=1)
        formula = _Formula(found, self.reduce, float(self.min_overlap))
        held = np.full((count, found.num_candidates), _OPEN, np.float32)
        choices = (
            Choice(1, found.output, formula.place, name=partial(_name, names=found.names)),
            Choice(0, found.output, formula.held),
        )
        return Score(
            key=("box", found.layout.key, found.size, len(found.names), self.reduce, float(self.min_overlap)),
            formula=formula.score,
            params=(held, place),
            names=(None if index is None else _name(place[0], found.names),) * count,
            classes=(None,) * count,
            output=found.output,
            choices=choices[:1] if found.suppressed else choices,
            boxes=(1,),
            is_part=True,
        )

    def _check_options(self) -> None:
        if self.reduce not in ("mean", "max"):
            raise TargetError(f"`reduce` must be 'mean' or 'max'; got {self.reduce!r}.")
        if not 0 <= self.min_overlap <= 1:
            raise TargetError(f"`min_overlap` must be from 0 to 1; got {self.min_overlap!r}.")
        if self.layout is not None and not isinstance(self.layout, BoxLayout):
            raise TargetError(f"`layout` must be a vizcnn.targets.BoxLayout or None; got {self.layout!r}.")

    def _rows(self, count: int) -> np.ndarray:
        try:
            rows: np.ndarray = np.asarray(self.where, dtype=np.float32)
        except (TypeError, ValueError):
            rows = np.empty(0, np.float32)
        if rows.shape not in ((4,), (count, 4)):
            raise TargetError(
                f"`where` must be four numbers, left, top, right and bottom, or four for each of {count} images; got "
                f"{self.where!r}."
            )
        rows = np.broadcast_to(rows, (count, 4))
        if not (np.isfinite(rows).all() and (rows[:, 2] > rows[:, 0]).all() and (rows[:, 3] > rows[:, 1]).all()):
            raise TargetError(
                f"`where` must have its right beyond its left and its bottom below its top; got {self.where!r}."
            )
        return rows

    def _class(self, model: Model, found: Detector) -> int | None:
        if self.index is None:
            return None
        if found.suppressed and isinstance(self.index, int | np.integer) and self.index >= 0:
            return int(self.index)  # how many classes there are isn't known
        index = class_index(self.index, model, ClassNames(found.output, found.names))
        return index if index >= 0 else None


@dataclass(frozen=True, eq=False)
class _Formula:
    """The formulas of a box: params are what each candidate counts (N, A), and the place (N, 5), a box and a class."""

    found: Detector
    reduce: str
    min_overlap: float

    def score(self, reading: ForwardPass, params: Sequence[Any]) -> Any:
        """Return the scores (N,)."""
        xp = reading.xp
        place = self._settled(reading, params[1])
        if self.found.suppressed:
            return xp.max(self._matches(reading, place), axis=1)
        candidates = self._candidates(reading)
        live = self._weights(xp, candidates, place)
        weights = xp.where(xp.isnan(params[0]), live, params[0])
        return xp.sum(constant(xp, weights) * _of_class(xp, candidates.logits, place[:, 4]), axis=1)

    def held(self, reading: ForwardPass, params: Sequence[Any]) -> Any:
        """Return what each candidate counts, (N, A), of a place that is settled."""
        return self._weights(reading.xp, self._candidates(reading), self._settled(reading, params[1]))

    def place(self, reading: ForwardPass, params: Sequence[Any]) -> Any:
        """Return the box and the class, (N, 5), of what is left open the ones that the model is most sure of."""
        return self._settled(reading, params[0])

    def _candidates(self, reading: ForwardPass) -> Candidates:
        return read_candidates(reading, self.found.layout, self.found.size, len(self.found.names))

    def _settled(self, reading: ForwardPass, place: Any) -> Any:
        xp, layout = reading.xp, self.found.layout
        if self.found.suppressed:
            found = read_detections(reading, layout, self.found.size)
            boxes, confidence, own = found.boxes, found.confidence, found.classes
            matches = xp.logical_or(xp.isnan(place[:, 4:]), xp.abs(own - place[:, 4:]) < 0.5)
            best = xp.where(matches, confidence, -1.0)
        else:
            candidates = self._candidates(reading)
            boxes, confidence = candidates.boxes, _without_background(xp, candidates.confidence, layout.background)
            own = xp.multiply(xp.argmax(confidence, axis=-1), 1.0)
            alone = _of_class(xp, confidence, place[:, 4])
            best = xp.where(xp.isnan(place[:, 4:]), xp.max(confidence, axis=-1), alone)
        surest = _one_hot(xp, xp.argmax(best, axis=1), boxes.shape[1])
        box = xp.sum(xp.where(xp.expand_dims(surest, -1), boxes, 0.0), axis=1)
        box = xp.where(xp.isnan(place[:, :4]), box, place[:, :4])
        there = xp.argmax(overlaps(xp, boxes, box) * best, axis=1)
        index = xp.sum(xp.where(_one_hot(xp, there, boxes.shape[1]), own, 0.0), axis=1, keepdims=True)
        index = xp.where(xp.isnan(place[:, 4:]), index, place[:, 4:])
        return constant(xp, xp.concatenate([box, index], axis=1))

    def _weights(self, xp: Any, candidates: Candidates, place: Any) -> Any:
        """Return how much each candidate counts: overlap times confidence, of those that overlap enough; together 1."""
        overlap = overlaps(xp, candidates.boxes, place[:, :4])
        reach = xp.max(overlap, axis=1, keepdims=True)
        sure = overlap * xp.maximum(_of_class(xp, candidates.confidence, place[:, 4]), _LEAST)
        weights = xp.where(overlap >= xp.minimum(reach, self.min_overlap), sure, 0.0)
        if self.reduce == "max":
            weights = xp.where(_one_hot(xp, xp.argmax(weights, axis=1), weights.shape[1]), weights, 0.0)
        total = xp.sum(weights, axis=1, keepdims=True)
        return constant(xp, weights / xp.where(total > 0, total, 1.0))

    def _matches(self, reading: ForwardPass, place: Any) -> Any:
        """Return overlap times score of all detections of a class, (N, n)."""
        xp = reading.xp
        found = read_detections(reading, self.found.layout, self.found.size)
        own = xp.abs(found.classes - place[:, 4:]) < 0.5
        return xp.where(own, overlaps(xp, found.boxes, place[:, :4]) * found.confidence, 0.0)


def _one_hot(xp: Any, index: Any, count: int) -> Any:
    index = index if isinstance(index, int) else xp.expand_dims(index, -1)
    return xp.equal(index, xp.arange(count))


def _of_class(xp: Any, values: Any, index: Any) -> Any:
    """Return values (N, A, K) of a class of each sample, (N, A); of one that isn't known 0."""
    classes = xp.arange(values.shape[-1], dtype="float32")
    chosen = xp.abs(xp.reshape(index, (-1, 1, 1)) - classes) < 0.5
    return xp.sum(xp.where(chosen, values, 0.0), axis=-1)


def _without_background(xp: Any, confidence: Any, background: int | None) -> Any:
    if background is None or background < 0:
        return confidence
    return xp.where(_one_hot(xp, background, confidence.shape[-1]), 0.0, confidence)


def _name(place: np.ndarray, names: Sequence[str]) -> str:
    index = round(float(place[4])) if np.isfinite(place[4]) else -1
    return f"{names[index] if 0 <= index < len(names) else f'class {index}'} in a box"


def _read_fields(fields: Sequence[str]) -> dict[str, Any]:
    """Read fields of a box and its layout as they are typed."""
    values: dict[str, Any] = {}
    for text in fields:
        name, equals, value = text.strip().partition("=")
        if not equals or name not in _TYPED:
            raise TargetError(f"`target` box:...;NAME=VALUE must name one of {', '.join(_TYPED)}; got {text!r}.")
        values[name] = _TYPED[name](value)
    return values


def _read_flag(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise TargetError(f"`target` box:...;NAME=VALUE must be true or false; got {text!r}.")
    return text.lower() == "true"


def _read_array(path: str) -> np.ndarray:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError) as error:
        raise TargetError(f"`anchors` must name a .npy file of an array; {path!r} can't be read: {error}.") from error


def _read_int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise TargetError(f"`background` must be a whole number; got {text!r}.") from None


def _read_share(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise TargetError(f"`min_overlap` must be from 0 to 1; got {text!r}.") from None


_TYPED: dict[str, Any] = {
    "reduce": str,
    "min_overlap": _read_share,
    "kind": str,
    "boxes": str,
    "scores": str,
    "classes": str,
    "coordinates": str,
    "anchors": _read_array,
    "deltas": str,
    "variances": lambda text: tuple(float(number) for number in text.split(",")),
    "objectness": _read_flag,
    "probabilities": _read_flag,
    "background": _read_int,
}
