"""How the numbers of an output are read: as classes, as the two sides of one unit, or as mere numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PROBABILITIES = {"softmax": "softmax", "sigmoid": "sigmoid", "hard_sigmoid": "sigmoid"}
"""Activations that make probabilities, to which of the two kinds they are."""

LOGARITHMS = {"log_softmax": "softmax", "log_sigmoid": "sigmoid"}
"""Activations that make logarithms of probabilities."""

HEADINGS = frozenset({"background", "__background__", "bg", "label", "labels", "class", "classes", "class_name", "name", "names",
                      "category", "categories", "id", "index"})  # fmt: skip
"""Names that are often on the first line of a list and are none of the model's classes."""


@dataclass(frozen=True)
class Head:
    """An output of a model, and how it is read.

    Attributes
    ----------
    output : str
        Its name.
    activation : str or None
        "softmax" or "sigmoid" where its numbers are probabilities.
    axis : int or None
        The axis of the units in an array (N, ...), counted from the front; None: one unit, without an axis of its own.
    units : int
        How many units there are.
    positions : tuple of int or None
        The other axes: of a map its rows and columns.
    is_logarithm : bool
        Whether its numbers are logarithms of probabilities.
    is_two_sided : bool
        Whether its one unit tells two classes apart: the second by a high value, the first by a low one.
    is_classes : bool
        Whether its units are classes, as far as that can be known; False: a regression, coordinates, an embedding.
    names : tuple of str
        What the classes, or numbers, are called.

    Examples
    --------
    >>> import vizcnn as vz
    >>> head = vz.assets.digits_cnn().head("output")
    >>> head.activation, head.units, head.positions, head.is_classes, head.names[3]
    ('softmax', 10, (), True, '3')
    """

    output: str
    activation: str | None
    axis: int | None
    units: int
    positions: tuple[int | None, ...]
    is_logarithm: bool
    is_two_sided: bool
    is_classes: bool
    names: tuple[str, ...]

    @property
    def num_classes(self) -> int:
        """How many there are to choose from."""
        return 2 if self.is_two_sided else self.units

    @property
    def is_mask(self) -> bool:
        """Whether it is a map of one object, against what is around it."""
        return self.is_two_sided and len(self.positions) > 1 and set(self.positions) != {1}

    def by_unit(self, xp: Any, values: Any) -> Any:
        """Return an array or tensor (N, ...) with the units on the last axis.

        Parameters
        ----------
        xp : module
            The namespace of the array.
        values : array, shape (N, ...)
            The output.

        Returns
        -------
        array, shape (N, ..., units)

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> vz.assets.digits_cnn().head("output").by_unit(np, np.zeros((2, 10))).shape
        (2, 10)
        """
        if self.axis is None:
            return xp.expand_dims(values, -1)
        return values if self.axis == len(values.shape) - 1 else xp.moveaxis(values, self.axis, -1)

    def logits(self, xp: Any, values: Any) -> Any:
        """Return (N, ..., K): the logits of all classes, with one unit opened into its two sides.

        Parameters
        ----------
        xp : module
            The namespace of the array.
        values : array, shape (N, ...)
            The output before its activation.

        Returns
        -------
        array, shape (N, ..., K)

        Examples
        --------
        >>> import keras, numpy as np, vizcnn as vz
        >>> unit = keras.layers.Dense(1, activation="sigmoid")
        >>> model = vz.adapt(keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), unit]))
        >>> model.head(model.output_name(None)).logits(np, np.array([[2.0]]))
        array([[-2.,  2.]])
        """
        values = self.by_unit(xp, values)
        return xp.concatenate([-values, values], axis=-1) if self.is_two_sided else values

    def values(self, xp: Any, values: Any) -> Any:
        """Return (N, K): what the model says of each class, averaged over positions; probabilities where it gives them.

        Parameters
        ----------
        xp : module
            The namespace of the array.
        values : array, shape (N, ...)
            The output.

        Returns
        -------
        array, shape (N, K)

        Examples
        --------
        >>> import keras, numpy as np, vizcnn as vz
        >>> unit = keras.layers.Dense(1, activation="sigmoid")
        >>> model = vz.adapt(keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), unit]))
        >>> model.head(model.output_name(None)).values(np, np.array([[0.75]]))
        array([[0.25, 0.75]])
        """
        values = self.by_unit(xp, values)
        values = xp.exp(values) if self.is_logarithm else values
        axes = tuple(range(1, len(values.shape) - 1))
        values = xp.mean(values, axis=axes) if axes else values
        if self.is_two_sided:
            values = xp.concatenate([(1 - values) if self.activation else -values, values], axis=-1)
        return values

    def predicted(self, xp: Any, values: Any) -> Any:
        """Return the class that the model predicts, of what `values` returns; of a map of one object, the object.

        Of one unit it is the second class from a probability of 0.5, or a logit of 0, on.

        Parameters
        ----------
        xp : module
            The namespace of the array.
        values : array, shape (N, K)
            What the model says of each class.

        Returns
        -------
        array of int, shape (N,)

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> vz.assets.digits_cnn().head("output").predicted(np, np.eye(10)[[3]]).tolist()
        [3]
        """
        classes = xp.argmax(values, axis=-1)
        if self.is_mask:
            return xp.ones_like(classes)
        if self.is_two_sided:
            return xp.where(values[..., 1] >= values[..., 0], xp.ones_like(classes), xp.zeros_like(classes))
        return classes


