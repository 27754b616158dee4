"""What is explained: a target, resolved against a model, gives one score per sample.

None is the class that the model predicts for each image; an integer or a label is that class; a list has one of these per
image. The objects of this module say the rest: another output (`Class`), a unit or a channel of any layer (`Neuron`,
`Channel`), one class against another (`Contrast`), any weighted sum (`Mix`), a part of an output map (`Region`), likeness to
another image (`Similarity`). A function of the model's outputs is a target too, and so are the score objects of tf-keras-vis.

Class scores are logits: the value before a final softmax or sigmoid. A single unit that tells two classes apart is both of
them, and the score of class 0 is the negative of its logit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from vizcnn.errors import TargetError, did_you_mean, listed
from vizcnn.inputs import load
from vizcnn.scores import (
    Score,
    channel_score,
    class_score,
    function_score,
    mix_score,
    neuron_score,
    region_score,
    similarity_score,
)

if TYPE_CHECKING:
    from vizcnn.adapter.base import ModelAdapter
    from vizcnn.adapter.heads import Head


class Target(ABC):
    """Something in a model that a picture can explain."""

    @abstractmethod
    def score(self, model: ModelAdapter, count: int) -> Score:
        """Resolve against a model.

        Parameters
        ----------
        model : ModelAdapter
            The model.
        count : int
            How many samples.

        Returns
        -------
        Score
            With a name for each sample.

        Raises
        ------
        TargetError
            If the model has no such thing.

        Examples
        --------
        >>> import vizcnn as vz
        >>> score = vz.targets.Class("3").score(vz.assets.digits_cnn(), 2)
        >>> score.names, score.classes, score.output
        (('3', '3'), (3, 3), 'output')
        """


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

    def score(self, model: ModelAdapter, count: int) -> Score:
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
        index = _plain(self.index)
        wanted = list(index) if isinstance(index, list | tuple) else [index] * count
        if len(wanted) != count:
            raise TargetError(
                f"`target` as a list must have one entry per image; got {len(wanted)} for {count} images."
            )
        indices = [_class_index(entry, model, head) for entry in wanted]
        return Score(
            key=("class", output),
            formula=partial(class_score, output=output),
            params=(np.array(indices, dtype=np.int32),),
            names=tuple(None if index < 0 else head.names[index] for index in indices),
            classes=tuple(indices),
            output=output,
        )


@dataclass(frozen=True)
class Channel(Target):
    """The activation of a channel of a layer.

    Parameters
    ----------
    layer : str
        The layer's path or name.
    channel : int
        Index on the last axis of its output.
    where : {"everywhere", "centre"}, default "everywhere"
        Its mean over all positions, or its value in the middle of the map.

    Examples
    --------
    >>> import vizcnn as vz
    >>> channel = vz.targets.Channel("conv5", 40)
    >>> vz.saliency(vz.assets.digits_cnn(), vz.assets.digits()[3], channel).target
    ('conv5, channel 40',)
    """

    layer: str
    channel: int
    where: str = "everywhere"

    def score(self, model: ModelAdapter, count: int) -> Score:
        """See `Target.score`.

        Returns
        -------
        Score

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.targets.Channel("conv1", 16).score(vz.assets.digits_cnn(), 1)
        Traceback (most recent call last):
        ...
        vizcnn.errors.TargetError: `channel` must be a whole number from 0 to 15 in the output of layer 'conv1'; got 16.
        """
        info = model.layer(self.layer)
        channels = info.output_shape[-1] if info.output_shape else None
        _check_index("channel", self.channel, channels, info.path)
        if self.where not in ("everywhere", "centre"):
            raise TargetError(f"`where` must be 'everywhere' or 'centre'; got {self.where!r}.")
        return Score(
            key=("channel", info.path, self.where),
            formula=partial(channel_score, path=info.path, where=self.where),
            params=(np.full(count, self.channel, dtype=np.int32),),
            names=(f"{info.path}, channel {self.channel}",) * count,
            classes=(None,) * count,
        )


@dataclass(frozen=True)
class Neuron(Target):
    """The activation of one unit of a layer.

    Parameters
    ----------
    layer : str
        The layer's path or name.
    index : int or tuple of int
        Its position in the layer's output, without the batch axis: ``(row, column, channel)`` or a unit's number.

    Examples
    --------
    >>> import vizcnn as vz
    >>> unit = vz.targets.Neuron("conv5", (9, 8, 40))
    >>> result = vz.saliency(vz.assets.digits_cnn(), vz.assets.digits()[3], unit)
    >>> result.target, result.scores.round()
    (('conv5, unit 9, 8, 40',), array([61.], dtype=float32))
    """

    layer: str
    index: int | tuple[int, ...]

    def score(self, model: ModelAdapter, count: int) -> Score:
        """See `Target.score`.

        Returns
        -------
        Score

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.targets.Neuron("preds", 3).score(vz.assets.digits_cnn(), 1).names
        ('preds, unit 3',)
        """
        info = model.layer(self.layer)
        index = (self.index,) if isinstance(self.index, int | np.integer) else tuple(self.index)
        if info.output_shape is not None:
            if len(index) != len(info.output_shape) - 1:
                raise TargetError(
                    f"`index` must have {len(info.output_shape) - 1} numbers, one per axis of the output "
                    f"{info.output_shape} of layer {info.path!r} after the batch; got {self.index!r}."
                )
            for number, size in zip(index, info.output_shape[1:], strict=True):
                _check_index("index", number, size, info.path)
        return Score(
            key=("neuron", info.path, index),
            formula=partial(neuron_score, path=info.path, index=index),
            params=(),
            names=(f"{info.path}, unit {', '.join(map(str, index))}",) * count,
            classes=(None,) * count,
        )


@dataclass(frozen=True)
class Region(Target):
    """The mean score of a class within a part of an output that is a map (segmentation).

    Parameters
    ----------
    where : (int, int, int, int) or ndarray of bool, shape (h, w)
        A box ``(top, left, bottom, right)`` in the map's pixels, the last two left out as in a slice; or a mask.
    index : int, str or None, default None
        The class; None: the one with the highest mean score there.
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

    where: Any
    index: int | str | None = None
    output: str | int | None = None

    def score(self, model: ModelAdapter, count: int) -> Score:
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
        mask = self._mask(shape)
        index = _class_index(self.index, model, head)
        return Score(
            key=("region", output),
            formula=partial(region_score, output=output),
            params=(np.full(count, index, dtype=np.int32), np.repeat(mask[None], count, axis=0)),
            names=(None if index < 0 else f"{head.names[index]} in a region",) * count,
            classes=(index,) * count,
            output=output,
        )

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


