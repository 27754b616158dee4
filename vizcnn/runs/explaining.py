"""What a run says of a batch of its images: a row of each, and its maps; always computed in batches of one size.

An image's numbers depend on the images beside it by rounding alone. Even that is the same however often a run is stopped, since
the images of each batch are settled by its plan: one that can't be read, and what a last batch lacks, is filled up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from vizcnn.adapter import ModelAdapter
from vizcnn.errors import VizcnnError
from vizcnn.measures.run import MetricCall
from vizcnn.results import Attributions
from vizcnn.runs.images import DecodedSet, LoadedImage, UnreadImage
from vizcnn.runs.labels import Labels
from vizcnn.runs.layout import MapLayout, scaled, stems_of
from vizcnn.runs.rows import batch_of, journal_schema, maps_column
from vizcnn.runs.source import Entry
from vizcnn.runs.statistics import statistics
from vizcnn.stream import Failure, MethodCall, stream


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
    ) -> pa.RecordBatch:
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

        Returns
        -------
        RecordBatch
            As journals hold it.
        """
        rows = [self._about(start + at, entry, one) for at, (entry, one) in enumerate(zip(entries, read, strict=True))]
        good = [at for at, one in enumerate(read) if isinstance(one, LoadedImage)]
        if good:
            spare = good[0]  # stands where an image is missing
            known = [at if at in set(good) else spare for at in range(len(read))]
            images = self._filled([read[at] for at in known])  # type: ignore[misc]
            if not self.calls:
                for at, predicted in enumerate(self._predicted(images)[: len(read)]):
                    rows[at] = {**predicted, **rows[at]} if isinstance(read[at], LoadedImage) else rows[at]
            results, failures = self._explained(images, self._target([entries[at] for at in known]), self.calls)
            for method, result in results.items():
                for at, fields in zip(range(len(read)), _fields(result, layouts[method]), strict=False):
                    if isinstance(read[at], LoadedImage):
                        rows[at] = {**fields, **rows[at]}
            for method in failures:  # perhaps by one of the images
                for at in good:
                    alone = self._alone(method, read[at], entries[at])  # type: ignore[arg-type]
                    if isinstance(alone, Failure):
                        rows[at] |= {f"{method}.error": alone.reason}
                    else:
                        rows[at] = {**next(_fields(alone, layouts[method])), **rows[at]}
        return batch_of(rows, journal_schema(layouts.values()))

    def _about(self, index: int, entry: Entry, read: LoadedImage | UnreadImage) -> dict[str, Any]:
        return {
            "index": index,
            "path": entry.key.encode("utf-8", "backslashreplace").decode(),
            "sha256": read.sha256,
            "label": entry.label,
            "label_class": self.labels.index(entry.label),
            "error": read.reason if isinstance(read, UnreadImage) else None,
        }

    def _filled(self, read: Sequence[LoadedImage]) -> DecodedSet:
        """Return a full batch: these images, and the first one in place of what is missing."""
        images = [one.images for one in read]
        return DecodedSet.of_images([*images, *images[:1] * (self.batch_size - len(images))])

    def _predicted(self, images: DecodedSet) -> list[dict[str, Any]]:
        """Return what is said of each image where nothing is explained."""
        output = self.model.output_name(None)
        found = self.model.predictions(self.model.outputs(images.inputs(slice(None))), output)
        return [
            {"prediction": one.label, "predicted_class": one.index, "probability": one.probability} for one in found
        ]

    def _target(self, entries: Sequence[Entry]) -> Any:
        own = [entry.target for entry in entries]
        if all(target is None for target in own):
            return self.target
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


def _fields(result: Attributions, layout: MapLayout) -> Iterator[dict[str, Any]]:
    """Yield what is said of each image and its map."""
    full = np.stack([result.map(index) for index in range(len(result))])
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
    ranks = result.top_indices or ((),) * len(result)
    for at, predicted in enumerate(result.predictions):
        yield {
            "target": result.target[at],
            "target_class": result.classes[at],
            "target_probability": result.probabilities[at],
            "score": float(result.scores[at]),
            "prediction": predicted.label,
            "predicted_class": predicted.index,
            "probability": predicted.probability,
            "top_labels": [label for label, _ in top[at]],
            "top_classes": list(ranks[at]),
            "top_probabilities": [probability for _, probability in top[at]],
            **{f"{layout.method}.{name}": float(values[at]) for name, values in numbers.items()},
            f"{layout.method}.notes": sorted(kinds[at]),
            maps_column(layout): shares[at].tobytes(),
        }