@dataclass(frozen=True)
class Traits:
    """What an adapter knows of an output, whatever its classes are called.

    Attributes
    ----------
    activation : str or None
        "softmax" or "sigmoid".
    axis : int or None
        As `Head.axis`.
    shape : tuple
        Its shape, with the batch axis.
    is_logarithm : bool
        As `Head.is_logarithm`.
    task : str or None
        "classes" or "numbers", where what the model was trained by says so.
    is_constant : bool
        Whether it is a softmax over one unit, which is always 1.
    """

    activation: str | None
    axis: int | None
    shape: tuple[int | None, ...]
    is_logarithm: bool = False
    task: str | None = None
    is_constant: bool = False

    @property
    def units(self) -> int:
        """How many units there are."""
        return 1 if self.axis is None else int(self.shape[self.axis] or 0)

    @property
    def num_classes(self) -> int:
        """How many classes there are without any names."""
        decides = self.activation is not None or self.task == "classes"
        return 2 if self.units == 1 and decides else self.units


def last_axis(shape: Sequence[int | None]) -> int | None:
    """Return the last axis of (N, ...) as that of the units; None where there is none."""
    return None if len(shape) < 2 else len(shape) - 1


def read_head(output: str, traits: Mapping[str, Traits], labels: Sequence[str] | None) -> tuple[Head, list[str]]:
    """Decide how an output is read.

    Parameters
    ----------
    output : str
        Which.
    traits : mapping
        All outputs of the model by name, so that names of classes go to the one that they fit.
    labels : sequence of str or None
        The names that were given.

    Returns
    -------
    (Head, list of str)
        And what is to be said of it.
    """
    own = traits[output]
    names = tuple(labels or ())
    fitting = {name for name, other in traits.items() if _fits(other, names)}
    if fitting and output not in fitting:
        names = ()  # they are those of another output
    two_sided = own.num_classes == 2 and own.units == 1
    two_sided |= own.units == 1 and len(names) == 2 and (fitting == {output} or not fitting)
    count = 2 if two_sided else own.units
    is_classes = two_sided or (own.units > 1 and (own.task != "numbers" or own.activation == "softmax"))
    called, notes = _named(output, names, count, single=own.units == 1, is_classes=is_classes)
    positions = tuple(size for place, size in enumerate(own.shape) if place not in (0, own.axis))
    head = Head(
        output=output,
        activation=own.activation,
        axis=own.axis,
        units=own.units,
        positions=positions,
        is_logarithm=own.is_logarithm,
        is_two_sided=two_sided,
        is_classes=is_classes,
        names=called,
    )
    return head, notes


def _fits(traits: Traits, names: Sequence[str]) -> bool:
    return len(names) in (traits.num_classes, traits.units) and len(names) > 0


def _named(
    output: str, names: tuple[str, ...], count: int, *, single: bool, is_classes: bool
) -> tuple[tuple[str, ...], list[str]]:
    """Return what the classes or numbers are called, and what is to be said of names that don't fit."""
    notes = []
    if single and len(names) == 1:  # the name of what the unit says yes to, or of the number
        return ((f"not {names[0]}", names[0]) if count == 2 else names), []
    if names and len(names) != count:
        rule = (
            f"`labels` has {len(names)} name{'s' * (len(names) != 1)} (blank lines don't count), and output {output!r}"
        )
        rule += f" has {count} class{'es' * (count != 1)}"
        if len(names) == count + 1 and names[0].casefold() in HEADINGS:
            notes.append(f"{rule}: the first name, {names[0]!r}, is left out, as no class of the model.")
            names = names[1:]
        elif abs(len(names) - count) == 1:
            notes.append(
                f"{rule}: every name may be off by one. A list of one more often begins with a heading or a background, and a "
                f"model of one more has the background as its first class; give one name for each class, in their order."
            )
        else:
            notes.append(f"{rule}: names may be wrong. Give one name for each class, in their order.")
    if single and count == 1:
        return (output,), notes
    kind = "class" if is_classes else "unit"
    return tuple(names[i] if i < len(names) else f"{kind} {i}" for i in range(count)), notes


def warnings(traits: Traits, head: Head) -> list[str]:
    """Return what is wrong with an output."""
    if not traits.is_constant:
        return []
    return [
        f"output {head.output!r} is a softmax over one unit, which is 1 whatever the image: the model was not trained to tell "
        f"classes apart. Its score is the number before the softmax. Two classes take a sigmoid, or a softmax over two units."
    ]


def remarks(traits: Traits, head: Head) -> list[str]:
    """Return how an output was understood, where that isn't plain."""
    notes = []
    if head.is_two_sided and head.activation is None:
        first, second = head.names
        notes.append(
            f"output {head.output!r} is one number, read as a logit: 0 or more is {second!r}, less is {first!r}, whose score is "
            f"the negative."
            + " It was trained by the loss of a regression: where 0 is not what parts its classes, these are wrong."
            * (traits.task == "numbers")
        )
    elif head.units == 1 and not head.is_two_sided and traits.task is None:
        notes.append(
            f"output {head.output!r} is one number that no sigmoid makes a probability, and is explained as a number. If it is "
            f"the logit of two classes, name them: `labels` of vizcnn.adapt, or --labels."
        )
    elif not head.is_classes and head.units > 1:
        notes.append(
            f"output {head.output!r} holds {head.units} numbers and no classes, as its name or the loss says; without a `target` "
            f"the largest is explained. Give the index of one."
        )
    if len(head.positions) == 1 and head.positions[0] != 1:
        size = "each" if head.positions[0] is None else f"each of {head.positions[0]}"
        notes.append(
            f"output {head.output!r} holds {head.num_classes} values at {size} position{'s' * (size != 'each')}: scores and "
            f"probabilities are means over them. vizcnn.targets.Function explains one position."
        )
    return notes