@dataclass(frozen=True, eq=False)
class Similarity(Target):
    """How alike an image and a reference are to the model: the cosine between their embeddings.

    Parameters
    ----------
    reference : path, Pillow image, array of shape (H, W, C), or array of shape (K,)
        The image to compare with; or its embedding, where that is known.
    output : str or int, default None
        Which of several outputs holds the embedding; None: that of the classes.
    layer : str, default None
        A layer whose output is taken as the embedding in place of the model's, such as the one before the classes.

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> like_three = vz.targets.Similarity(digits[3], layer="average")
    >>> vz.gradcam(cnn, digits[8:], like_three).scores.round(1)  # cosines of the eight and the nine
    array([0.7, 0.7], dtype=float32)
    """

    reference: Any
    output: str | int | None = None
    layer: str | None = None

    def score(self, model: ModelAdapter, count: int) -> Score:
        """See `Target.score`.

        Returns
        -------
        Score

        Examples
        --------
        >>> import vizcnn as vz
        >>> like_three = vz.targets.Similarity(vz.assets.digits()[3], layer="average")
        >>> like_three.score(vz.assets.digits_cnn(), 1).names
        ('like digit_3.png',)
        """
        vector, name = self._embedding(model)
        where: dict[str, Any] = {"output": None, "path": None}
        if self.layer is not None:
            where["path"] = model.layer(self.layer).path
        else:
            where["output"] = model.output_name(self.output)
            activation = model.output_activation(where["output"])
            if activation is not None:
                raise TargetError(
                    f"`target` Similarity compares embeddings; output {where['output']!r} of model {model.name!r} ends in a "
                    f"{activation}. Name the layer before it: Similarity(reference, layer=...)."
                )
        shape = (
            model.output_shapes[where["output"]]
            if where["output"]
            else (model.layer(self.layer).output_shape or (None,))[1:]
        )
        size = None if None in shape else int(np.prod(shape))  # type: ignore[arg-type]
        if size not in (None, vector.size):
            raise TargetError(
                f"`target` Similarity needs an embedding of {size} numbers, shape {shape}; the reference has {vector.size}."
            )
        return Score(
            key=("similarity", where["output"], where["path"], vector.size),
            formula=partial(similarity_score, **where),
            params=(np.repeat(vector[None], count, axis=0),),
            names=(f"like {name}",) * count,
            classes=(None,) * count,
            output=where["output"],
        )

    def _embedding(self, model: ModelAdapter) -> tuple[np.ndarray, str]:
        """Return the reference's embedding, flat, and what to call it."""
        if isinstance(self.reference, np.ndarray) and self.reference.ndim == 1:
            vector, name = self.reference, "the reference"
        else:
            loaded = load(
                self.reference,
                model.input_shape,
                preprocess=model.preprocess,
                image_size=model.image_size,
                decoding=model.decoding,
            )
            if len(loaded) != 1:
                raise TargetError(f"`target` Similarity takes one reference image; got {len(loaded)}.")
            inputs, name = loaded.inputs(slice(None)), loaded.names[0]
            model.prepare(loaded.sample_shape)
            if self.layer is not None:
                path = model.layer(self.layer).path
                vector = model.activations(inputs, [path])[path]
            else:
                outputs = model.outputs(inputs)
                vector = outputs[list(model.output_shapes).index(model.output_name(self.output))]
        vector = np.asarray(vector, dtype=np.float32).ravel()
        if not np.isfinite(vector).all() or not vector.any():
            raise TargetError("`target` Similarity needs a reference whose embedding is finite and not all zero.")
        return vector, "the reference" if name == "image" else name


