"""Batches of changed copies in NumPy, by what any adapter answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from typing_extensions import override

from vizcnn.adapter.arrays import Array, Outputs
from vizcnn.adapter.changed.leader import Steps
from vizcnn.adapter.changed.records import Arrays, Before, Copies, Cut, Question, Rows
from vizcnn.adapter.gradients import Gradients
from vizcnn.adapter.heads import Head
from vizcnn.errors import Note
from vizcnn.targets.score import Score


class Model(Protocol):
    """What is asked of the model that the copies are run through; see `ModelAdapter`."""

    @property
    def output_shapes(self) -> Mapping[str, Any]:
        """Shape of each of its outputs, by name."""

    def scores_and_outputs(self, inputs: Array, target: Score) -> tuple[Array, Outputs]:
        """Return the scores, and what the model returns."""

    def gradients(self, inputs: Array, target: Score, *, of: Any, rule: str) -> Gradients:
        """Return the gradients of the scores."""

    def head(self, output: str) -> Head:
        """Return how an output is read."""


class PlainSteps(Steps):
    """The batches of one question, in NumPy, by what any `ModelAdapter` answers."""

    layer: str | None = None
    notes: tuple[Note, ...] = ()

    def __init__(self, model: Model) -> None:
        self._model = model
        self._sums: dict[str, Array] = {}
        self._last: tuple[Array, ...] = ()

    @override
    def rows(self, count: int) -> int:
        return count

    @override
    def begin(self, question: Question) -> None:
        self._question = question
        self._sums = {}
        shape = question.inputs.shape
        self._last = tuple(np.zeros(one, np.float32) for one in (shape, shape[:1], shape)) if question.in_steps else ()

    @override
    def step(self, cut: Cut, numbers: Arrays) -> Arrays:
        question, slots = self._question, cut.slots
        rows = Rows(np, numbers, cut.rows)
        companions = Rows(np, question.companions, slots)
        changed = question.change.apply(np, question.inputs[slots], companions, rows)
        copies = self._asked(np.asarray(changed, dtype=np.float32), slots, companions, rows)
        if question.in_steps:
            copies = self._in_steps(copies, cut)
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
            grads = self._model.gradients(changed, score, of=question.of, rule=question.rule)
            scores, outputs, gradients, values = grads.scores, grads.outputs, grads.gradients, grads.values
            self.layer, self.notes = grads.layer, grads.notes
        else:
            scores, outputs = self._model.scores_and_outputs(changed, score)
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

    def _in_steps(self, copies: Copies, cut: Cut) -> Copies:
        here = copies.inputs, copies.scores, copies.gradients
        lines = [np.concatenate(pair) for pair in zip(self._last, here, strict=True)]
        self._last = tuple(line[cut.last(cut.images)] for line in lines)
        return replace(copies, before_of=lambda: Before(*(line[cut.before(cut.images)] for line in lines)))

    @override
    def end(self) -> Arrays:
        return {name: values.astype(np.float32) for name, values in self._sums.items()}

    def recover(self, error: Exception, size: int) -> None:
        """See `Steps`: nothing is known of this model's errors."""
        del size
        raise error
