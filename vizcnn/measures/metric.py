"""What is known of a registered metric, and what its function returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from vizcnn.registry import Registered

Better = Literal["low", "high"]


@dataclass(frozen=True)
class Metric(Registered):
    """A registered metric.

    Attributes
    ----------
    name : str
        What it is asked for by.
    run : callable
        The function: adapter, batch of inputs, score, maps, then the options.
    needs : frozenset of str
        What the model must be able to answer, of `ModelAdapter.capabilities`.
    options : mapping
        Names of the options to their defaults.
    summary : str
        First line of its documentation.
    interpretation : str
        What its numbers mean and what not, in plain words.
    module : str
        The one that it comes from.
    better : {"low", "high"}
        Which numbers speak for a map.

    Examples
    --------
    >>> from vizcnn.measures import registry
    >>> registry.get("deletion").better
    'low'
    """

    better: Better

    @property
    def kind(self) -> str:
        """See `Registered.kind`."""
        return "metric"


@dataclass(frozen=True)
class MetricBatch:
    """What a metric returns for the maps of one batch.

    Attributes
    ----------
    values : ndarray, shape (N,)
        A number for each map.
    extras : mapping of str to ndarray of shape (N, ...), default {}
        What the numbers were made of, such as a curve.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.measures.metric import MetricBatch
    >>> MetricBatch(np.array([0.2, 0.4])).values.shape
    (2,)
    """

    values: np.ndarray
    extras: Mapping[str, np.ndarray] = field(default_factory=dict)
