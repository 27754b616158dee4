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
    """A class that is left to the model, where a param of a score holds -1 in place of an index.

    Attributes
    ----------
    param : int
        Place of that param, of one index per sample.
    output : str
        The output that the class belongs to.
    formula : callable or None
        Takes a `ForwardPass` and the params from that one on, and returns the class that the model chooses, (N,); None: the one
        that it predicts of the whole output.
    """

    param: int
    output: str
    formula: Formula | None = None


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
        The params that hold indices of classes, which may be left to the model.

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
        return tuple(choice for choice in self.choices if (self.params[choice.param] < 0).any())

    def chosen(self, choice: Choice) -> Score:
        """Return the class that the model chooses as a score of its own: a number that is the class's index.

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
        array([1.], dtype=float32)
        """
        formula = partial(_class_as_score, choice=choice)
        classes: tuple[None, ...] = (None,) * len(self)
        return replace(self, key=("chosen", choice.param, self.key), formula=formula, classes=classes, choices=())

    def with_predicted_classes(self, choice: Choice, classes: Sequence[int]) -> Score:
        """Return the score in which what the model chooses is one class for each sample, whatever the image becomes.

        Parameters
        ----------
        choice : Choice
            One of `choices`.
        classes : sequence of int
            The class that the model chooses for each sample; of those that don't leave it to the model it isn't used.

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
        index = np.where(param < 0, np.asarray(classes, dtype=param.dtype), param)
        params = (*self.params[: choice.param], index, *self.params[choice.param + 1 :])
        known = tuple(int(new) if old == -1 else old for old, new in zip(self.classes, index, strict=True))
        return replace(self, params=params, classes=known)

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


def _class_as_score(reading: ForwardPass, params: Sequence[Any], choice: Choice) -> Any:
    if choice.formula is None:
        raise TypeError("What a model predicts is read from its outputs.")
    return reading.xp.multiply(choice.formula(reading, params[choice.param :]), 1.0)


def class_logits(reading: ForwardPass, output: str) -> Any:
    """Return (N, ..., K), with a single unit that tells two classes apart opened into its two sides."""
    return reading.head(output).logits(reading.xp, reading.logits(output))


def pick(xp: Any, values: Any, index: Any, predicted: Any) -> Any:
    """Return the entry `index` of each row of (N, K); -1 picks that of the predicted class."""
    index = xp.where(index < 0, xp.cast(predicted, "int32") if hasattr(xp, "cast") else predicted, index)
    chosen = xp.equal(xp.expand_dims(index, -1), xp.arange(values.shape[-1], dtype="int32"))
    return xp.sum(xp.where(chosen, values, xp.zeros_like(values)), axis=-1)


__getattr__ = moved(__name__, {"Reading": "vizcnn.targets.score.ForwardPass"})
