"""Many changed copies of each image through a model, of which scores and sums come back: what every sampling method stands on.

`run` leads: it settles the target on the unchanged images, cuts the copies into full batches across the images, has the numbers
of the next batch drawn while the model runs on this one, and gathers what comes back. How one batch is run is up to `Steps`: here
the plain ones, in NumPy, for any `ModelAdapter`; `vizcnn.adapter.keras.changed` has compiled ones, and the two must agree.

In a group of images, copy 1 of each comes first, then copy 2 of each, and so on: what a copy needs is drawn once for all images.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from vizcnn.errors import Note, OptionError
from vizcnn.progress import Clock, track

if TYPE_CHECKING:
    from vizcnn.adapter.arrays import Outputs
    from vizcnn.adapter.base import ModelAdapter
    from vizcnn.adapter.heads import Head
    from vizcnn.targets.score import Score

Array: TypeAlias = np.ndarray
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
    apply: Callable[[Any, Any, Mapping[str, Any], Mapping[str, Any]], Any]
    name: str = "changed copies"
    remedy: str = ""


class Rows(Mapping[str, Any]):
    """Tables by name, and of each the rows that the copies of a batch have in it, looked up when they are asked for."""

    def __init__(self, xp: Any, tables: Mapping[str, Any], index: Any) -> None:
        self._xp, self._tables, self._index = xp, tables, index

    def __getitem__(self, name: str) -> Any:
        return self._xp.take(self._tables[name], self._index, axis=0)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)


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

    @property
    def originals(self) -> Any:
        """The image that each copy was made of, (B, H, W, C)."""
        return self.originals_of()

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

    def class_values(self, output: str) -> Any:
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
        ...     return copies.class_values("output")
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
        return self.head_of(output).predicted(self.xp, self.class_values(output))


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

    @classmethod
    def checked(cls, inputs: Array, companions: Arrays | None, **asked: Any) -> Question:
        """Return the question, its companions as float32 or int32 with one row per image."""
        kept = {name: as_numbers(array) for name, array in (companions or {}).items()}
        for name, array in kept.items():
            if len(array) != len(inputs):
                raise OptionError(
                    f"`companions` must have one row per image; got {len(array)} of {name!r} for {len(inputs)} images."
                )
        given = {name: value for name, value in asked.items() if value is not None}
        return cls(inputs, companions=kept, **given)


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


class Steps(Protocol):
    """How the batches of one question are run."""

    layer: str | None
    notes: tuple[Note, ...]

    def begin(self, question: Question) -> None:
        """Begin with a group of images, those of the question."""

    def step(self, cut: Cut, numbers: Arrays) -> Arrays:
        """Run one batch: add to the sums, and return by name what is kept of each copy, "scores" among it."""

    def end(self) -> Arrays:
        """Return the sums over the copies of that group, by name."""

    def recover(self, error: Exception, size: int) -> None:
        """Raise the error of a batch of that size, unless a smaller one may do."""


def run(model: ModelAdapter, question: Question, steps: Steps) -> Changed:
    """Ask a model about changed copies.

    Parameters
    ----------
    model : ModelAdapter
        The model.
    question : Question
        What is asked.
    steps : Steps
        How its batches are run.

    Returns
    -------
    Changed
    """
    inputs, change, score = question.inputs, question.change, question.score
    scores, outputs = model.evaluate(inputs, score)
    score = model.settled(inputs, score, outputs)
    question = replace(question, score=score)
    shape = inputs.shape[1:]
    leader = _Leader(question, steps, lambda: model.batch_size_for(shape))
    cost = _cost(question)
    name = change.name[:1].upper() + change.name[1:]
    clock = Clock(leader.num_cuts)
    with ThreadPoolExecutor(max_workers=1) as drawer:
        for cut in track(leader.cuts(), leader.num_cuts, f"{change.name}, {cost}"):
            clock.tick(f"{name} takes {cost}", change.remedy)
            leader.run(cut, drawer)
    each = dict(leader.each)
    return Changed(
        scores=scores,
        outputs=outputs,
        score=score,
        copy_scores=each.pop("scores"),
        each=each,
        sums={name: np.concatenate(parts) for name, parts in leader.sums.items()},
        layer=steps.layer,
        notes=steps.notes,
    )


class _Leader:
    """Cuts copies into batches, has them run, and keeps what comes back."""

    def __init__(self, question: Question, steps: Steps, size: Callable[[], int]) -> None:
        self._question = question
        self._steps = steps
        self._size = size
        count, group = len(question.inputs), size()
        self._groups = [slice(start, min(start + group, count)) for start in range(0, count, group)]
        self._done = 0
        self._next: tuple[slice, Future[Arrays]] | None = None
        self.each: dict[str, Array] = {}
        self.sums: dict[str, list[Array]] = {}

    @property
    def num_cuts(self) -> int:
        """How many batches there are, unless they have to become smaller."""
        count = self._question.change.count
        return sum(-(-(group.stop - group.start) * count // self._size()) for group in self._groups)

    def cuts(self) -> Iterator[Cut]:
        """Yield one batch after another; the same copies again, fewer, where the last one could not be run."""
        for group in self._groups:
            self._steps.begin(_of_group(self._question, group))
            self._done = 0
            while (cut := self._cut(group, self._done)) is not None:
                yield cut
            for name, rows in self._steps.end().items():
                self.sums.setdefault(name, []).append(rows)

    def _cut(self, group: slice, start: int) -> Cut | None:
        last = (group.stop - group.start) * self._question.change.count
        return None if start >= last else Cut(group, start, min(start + self._size(), last))

    def run(self, cut: Cut, drawer: ThreadPoolExecutor) -> None:
        """Run a batch, and draw the next one's numbers meanwhile."""
        numbers = self._numbers(cut)
        following = self._cut(cut.group, cut.stop)
        if following is not None:
            self._next = following.copies, drawer.submit(self._draw, following.copies)
        try:
            answer = self._steps.step(cut, numbers)
        except Exception as error:  # noqa: BLE001 - raised again unless it says that memory ran out
            self._steps.recover(error, cut.stop - cut.start)
            return
        self._done = cut.stop
        self._keep(cut, answer)

    def _numbers(self, cut: Cut) -> Arrays:
        if self._next is not None and self._next[0] == cut.copies:
            return self._next[1].result()
        return self._draw(cut.copies)

    def _draw(self, copies: slice) -> Arrays:
        numbers = {name: as_numbers(array) for name, array in self._question.change.numbers(copies).items()}
        count = copies.stop - copies.start
        for name, array in numbers.items():
            if len(array) != count:
                raise OptionError(
                    f"`numbers` must return one row per copy; got {len(array)} of {name!r} for {count} copies."
                )
        return numbers

    def _keep(self, cut: Cut, answer: Arrays) -> None:
        shape = len(self._question.inputs), self._question.change.count
        for name, values in answer.items():
            values = np.asarray(values)
            if name not in self.each:
                self.each[name] = np.empty((*shape, *values.shape[1:]), dtype=values.dtype)
            self.each[name][cut.group.start + cut.slots, cut.copies.start + cut.rows] = values


