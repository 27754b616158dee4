"""The score that a target comes down to: a formula, written once for every array namespace, and the numbers it is fed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Protocol

import numpy as np

from vizcnn.aliases import moved
from vizcnn.targets.model import Head

Names = tuple[str | None, ...]


class ForwardPass(Protocol):
    """What a score's formula may read of a running model, as tensors of the namespace `xp`."""

    xp: Any

    def returned(self) -> Any:
        """Return what the model returned, in its own structure."""

    def logits(self, output: str) -> Any:
        """Return an output before its final softmax or sigmoid, (N, ..., K)."""

    def output(self, output: str) -> Any:
        """Return an output as the model returns it, in float32."""

    def head(self, output: str) -> Head:
        """Return how the output is read."""

    def layer(self, path: str) -> Any:
        """Return a layer's output, (N, ..., K)."""


Formula = Callable[[ForwardPass, Sequence[Any]], Any]


@dataclass(frozen=True)
class Choice:
    """What is left to the model, where a param of a score holds -1 in place of an index, or NaN in place of a number.

    Attributes
    ----------
    param : int
        Place of that param: of one index per sample, or of numbers (N, ...).
    output : str
        The output that it belongs to.
    formula : callable or None
        Takes a `ForwardPass` and the params from that one on, and returns what the model chooses, shaped as the param; None: the
        class that it predicts of the whole output.
    count : int or None
        Among how many classes is chosen; None: numbers are.
    name : callable or None
        Takes a row of the param, once it is chosen, and says what a sample is called that had no name.
    """

    param: int
    output: str
    formula: Formula | None = None
    count: int | None = None
    name: Callable[[np.ndarray], str] | None = None


@dataclass(frozen=True)
class Score:
    """A target resolved for N samples of one model.

    Attributes
    ----------
    key : hashable
        Two scores with equal keys are computed by the same formula; only their `params` differ.
    formula : callable
        Takes a `ForwardPass` and the params as tensors, and returns the scores, shape (N,).
    params : tuple of ndarray
        The numbers that the formula is fed, each with one row per sample.
    names : tuple of str or None
        What is explained, per sample; None where it is the predicted class.
    classes : tuple of int or None
        Per sample, the class that is explained: -1 the predicted one, None where it isn't a class.
    output : str or None
        The output that a class belongs to.
    choices : tuple of Choice
        The params that may be left to the model, in the order in which they are settled.
    boxes : tuple of int
        The params that are boxes in the input's pixels, (N, 4) or more: x0, y0, x1, y1 first.
    is_part : bool
        Whether a part of what the model says is explained, such as a box: then that, and no class of the whole, is what a picture
        says to be predicted.

    Examples
    --------
    >>> import vizcnn as vz
    >>> score = vz.targets.Class(["3", "8"]).score(vz.assets.digits_cnn(), 2)
    >>> len(score), score.names, score[1:].classes  # a slice is the score of a batch
    (2, ('3', '8'), (8,))
    """

    key: Hashable
    formula: Formula = field(compare=False)
    params: tuple[np.ndarray, ...]
    names: Names
    classes: tuple[int | None, ...]
    output: str | None = None
    choices: tuple[Choice, ...] = field(default=(), compare=False)
    boxes: tuple[int, ...] = ()
    is_part: bool = False

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, part: slice) -> Score:
        return replace(
            self,
            params=tuple(param[part] for param in self.params),
            names=self.names[part],
            classes=self.classes[part],
        )

    def take(self, indices: np.ndarray) -> Score:
        """Return the score of some of the samples, in any order and any number of times.

        Parameters
        ----------
        indices : ndarray of int, shape (M,)
            Which samples.

        Returns
        -------
        Score

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> score = vz.targets.Class(["3", "8"]).score(vz.assets.digits_cnn(), 2)
        >>> score.take(np.array([1, 0, 1])).classes
        (8, 3, 8)
        """
        return replace(
            self,
            params=tuple(param[indices] for param in self.params),
            names=tuple(self.names[index] for index in indices),
            classes=tuple(self.classes[index] for index in indices),
        )

    @property
    def open_choices(self) -> tuple[Choice, ...]:
        """Those of `choices` that some sample leaves to the model."""
        return tuple(choice for choice in self.choices if _is_open(self.params[choice.param]).any())

    def chosen(self, choice: Choice) -> Score:
        """Return what the model chooses as a score of its own: of a class one number for each that there is, 1 for the chosen.

        The mean of several runs of a model that draws random numbers is then a vote.

        Parameters
        ----------
        choice : Choice
            One of `choices` that has a formula.

        Returns
        -------
        Score

        Examples
        --------
        >>> import keras, numpy as np, vizcnn as vz
        >>> cnn = vz.adapt(keras.Sequential([keras.Input((4, 4, 2)), keras.layers.UpSampling2D(1)]))
        >>> score = vz.targets.Region((0, 0, 2, 2)).score(cnn, 1)
        >>> cnn.scores(np.array([0.0, 2.0]) * np.ones((1, 4, 4, 2)), score.chosen(score.choices[0]))
        array([[0., 1.]], dtype=float32)
        """
        formula = partial(_choice_as_score, choice=choice)
        classes: tuple[None, ...] = (None,) * len(self)
        return replace(self, key=("chosen", choice.param, self.key), formula=formula, classes=classes, choices=())

    def with_predicted_classes(self, choice: Choice, classes: Sequence[int] | np.ndarray) -> Score:
        """Return the score in which what the model chooses is settled for each sample, whatever the image becomes.

        Parameters
        ----------
        choice : Choice
            One of `choices`.
        classes : sequence of int, or ndarray
            What the model chooses for each sample, a class or numbers; of those that don't leave it to the model it isn't used.

        Returns
        -------
        Score

        Examples
        --------
        >>> import vizcnn as vz
        >>> score = vz.targets.Class([None, 3]).score(vz.assets.digits_cnn(), 2)
        >>> score.with_predicted_classes(score.choices[0], [7, 1]).classes
        (7, 3)
        """
        param = self.params[choice.param]
        rows = np.where(_is_open(param), np.asarray(classes, dtype=param.dtype), param)
        params = (*self.params[: choice.param], rows, *self.params[choice.param + 1 :])
        known, names = self.classes, self.names
        if param.dtype.kind == "i":
            known = tuple(int(new) if old == -1 else old for old, new in zip(known, rows, strict=True))
        if choice.name is not None:
            names = tuple(choice.name(row) if old is None else old for old, row in zip(names, rows, strict=True))
        return replace(self, params=params, classes=known, names=names)

    def with_params(self, *params: np.ndarray) -> Score:
        """Return the score of other numbers: channels of the same layer, say.

        Parameters
        ----------
        *params : ndarray
            As `params`.

        Returns
        -------
        Score

        Examples
        --------
        >>> import numpy as np
        >>> import vizcnn as vz
        >>> score = vz.targets.Class("3").score(vz.assets.digits_cnn(), 2)
        >>> score.with_params(np.array([5, 6], np.int32)).params[0].tolist()
        [5, 6]
        """
        return replace(self, params=params)

    def named(self, names: Sequence[str]) -> Score:
        """Return the score under other names.

        Parameters
        ----------
        names : sequence of str
            One per sample.

        Returns
        -------
        Score

        Examples
        --------
        >>> import vizcnn as vz
        >>> score = vz.targets.Class("3").score(vz.assets.digits_cnn(), 2)
        >>> score.named(["three", "three"]).names
        ('three', 'three')
        """
        return replace(self, names=tuple(names))

    def repeat(self, times: int) -> Score:
        """Return the score of each sample repeated `times` times in a row, as a perturbation method needs it.

        Parameters
        ----------
        times : int
            How often.

        Returns
        -------
        Score

        Examples
        --------
        >>> import vizcnn as vz
        >>> score = vz.targets.Class("3").score(vz.assets.digits_cnn(), 2)
        >>> len(score.repeat(3))
        6
        """
        return replace(
            self,
            params=tuple(np.repeat(param, times, axis=0) for param in self.params),
            names=tuple(name for name in self.names for _ in range(times)),
            classes=tuple(index for index in self.classes for _ in range(times)),
        )


