"""Metrics at work on the maps of any method: their numbers become measures of the result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.baselines import with_images
from vizcnn.errors import Note
from vizcnn.measures import registry
from vizcnn.measures.metric import Again, Metric, MetricBatch
from vizcnn.measures.trust import TrustOfBatch, notes_on_likeness
from vizcnn.notes import join_notes
from vizcnn.registry import asked_names, is_one
from vizcnn.results import Attributions
from vizcnn.results.collect import checked_rows
from vizcnn.targets.score import Score

_MISSING = {
    "again": "the map was given, and the method that made it can't be asked again",
    "regions": "no region is known",
}

Asked = str | tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class MetricCall:
    """A metric as it was asked for.

    Attributes
    ----------
    name : str
        With its options, as in "deletion:num_steps=50"; so its numbers are called.
    metric : Metric
        The metric.
    options : dict
        All its options.
    """

    name: str
    metric: Metric
    options: dict[str, Any]


def read_metrics(metrics: Sequence[Asked] | Asked) -> list[MetricCall]:
    """Read metrics, each once.

    Parameters
    ----------
    metrics : str, (str, dict), or a sequence of these
        As `explain` takes them.

    Returns
    -------
    list of MetricCall

    Raises
    ------
    MethodError, OptionError
        If there is no such metric or option.
    """
    asked: list[Any] = [metrics] if is_one(metrics) else list(metrics)
    parsed = [registry.INSTALLED.parse(one) for one in asked]
    names = asked_names(asked)
    calls = {
        name: MetricCall(name, metric, metric.checked_options(options))
        for name, (metric, options) in zip(names, parsed, strict=True)
    }
    return list(calls.values())


def measured(
    result: Attributions,
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    calls: Sequence[MetricCall],
    *,
    method: Callable[..., np.ndarray] | None = None,
    seeded: bool = False,
    regions: np.ndarray | None = None,
) -> Attributions:
    """Return a result with what metrics say of its maps.

    Parameters
    ----------
    result : Attributions
        The maps of one batch.
    model : ModelAdapter
        The model.
    inputs : ndarray, shape (N, H, W, C)
        The images, as the model takes them.
    score : Score
        What was explained.
    calls : sequence of MetricCall
        The metrics.
    method : callable, default None
        ``method(inputs, score, model=, seed=)``, the maps that the method makes of these; None: the maps were given.
    seeded : bool, default False
        Whether the method heeds a seed.
    regions : ndarray of bool, shape (N, H, W), default None
        Where in each image the object is, as the model sees it.

    Returns
    -------
    Attributions
        Where the maps lie nowhere in their images, a note says that nothing was measured; where one has no number by a metric,
        that is NaN, and a note of the kind "undefined" says why.

    Raises
    ------
    ValueError
        If a metric returns something else than a number for each map.
    """
    if not calls:
        return result
    if result.alone:
        return replace(result, notes=(*result.notes, _unmeasured(result, ", ".join(call.name for call in calls))))
    if score.open_choices:
        score = model.with_predicted_classes(inputs, score, model.outputs(inputs))
    maps = np.stack([result.map(index) for index in range(len(result))])
    measures, extras, notes = dict(result.measures), dict(result.extras), list(result.notes)
    again = None if method is None else Again(method, inputs, score, seeded)
    for call in calls:
        who = f"metric {call.metric.name!r}"
        answer = _answer(call, model, inputs, score, maps, again=again, regions=regions)
        values = checked_rows("measures", {call.name: answer.values}, len(inputs), who)[call.name].astype(np.float32)
        undefined = checked_rows("extras", answer.undefined, len(inputs), who)
        known = np.logical_or.reduce([*undefined.values(), np.zeros(len(inputs), dtype=bool)])
        for reason, which in {**undefined, "it came out as no finite number": ~np.isfinite(values) & ~known}.items():
            if which.any():
                template = f"{call.name} is undefined for the map of {{images}}: {reason}."
                notes.append(Note.about(np.flatnonzero(which).tolist(), result.image_names, "undefined", template))
        measures[call.name] = np.where(known | ~np.isfinite(values), np.float32(np.nan), values)
        named = {f"{call.name} {name}": array for name, array in answer.extras.items()}
        extras |= checked_rows("extras", named, len(inputs), who)
        notes += answer.notes
    return replace(result, measures=measures, extras=extras, notes=join_notes([(0, notes)], result.image_names))


def _answer(
    call: MetricCall, model: ModelAdapter, inputs: np.ndarray, score: Score, maps: np.ndarray, **known: Any
) -> MetricBatch:
    """Return what a metric says of maps, given what it asks for beside them."""
    asked = {name: known[name] for name in call.metric.asks}
    missing = [_MISSING[name] for name, value in asked.items() if value is None]
    if missing:
        return MetricBatch.none(len(inputs), missing[0])
    options = with_images(call.options, model, inputs.shape[1:])
    answer: MetricBatch = call.metric.run(model, inputs, score, maps, **asked, **options)
    return answer


def trusted(
    result: Attributions, trust: TrustOfBatch, *, method: Callable[..., np.ndarray], seeded: bool = False
) -> Attributions:
    """Return a result with how far its maps can be trusted.

    Parameters
    ----------
    result : Attributions
        The maps of one batch.
    trust : TrustOfBatch
        What measures them.
    method, seeded
        As `measured` takes them.

    Returns
    -------
    Attributions
        Where the maps lie nowhere in their images, a note says that nothing was measured.
    """
    calls = [replace(call, name=call.metric.name) for call in read_metrics(trust.metrics(result.measures))]
    result = measured(result, trust.model, trust.inputs, trust.score, calls, method=method, seeded=seeded)
    if result.alone:
        return result
    maps = np.stack([result.map(index) for index in range(len(result))])
    measures, extras = trust.measure(maps, result.measures)
    result = replace(result, measures=result.measures | measures, extras=result.extras | extras)
    notes = [*result.notes, *notes_on_likeness(result.measures, result.image_names)]
    return replace(result, notes=join_notes([(0, notes)], result.image_names))


def _unmeasured(result: Attributions, what: str) -> Note:
    text = f"The maps of layer {result.layer!r} lie nowhere in the images, so they were not measured: {what}."
    return Note(text, "unmeasured")


def meanings_of(measures: Iterable[str]) -> dict[str, str]:
    """Return what the numbers of metrics mean, by what they are called; other measures are left out."""
    called = {name: name.partition(":")[0] for name in measures}
    known = registry.metrics()
    return {name: registry.get(metric).interpretation for name, metric in called.items() if metric in known}
