"""What a model says of an image: how its outputs are read, as classes with names or as mere numbers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from vizcnn.adapter.arrays import Array, Outputs
from vizcnn.adapter.heads import Head, Traits, last_axis, read_head, remarks, warnings
from vizcnn.adapter.losses import task_by_name
from vizcnn.adapter.notes import NoteKeeper
from vizcnn.aliases import renamed
from vizcnn.errors import OptionError, VizcnnError, did_you_mean, listed

_Kept = TypeVar("_Kept")


@dataclass(frozen=True)
class Prediction:
    """What the model says of one sample.

    Attributes
    ----------
    index : int or None
        The class with the highest value; None where the output holds no classes (a regression, coordinates).
    label : str
        Its label; ``class 3`` where the model has none, of a number the name of the output.
    probability : float or None
        Its probability, 0 to 1, where the output is one.

    Examples
    --------
    >>> import vizcnn as vz
    >>> predicted = vz.saliency(vz.assets.digits_cnn(), vz.assets.digits()[3]).predictions[0]
    >>> predicted.index, predicted.label, round(predicted.probability, 2)
    (3, '3', 1.0)
    """

    index: int | None
    label: str
    probability: float | None


class OutputReader(NoteKeeper, ABC):
    """The outputs of a model: which there are, which one holds the classes, and what their numbers say.

    Parameters
    ----------
    name : str
        What to call the model in messages and titles.
    labels : tuple of str, default None
        The classes' names, by index.
    """

    def __init__(self, name: str, labels: tuple[str, ...] | None = None) -> None:
        super().__init__()
        self.name = name
        self.labels = labels
        self._heads: dict[tuple[str, tuple[str, ...] | None, Traits], Head] = {}
        self._remembered: dict[Hashable, Any] = {}

    def remember(self, key: Hashable, find: Callable[[], _Kept]) -> _Kept:
        """Return what was found of the model under a key, and find it first where nothing was.

        Parameters
        ----------
        key : hashable
            What it is, and all that it depends on beside the model.
        find : callable
            Finds it.

        Returns
        -------
        any

        Examples
        --------
        >>> import vizcnn as vz
        >>> model = vz.adapt(lambda inputs: inputs[:, 0, 0])
        >>> model.remember("answer", lambda: 42), model.remember("answer", lambda: 43)
        (42, 42)
        """
        if key not in self._remembered:
            self._remembered[key] = find()
        found: _Kept = self._remembered[key]
        return found

    @property
    @abstractmethod
    def output_shapes(self) -> Mapping[str, tuple[int | None, ...]]:
        """Shape of each output for one sample (without the batch axis), by the output's name."""

    @abstractmethod
    def output_activation(self, output: str) -> str | None:
        """Return the activation that an output ends in.

        Parameters
        ----------
        output : str
            The output's name, one of `output_shapes`.

        Returns
        -------
        str or None
            "softmax" or "sigmoid"; None where it ends in another one, or in none.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.assets.digits_cnn().output_activation("output")
        'softmax'
        """

    def output_traits(self, output: str) -> Traits:
        """Return what is known of an output before its classes have names; adapters that know more say so.

        Parameters
        ----------
        output : str
            The output's name, one of `output_shapes`.

        Returns
        -------
        vizcnn.adapter.heads.Traits
            Here: its activation, and the last axis for that of the units.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.assets.digits_cnn().output_traits("output").num_classes
        10
        """
        shape = (None, *self.output_shapes[output])
        return Traits(self.output_activation(output), last_axis(shape), shape, task=task_by_name(output))

    def output_name(self, output: str | int | None) -> str:
        """Return the name of an output given by name or position; None is the only one, or that of the classes.

        Of several outputs that is the first that the names of classes fit; without names the first, but for features beside
        probabilities (many numbers that no softmax or sigmoid makes).

        Returns
        -------
        str

        Raises
        ------
        OptionError
            If there is no such output.

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> model = vz.adapt(
        ...     lambda inputs: {"kind": inputs[:, 0, 0], "age": inputs[:, 0, 0, :1]}, input_shape=(8, 8, 2)
        ... )
        >>> model.prepare((8, 8, 2))
        >>> model.output_name(None), model.output_name(1)
        ('kind', 'age')
        """
        names = list(self.output_shapes)
        if output is None:
            return names[0] if len(names) == 1 else self._main_output(names)
        if isinstance(output, int) and not isinstance(output, bool) and -len(names) <= output < len(names):
            return names[output]
        if output in names:
            return str(output)
        hint = did_you_mean(output, names)
        raise OptionError(f"`output` must be one of {listed(names)} or its position; got {output!r}.{hint}")

    def num_classes(self, output: str | int | None = None) -> int:
        """Return how many classes an output tells apart: its units, or two where a single unit tells two classes apart.

        Parameters
        ----------
        output : str or int, default None
            The output, by name or position; None: the first.

        Returns
        -------
        int

        Raises
        ------
        OptionError
            If there is no such output.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.assets.digits_cnn().num_classes()
        10
        """
        return self.head(self.output_name(output)).num_classes

    def head(self, output: str) -> Head:
        """Return how an output is read: its classes and their names, or that it holds none.

        Parameters
        ----------
        output : str
            The output's name, one of `output_shapes`.

        Returns
        -------
        vizcnn.adapter.heads.Head

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.assets.digits_cnn().head("output").names[:3]
        ('0', '1', '2')
        """
        own = self.output_traits(output)
        key = output, self.labels, own
        if key not in self._heads:
            traits = {name: own if name == output else self.output_traits(name) for name in self.output_shapes}
            head, notes = read_head(output, traits, self.labels)
            for text in (*notes, *warnings(own, head)):
                self.add_note(f"Model {self.name!r}: {text}", "reading")
            for text in remarks(own, head):
                self.add_note(f"Model {self.name!r}: {text}", "reading", quiet=True)
            self._heads[key] = head
        return self._heads[key]

    def _main_output(self, names: Sequence[str]) -> str:
        """Return the output of the classes, of several."""
        try:
            traits = {name: self.output_traits(name) for name in names}
        except VizcnnError:  # too little is known of the model yet
            return names[0]
        count = len(self.labels or ())
        has_probabilities = any(own.activation is not None for own in traits.values())
        candidates = [
            name
            for name, own in traits.items()
            if own.units == 1 or own.activation is not None or not has_probabilities
        ]
        fitting = [name for name in candidates if count and traits[name].num_classes == count]
        return (fitting or candidates)[0]

    def label(self, index: int, output: str | None = None) -> str:
        """Return the name of class `index`, or ``class 3`` where there is none.

        Parameters
        ----------
        index : int
            The class, from 0 on.
        output : str, default None
            Of which output; None: as `labels` has it, whatever the outputs are.

        Returns
        -------
        str

        Examples
        --------
        >>> import vizcnn as vz
        >>> model = vz.adapt(lambda inputs: inputs[:, 0, 0], labels=["cat", "dog"])
        >>> model.label(1), model.label(2)
        ('dog', 'class 2')
        """
        names = (self.labels or ()) if output is None else self.head(output).names
        return names[index] if index < len(names) else f"class {index}"

    def predictions(self, outputs: Outputs, output: str | int | None = None) -> list[Prediction]:
        """Read the predicted class of each sample off what the model returned; maps are averaged over their positions.

        Parameters
        ----------
        outputs : tuple of ndarray
            As `outputs` returns them.
        output : str or int, default None
            The output, by name or position; None: the first.

        Returns
        -------
        list of Prediction, N of them

        Raises
        ------
        OptionError
            If there is no such output.

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> cnn = vz.assets.digits_cnn()
        >>> probabilities = np.full((1, 10), 0.0625)
        >>> probabilities[0, 4] = 0.4375
        >>> cnn.predictions((probabilities,))
        [Prediction(index=4, label='4', probability=0.4375)]
        """
        return self.named_predictions(*self.class_outputs(outputs, output), output=output)

    def named_predictions(
        self, indices: Array, values: Array, is_probability: bool, *, output: str | int | None = None
    ) -> list[Prediction]:
        """Return what `class_outputs` found as predictions with labels.

        Parameters
        ----------
        indices : ndarray of int, shape (N,)
            The predicted classes.
        values : ndarray, shape (N, K)
            Each class's value.
        is_probability : bool
            Whether those are probabilities.
        output : str or int, default None
            The output, by name or position; None: that of the classes.

        Returns
        -------
        list of Prediction, N of them

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> model = vz.adapt(lambda inputs: inputs[:, 0, 0], labels=["cat", "dog"], input_shape=(8, 8, 2))
        >>> model.named_predictions(np.array([1]), np.array([[0.25, 0.75]]), True)
        [Prediction(index=1, label='dog', probability=0.75)]
        """
        head = self.head(self.output_name(output))
        return [
            Prediction(
                int(i) if head.is_classes else None, head.names[int(i)], float(row[i]) if is_probability else None
            )
            for i, row in zip(indices, values, strict=True)
        ]

    def class_outputs(self, outputs: Outputs, output: str | int | None = None) -> tuple[Array, Array, bool]:
        """Return the predicted classes, each class's value, and whether those are probabilities.

        Parameters
        ----------
        outputs : tuple of ndarray
            As `outputs` returns them.
        output : str or int, default None
            The output, by name or position; None: the first.

        Returns
        -------
        (ndarray of int, ndarray, bool)
            The classes (N,), of a map of one object always that object; the values (N, K), maps averaged over their positions,
            and of a single unit those of both its classes; whether they are probabilities.

        Raises
        ------
        OptionError
            If there is no such output.

        Examples
        --------
        >>> import keras, numpy as np, vizcnn as vz
        >>> unit = keras.layers.Dense(1, activation="sigmoid")
        >>> model = vz.adapt(keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), unit]))
        >>> indices, values, is_probability = model.class_outputs((np.array([[0.75]]),))
        >>> indices.tolist(), values.tolist(), is_probability
        ([1], [[0.25, 0.75]], True)
        """
        name = self.output_name(output)
        head = self.head(name)
        values = head.values(np, outputs[list(self.output_shapes).index(name)])
        is_probability = head.is_classes and (head.activation is not None or looks_like_probabilities(values))
        return head.predicted(np, values), values, is_probability

    class_values = renamed("class_values", "class_outputs")


def looks_like_probabilities(values: Array, *, atol: float = 2e-3) -> bool:
    """Tell whether rows of (N, K) are distributions over two classes or more."""
    return bool(
        values.shape[-1] > 1 and (values >= 0).all() and np.allclose(values.sum(axis=-1), 1.0, rtol=0, atol=atol)
    )