class PlainSteps:
    """The batches of one question, in NumPy, by what any `ModelAdapter` answers."""

    layer: str | None = None
    notes: tuple[Note, ...] = ()

    def __init__(self, model: ModelAdapter) -> None:
        self._model = model
        self._sums: dict[str, Array] = {}

    def begin(self, question: Question) -> None:
        """See `Steps`."""
        self._question = question
        self._sums = {}

    def step(self, cut: Cut, numbers: Arrays) -> Arrays:
        """See `Steps`."""
        question, slots = self._question, cut.slots
        rows = Rows(np, numbers, cut.rows)
        companions = Rows(np, question.companions, slots)
        changed = question.change.apply(np, question.inputs[slots], companions, rows)
        copies = self._asked(np.asarray(changed, dtype=np.float32), slots, companions, rows)
        for name, formula in question.sums.items():
            values = np.asarray(formula(np, copies))
            if name not in self._sums:
                self._sums[name] = np.zeros((cut.images, *values.shape[1:]), dtype=np.float64)
            for slot in np.unique(slots):
                self._sums[name][slot] += values[slots == slot].sum(axis=0, dtype=np.float64)
        return {"scores": copies.scores, **{name: formula(np, copies) for name, formula in question.each.items()}}

    def _asked(self, changed: Array, slots: Array, companions: Rows, rows: Rows) -> Copies:
        question, score = self._question, self._question.score.take(slots)
        gradients = values = None
        if question.differentiates:
            taken = self._model.gradients(changed, score, of=question.of, rule=question.rule)
            scores, outputs, gradients, values = taken.scores, taken.outputs, taken.gradients, taken.values
            self.layer, self.notes = taken.layer, taken.notes
        else:
            scores, outputs = self._model.evaluate(changed, score)
        names = list(self._model.output_shapes)
        return Copies(
            np,
            inputs=changed,
            scores=scores,
            companions=companions,
            numbers=rows,
            originals_of=lambda: question.inputs[slots],
            output_of=lambda name: outputs[names.index(name)],
            head_of=self._model.head,
            gradients=gradients,
            values=values,
        )

    def end(self) -> Arrays:
        """See `Steps`."""
        return {name: values.astype(np.float32) for name, values in self._sums.items()}

    def recover(self, error: Exception, size: int) -> None:
        """See `Steps`: nothing is known of this model's errors."""
        del size
        raise error


def _cost(question: Question) -> str:
    images, copies = len(question.inputs), question.change.count
    if question.differentiates:
        return f"{images * copies:,} gradients of the model"
    return f"{images * (copies + 1):,} runs of the model"


def _of_group(question: Question, group: slice) -> Question:
    companions = {name: array[group] for name, array in question.companions.items()}
    return replace(question, inputs=question.inputs[group], score=question.score[group], companions=companions)


def as_numbers(values: Any) -> Array:
    """Return values as int32 where they are whole numbers, else as float32."""
    array = np.asarray(values)
    return array.astype(np.float32 if array.dtype.kind == "f" else np.int32, copy=False)
