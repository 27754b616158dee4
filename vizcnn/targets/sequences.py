"""What a model reads: a text, by all ways in which its steps spell it, or one character of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from vizcnn.errors import TargetError
from vizcnn.targets.classes import ClassNames, class_index
from vizcnn.targets.model import Head, Model
from vizcnn.targets.score import Choice, ForwardPass, Score, constant, pick
from vizcnn.targets.target import Target

_NEVER = -1e30
"""Logarithm of a probability that is none."""

_BLANKS = ("", "-", "_", "blank", "<blank>", "[blank]")
"""What the blank is called."""

_TYPED_BLANK = re.compile(r"(.*);blank=(-?\d+)", re.DOTALL)

_ROOM = 8
"""Characters by which the room for a text grows, so that one function serves texts of about one length."""


@dataclass(frozen=True)
class Text(Target):
    """The logarithm of the probability of a text, of a model that reads by steps (CRNN, CTC) [1]_.

    An output (N, T, K) says of each of T steps which of K characters is there, one of which is the blank. The probability of a
    text is the sum over all ways in which the steps spell it, blanks and repetitions left out.

    Parameters
    ----------
    text : str or sequence of int or str, default None
        The text; its characters are the model's labels, or indices. None: what the model reads, the best path of the unchanged
        image: its own log-probability.
    output : str or int, default None
        Which of several outputs; None: that of the classes.
    blank : int, default None
        Which class is the blank. None: the one that is named so ("", "-", "blank"), else the last one, as in Keras.

    References
    ----------
    .. [1] Graves et al., "Connectionist Temporal Classification", ICML 2006.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> def reader(images):  # one step for each of three columns; a, b, blank
    ...     return images[:, 0]
    >>> model = vz.adapt(reader, input_shape=(1, 3, 3), labels=["a", "b", "blank"])
    >>> image = np.log([[[[0.5, 0.25, 0.25], [0.25, 0.25, 0.5], [0.25, 0.5, 0.25]]]])
    >>> np.exp(model.scores(image, vz.targets.Text("b"))).round(3)  # b--, -b-, --b, bb-, -bb, bbb
    array([0.188], dtype=float32)
    """

    prefix: ClassVar[str] = "text"

    text: Any = None
    output: str | int | None = None
    blank: int | None = None

    @classmethod
    def read(cls, text: str) -> Text:
        """Return the text that was typed; of nothing what the model reads. Behind it may stand ``;blank=0``, the blank's class.

        Returns
        -------
        Text

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.targets.Text.read("ab12;blank=0")
        Text(text='ab12', output=None, blank=0)
        """
        text, blank = _without_blank(text)
        return cls(text or None, blank=blank)

    def score(self, model: Model, count: int) -> Score:
        """See `Target.score`.

        Returns
        -------
        Score

        Examples
        --------
        >>> import vizcnn as vz
        >>> model = vz.adapt(lambda images: images[:, 0], input_shape=(1, 3, 3), labels=["a", "b", "blank"])
        >>> vz.targets.Text("ab").score(model, 1).names
        ("'ab'",)
        """
        head, steps, blank = _reader(model, self.output, self.blank)
        if self.text is None:
            path = np.full((count, steps), np.nan, np.float32)
            return Score(
                key=("best path", head.output),
                formula=partial(path_score, output=head.output),
                params=(path,),
                names=(None,) * count,
                classes=(None,) * count,
                output=head.output,
                choices=(
                    Choice(
                        0,
                        head.output,
                        partial(best_path, output=head.output),
                        name=partial(_spelled, head.names, blank),
                    ),
                ),
                is_part=True,
            )
        letters = self._letters(model, head, blank)
        repeats = sum(one == other for one, other in pairwise(letters))
        if not 0 < len(letters) <= steps - repeats:
            raise TargetError(
                f"`target` Text must have 1 to {steps} characters, one step each and one more between two that are equal; got "
                f"{self.text!r}."
            )
        room = -(-len(letters) // _ROOM) * _ROOM
        padded = np.full(room, blank, np.int32)
        padded[: len(letters)] = letters
        return Score(
            key=("text", head.output, blank, room),
            formula=partial(text_score, output=head.output, blank=blank),
            params=(np.tile(padded, (count, 1)), np.full(count, len(letters), np.int32)),
            names=(repr(_joined([head.names[one] for one in letters])),) * count,
            classes=(None,) * count,
            output=head.output,
            is_part=True,
        )

    def _letters(self, model: Model, head: Head, blank: int) -> list[int]:
        letters = [class_index(one, model, ClassNames(head.output, head.names)) for one in self.text]
        if blank in letters or -1 in letters:
            raise TargetError(
                f"`target` Text must be of characters other than the blank, class {blank}; got {self.text!r}."
            )
        return letters


@dataclass(frozen=True)
class Character(Target):
    """The logit of one character of what a model reads by steps, at its step.

    Parameters
    ----------
    position : int
        Which character of the text that the model reads, from 0 on; its step is that of the unchanged image. Of a shorter text
        it is the last one.
    index : int or str, default None
        The character whose logit is explained there; None: the one that is read.
    output : str or int, default None
        Which of several outputs; None: that of the classes.
    blank : int, default None
        As `Text` takes it.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> model = vz.adapt(lambda images: images[:, 0], input_shape=(1, 3, 3), labels=["a", "b", "blank"])
    >>> image = np.array([[[[5.0, 1.0, 0.0], [0.0, 0.0, 2.0], [0.0, 3.0, 0.0]]]])  # a, nothing, b
    >>> model.scores(image, vz.targets.Character(1)), model.scores(image, vz.targets.Character(0, "b"))
    (array([3.], dtype=float32), array([1.], dtype=float32))
    """

    prefix: ClassVar[str] = "character"

    position: int
    index: int | str | None = None
    output: str | int | None = None
    blank: int | None = None

    @classmethod
    def read(cls, text: str) -> Character:
        """Return what was typed: ``2``, or ``2:a``; behind it may stand ``;blank=0``, the blank's class.

        Returns
        -------
        Character

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.targets.Character.read("2:a")
        Character(position=2, index='a', output=None, blank=None)
        """
        text, blank = _without_blank(text)
        position, _, character = text.partition(":")
        if not position.strip().isdigit():
            raise TargetError(f"`target` character:POSITION:CHARACTER must begin with a whole number; got {text!r}.")
        return cls(int(position), character or None, blank=blank)

    def score(self, model: Model, count: int) -> Score:
        """See `Target.score`.

        Returns
        -------
        Score

        Examples
        --------
        >>> import vizcnn as vz
        >>> model = vz.adapt(lambda images: images[:, 0], input_shape=(1, 3, 3), labels=["a", "b", "blank"])
        >>> vz.targets.Character(1, "b").score(model, 1).names
        ("'b' as character 1",)
        """
        head, steps, blank = _reader(model, self.output, self.blank)
        position: Any = self.position
        if isinstance(position, bool) or not isinstance(position, int | np.integer) or not 0 <= position < steps:
            raise TargetError(f"`position` must be a whole number from 0 to {steps - 1}; got {position!r}.")
        index = class_index(self.index, model, ClassNames(head.output, head.names))
        formula = _AtStep(head.output, blank)
        name = partial(_character_name, head.names, int(position))
        return Score(
            key=("character", head.output, blank),
            formula=formula.score,
            params=(
                np.full(count, index, np.int32),
                np.full((count, steps), np.nan, np.float32),
                np.full(count, position, np.int32),
            ),
            names=(None if index < 0 else name(index),) * count,
            classes=(None,) * count,
            output=head.output,
            choices=(
                Choice(1, head.output, formula.step),
                Choice(0, head.output, formula.read, count=head.num_classes, name=name),
            ),
            is_part=True,
        )


def is_reader(model: Model) -> bool:
    """Tell whether a model of images returns what it reads by steps: no more than columns, with a blank or with probabilities."""
    output = model.output_name(None)
    if len(model.input_shape) != 3 or len(model.output_shapes[output]) != 2:
        return False
    model.output_activation(output)  # runs a model of open size once, so that the number of steps is known
    head = model.head(output)
    if len(head.positions) != 1 or not head.is_classes or head.num_classes < 2:
        return False
    columns = (model.shown_shape or model.input_shape)[1]
    steps = head.positions[0]
    is_short = None not in (steps, columns) and 1 < int(steps or 0) <= int(columns or 0)
    return is_short and (head.activation == "softmax" or any(map(_is_blank, head.names)))


def _is_blank(label: str) -> bool:
    return label.casefold() in _BLANKS


def _without_blank(text: str) -> tuple[str, int | None]:
    """Return what was typed, and the blank that stands behind it."""
    match = _TYPED_BLANK.fullmatch(text)
    return (match[1], int(match[2])) if match else (text, None)


def _reader(model: Model, output: str | int | None, blank: int | None) -> tuple[Head, int, int]:
    """Return how an output of steps is read, how many there are, and which class is the blank."""
    name = model.output_name(output)
    model.output_activation(name)  # runs a model of open size once, so that the number of steps is known
    head = model.head(name)
    steps = head.positions
    if len(steps) != 1 or steps[0] is None or head.num_classes < 2:
        raise TargetError(
            f"`target` must be of a model that reads by steps, whose output is (N, T, K); output {name!r} of model "
            f"{model.name!r} has shape {model.output_shapes[name]}."
        )
    named = [i for i, label in enumerate(head.names) if _is_blank(label)]
    told = (named or [head.num_classes - 1])[0]
    if blank is None and not named:
        model.add_note(f"Model {model.name!r}: its last class, {told}, is taken for the blank.", "reading", quiet=True)
    if blank is not None and not (isinstance(blank, int) and -head.num_classes <= blank < head.num_classes):
        raise TargetError(f"`blank` must be a class from 0 to {head.num_classes - 1}; got {blank!r}.")
    return head, int(steps[0]), told if blank is None else blank % head.num_classes


def _spelled(names: Sequence[str], blank: int, path: np.ndarray) -> str:
    """Return what the steps of a path spell."""
    letters = [int(one) for one in path]
    kept = [one for one, before in zip(letters, [-1, *letters], strict=False) if one not in (before, blank)]
    return repr(_joined([names[one] for one in kept]))


def _joined(letters: Sequence[str]) -> str:
    """Return letters as a text; what is longer than a letter as words."""
    return ("" if all(len(letter) <= 1 for letter in letters) else " ").join(letters)


def _character_name(names: Sequence[str], position: int, index: Any) -> str:
    return f"{names[int(index)]!r} as character {position}"


def _log_probabilities(reading: ForwardPass, output: str) -> Any:
    """Return (N, T, K); a softmax once more changes no logarithms of probabilities."""
    xp, values = reading.xp, reading.head(output).logits(reading.xp, reading.logits(output))
    shifted = values - constant(xp, xp.max(values, axis=-1, keepdims=True))
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=-1, keepdims=True))


def best_path(reading: ForwardPass, params: Sequence[Any], output: str) -> Any:  # noqa: ARG001
    """Return the most probable character at each step, (N, T)."""
    return reading.xp.multiply(reading.xp.argmax(_log_probabilities(reading, output), axis=-1), 1.0)


def path_score(reading: ForwardPass, params: Sequence[Any], output: str) -> Any:
    """Return the log-probability of a path (N, T), the best one where it is left open."""
    xp, values = reading.xp, _log_probabilities(reading, output)
    best = xp.multiply(xp.argmax(values, axis=-1), 1.0)
    path = constant(xp, xp.where(xp.isnan(params[0]), best, params[0]))
    chosen = xp.abs(xp.expand_dims(path, -1) - xp.arange(values.shape[-1], dtype="float32")) < 0.5
    return xp.sum(xp.where(chosen, values, 0.0), axis=(1, 2))


def text_score(reading: ForwardPass, params: Sequence[Any], output: str, blank: int) -> Any:
    """Return the log-probability of texts by the forward algorithm: params are characters (N, L) and their number (N,)."""
    xp, values = reading.xp, _log_probabilities(reading, output)
    letters, counts = params
    room, classes = letters.shape[1], values.shape[-1]
    between = xp.full_like(letters, blank)
    # Blanks before, between and behind the characters: -a-b-.
    spelled = xp.reshape(xp.stack([between, letters], axis=-1), (-1, 2 * room))
    spelled = xp.concatenate([spelled, between[:, :1]], axis=1)
    chosen = xp.equal(xp.expand_dims(spelled, -1), xp.arange(classes))
    at_steps = xp.matmul(values, xp.swapaxes(xp.where(chosen, 1.0, 0.0), 1, 2))  # (N, T, 2 L + 1)
    places = xp.arange(2 * room + 1)
    before = xp.concatenate([between[:, :1], between[:, :1], spelled[:, :-2]], axis=1)
    may_skip = xp.logical_and(spelled != blank, spelled != before)
    total = xp.where(places < 2, at_steps[:, 0], _NEVER)
    never = xp.full_like(total[:, :2], _NEVER)
    for step in range(1, values.shape[1]):
        one = xp.concatenate([never[:, :1], total[:, :-1]], axis=1)
        two = xp.where(may_skip, xp.concatenate([never, total[:, :-2]], axis=1), _NEVER)
        total = xp.logaddexp(xp.logaddexp(total, one), two) + at_steps[:, step]
    last = 2 * xp.expand_dims(counts, -1)
    ends = [xp.sum(xp.where(xp.equal(places, last - back), total, 0.0), axis=1) for back in (0, 1)]
    return xp.logaddexp(*ends)


@dataclass(frozen=True)
class _AtStep:
    """The formulas of a character: params are the character (N,), the weights of the steps (N, T), and its position (N,)."""

    output: str
    blank: int

    def score(self, reading: ForwardPass, params: Sequence[Any]) -> Any:
        """Return the scores (N,)."""
        values = self._there(reading, params[1], params[2])
        return pick(reading.xp, values, params[0], reading.xp.argmax(values, axis=-1))

    def step(self, reading: ForwardPass, params: Sequence[Any]) -> Any:
        """Return 1 for the step at which the character is read, and 0 for the others, (N, T)."""
        xp = reading.xp
        path = xp.argmax(self._values(reading), axis=-1)
        before = xp.concatenate([xp.full_like(path[:, :1], self.blank), path[:, :-1]], axis=1)
        begins = xp.logical_and(path != before, path != self.blank)
        place = xp.cumsum(xp.where(begins, 1, 0), axis=1)
        wanted = xp.minimum(xp.expand_dims(params[1], -1) + 1, place[:, -1:])
        first = xp.argmax(xp.where(xp.logical_and(begins, xp.equal(place, wanted)), 1, 0), axis=1)
        return xp.where(xp.equal(xp.expand_dims(first, -1), xp.arange(path.shape[1])), 1.0, 0.0)

    def read(self, reading: ForwardPass, params: Sequence[Any]) -> Any:
        """Return the class that is read at a step that is settled, (N,)."""
        return reading.xp.argmax(self._there(reading, params[1], params[2]), axis=-1)

    def _there(self, reading: ForwardPass, weights: Any, position: Any) -> Any:
        xp = reading.xp
        weights = constant(xp, xp.where(xp.isnan(weights), self.step(reading, (weights, position)), weights))
        return xp.sum(self._values(reading) * xp.expand_dims(weights, -1), axis=1)

    def _values(self, reading: ForwardPass) -> Any:
        return reading.head(self.output).logits(reading.xp, reading.logits(self.output))
