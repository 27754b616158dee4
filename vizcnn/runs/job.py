"""A run as it was asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from vizcnn.adapter import ModelAdapter
from vizcnn.measures.run import MetricCall, read_metrics
from vizcnn.runs.layout import RunFolder
from vizcnn.runs.manifest import digest_of_files, plain
from vizcnn.runs.plan import Plan
from vizcnn.runs.rows import predictions_of
from vizcnn.runs.sampling import sampled
from vizcnn.runs.source import Source
from vizcnn.stream import MethodCall, read_methods
from vizcnn.targets import Class


@dataclass(frozen=True)
class Job:
    """A run as it was asked for; it travels to other processes, where its model is a file.

    Attributes
    ----------
    open_model : callable
        Returns the model's adapter.
    model_file : Path or None
        The file of the model, where it is one.
    source : Source
        The images.
    out : Path or str
        The folder of the run, as `place_of` returns it.
    methods : tuple or None
        As they were named; None: nothing is explained, only predicted.
    metrics : tuple
        As they were named.
    target, layer : optional
        What is explained, and by which layer.
    shard_size : int
        Images of one file.
    sample : int or None
        How many images are taken; None: all.
    sample_by : {"class", "confidence", "mistakes"}
        What these are taken by.
    read_target : callable or None
        Makes a target of `target` and the model, where it was typed.
    names : sequence of str or None
        What the model's classes are called, where that is known before it is loaded.
    """

    open_model: Callable[[], ModelAdapter]
    model_file: Path | None
    source: Source
    out: Path | str
    methods: tuple[Any, ...] | None
    metrics: tuple[Any, ...] = ()
    target: Any = None
    layer: str | None = None
    shard_size: int = 1024
    sample: int | None = None
    sample_by: str = "class"
    read_target: Callable[[Any, ModelAdapter], Any] | None = None
    names: Sequence[str] | None = None

    @property
    def folder(self) -> RunFolder:
        """The folder of the run."""
        return RunFolder(self.out)

    @property
    def verb(self) -> str:
        """What is done to its images."""
        return "predict" if self.methods is None else "explain"

    def calls(self) -> list[MethodCall]:
        """Return the methods."""
        return [] if self.methods is None else read_methods(self.methods, self.layer)

    def metric_calls(self) -> list[MetricCall]:
        """Return the metrics."""
        return read_metrics(self.metrics)

    def plan(self, listed: Plan | None = None) -> Plan:
        """Say which image comes when: of the source's, which are listed if they aren't yet, those of the sample."""
        plan = listed or Plan.of(self.source, self.shard_size)
        if self.sample is None:
            return plan
        predicted = None if self.survey is None else predictions_of(self.survey.folder)
        return plan.taken(sampled(plan.at_random, plan.listing, predicted, self.sample_by, self.sample))

    @property
    def survey(self) -> Job | None:
        """The run of predictions by which the sample is taken, in a folder of its own inside; None where none is needed."""
        if self.sample is None or self.sample_by == "class":
            return None
        out = self.folder.predictions.path
        return Job(self.open_model, self.model_file, self.source, out, None, shard_size=self.shard_size)

    @cached_property
    def _file_digest(self) -> str | None:
        return None if self.model_file is None else digest_of_files(self.model_file)

    def known(self, plan: Plan | None = None) -> dict[str, Any]:
        """Return what its manifest says, as far as that is known before the model is loaded, and before its images are listed."""
        calls, metrics = self.calls(), self.metric_calls()
        return {
            "model": {"sha256": self._file_digest} if self.model_file is not None else {},
            "source": {**self.source.about, **({} if plan is None else {"digest": plan.digest})},
            "settings": {
                "methods": {call.name: plain(call.options) for call in calls},
                "metrics": {call.name: plain(call.options) for call in metrics},
                "target": _plain_target(self.target),
                "sample": self.sample,
                "sample_by": self.sample_by,
                "shard_size": self.shard_size,
            },
        }


def _plain_target(target: Any) -> Any:
    """Return a target as a manifest gives it back, where it can: a class in its short form."""
    if isinstance(target, Class):
        target = target.index if target.output is None else {target.output: target.index}
    return plain(target)