@dataclass(frozen=True)
class Mix(Target):
    """A weighted sum of targets.

    Parameters
    ----------
    targets : sequence
        Anything that is a target by itself.
    weights : sequence of float, default None
        One per target; None: 1 each.

    Examples
    --------
    >>> import vizcnn as vz
    >>> either = vz.targets.Mix(("3", "8"), (1.0, 0.5))
    >>> vz.gradcam(vz.assets.digits_cnn(), vz.assets.digits()[3], either).target
    ('3 + 0.5×8',)
    """

    targets: tuple[Any, ...]
    weights: tuple[float, ...] | None = None

    def score(self, model: ModelAdapter, count: int) -> Score:
        """See `Target.score`.

        Returns
        -------
        Score

        Examples
        --------
        >>> import vizcnn as vz
        >>> mixed = vz.targets.Mix(("3", vz.targets.Channel("conv5", 40)))
        >>> mixed.score(vz.assets.digits_cnn(), 1).names
        ('3 + conv5, channel 40',)
        """
        weights = self.weights if self.weights is not None else (1.0,) * len(self.targets)
        if not self.targets or len(weights) != len(self.targets):
            raise TargetError(f"`weights` must have one number per target; got {len(weights)} for {len(self.targets)}.")
        parts = [resolve(target, model, count) for target in self.targets]
        names = [_sum_name([part.names[i] for part in parts], weights) for i in range(count)]
        return Score(
            key=("mix", tuple(weights), tuple(part.key for part in parts)),
            formula=partial(mix_score, parts=[(part.formula, len(part.params)) for part in parts], weights=weights),
            params=tuple(param for part in parts for param in part.params),
            names=tuple(names),
            classes=(None,) * count,
            output=next((part.output for part in parts if part.output is not None), None),
        )


