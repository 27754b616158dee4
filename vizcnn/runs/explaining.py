"""What a run says of a batch of its images: a row of each, and its maps; always computed in batches of one size.

An image's numbers depend on the images beside it by rounding alone. Even that is the same however often a run is stopped, since
the images of each batch are settled by its plan: one that can't be read, and what a last batch lacks, is filled up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from vizcnn.adapter import ModelAdapter
from vizcnn.adapter.base import Prediction
from vizcnn.errors import VizcnnError
from vizcnn.measures.run import MetricCall
from vizcnn.results import Attributions
from vizcnn.runs.images import DecodedSet, LoadedImage, UnreadImage
from vizcnn.runs.labels import Labels
from vizcnn.runs.layout import MapLayout, scaled, stems_of
from vizcnn.runs.rows import Columns, journal_schema, maps_column
from vizcnn.runs.source import Entry, as_written
from vizcnn.runs.statistics import statistics
from vizcnn.stream import Failure, MethodCall, stream


class Said(NamedTuple):
    """What is said of some images of a batch.

    Attributes
    ----------
    found : dict or (str, Attributions)
        Columns of rows, with a value for each image; or a method's result, of which they are made.
    places : list of int or None
        The images; None: all.
    of : list of int or None
        Where in the columns these are; None: at their places.
    """

    found: dict[str, list[Any]] | tuple[str, Attributions]
    places: list[int] | None = None
    of: list[int] | None = None


@dataclass(frozen=True)
class Answers:
    """What a model answers to a batch: rows are made of it without the model, and while that is at work on the next one.

    Attributes
    ----------
    layouts : mapping of str to MapLayout
        How maps are kept.
    count : int
        Images of the batch.
    said : list of Said
        The answers; of what is said twice of an image the first counts.
    """

    layouts: Mapping[str, MapLayout]
    count: int
    said: list[Said]

    def record_batch(self) -> pa.RecordBatch:
        """Return them as journals hold them."""
        table = Columns(journal_schema(self.layouts.values()), self.count)
        for found, places, of in self.said:
            columns = found if isinstance(found, dict) else _columns(found[1], self.layouts[found[0]])
            table.take(columns, places, of)
        return table.record_batch()


@dataclass(frozen=True)
class Explainer:
    """Explains batches of images.

    Attributes
    ----------
    model : ModelAdapter
        The model, made ready for the images.
    calls : sequence of MethodCall
        The methods.
    metrics : sequence of MetricCall
        What is measured of each map.
    target : optional
        What is explained of images that have no target of their own.
    labels : Labels
        How true classes are read.
    batch_size : int
        Images of each batch.
    """

    model: ModelAdapter
    calls: Sequence[MethodCall]
    metrics: Sequence[MetricCall]
    target: Any
    labels: Labels
    batch_size: int

    def layouts(self, read: Sequence[LoadedImage], entries: Sequence[Entry]) -> dict[str, MapLayout]:
        """Return how the maps of each method are kept, by explaining a few images.

        Returns
        -------
        dict of str to MapLayout

        Raises
        ------
        VizcnnError
            If a method doesn't work on this model.
        """
        results, failures = self._explained(self._filled(read), self._target(entries), self.calls)
        for method, failure in failures.items():
            alone = self._alone(method, read[0], entries[0])
            if isinstance(alone, Failure):
                raise failure.error
            results[method] = alone
        stems = stems_of([call.name for call in self.calls])
        return {call.name: _layout(results[call.name], call.name, stems[call.name]) for call in self.calls}

    def batch(
        self,
        start: int,
        entries: Sequence[Entry],
        read: Sequence[LoadedImage | UnreadImage],
        layouts: Mapping[str, MapLayout],
        rows: np.ndarray | None = None,
    ) -> Answers:
        """Explain a batch.

        Parameters
        ----------
        start : int
            The place of its first image.
        entries : sequence of Entry
            Its images.
        read : sequence of LoadedImage or UnreadImage
            What was read of them.
        layouts : mapping of str to MapLayout
            How maps are kept.
        rows : ndarray of float32, shape (batch_size, H, W, C), default None
            Where what was read lies, if that is side by side; what is missing of a full batch is filled up there.

        Returns
        -------
        Answers
            What the model answers; what a run writes of it is made without the model.
        """
        answers = Answers(layouts, len(read), [Said(self._about(start, entries, read))])
        good = [at for at, one in enumerate(read) if isinstance(one, LoadedImage)]
        if good:
            spare = good[0]  # stands where an image is missing
            known = [at if isinstance(one, LoadedImage) else spare for at, one in enumerate(read)]
            if rows is not None:
                for at in set(range(self.batch_size)).difference(good):
                    rows[at] = rows[spare]
            images = self._filled([read[at] for at in known], spare, rows)  # type: ignore[misc]
            if not self.calls:
                answers.said.append(Said(self._predicted(images), good))
            results, failures = self._explained(images, self._target([entries[at] for at in known]), self.calls)
            answers.said.extend(Said((method, result), good) for method, result in results.items())
            for method in failures:  # perhaps by one of the images
                for at in good:
                    alone = self._alone(method, read[at], entries[at])  # type: ignore[arg-type]
                    found = {f"{method}.error": [alone.reason]} if isinstance(alone, Failure) else (method, alone)
                    answers.said.append(Said(found, [at], of=[0]))
        return answers

    def _about(
        self, start: int, entries: Sequence[Entry], read: Sequence[LoadedImage | UnreadImage]
    ) -> dict[str, list[Any]]:
        return {
            "index": list(range(start, start + len(read))),
            "path": [as_written(entry.key) for entry in entries],
            "sha256": [one.sha256 for one in read],
            "label": [None if entry.label is None else as_written(entry.label) for entry in entries],
            "label_class": [self.labels.index(entry.label) for entry in entries],
            "error": [one.reason if isinstance(one, UnreadImage) else None for one in read],
        }

    def _filled(self, read: Sequence[LoadedImage], spare: int = 0, rows: np.ndarray | None = None) -> DecodedSet:
        """Return a full batch: these images, and one of them in place of what is missing."""
        images = [one.images for one in read]
        return DecodedSet.join([*images, *[images[spare]] * (self.batch_size - len(images))], rows)

    def _predicted(self, images: DecodedSet) -> dict[str, list[Any]]:
        """Return what is said of each image where nothing is explained."""
        output = self.model.output_name(None)
        found = self.model.predictions(self.model.outputs(images.inputs(slice(None))), output)
        return _of_predictions(found)

    def _target(self, entries: Sequence[Entry]) -> Any:
        if all(entry.target is None for entry in entries):
            return self.target
        own = [self.target if entry.target is None else entry.target for entry in entries]
        first = own[0]
        return [*own, *[first] * (self.batch_size - len(own))]

    def _explained(
        self, images: DecodedSet, target: Any, calls: Sequence[MethodCall]
    ) -> tuple[dict[str, Attributions], dict[str, Failure]]:
        failures: dict[str, Failure] = {}

        def on_failure(failure: Failure) -> None:
            failures[str(failure.method)] = failure

        parts: dict[str, list[Attributions]] = {}
        for batch in stream(self.model, images, target, calls, on_failure=on_failure, metrics=self.metrics):
            for method, result in batch.results.items():
                parts.setdefault(method, []).append(result)
        joined = {
            method: results[0] if len(results) == 1 else Attributions.join(results)
            for method, results in parts.items()
            if method not in failures
        }
        return joined, failures

    def _alone(self, method: str, image: LoadedImage, entry: Entry) -> Attributions | Failure:
        """Explain one image, in a batch of its own."""
        calls = [call for call in self.calls if call.name == method]
        results, failures = self._explained(self._filled([image]), self._target([entry]), calls)
        return failures[method] if failures else results[method]


def _layout(result: Attributions, method: str, stem: str) -> MapLayout:
    is_small = _keeps_raw(result)
    return MapLayout(
        method,
        stem,
        tuple(result.raw.shape[1:] if is_small else result.map(0).shape),
        "layer" if is_small else "input",
        result.layer,
        result.signed,
        tuple(result.measures),
    )


def _keeps_raw(result: Attributions) -> bool:
    """Tell whether what came before the maps were enlarged is kept: it has a value for each place, and fewer places."""
    raw, full = result.raw.shape[1:], result.map(0).shape
    return len(raw) == len(full) and all(have <= want for have, want in zip(raw, full, strict=True)) and raw != full


def _columns(result: Attributions, layout: MapLayout) -> dict[str, list[Any]]:
    """Return what is said of each image and its map."""
    is_whole = result.map(0).shape == result.values.shape[1:]
    full = result.values if is_whole else np.stack([result.map(index) for index in range(len(result))])
    kept = result.raw if layout.resolution == "layer" else full
    if kept.shape[1:] != layout.shape:
        raise VizcnnError(f"Maps of {layout.method!r} must be {layout.shape}; got {kept.shape[1:]}.")
    shares, scale = scaled(kept)
    numbers = {"scale": scale, **statistics(full), **{name: result.measures[name] for name in layout.measures}}
    kinds: list[list[str]] = [[] for _ in range(len(result))]
    for note in result.notes:
        for at in note.images or range(len(result)):
            if note.kind not in kinds[at]:
                kinds[at].append(note.kind)
    top = result.top_classes or ((),) * len(result)
    return {
        "target": list(result.target),
        "target_class": list(result.classes),
        "target_probability": list(result.probabilities),
        "score": result.scores.tolist(),
        **_of_predictions(result.predictions),
        "top_labels": [[label for label, _ in ranked] for ranked in top],
        "top_classes": list(map(list, result.top_indices or ((),) * len(result))),
        "top_probabilities": [[probability for _, probability in ranked] for ranked in top],
        **{f"{layout.method}.{name}": values.tolist() for name, values in numbers.items()},
        f"{layout.method}.notes": list(map(sorted, kinds)),
        maps_column(layout): [share.tobytes() for share in shares],
    }


def _of_predictions(predictions: Sequence[Prediction]) -> dict[str, list[Any]]:
    return {
        "prediction": [one.label for one in predictions],
        "predicted_class": [one.index for one in predictions],
        "probability": [one.probability for one in predictions],
    }
