"""From a batch of maps, as a plugin returns them, to a result: put over the images, with what the model says of these."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vizcnn.adapter.base import Outputs, Prediction
from vizcnn.errors import Note
from vizcnn.notes import join_notes, noted, notes_of_part
from vizcnn.results.attributions import Attributions
from vizcnn.results.base import Context
from vizcnn.results.placing import placed, stretched
from vizcnn.results.sanity_checks import SanityChecks
from vizcnn.results.table import COLUMNS

if TYPE_CHECKING:
    from vizcnn.adapter.base import ModelAdapter
    from vizcnn.results.batch import AttributionBatch
    from vizcnn.targets.score import Score

TOP = 5
"""Classes that a result knows the probabilities of, the most probable ones."""


def results_of(parts: Iterable[tuple[slice, np.ndarray, AttributionBatch]], context: Context) -> Iterator[Attributions]:
    """Yield a result for each batch; see `AttributionBatch.stream`."""
    if context.score is None:
        raise TypeError(f"Plugin {context.method!r} returns attributions, so its function must take a `score`.")
    checks = SanityChecks(context.model, context.images)
    for part, inputs, batch in parts:
        yield _result(batch, part, inputs, context.score[part], context, checks)


def _result(
    batch: AttributionBatch, part: slice, inputs: np.ndarray, score: Score, context: Context, checks: SanityChecks
) -> Attributions:
    model, images, names = context.model, context.images, context.images.names[part]
    outputs = batch.outputs if batch.outputs is not None else model.outputs(inputs)
    scores = batch.scores if batch.scores is not None else model.scores(inputs, score)
    predictions, explained, top, indices = _explained(model, score, outputs)
    raw = np.asarray(batch.raw if batch.raw is not None else batch.values, dtype=np.float32)
    values, alone, placement = _where_it_lies(batch, context)
    measures = _rows("measures", batch.measures, len(inputs), context.method)
    extras = _rows("extras", batch.extras, len(inputs), context.method)
    notes = (
        *notes_of_part(images.notes, range(len(images))[part], names),
        *model.notes,
        *map(noted, batch.notes),
        *placement,
        *checks.notes(part, inputs, batch.values, raw, [p.probability for p in predictions]),
    )
    return Attributions(
        values=values,
        raw=raw,
        scores=np.asarray(scores, dtype=np.float32),
        images=images if len(inputs) == len(images) else images.part(part),
        target=tuple(name for name, _, _ in explained),
        classes=tuple(index for _, index, _ in explained),
        probabilities=tuple(p for _, _, p in explained),
        predictions=tuple(predictions),
        model=model.name,
        method=context.method,
        layer=batch.layer,
        signed=batch.signed,
        options={**context.options, **batch.options},
        names=names,
        notes=join_notes([(0, notes)], names),
        class_labels=_labels(model, score) if any(array.dtype.kind in "iu" for array in extras.values()) else (),
        top_classes=tuple(top),
        top_indices=tuple(indices),
        alone=alone,
        measures={name: array.astype(np.float32) for name, array in measures.items()},
        extras=extras,
    )


def _rows(what: str, arrays: Mapping[str, Any], count: int, method: str) -> dict[str, np.ndarray]:
    """Return what a plugin gave by name, checked: a row for each image, and of measures one number."""
    checked = {name: np.asarray(values) for name, values in arrays.items()}
    for name, array in checked.items():
        is_measure = what == "measures"
        if array.shape[:1] != (count,) or array.dtype.kind not in "fiub" or (is_measure and array.ndim != 1):
            raise ValueError(
                f"`{what}` of method {method!r} must hold a {'number' if is_measure else 'row'} for each of {count} images; got "
                f"{array.dtype} of shape {array.shape} as {name!r}."
            )
        if is_measure and name in COLUMNS:
            raise ValueError(
                f"`measures` of method {method!r} must not be called {name!r}, as a result's own column is."
            )
    return checked


def _labels(model: ModelAdapter, score: Score) -> tuple[str, ...]:
    return model.head(model.output_name(score.output)).names


def _where_it_lies(batch: AttributionBatch, context: Context) -> tuple[np.ndarray, bool, tuple[Note, ...]]:
    """Return the maps at the input's size, whether they can't be brought there, and what is said of it."""
    size, sample_shape = context.images.size, context.images.sample_shape
    placement = batch.layer and context.model.placement(batch.layer, batch.values.shape[1:], sample_shape)
    if not placement:
        return stretched(batch.values, size), False, ()
    notes = (noted(placement.note(str(batch.layer)), "placement"),)
    if not placement.is_known:
        return stretched(batch.values, size), False, notes
    if not placement.is_possible:
        return np.asarray(batch.values, dtype=np.float32), True, notes
    return placed(batch.values, placement), False, notes


def _explained(
    model: ModelAdapter, score: Score, outputs: Outputs
) -> tuple[
    list[Prediction],
    list[tuple[str, int | None, float | None]],
    list[tuple[tuple[str, float], ...]],
    list[tuple[int, ...]],
]:
    """Return what the model predicts, the name, class and probability of what is explained, the top classes and their indices."""
    indices, values, probable = model.class_values(outputs, score.output)
    head = model.head(model.output_name(score.output))
    predictions = model.named_predictions(indices, values, probable, output=head.output)
    explained: list[tuple[str, int | None, float | None]] = []
    for row, best, name, index in zip(values, indices, score.names, score.classes, strict=True):
        chosen = int(best) if index == -1 else index
        known = probable and chosen is not None
        of_class = chosen if head.is_classes else None
        explained.append((name or head.names[int(best)], of_class, float(row[chosen]) if known else None))
    if not probable and not head.is_classes:
        return predictions, explained, [], []
    # The five largest first, and only those sorted: of a thousand classes, half a millisecond per batch.
    rows, ranks = np.arange(len(values)), -values
    ranks[rows, indices] = np.nextafter(ranks[rows, indices], -np.inf)  # of equals the predicted class comes first
    some = np.sort(np.argpartition(ranks, min(TOP, values.shape[1]) - 1, axis=1)[:, :TOP], axis=1)
    order = np.argsort(np.take_along_axis(ranks, some, axis=1), axis=1, kind="stable")
    best = np.take_along_axis(some, order, axis=1)
    top = [tuple((head.names[int(i)], float(row[i])) for i in order) for row, order in zip(values, best, strict=True)]
    ranked = [tuple(map(int, order)) for order in best]
    return predictions, explained, top if probable else [], ranked if head.is_classes else []