def Contrast(target: Any, other: Any) -> Mix:
    """Return the score of one target minus that of another: why this and not that.

    Parameters
    ----------
    target : any target
        What speaks for it is positive.
    other : any target
        What speaks for it is negative.

    Returns
    -------
    Mix

    Examples
    --------
    >>> import vizcnn as vz
    >>> why = vz.targets.Contrast("3", "8")
    >>> vz.gradcam(vz.assets.digits_cnn(), vz.assets.digits()[3], why).target
    ('3 − 8',)
    """
    return Mix((target, other), (1.0, -1.0))


@dataclass(frozen=True)
class Function(Target):
    """Any function of what the model returns.

    Parameters
    ----------
    function : callable
        Takes the model's outputs as the backend's tensors, in the structure in which the model returns them, and returns one
        score per sample, shape (N,); further axes are averaged. It must be differentiable for gradient methods.
        Each function is compiled once: keep it, rather than making a new lambda for each call.

    Examples
    --------
    >>> import vizcnn as vz
    >>> def three_or_eight(outputs):
    ...     return outputs[:, 3] + outputs[:, 8]
    >>> result = vz.occlusion(vz.assets.digits_cnn(), vz.assets.digits()[3], three_or_eight, patch_size=14)
    >>> result.target, result.scores.round(2)  # the outputs are probabilities
    (('three_or_eight',), array([1.], dtype=float32))
    """

    function: Callable[[Any], Any]

    def score(self, model: ModelAdapter, count: int) -> Score:
        """See `Target.score`.

        Returns
        -------
        Score

        Examples
        --------
        >>> import vizcnn as vz
        >>> def evenness(outputs):
        ...     return outputs[:, ::2] - outputs[:, 1::2]
        >>> vz.targets.Function(evenness).score(vz.assets.digits_cnn(), 2).names
        ('evenness', 'evenness')
        """
        name = getattr(self.function, "name", None) or getattr(self.function, "__name__", type(self.function).__name__)
        return Score(
            key=("function", _Identity(self.function)),
            formula=partial(function_score, function=self.function),
            params=(),
            names=(str(name),) * count,
            classes=(None,) * count,
        )


