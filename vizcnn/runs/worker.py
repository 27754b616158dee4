"""What a process does for a run: with the model ready, it explains the images of one shard after another."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from vizcnn.adapter import ModelAdapter
from vizcnn.errors import InputError
from vizcnn.runs.adapting import files_of, known_of
from vizcnn.runs.explaining import Answers, Explainer
from vizcnn.runs.images import LoadedImage, Reader, read_ahead
from vizcnn.runs.job import Job
from vizcnn.runs.journal import Journal
from vizcnn.runs.labels import Labels
from vizcnn.runs.manifest import SCHEMA_VERSION, Manifest
from vizcnn.runs.maps import write_maps
from vizcnn.runs.plan import Plan
from vizcnn.runs.rows import journal_schema, maps_column, maps_of, write_rows
from vizcnn.runs.source import Entry
from vizcnn.runs.writer import Writer
from vizcnn.targets import resolve

_TRIED = 100
"""Images that are tried to find the first ones that can be read."""

_TIMED = 32
"""Batches of a run from which on one is explained to tell how long all of them take."""


@dataclass(frozen=True)
class Batch:
    """A batch of a shard; without images, where the shard only has to be written."""

    shard: int
    journal: Journal
    places: range


@dataclass(frozen=True)
class Worker:
    """A process's part in a run: the model ready, and the images that it is asked about.

    Attributes
    ----------
    job : Job
        What was asked for.
    plan : Plan
        The images by their places.
    explainer : Explainer
        The model, and what it is asked.
    sample_shape : tuple of int
        Shape (H, W, C) of its inputs.
    """

    job: Job
    plan: Plan
    explainer: Explainer
    sample_shape: tuple[int, ...]

    @classmethod
    def of(cls, job: Job, plan: Plan, open_shape: tuple[int, ...] | None = None) -> Worker:
        """Load the model, and get it ready for the images.

        Parameters
        ----------
        job : Job
            What was asked for.
        plan : Plan
            The images by their places.
        open_shape : tuple of int, default None
            Shape (H, W, C) of the inputs of a model that leaves it open; None: that of the first image.

        Returns
        -------
        Worker

        Raises
        ------
        InputError, TargetError
            If none of the first images can be read, or the labels, or a target, mean nothing to the model.
        """
        model = job.open_model()
        shape = cls._shape(job, plan, model, open_shape)
        model.prepare(shape)
        labels = _labels(plan, model)
        _check_targets(plan, model)
        target = job.target if job.read_target is None else job.read_target(job.target, model)
        size = min(model.batch_size_for(shape), len(plan), plan.shard_size)
        explainer = Explainer(model, job.calls(), job.metric_calls(), target, labels, size)
        return cls(job, plan, explainer, shape)

    @staticmethod
    def _shape(job: Job, plan: Plan, model: ModelAdapter, open_shape: tuple[int, ...] | None) -> tuple[int, ...]:
        shape = model.input_shape
        if shape and None not in shape:
            return tuple(size for size in shape if size is not None)
        if open_shape is not None:
            return open_shape
        return _first(Reader(job.source, model, shape), plan, 1)[0][1].images.sample_shape

    @property
    def reader(self) -> Reader:
        """What reads the images."""
        return Reader(self.job.source, self.explainer.model, self.sample_shape)

    def known(self) -> dict[str, Any]:
        """Return what the manifest says of the model and the settings, now that the model is loaded."""
        known, of_model = self.job.known(self.plan), self._of_model
        settings = {
            **known["settings"],
            "target_files": files_of(self.explainer.target) or None,
            "batch_size": self.explainer.batch_size,
            "input_shape": list(self.sample_shape),
            **of_model["settings"],
        }
        return {**known, **of_model, "model": {**of_model["model"], **known["model"]}, "settings": settings}

    @cached_property
    def _of_model(self) -> dict[str, Any]:
        return known_of(self.explainer.model, is_file=self.job.model_file is not None, with_weights=False)

    def manifest(self) -> tuple[Manifest, float]:
        """Explain a few images, and return the manifest of the run, and how long a batch takes, in seconds.

        Returns
        -------
        (Manifest, float)

        Raises
        ------
        InputError
            If none of the first images can be read.
        VizcnnError
            If a method doesn't work on this model.
        """
        few = _first(self.reader, self.plan, self.explainer.batch_size)
        entries, images = [entry for entry, _ in few], [image for _, image in few]
        layouts = self.explainer.layouts(images, entries)
        start = time.monotonic()
        if len(self.plan) > _TIMED * self.explainer.batch_size:  # what is compiled is compiled now
            self.explainer.batch(0, entries, images, layouts).record_batch()
        seconds = time.monotonic() - start
        about = {
            "schema": SCHEMA_VERSION,
            "complete": False,
            **self.known(),
            "maps": {method: layout.to_dict() for method, layout in layouts.items()},
            "counts": {"images": len(self.plan)},
        }
        if self.job.model_file is not None:
            of_file = known_of(self.explainer.model, is_file=True)["model"]
            about["model"] = {**of_file, **about["model"], "file": str(self.job.model_file.absolute())}
        return Manifest(about), seconds

    def work(self, manifest: Manifest, shards: Sequence[int]) -> Iterator[int]:
        """Work on shards that aren't finished and that nobody else works on.

        Parameters
        ----------
        manifest : Manifest
            The run.
        shards : sequence of int
            Which.

        Yields
        ------
        int
            How many images were explained, after each batch.
        """
        layouts = manifest.layouts
        opened: list[Journal] = []
        try:
            batches = self._batches(manifest, shards, opened)
            with Writer() as writer:
                for batch, read, rows in read_ahead(batches, self.reader, self.explainer.batch_size):
                    answers = None
                    if read:
                        entries = self.plan.listing.entries(batch.places)
                        answers = self.explainer.batch(batch.places.start, entries, read, layouts, rows)
                    yield from writer.put(partial(self._write, batch, answers, manifest, opened))
                yield from writer.rest()
        finally:
            for journal in opened:
                journal.close()

    def _write(self, batch: Batch, answers: Answers | None, manifest: Manifest, opened: list[Journal]) -> int:
        """Write what is answered to a batch, and its shard, where it is the last one; return how many images it has."""
        if answers is not None:
            batch.journal.append(answers.record_batch())
        if batch.journal.count == self._num_batches(batch.shard):
            self._finish(batch, manifest)
            opened.remove(batch.journal)  # first, so that it isn't closed, and kept, where the removal fails
            batch.journal.close(remove=True)
        return len(batch.places)

    def _num_batches(self, shard: int) -> int:
        return -(-len(self.plan.shard(shard)) // self.explainer.batch_size)

    def _batches(
        self, manifest: Manifest, shards: Sequence[int], opened: list[Journal]
    ) -> Iterator[tuple[Batch, list[Entry]]]:
        folder, schema, size = self.job.folder, journal_schema(manifest.layouts.values()), self.explainer.batch_size
        for shard in shards:
            if folder.is_finished(shard):
                continue
            journal = Journal.claim(folder, shard, schema, self._num_batches(shard))
            if journal is None:
                continue
            opened.append(journal)
            if folder.is_finished(shard):  # in between
                opened.remove(journal)
                journal.close(remove=True)
                continue
            places = self.plan.shard(shard)
            starts = places[::size][journal.count :]
            for start in starts:
                part = range(start, min(start + size, places.stop))
                yield Batch(shard, journal, part), self.plan.listing.entries(part)
            if not starts:
                yield Batch(shard, journal, places[:0]), []

    def _finish(self, batch: Batch, manifest: Manifest) -> None:
        """Write the files of a shard; that of its rows last, since it says that the shard is finished."""
        table, folder = batch.journal.table(), self.job.folder
        for layout in manifest.layouts.values():
            maps = maps_of(table, layout)
            write_maps(folder, layout, maps, batch.shard, manifest.count, manifest.shard_size)
            table = table.drop_columns(maps_column(layout))
        write_rows(folder, batch.shard, table.combine_chunks())


def _first(reader: Reader, plan: Plan, count: int) -> list[tuple[Entry, LoadedImage]]:
    """Return the first images that can be read, as many as that, or some."""
    found: list[tuple[Entry, LoadedImage]] = []
    reason = ""
    for place in range(min(len(plan), count + _TRIED)):
        entry = plan.listing[place]
        read = reader(entry)
        if isinstance(read, LoadedImage):
            found.append((entry, read))
        else:
            reason = reason or read.reason
        if len(found) == count:
            break
    if not found:
        raise InputError(f"None of the first {place + 1} images of `source` can be read: {reason}")
    return found


def _labels(plan: Plan, model: ModelAdapter) -> Labels:
    head = model.head(model.output_name(None))
    return plan.labels(head.names, named=model.labels is not None) if head.is_classes else Labels()


def _check_targets(plan: Plan, model: ModelAdapter) -> None:
    """Make sure that the model has what the source names as targets."""
    if targets := plan.listing.targets:
        resolve(targets, model, len(targets))
