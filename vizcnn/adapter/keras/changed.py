"""Changed copies on a Keras model: copies are made, run and summed up on the device by one compiled function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from typing_extensions import override

from vizcnn.adapter.arrays import Array
from vizcnn.adapter.changed import Arrays, Before, Copies, Cut, Question, Rows, Steps
from vizcnn.adapter.keras.compiled import Build, Traced
from vizcnn.adapter.keras.forward_pass import ForwardPass
from vizcnn.adapter.keras.gradient import differentiate
from vizcnn.adapter.keras.model_view import ModelView
from vizcnn.adapter.keras.runner import Runner
from vizcnn.errors import Note

_SUM = "sum "
"""What the names of sums begin with among the answers of a compiled function."""

_LAST = tuple(f"last {name}" for name in Before._fields)
"""What is kept of the last copy of each image, among those answers."""


class CompiledSteps(Steps):
    """The batches of one question; see `vizcnn.adapter.changed.Steps`.

    Images, companions and params of the score lie on the device, a table each, for as long as their group is worked on. A batch
    brings the place of each copy in those tables and the numbers of the copies; the sums of its copies stay on the device too,
    and the last copy of each image, where the copy before is asked for.

    Parameters
    ----------
    view : ModelView
        The model.
    runner : Runner
        What runs functions of it.
    """

    layer: str | None = None
    notes: tuple[Note, ...] = ()

    def __init__(self, view: ModelView, runner: Runner) -> None:
        self._view = view
        self._backend = view.backend
        self._runner = runner
        self._sums: dict[str, Any] = {}
        self._last: list[Any] = []

    @override
    def rows(self, count: int) -> int:
        rows: int = self._backend.padded(count)
        return rows

    @override
    def begin(self, question: Question) -> None:
        self._question = question
        self._count = len(question.inputs)
        self._sums = {}
        tables = [question.inputs, *question.score.params, *question.companions.values()]
        size = self._backend.padded(self._count)
        self._tables = [keras.ops.convert_to_tensor(_filled(table, size)) for table in tables]
        shape = self._tables[0].shape
        self._last = [keras.ops.zeros(one) for one in (shape, shape[:1], shape)] if question.in_steps else []

    @override
    def step(self, cut: Cut, numbers: Arrays) -> Arrays:
        question, padded = self._question, self._backend.padded
        count = cut.stop - cut.start
        size, images = padded(count), padded(self._count)
        nobody = np.full(size - count, images, dtype=np.int32)  # rows that only fill up are summed where nobody looks
        slots, rows = np.concatenate([cut.slots, nobody]), _filled(cut.rows, size)
        drawn = [_filled(array, padded(len(array))) for array in numbers.values()]
        first, *others = self._tables
        links = [_filled(cut.before(images), size), cut.last(images)] if question.in_steps else []
        build = _build(self._view, question, list(numbers))
        names = frozenset([*(_SUM + name for name in question.sums), *(_LAST if question.in_steps else ())])
        arrays = [first, slots, rows, *links, *self._last, *others, *drawn]
        run = self._runner.run_batch(self._key(numbers), build, arrays, stays=names)
        self.layer, self.notes = run.traced.layer, run.traced.notes
        answer = dict(run.arrays)
        self._last = [answer.pop(name) for name in _LAST] if question.in_steps else []
        for name in question.sums:
            part = answer.pop(_SUM + name)
            self._sums[name] = keras.ops.add(self._sums[name], part) if name in self._sums else part
        return {name: values[:count] for name, values in answer.items()}

    @override
    def end(self) -> Arrays:
        return {name: self._backend.numpy(total)[: self._count] for name, total in self._sums.items()}

    @override
    def recover(self, error: Exception, size: int) -> None:
        if not self._runner.halve(error, size):
            raise error

    def _key(self, numbers: Arrays) -> tuple[Any, ...]:
        question = self._question
        arrays = {**question.companions, **{f"number {name}": array for name, array in numbers.items()}}
        return (
            "changed",
            question.change.key,
            question.score.key,
            (question.differentiates, question.of, question.rule, question.in_steps, tuple(self._view.state.unfit)),
            (tuple(question.sums.items()), tuple(question.each.items())),
            tuple((name, array.shape[1:], array.dtype.str) for name, array in arrays.items()),
        )


def _build(view: ModelView, question: Question, names: Sequence[str]) -> Build:
    """Return what makes copies of images, runs the model on them, and sums up what is asked of them."""
    ops, backend, change = keras.ops, view.backend, question.change
    num_params, num_companions = len(question.score.params), len(question.companions)

    def build(traced: Traced, images: Any, slots: Any, rows: Any, *tensors: Any) -> dict[str, Any]:
        (before, last, *kept), tensors = (tensors[:5], tensors[5:]) if question.in_steps else ((None, None), tensors)
        places = ops.minimum(slots, ops.shape(images)[0] - 1)
        params = [ops.take(table, places, axis=0) for table in tensors[:num_params]]

        def looked_up(*tensors: Any) -> tuple[Rows, Rows]:
            tables, numbers = tensors[num_params:][:num_companions], tensors[num_params + num_companions :]
            companions = dict(zip(question.companions, tables, strict=True))
            return Rows(ops, companions, places), Rows(ops, dict(zip(names, numbers, strict=True)), rows)

        def originals() -> Any:
            return ops.take(images, places, axis=0)

        def changed() -> Any:
            copies = change.apply(ops, originals(), *looked_up(*tensors))
            return ops.reshape(backend.float32(copies), (-1, *question.inputs.shape[1:]))

        inputs = backend.differentiable(backend.fused(changed))
        run = ForwardPass.run(view, inputs, traced, rule=question.rule).record()
        scores = run.scores(question.score, params, traced)
        values = gradients = None
        if question.differentiates:
            values, gradients = differentiate(run, question.score, scores, inputs, question.of, question.rule, traced)
        companions, numbers = looked_up(*tensors)
        here = inputs, scores, gradients

        def rows_of(index: Any) -> list[Any]:
            return [ops.take(ops.concatenate(pair), index, axis=0) for pair in zip(kept, here, strict=True)]

        copies = Copies(
            ops,
            inputs=inputs,
            scores=scores,
            companions=companions,
            numbers=numbers,
            originals_of=originals,
            output_of=lambda name: backend.float32(run.flat[list(view.state.outputs).index(name)]),
            head_of=run.head,
            gradients=gradients,
            values=values,
            before_of=(lambda: Before(*rows_of(before))) if question.in_steps else None,
        )

        def values_of() -> list[Any]:
            return [backend.float32(formula(ops, copies)) for formula in question.sums.values()]

        def sums() -> list[Any]:
            return [backend.summed(rows, slots, ops.shape(images)[0]) for rows in each_value]

        answer = {"scores": scores, **{name: formula(ops, copies) for name, formula in question.each.items()}}
        if question.sums:
            each_value = backend.fused(
                values_of
            )  # apart from the sums: XLA is slow where it has to do both in one loop
            answer |= dict(zip((_SUM + name for name in question.sums), backend.fused(sums), strict=True))
        if question.in_steps:
            answer |= dict(zip(_LAST, backend.fused(lambda: rows_of(last)), strict=True))
        return answer

    return build


def _filled(table: Array, size: int) -> Array:
    """Return a table with its last row repeated, up to that many rows."""
    missing = size - len(table)
    return np.concatenate([table, np.repeat(table[-1:], missing, axis=0)]) if missing > 0 else table
