"""What is made of other targets, any function of the outputs, and `resolve`, which reads every form that a target may have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np

from vizcnn.errors import TargetError
from vizcnn.targets.classes import Class
from vizcnn.targets.default import default_target
from vizcnn.targets.model import Model, Pictures
from vizcnn.targets.score import ForwardPass, Score
from vizcnn.targets.target import Target, plain


@dataclass(frozen=True)
class WeightedSum(Target):
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
    >>> either = vz.targets.WeightedSum(("3", "8"), (1.0, 0.5))
    >>> vz.gradcam(vz.assets.digits_cnn(), vz.assets.digits()[3], either).target
    ('3 + 0.5×8',)
    """

    targets: tuple[Any, ...]
    weights: tuple[float, ...] | None = None

    def score(self, model: Model, count: int) -> Score:
        """See `Target.score`.

        Returns
        -------
        Score

        Examples
        --------
        >>> import vizcnn as vz
        >>> mixed = vz.targets.WeightedSum(("3", vz.targets.Channel("conv5", 40)))
        >>> mixed.score(vz.assets.digits_cnn(), 1).names
        ('3 + conv5, channel 40',)
        """
        weights = self.weights if self.weights is not None else (1.0,) * len(self.targets)
        if not self.targets or len(weights) != len(self.targets):
            raise TargetError(f"`weights` must have one number per target; got {len(weights)} for {len(self.targets)}.")
        parts = [resolve(target, model, count) for target in self.targets]
        names = [_sum_name([part.names[i] for part in parts], weights) for i in range(count)]
        starts = [0, *accumulate(len(part.params) for part in parts)][: len(parts)]
        return Score(
            key=("mix", tuple(weights), tuple(part.key for part in parts)),
            formula=partial(mix_score, parts=[(part.formula, len(part.params)) for part in parts], weights=weights),
            params=tuple(param for part in parts for param in part.params),
            names=tuple(names),
            classes=(None,) * count,
            output=next((part.output for part in parts if part.output is not None), None),
            choices=tuple(
                replace(choice, param=start + choice.param)
                for start, part in zip(starts, parts, strict=True)
                for choice in part.choices
            ),
            boxes=tuple(start + box for start, part in zip(starts, parts, strict=True) for box in part.boxes),
            is_part=any(part.is_part for part in parts),
        )

    def on_images(self, images: Pictures) -> WeightedSum:
        """See `Target.on_images`.

        Returns
        -------
        WeightedSum

        Examples
        --------
        >>> import vizcnn as vz
        >>> digits = vz.inputs.load(vz.assets.digits(), (28, 28, 1))
        >>> vz.targets.WeightedSum(("3", "8")).on_images(digits).targets
        ('3', '8')
        """
        return replace(self, targets=tuple(_on_images(target, images) for target in self.targets))


def mix_score(reading: ForwardPass, params: Sequence[Any], parts: Sequence[Any], weights: Sequence[float]) -> Any:
    """Return a weighted sum of other formulas, each of which takes its share of the params."""
    total: Any = 0.0
    start = 0
    for (formula, count), weight in zip(parts, weights, strict=True):
        total = total + weight * formula(reading, params[start : start + count])
        start += count
    return total


@dataclass(frozen=True)
class Contrast(Target):
    """The score of one target minus that of another: why this and not that.

    Parameters
    ----------
    target : any target
        What speaks for it is positive.
    other : any target
        What speaks for it is negative.

    Examples
    --------
    >>> import vizcnn as vz
    >>> why = vz.targets.Contrast("3", "8")
    >>> vz.gradcam(vz.assets.digits_cnn(), vz.assets.digits()[3], why).target
    ('3 − 8',)
    """

    target: Any
    other: Any

    def score(self, model: Model, count: int) -> Score:
        """See `Target.score`.

        Returns
        -------
        Score

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.targets.Contrast("3", None).score(vz.assets.digits_cnn(), 1).names
        ('3 − predicted',)
        """
        return WeightedSum((self.target, self.other), (1.0, -1.0)).score(model, count)

    def on_images(self, images: Pictures) -> Contrast:
        """See `Target.on_images`.

        Returns
        -------
        Contrast

        Examples
        --------
        >>> import vizcnn as vz
        >>> digits = vz.inputs.load(vz.assets.digits(), (28, 28, 1))
        >>> vz.targets.Contrast("3", "8").on_images(digits)
        Contrast(target='3', other='8')
        """
        return Contrast(_on_images(self.target, images), _on_images(self.other, images))


def _on_images(target: Any, images: Pictures) -> Any:
    return target.on_images(images) if isinstance(target, Target) else target


def _sum_name(names: list[str | None], weights: Sequence[float]) -> str:
    text = ""
    for name, weight in zip(names, weights, strict=True):
        sign = "−" if weight < 0 else "+" if text else ""
        factor = "" if abs(weight) == 1 else f"{abs(weight):g}×"
        text += f" {sign} {factor}{name or 'predicted'}" if text else f"{sign}{factor}{name or 'predicted'}"
    return text


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

    def score(self, model: Model, count: int) -> Score:
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


def function_score(reading: ForwardPass, params: Sequence[Any], function: Callable[[Any], Any]) -> Any:  # noqa: ARG001
    """Return whatever a function makes of what the model returns."""
    xp = reading.xp
    values = function(reading.returned())
    values = xp.stack(list(values)) if isinstance(values, list | tuple) else values
    rank = len(values.shape)
    if rank == 0:
        raise TargetError("`target` as a function must return one score per image, shape (N,); got a single number.")
    return xp.mean(values, axis=tuple(range(1, rank))) if rank > 1 else values


class _Identity:
    """A key that is equal to itself alone and keeps its function alive, so that no other can take its place."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def __hash__(self) -> int:
        return id(self.function)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.function is other.function


def resolve_on(target: Any, model: Model, images: Pictures) -> Score:
    """Return the score of a target on images: what it says in their pixels is said in the inputs' that they become.

    Returns
    -------
    Score
    """
    target = default_target(model, images) if target is None else _on_images(target, images)
    return resolve(target, model, len(images))


def resolve(target: Any, model: Model, count: int) -> Score:
    """Turn every accepted form of a target into the score of `count` samples.

    Returns
    -------
    Score

    Raises
    ------
    TargetError
        If the form is unknown, or the model has no such class, label, layer or unit.
    """
    target = plain(target)
    if isinstance(target, Score):
        if len(target) != count:
            raise TargetError(f"`target` is a score of {len(target)} samples; got {count}.")
        return target
    if isinstance(target, Target):
        return target.score(model, count)
    if target is None:
        return default_target(model).score(model, count)
    if isinstance(target, str | int | np.integer):
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


def _from_tf_keras_vis(target: Any, model: Model, count: int) -> Target | None:
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
    return active[0] if len(active) == 1 else WeightedSum(tuple(active))


def _is_foreign(score: Any) -> bool:
    return any(base.__module__.startswith("tf_keras_vis.") for base in type(score).__mro__)


def _spread(entries: list[Any], count: int) -> list[Any]:
    return entries * count if len(entries) == 1 else entries
