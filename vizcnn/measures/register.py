"""The decorator that makes a metric of a function of an adapter, a batch, a score and the maps."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from typing import TypeVar

from vizcnn.measures import registry
from vizcnn.measures.metric import Better, Metric
from vizcnn.registry import described

ASKED = frozenset({"again", "regions"})
"""Names of parameters that a metric may have beside the maps."""

Run = TypeVar("Run", bound=Callable[..., object])


def register_metric(name: str, *, better: Better, needs: Collection[str] = ()) -> Callable[[Run], Run]:
    """Register a metric.

    Parameters
    ----------
    name : str
        What it is asked for by; unique among all metrics.
    better : {"low", "high"}
        Which numbers speak for a map.
    needs : collection of str, default ()
        What it asks of a model; see `register`.

    Returns
    -------
    callable
        A decorator. The function that it takes has the arguments ``(model, inputs, score, maps, *, options...)``: a
        `ModelAdapter`, a batch (N, H, W, C), the `Score` of that batch, whose predicted classes are settled, and the maps
        (N, H, W); it returns a `vizcnn.measures.metric.MetricBatch`. Where it has the parameter ``again`` too, it is given a
        `vizcnn.measures.metric.Again`, which asks the method once more; where it has ``regions``, the regions that the user gave,
        bool (N, H, W), of which none holds a pixel where an image has no region.

    Raises
    ------
    MethodError
        If the name is taken.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> from vizcnn.measures.metric import MetricBatch
    >>> @vz.register_metric("share in the middle", better="high")
    ... def in_the_middle(model, inputs, score, maps):
    ...     '''Return how much of a map lies in its middle.'''
    ...     maps = np.abs(maps)
    ...     return MetricBatch(maps[:, 7:21, 7:21].sum(axis=(1, 2)) / maps.sum(axis=(1, 2)))
    >>> digits = vz.assets.digits()[3]
    >>> explained = vz.explain(vz.assets.digits_cnn(), digits, methods="saliency", metrics="share in the middle")
    >>> explained["saliency"].measures["share in the middle"].round(1)
    array([0.4], dtype=float32)
    """

    def decorate(run: Run) -> Run:
        parameters = inspect.signature(run).parameters.values()
        summary, interpretation = described(inspect.getdoc(run) or "")
        registry.INSTALLED.add(
            Metric(
                name=name,
                run=run,
                needs=frozenset(needs),
                options={p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY},
                summary=summary,
                interpretation=interpretation,
                module=run.__module__,
                better=better,
                asks=frozenset(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD) & ASKED,
            )
        )
        return run

    return decorate
