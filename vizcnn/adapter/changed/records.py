"""What is asked about changed copies, what one batch of them is, and what comes back."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from vizcnn.adapter.arrays import Array, Outputs
from vizcnn.adapter.heads import Head
from vizcnn.errors import Note, OptionError
from vizcnn.targets.score import Score

Arrays: TypeAlias = Mapping[str, Array]


@dataclass(frozen=True)
class Change:
    """A way to change an image, many times.

    Attributes
    ----------
    key : hashable
        Two changes with equal keys are applied by the same function; only their numbers differ.
    count : int
        How many changed copies are made of each image.
    numbers : callable
        Takes a slice of the copies, and returns by name what each of them needs, one row per copy: float32 or int32. A copy's
        numbers must depend on nothing but which copy it is, so randomness comes from a seed and the copy's own number.
    apply : callable
        ``apply(xp, images, companions, numbers)`` returns the changed images: `images` (B, H, W, C), and by name what belongs to
        each of them, B rows each. It is traced once, in the model's own array namespace, and may use what `xp`, NumPy or
        `keras.ops`, has in common.
    name : str, default "changed copies"
        What is done, for the progress bar.
    remedy : str, default ""
        What makes it shorter, for the warning of a long run.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> from vizcnn.adapter.changed import Change
    >>> def darker(xp, images, companions, numbers):
    ...     return images * xp.reshape(numbers["factor"], (-1, 1, 1, 1))
    >>> factors = np.array([0.5, 0.0], np.float32)
    >>> change = Change("darker", 2, lambda part: {"factor": factors[part]}, darker)
    >>> model = vz.adapt(lambda inputs: inputs[:, 0, 0], input_shape=(4, 4, 2))
    >>> model.changed_scores(np.full((1, 4, 4, 2), 6.0), 1, change).copy_scores
    array([[3., 0.]], dtype=float32)
    """

    key: Hashable
    count: int
    numbers: Callable[[slice], Arrays]
    apply: Callable[[Any, Any, Rows, Rows], Any]
    name: str = "changed copies"
    remedy: str = ""


class Rows(Mapping[str, Any]):
    """Tables by name, and of each the rows that the copies of a batch have in it, looked up when they are asked for."""

    def __init__(self, xp: Any, tables: Mapping[str, Any], index: Any) -> None:
        self._xp, self._tables, self._index = xp, tables, index

    def __getitem__(self, name: str) -> Any:
        return self._xp.take(self._tables[name], self._index, axis=0)

    def entries(self, name: str, index: Any) -> Any:
        """Return of each copy's row one entry: what would be ``rows[name][arange(B), index]``, without the rows.

        Parameters
        ----------
        name : str
            The table, of K entries in each row.
        index : array of int32, shape (B,)
            Which entry of its row each copy has.

        Returns
        -------
        array, shape (B, ...)

        Examples
        --------
        >>> import numpy as np
        >>> from vizcnn.adapter.changed import Rows
        >>> maps = Rows(np, {"maps": np.array([[1.0, 2.0], [3.0, 4.0]])}, np.array([0, 1, 1]))
        >>> maps.entries("maps", np.array([1, 1, 0]))
        array([2., 4., 3.])
        """
        table, xp = self._tables[name], self._xp
        count = int(table.shape[1])
        return xp.take(xp.reshape(table, (-1, *table.shape[2:])), self._index * count + index, axis=0)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)


class Before(NamedTuple):
    """What came of the copy before each, of the same image; of the first copy itself.

    Attributes
    ----------
    inputs : array, shape (B, H, W, C)
        The changed images.
    scores : array, shape (B,)
        Their scores.
    gradients : array, shape (B, H, W, C)
        The gradients of the scores.
    """

    inputs: Any
    scores: Any
    gradients: Any


@dataclass(frozen=True)
class Copies:
    """A batch of B changed copies, as the formula of a sum reads it, in the model's own array namespace.

    Attributes
    ----------
    inputs : array, shape (B, H, W, C)
        The changed images.
    scores : array, shape (B,)
        Their scores.
    companions, numbers : mapping
        By name what belongs to the image and what to the copy, B rows each.
    gradients, values : array, shape (B, ...), or None
        The gradient of the score, and what it was taken by: the changed image, or a layer's output.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> from vizcnn.algorithms.changes import blend
    >>> model = vz.adapt(lambda inputs: inputs[:, 0, 0], input_shape=(4, 4, 2))
    >>> inputs, black = np.full((1, 4, 4, 2), [2.0, 6.0]), {"baseline": np.zeros((1, 1, 1, 1))}
    >>> change = blend(np.array([0.25, 0.5]))
    >>> def weighed(xp, copies):
    ...     return copies.scores * copies.numbers["alpha"]
    >>> model.changed_scores(inputs, 1, change, companions=black, sums={"weighed": weighed}).sums
    {'weighed': array([1.875], dtype=float32)}
    """

    xp: Any
    inputs: Any
    scores: Any
    companions: Mapping[str, Any]
    numbers: Mapping[str, Any]
    originals_of: Callable[[], Any]
    output_of: Callable[[str], Any]
    head_of: Callable[[str], Head]
    gradients: Any = None
    values: Any = None
    before_of: Callable[[], Before] | None = None

    @property
    def originals(self) -> Any:
        """The image that each copy was made of, (B, H, W, C)."""
        return self.originals_of()

    @property
    def before(self) -> Before:
        """The copy before each, of the same image, where the question has `in_steps`; of the first copy itself."""
        if self.before_of is None:
            raise OptionError("`in_steps` must be True where a formula asks for the copy before each; got False.")
        return self.before_of()

    def output(self, name: str) -> Any:
        """Return an output of the model, as it returns it.

        Parameters
        ----------
        name : str
            Its name.

        Returns
        -------
        array, shape (B, ...)

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> from vizcnn.algorithms.changes import blend
        >>> model = vz.adapt(lambda inputs: inputs[:, 0, 0], input_shape=(4, 4, 2))
        >>> inputs, black = np.full((1, 4, 4, 2), [2.0, 6.0]), {"baseline": np.zeros((1, 1, 1, 1))}
        >>> change = blend(np.array([0.25, 0.5]))
        >>> def returned(xp, copies):
        ...     return copies.output("output")
        >>> model.changed_scores(inputs, 1, change, companions=black, each={"output": returned}).each["output"].tolist()
        [[[0.5, 1.5], [1.0, 3.0]]]
        """
        return self.output_of(name)

    def class_outputs(self, output: str) -> Any:
        """Return what the model says of each class; probabilities where it gives them.

        Parameters
        ----------
        output : str
            The name of the output that holds the classes.

        Returns
        -------
        array, shape (B, K)

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> from vizcnn.algorithms.changes import blend
        >>> model = vz.adapt(lambda inputs: inputs[:, 0, 0], input_shape=(4, 4, 2))
        >>> inputs, black = np.full((1, 4, 4, 2), [2.0, 6.0]), {"baseline": np.zeros((1, 1, 1, 1))}
        >>> change = blend(np.array([0.25, 0.5]))
        >>> def values(xp, copies):
        ...     return copies.class_outputs("output")
        >>> model.changed_scores(inputs, 1, change, companions=black, sums={"values": values}).sums["values"].tolist()
        [[1.5, 4.5]]
        """
        return self.head_of(output).values(self.xp, self.output(output))

    def predicted(self, output: str) -> Any:
        """Return the class that the model predicts of each copy.

        Parameters
        ----------
        output : str
            The name of the output that holds the classes.

        Returns
        -------
        array of int, shape (B,)

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> from vizcnn.algorithms.changes import blend
        >>> model = vz.adapt(lambda inputs: inputs[:, 0, 0], input_shape=(4, 4, 2))
        >>> inputs, black = np.full((1, 4, 4, 2), [2.0, 6.0]), {"baseline": np.zeros((1, 1, 1, 1))}
        >>> change = blend(np.array([0.25, 0.5]))
        >>> from vizcnn.adapter.changed import PredictedClass
        >>> model.changed_scores(inputs, 1, change, companions=black, each={"class": PredictedClass("output")}).each
        {'class': array([[1, 1]])}
        """
        return self.head_of(output).predicted(self.xp, self.class_outputs(output))


Formula: TypeAlias = Callable[[Any, Copies], Any]
"""``formula(xp, copies)`` returns one row per copy. It is known by what it equals: a function of a module, or a frozen dataclass
with a ``__call__``; one that is made anew for each call would be compiled anew for each."""


@dataclass(frozen=True)
class PredictedClass:
    """The formula of the class that the model predicts of each copy.

    Attributes
    ----------
    output : str
        The name of the output that holds the classes.
    """

    output: str

    def __call__(self, xp: Any, copies: Copies) -> Any:
        """Return it, (B,)."""
        del xp
        return copies.predicted(self.output)


@dataclass(frozen=True)
class Changed:
    """What came back of the changed copies of N images.

    Attributes
    ----------
    scores : ndarray, shape (N,)
        The scores of the images as they are.
    outputs : tuple of ndarray
        What the model returned for those.
    score : Score
        What was explained: the predicted class is the one that was predicted of the unchanged image.
    copy_scores : ndarray, shape (N, count)
        The score of each copy.
    each : mapping of str to ndarray, shape (N, count, ...)
        What was asked of each copy.
    sums : mapping of str to ndarray, shape (N, ...)
        The sums over the copies.
    layer : str or None
        The layer that was differentiated by.
    notes : tuple of Note
        What the reader of a picture should know.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> from vizcnn.algorithms.changes import blend
    >>> model = vz.adapt(lambda inputs: inputs[:, 0, 0], input_shape=(4, 4, 2))
    >>> inputs, black = np.full((1, 4, 4, 2), [2.0, 6.0]), {"baseline": np.zeros((1, 1, 1, 1))}
    >>> change = blend(np.array([0.25, 0.5]))
    >>> changed = model.changed_scores(inputs, None, change, companions=black)
    >>> changed.scores, changed.copy_scores, changed.score.classes
    (array([6.], dtype=float32), array([[1.5, 3. ]], dtype=float32), (1,))
    """

    scores: Array
    outputs: Outputs
    score: Score
    copy_scores: Array
    each: Arrays
    sums: Arrays
    layer: str | None = None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class Question:
    """What is asked about the changed copies of some images; see `ModelAdapter.changed_scores`."""

    inputs: Array
    score: Score
    change: Change
    companions: Arrays = field(default_factory=dict)
    sums: Mapping[str, Formula] = field(default_factory=dict)
    each: Mapping[str, Formula] = field(default_factory=dict)
    differentiates: bool = False
    of: str | None = None
    rule: str = "vanilla"
    in_steps: bool = False
    after: Changed | None = None

    @classmethod
    def checked(cls, inputs: Array, companions: Arrays | None, **asked: Any) -> Question:
        """Return the question, its companions as float32 or int32 with one row per image."""
        if asked["change"].count < 1:
            raise OptionError(f"`change` must make at least one copy of each image; got {asked['change'].count}.")
        kept = {name: as_numbers(array) for name, array in (companions or {}).items()}
        for name, array in kept.items():
            if len(array) != len(inputs):
                raise OptionError(
                    f"`companions` must have one row per image; got {len(array)} of {name!r} for {len(inputs)} images."
                )
        after = asked.get("after")
        if after is not None and len(after.scores) != len(inputs):
            raise OptionError(
                f"`after` must be of the same images; it has {len(after.scores)}, and `inputs` {len(inputs)}."
            )
        options = {name: value for name, value in asked.items() if value is not None}
        return cls(inputs, companions=kept, **options)


@dataclass(frozen=True)
class Cut:
    """The copies of one batch: numbers `start` to `stop` of those of a group of images."""

    group: slice
    start: int
    stop: int

    @property
    def images(self) -> int:
        """How many images are in the group."""
        return int(self.group.stop - self.group.start)

    @property
    def copies(self) -> slice:
        """Which copies those are, of any of the images."""
        return slice(self.start // self.images, (self.stop - 1) // self.images + 1)

    @property
    def slots(self) -> Array:
        """Of which image of the group each is."""
        return np.arange(self.start, self.stop, dtype=np.int32) % np.int32(self.images)

    @property
    def rows(self) -> Array:
        """Which of `copies` each is, from 0 on."""
        return np.arange(self.start, self.stop, dtype=np.int32) // np.int32(self.images) - np.int32(self.copies.start)

    def before(self, kept: int) -> Array:
        """Return where the copy before each stands, among `kept` rows, one for each image, and behind them those of the batch."""
        numbers = np.arange(self.start, self.stop, dtype=np.int32)
        steps = np.where(numbers < self.images, 0, self.images)
        rows = numbers - self.start - steps
        return np.where(rows < 0, self.slots, kept + rows).astype(np.int32)

    def last(self, kept: int) -> Array:
        """Return where the last copy of each image stands after this batch, among the same rows."""
        images = np.arange(kept, dtype=np.int32)
        rows = self.stop - 1 - (self.stop - 1 - images) % self.images - self.start
        return np.where((rows < 0) | (images >= self.images), images, kept + rows).astype(np.int32)


def as_numbers(values: Any) -> Array:
    """Return values as int32 where they are whole numbers, else as float32."""
    array = np.asarray(values)
    return array.astype(np.float32 if array.dtype.kind == "f" else np.int32, copy=False)
