"""A class of an output, and its mean over a part of an output map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np

from vizcnn.errors import TargetError, did_you_mean, listed
from vizcnn.targets.model import Head, Model
from vizcnn.targets.regions import predicted_region
from vizcnn.targets.score import Choice, ForwardPass, Score, class_logits, pick
from vizcnn.targets.target import Target, plain


@dataclass(frozen=True)
class Class(Target):
    """The score of a class.

    Parameters
    ----------
    index : int, str, None, or a sequence of these, default None
        Class index, label, or None for the predicted class; a sequence has one per image.
    output : str or int, default None
        Which of several outputs, by name or position; None: that of the classes.

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> vz.saliency(cnn, digits[:2], vz.targets.Class([7, "8"])).target  # one for each image
    ('7', '8')
    """

    index: Any = None
    output: str | int | None = None

    def score(self, model: Model, count: int) -> Score:
        """See `Target.score`.

        Returns
        -------
        Score

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.targets.Class().score(vz.assets.digits_cnn(), 2).classes  # the predicted one
        (-1, -1)
        """
        output = model.output_name(self.output)
        head = model.head(output)
        index = plain(self.index)
        wanted = list(index) if isinstance(index, list | tuple) else [index] * count
        if len(wanted) != count:
            raise TargetError(
                f"`target` as a list must have one entry per image; got {len(wanted)} for {count} images."
            )
        indices = [class_index(entry, model, head) for entry in wanted]
        return Score(
            key=("class", output),
            formula=partial(class_score, output=output),
            params=(np.array(indices, dtype=np.int32),),
            names=tuple(None if index < 0 else head.names[index] for index in indices),
            classes=tuple(indices),
            output=output,
            choices=(Choice(0, output),),
        )


def class_score(reading: ForwardPass, params: Sequence[Any], output: str) -> Any:
    """Return the logit of a class: params are the indices (N,), -1 for the predicted; a map is averaged over its positions."""
    xp, head = reading.xp, reading.head(output)
    values = class_logits(reading, output)
    axes = tuple(range(1, len(values.shape) - 1))
    # What is predicted is what the model says of the whole, which of a map isn't always the class of the largest mean logit.
    predicted = head.predicted(xp, head.values(xp, reading.output(output)))
    return pick(xp, xp.mean(values, axis=axes) if axes else values, params[0], predicted)


@dataclass(frozen=True)
class Region(Target):
    """The mean score of a class within a part of an output that is a map (segmentation).

    Parameters
    ----------
    where : (int, int, int, int) or ndarray of bool, shape (h, w), default None
        A box ``(top, left, bottom, right)`` in the map's pixels, the last two left out as in a slice; or a mask. None: where the
        class is predicted, on the unchanged image; the whole map, where it is nowhere.
    index : int, str or None, default None
        The class; None: the one with the highest mean score there, or the one that is predicted at most positions: none that is
        named as the background, unless nothing else is predicted. This is what is explained of a segmentation without a target.
    output : str or int, default None
        Which of several outputs; None: that of the classes.

    Examples
    --------
    >>> import keras, numpy as np, vizcnn as vz
    >>> conv = keras.layers.Conv2D(2, 1, kernel_initializer="ones")
    >>> cnn = vz.adapt(keras.Sequential([keras.Input((4, 4, 1)), conv]), labels=["cat", "grass"])
    >>> result = vz.saliency(cnn, np.ones((4, 4, 1)), vz.targets.Region((0, 0, 2, 2), "cat"))
    >>> result.values[0]  # what lies outside the box doesn't count
    array([[0.25, 0.25, 0.  , 0.  ],
           [0.25, 0.25, 0.  , 0.  ],
           [0.  , 0.  , 0.  , 0.  ],
           [0.  , 0.  , 0.  , 0.  ]], dtype=float32)
    """

    prefix: ClassVar[str] = "region"

    where: Any = None
    index: int | str | None = None
    output: str | int | None = None

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the region that was typed: ``0,0,16,16``, ``0,0,16,16:cat``, ``:cat`` or nothing.

        Parameters
        ----------
        text : str
            What stands after the prefix: top, left, bottom and right in the pixels of the model's map, and the class.

        Returns
        -------
        Region

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.targets.Region.read("0,0,16,16:cat")
        Region(where=(0, 0, 16, 16), index='cat', output=None)
        """
        numbers, _, name = text.partition(":")
        parts = [part.strip() for part in numbers.split(",")] if numbers.strip() else []
        if parts and (len(parts) != 4 or not all(map(str.isdecimal, parts))):
            raise TargetError(
                f"`target` region:TOP,LEFT,BOTTOM,RIGHT:CLASS must hold four whole numbers; got {numbers!r}. Without numbers it "
                f"is where the class is predicted."
            )
        index = int(name) if name.strip().isdecimal() else name.strip() or None
        return cls(tuple(map(int, parts)) or None, index)

    def score(self, model: Model, count: int) -> Score:
        """See `Target.score`.

        Returns
        -------
        Score

        Examples
        --------
        >>> import keras, vizcnn as vz
        >>> cnn = vz.adapt(
        ...     keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(2, 1)]), labels=["cat", "grass"]
        ... )
        >>> vz.targets.Region((0, 0, 2, 2), "cat").score(cnn, 1).names
        ('cat in a region',)
        """
        output = model.output_name(self.output)
        model.output_activation(output)  # runs a model of open size once, so that the map's size is known
        head = model.head(output)
        shape = head.positions
        if len(shape) != 2:
            raise TargetError(
                f"`target` Region needs an output that is a map (h, w, K); output {output!r} of model {model.name!r} has "
                f"shape {model.output_shapes[output]}. Give a class."
            )
        index = class_index(self.index, model, head)
        if self.where is None:
            return predicted_region(head, index, count, self._size(model, shape))
        mask = self._mask(shape)
        return Score(
            key=("region", output),
            formula=partial(region_score, output=output),
            params=(np.full(count, index, dtype=np.int32), np.repeat(mask[None], count, axis=0)),
            names=(None if index < 0 else f"{head.names[index]} in a region",) * count,
            classes=(index,) * count,
            output=output,
            choices=(Choice(0, output, partial(region_class, output=output), count=head.num_classes),),
        )

    def _size(self, model: Model, shape: tuple[int | None, ...]) -> tuple[int, int]:
        if None in shape:
            raise TargetError(
                f"`where` must be a mask for the output of model {model.name!r}, whose map has an open size {shape}; got None."
            )
        return int(shape[0] or 0), int(shape[1] or 0)

    def _mask(self, shape: tuple[int | None, ...]) -> np.ndarray:
        size = (shape[0], shape[1])
        mask = np.asarray(self.where)
        if mask.shape == (4,) and mask.dtype != bool:
            top, left, bottom, right = (int(edge) for edge in mask)
            if None in size:
                raise TargetError(
                    f"`where` must be a mask for an output of open size {shape}; got the box {self.where!r}."
                )
            mask = np.zeros((int(size[0] or 0), int(size[1] or 0)), dtype=bool)
            mask[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = True
        if mask.ndim != 2 or any(
            want is not None and want != have for want, have in zip(size, mask.shape, strict=True)
        ):
            raise TargetError(f"`where` must be a box or a mask of the map's size {size}; got shape {mask.shape}.")
        if not mask.any():
            raise TargetError(f"`where` must hold at least one pixel of the map of size {size}; got {self.where!r}.")
        return np.asarray(mask / mask.sum(), dtype=np.float32)


def region_score(reading: ForwardPass, params: Sequence[Any], output: str) -> Any:
    """Return the logit of a class, averaged by a mask: params are the indices (N,) and weights (N, h, w)."""
    xp, values = reading.xp, _region_values(reading, params[1], output)
    return pick(xp, values, params[0], reading.head(output).predicted(xp, values))


def region_class(reading: ForwardPass, params: Sequence[Any], output: str) -> Any:
    """Return the class with the highest mean score within a mask, (N,): params as `region_score` takes them."""
    return reading.head(output).predicted(reading.xp, _region_values(reading, params[1], output))


def _region_values(reading: ForwardPass, mask: Any, output: str) -> Any:
    xp = reading.xp
    return xp.sum(class_logits(reading, output) * xp.expand_dims(mask, -1), axis=(1, 2))


@dataclass(frozen=True)
class ClassNames:
    """What the classes of an output are called, where that is not its head's to say."""

    output: str
    names: tuple[str, ...]

    @property
    def num_classes(self) -> int:
        """How many there are."""
        return len(self.names)


def class_index(entry: Any, model: Model, head: Head | ClassNames) -> int:
    """Return the class that an index or a label means; -1 of None."""
    original, entry = entry, plain(entry)
    if entry is None:
        return -1
    classes = head.num_classes
    if isinstance(entry, str):
        return _label_index(entry, model, head)
    if isinstance(entry, bool | np.bool_) or not isinstance(entry, int | np.integer):
        remedy = " Of one-hot rows, give the indices: rows.argmax(axis=1)." if isinstance(entry, list) else ""
        raise TargetError(f"`target` must be a class index or a label; got {original!r}.{remedy}")
    if not 0 <= entry < classes:
        unit = " If its one number is the logit of two classes, name them: labels=[..., ...]." if classes == 1 else ""
        raise TargetError(
            f"`target` must be a class index from 0 to {classes - 1} for output {head.output!r} of model {model.name!r}; got "
            f"{int(entry)}.{unit}"
        )
    return int(entry)


def _label_index(label: str, model: Model, head: Head | ClassNames) -> int:
    if not model.labels:
        raise TargetError(
            f"`target` {label!r} is a label, but model {model.name!r} has none. Give the class index, or name the classes: "
            f"`labels` of vizcnn.adapt, or --labels."
        )
    labels = head.names
    matches = [i for i, name in enumerate(labels) if name == label]
    matches = matches or [i for i, name in enumerate(labels) if _fold(label) in (_fold(name), *_fold(name).split(", "))]
    if len(matches) > 1:
        raise TargetError(f"`target` {label!r} is the label of several classes, {matches}; give the index of one.")
    if not matches:
        raise TargetError(
            f"`target` must be a label of model {model.name!r}; got {label!r}.{did_you_mean(label, labels)} "
            f"Labels: {listed(labels)}."
        )
    return matches[0]


def _fold(name: str) -> str:
    return name.casefold().replace("_", " ")