def _is_open(param: np.ndarray) -> np.ndarray:
    """Tell which entries of a param are left to the model."""
    is_open: np.ndarray = np.isnan(param) if param.dtype.kind == "f" else np.less(param, 0)
    return is_open


def _choice_as_score(reading: ForwardPass, params: Sequence[Any], choice: Choice) -> Any:
    if choice.formula is None:
        raise TypeError("What a model predicts is read from its outputs.")
    xp, chosen = reading.xp, choice.formula(reading, params[choice.param :])
    if choice.count is not None:
        chosen = xp.equal(xp.expand_dims(chosen, -1), xp.arange(choice.count))
    return xp.where(chosen, 1.0, 0.0) if choice.count is not None else chosen


def constant(xp: Any, values: Any) -> Any:
    """Return values that no gradient goes through."""
    return xp.stop_gradient(values) if hasattr(xp, "stop_gradient") else values


def class_logits(reading: ForwardPass, output: str) -> Any:
    """Return (N, ..., K), with a single unit that tells two classes apart opened into its two sides."""
    return reading.head(output).logits(reading.xp, reading.logits(output))


def pick(xp: Any, values: Any, index: Any, predicted: Any) -> Any:
    """Return the entry `index` of each row of (N, K); -1 picks that of the predicted class."""
    index = xp.where(index < 0, xp.cast(predicted, "int32") if hasattr(xp, "cast") else predicted, index)
    chosen = xp.equal(xp.expand_dims(index, -1), xp.arange(values.shape[-1], dtype="int32"))
    return xp.sum(xp.where(chosen, values, xp.zeros_like(values)), axis=-1)


__getattr__ = moved(__name__, {"Reading": "vizcnn.targets.score.ForwardPass"})
