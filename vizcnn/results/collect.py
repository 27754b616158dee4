"""What makes a result of a batch of maps: put over the images, checked, with what the model says of these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from vizcnn.adapter.base import Outputs, Prediction
from vizcnn.results.table import COLUMNS

if TYPE_CHECKING:
    from vizcnn.adapter.base import ModelAdapter
    from vizcnn.targets.score import Score

NUM_TOP_CLASSES = 5
"""Classes that a result knows the probabilities of, the most probable ones."""


def checked_rows(what: str, arrays: Mapping[str, Any], count: int, who: str) -> dict[str, np.ndarray]:
    """Return what a method or a metric gave by name, checked: a row for each image, and of measures one number."""
    by_name = {name: np.asarray(values) for name, values in arrays.items()}
    for name, array in by_name.items():
        is_measure = what == "measures"
        if array.shape[:1] != (count,) or array.dtype.kind not in "fiub" or (is_measure and array.ndim != 1):
            raise ValueError(
                f"`{what}` of {who} must hold a {'number' if is_measure else 'row'} for each of {count} images; got "
                f"{array.dtype} of shape {array.shape} as {name!r}."
            )
        if is_measure and name in COLUMNS:
            raise ValueError(f"`measures` of {who} must not be called {name!r}, as a result's own column is.")
    return by_name


def explained(
    model: ModelAdapter, score: Score, outputs: Outputs
) -> tuple[
    list[Prediction],
    list[tuple[str, int | None, float | None]],
    list[tuple[tuple[str, float], ...]],
    list[tuple[int, ...]],
]:
    """Return what the model predicts, the name, class and probability of what is explained, the top classes and their indices."""
    if score.is_part:
        names = [str(name) for name in score.names]
        return [Prediction(None, name, None) for name in names], [(name, None, None) for name in names], [], []
    indices, values, is_probability = model.class_outputs(outputs, score.output)
    head = model.head(model.output_name(score.output))
    predictions = model.named_predictions(indices, values, is_probability, output=head.output)
    targets: list[tuple[str, int | None, float | None]] = []
    for row, name, index in zip(values, score.names, score.classes, strict=True):
        probability = float(row[index]) if is_probability and index is not None else None
        targets.append((name or head.names[int(index or 0)], index if head.is_classes else None, probability))
    if not is_probability and not head.is_classes:
        return predictions, targets, [], []
    # The five largest first, and only those sorted: of a thousand classes, half a millisecond per batch.
    rows, ranks = np.arange(len(values)), -values
    ranks[rows, indices] = np.nextafter(ranks[rows, indices], -np.inf)  # of equals the predicted class comes first
    some = np.sort(
        np.argpartition(ranks, min(NUM_TOP_CLASSES, values.shape[1]) - 1, axis=1)[:, :NUM_TOP_CLASSES], axis=1
    )
    order = np.argsort(np.take_along_axis(ranks, some, axis=1), axis=1, kind="stable")
    best = np.take_along_axis(some, order, axis=1)
    top = [tuple((head.names[int(i)], float(row[i])) for i in order) for row, order in zip(values, best, strict=True)]
    ranked = [tuple(map(int, order)) for order in best]
    return predictions, targets, top if is_probability else [], ranked if head.is_classes else []