class _Identity:
    """A key that is equal to itself alone and keeps its function alive, so that no other can take its place."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def __hash__(self) -> int:
        return id(self.function)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.function is other.function


def resolve(target: Any, model: ModelAdapter, count: int) -> Score:
    """Turn every accepted form of a target into the score of `count` samples.

    Returns
    -------
    Score

    Raises
    ------
    TargetError
        If the form is unknown, or the model has no such class, label, layer or unit.
    """
    target = _plain(target)
    if isinstance(target, Score):
        if len(target) != count:
            raise TargetError(f"`target` is a score of {len(target)} samples; got {count}.")
        return target
    if isinstance(target, Target):
        return target.score(model, count)
    if target is None or isinstance(target, str | int | np.integer):
        return Class(target).score(model, count)
    if isinstance(target, Mapping):
        if len(target) != 1:
            raise TargetError(f"`target` as a mapping takes one output's name to a class; got {target!r}.")
        ((output, index),) = target.items()
        return Class(index, output).score(model, count)
    foreign = _from_tf_keras_vis(target, model, count)
    if foreign is not None:
        return foreign.score(model, count)
    if isinstance(target, list | tuple | range):
        return Class(list(target)).score(model, count)
    if callable(target):
        return Function(target).score(model, count)
    raise TargetError(
        f"`target` must be None, a class index, a label, a list with one of these per image, an object of vizcnn.targets, or "
        f"a function of the outputs; got {target!r}."
    )


def _from_tf_keras_vis(target: Any, model: ModelAdapter, count: int) -> Target | None:
    """Read the score objects of tf-keras-vis, which mean positions in the batch, as ours, which are cut into batches."""
    scores = list(target) if isinstance(target, list | tuple) else [target]
    if not scores or not all(_is_foreign(score) for score in scores):
        return None
    names = list(model.output_shapes)
    if len(scores) > len(names):
        raise TargetError(f"`target` has {len(scores)} tf-keras-vis scores for the {len(names)} outputs of the model.")
    active: list[Any] = []
    for output, score in zip(names, scores, strict=False):
        kind = type(score).__name__
        if kind == "CategoricalScore":
            active.append(Class(_spread(list(score.indices), count), output))
        elif kind == "BinaryScore":
            active.append(Class(_spread([int(value) for value in score.target_values], count), output))
        elif kind != "InactiveScore":
            if len(names) > 1:
                raise TargetError(
                    f"`target` {kind} is not known for one of several outputs; give a function of all outputs."
                )
            active.append(Function(score))
    if not active:
        raise TargetError("`target` leaves every output inactive; give a score for at least one.")
    return active[0] if len(active) == 1 else Mix(tuple(active))


def _is_foreign(score: Any) -> bool:
    return any(base.__module__.startswith("tf_keras_vis.") for base in type(score).__mro__)


def _spread(entries: list[Any], count: int) -> list[Any]:
    return entries * count if len(entries) == 1 else entries


def _plain(value: Any) -> Any:
    """Return what an array or a tensor of any framework holds, as a number, a text or a list; anything else as it is."""
    if not hasattr(value, "__array__") or isinstance(value, np.generic):
        return value
    array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    return array.tolist() if array.ndim < 2 else list(array)


def _class_index(entry: Any, model: ModelAdapter, head: Head) -> int:
    given, entry = entry, _plain(entry)
    if entry is None:
        return -1
    classes = head.num_classes
    if isinstance(entry, str):
        return _label_index(entry, model, head)
    if isinstance(entry, bool | np.bool_) or not isinstance(entry, int | np.integer):
        remedy = " Of one-hot rows, give the indices: rows.argmax(axis=1)." if isinstance(entry, list) else ""
        raise TargetError(f"`target` must be a class index or a label; got {given!r}.{remedy}")
    if not 0 <= entry < classes:
        unit = " If its one number is the logit of two classes, name them: labels=[..., ...]." if classes == 1 else ""
        raise TargetError(
            f"`target` must be a class index from 0 to {classes - 1} for output {head.output!r} of model {model.name!r}; got "
            f"{int(entry)}.{unit}"
        )
    return int(entry)


def _label_index(label: str, model: ModelAdapter, head: Head) -> int:
    if not model.labels:
        raise TargetError(
            f"`target` {label!r} is a label, but model {model.name!r} has none. Give the class index, or name the classes: "
            f"vizcnn.adapt(model, labels=[...])."
        )
    labels = head.names
    found = [i for i, name in enumerate(labels) if name == label]
    found = found or [i for i, name in enumerate(labels) if _fold(label) in (_fold(name), *_fold(name).split(", "))]
    if len(found) > 1:
        raise TargetError(f"`target` {label!r} is the label of several classes, {found}; give the index of one.")
    if not found:
        raise TargetError(
            f"`target` must be a label of model {model.name!r}; got {label!r}.{did_you_mean(label, labels)} "
            f"Labels: {listed(labels)}."
        )
    return found[0]


def _fold(name: str) -> str:
    return name.casefold().replace("_", " ")


def _check_index(argument: str, number: Any, size: int | None, path: str) -> None:
    if not isinstance(number, int | np.integer) or number < 0 or (size is not None and number >= size):
        limit = f"from 0 to {size - 1}" if size is not None else "from 0 on"
        raise TargetError(
            f"`{argument}` must be a whole number {limit} in the output of layer {path!r}; got {number!r}."
        )


def _sum_name(names: list[str | None], weights: Sequence[float]) -> str:
    text = ""
    for name, weight in zip(names, weights, strict=True):
        sign = "−" if weight < 0 else "+" if text else ""
        factor = "" if abs(weight) == 1 else f"{abs(weight):g}×"
        text += f" {sign} {factor}{name or 'predicted'}" if text else f"{sign}{factor}{name or 'predicted'}"
    return text
