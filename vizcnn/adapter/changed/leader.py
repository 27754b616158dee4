"""What leads the batches of changed copies: it cuts them, has numbers drawn ahead, and gathers what comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol

import numpy as np

from vizcnn.adapter.arrays import Array, Outputs
from vizcnn.adapter.changed.records import Arrays, Changed, Cut, Question, as_numbers
from vizcnn.errors import Note, OptionError
from vizcnn.progress import Clock, track
from vizcnn.targets.score import Score


class Model(Protocol):
    """What is asked of the model that the copies are of."""

    def scores_and_outputs(self, inputs: Array, target: Score) -> tuple[Array, Outputs]:
        """Return the scores of the unchanged images, and what the model returns."""

    def with_predicted_classes(self, inputs: Array, score: Score, outputs: Outputs) -> Score:
        """Return the score in which the classes left to the model are those that it chooses of the unchanged images."""

    def batch_size_for(self, sample_shape: tuple[int, ...]) -> int:
        """Return how many copies are run at once."""


class Steps(Protocol):
    """How the batches of one question are run."""

    layer: str | None
    notes: tuple[Note, ...]

    def rows(self, count: int) -> int:
        """Return how many rows are run for a batch of that many copies."""

    def begin(self, question: Question) -> None:
        """Begin with a group of images, those of the question."""

    def step(self, cut: Cut, numbers: Arrays) -> Arrays:
        """Run one batch: add to the sums, and return by name what is kept of each copy, "scores" among it."""

    def end(self) -> Arrays:
        """Return the sums over the copies of that group, by name."""

    def recover(self, error: Exception, size: int) -> None:
        """Raise the error of a batch of that size, unless a smaller one may do."""


def run(model: Model, question: Question, steps: Steps) -> Changed:
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
    shape = inputs.shape[1:]
    leader = _Leader(question, steps, lambda: model.batch_size_for(shape))
    cost = _cost(question)
    name = change.name[:1].upper() + change.name[1:]
    clock = Clock(leader.num_cuts)
    with ThreadPoolExecutor(max_workers=1) as drawer:
        leader.draw_first(drawer)
        if question.after is None:
            scores, outputs = model.scores_and_outputs(inputs, score)
            score = model.with_predicted_classes(inputs, score, outputs)
        else:
            scores, outputs = question.after.scores, question.after.outputs
        leader.question = replace(question, score=score)
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
        self.question = question
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
        count = self.question.change.count
        return sum(-(-(group.stop - group.start) * count // self._size()) for group in self._groups)

    def cuts(self) -> Iterator[Cut]:
        """Yield one batch after another; the same copies again, fewer, where the last one could not be run."""
        for group in self._groups:
            self._steps.begin(_of_group(self.question, group))
            self._done = 0
            while (cut := self._cut(group, self._done)) is not None:
                yield cut
            for name, rows in self._steps.end().items():
                self.sums.setdefault(name, []).append(rows)

    def _cut(self, group: slice, start: int) -> Cut | None:
        """Return the batch that begins with that copy: what is left is cut evenly, unless rows that fill up would cost more."""
        images, most, cost = group.stop - group.start, self._size(), self._steps.rows
        left = images * self.question.change.count - start
        if left <= 0:
            return None
        cuts = -(-left // most)
        even = min(most, -(-left // (cuts * images)) * images)  # the numbers of a copy serve all images in one batch
        size = min((even, most), key=lambda size: (cuts - 1) * cost(size) + cost(max(0, left - (cuts - 1) * size)))
        return Cut(group, start, start + min(size, left))

    def draw_first(self, drawer: ThreadPoolExecutor) -> None:
        """Have the first batch's numbers drawn, while the unchanged images are run."""
        if self._groups and (cut := self._cut(self._groups[0], 0)) is not None:
            self._draw_ahead(cut, drawer)

    def _draw_ahead(self, cut: Cut, drawer: ThreadPoolExecutor) -> None:
        self._next = cut.copies, drawer.submit(self._draw, cut.copies)

    def run(self, cut: Cut, drawer: ThreadPoolExecutor) -> None:
        """Run a batch, and draw the next one's numbers meanwhile."""
        numbers = self._numbers(cut)
        following = self._cut(cut.group, cut.stop)
        if following is not None:
            self._draw_ahead(following, drawer)
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
        numbers = {name: as_numbers(array) for name, array in self.question.change.numbers(copies).items()}
        count = copies.stop - copies.start
        for name, array in numbers.items():
            if len(array) != count:
                raise OptionError(
                    f"`numbers` must return one row per copy; got {len(array)} of {name!r} for {count} copies."
                )
        return numbers

    def _keep(self, cut: Cut, answer: Arrays) -> None:
        shape = len(self.question.inputs), self.question.change.count
        for name, values in answer.items():
            values = np.asarray(values)
            if name not in self.each:
                self.each[name] = np.empty((*shape, *values.shape[1:]), dtype=values.dtype)
            self.each[name][cut.group.start + cut.slots, cut.copies.start + cut.rows] = values


def _cost(question: Question) -> str:
    images, copies = len(question.inputs), question.change.count
    if question.differentiates:
        return f"{images * copies:,} gradients of the model"
    return f"{images * (copies + (question.after is None)):,} runs of the model"


def _of_group(question: Question, group: slice) -> Question:
    companions = {name: array[group] for name, array in question.companions.items()}
    return replace(question, inputs=question.inputs[group], score=question.score[group], companions=companions)
