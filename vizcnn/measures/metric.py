"""What is known of a registered metric, and what its function returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Self

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.errors import Note
from vizcnn.registry import Registered
from vizcnn.targets.score import Score

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
    asks : frozenset of str, default none
        What it takes beside the maps: "again", "regions".

    Examples
    --------
    >>> from vizcnn.measures import registry
    >>> registry.get("deletion").better
    'low'
    """

    better: Better
    asks: frozenset[str] = frozenset()

    @property
    def kind(self) -> str:
        """See `Registered.kind`."""
        return "metric"


@dataclass(frozen=True)
class Again:
    """Asks the method whose maps are measured once more, with the same options.

    By another model, of other inputs, for another score, or by another seed.

    Attributes
    ----------
    run : callable
        ``run(inputs, score, model=, seed=)`` of the method.
    inputs : ndarray, shape (N, H, W, C)
        The images.
    score : Score
        What was explained, predicted classes settled.
    seeded : bool
        Whether the method draws random numbers by a seed; one that doesn't gives the same maps by all.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.measures.metric import Again
    >>> def doubled(inputs, score, *, model=None, seed=None):
    ...     return 2 * inputs[..., 0]
    >>> again = Again(doubled, np.ones((1, 4, 4, 1)), None)
    >>> again().mean(), again(inputs=np.zeros((1, 4, 4, 1))).mean()
    (np.float64(2.0), np.float64(0.0))
    """

    run: Callable[..., np.ndarray]
    inputs: np.ndarray
    score: Score
    seeded: bool = False

    def __call__(
        self,
        *,
        model: ModelAdapter | None = None,
        inputs: np.ndarray | None = None,
        score: Score | None = None,
        seed: int | None = None,
    ) -> np.ndarray:
        """Return maps; what isn't given is as it was.

        Returns
        -------
        ndarray of float32, shape (N, H, W)

        Raises
        ------
        CapabilityError
            If the other model can't answer what the method needs.
        """
        inputs = self.inputs if inputs is None else inputs
        return self.run(inputs, self.score if score is None else score, model=model, seed=seed)


@dataclass(frozen=True)
class MetricBatch:
    """What a metric returns for the maps of one batch.

    Attributes
    ----------
    values : ndarray, shape (N,)
        A number for each map.
    extras : mapping of str to ndarray of shape (N, ...), default {}
        What the numbers were made of, such as a curve.
    undefined : mapping of str to ndarray of bool, shape (N,), default {}
        Why some maps have no number ("the map is the same everywhere"), to which they are; their number is NaN, whatever it was,
        and a note of the result says so.
    notes : tuple of Note, default ()
        What else the reader should know.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.measures.metric import MetricBatch
    >>> MetricBatch(np.array([0.2, 0.4])).values.shape
    (2,)
    """

    values: np.ndarray
    extras: Mapping[str, np.ndarray] = field(default_factory=dict)
    undefined: Mapping[str, np.ndarray] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    @classmethod
    def none(cls, count: int, reason: str) -> Self:
        """Return no number for each of some maps, and why.

        Parameters
        ----------
        count : int
            How many maps.
        reason : str
            Why they have none.

        Returns
        -------
        MetricBatch

        Examples
        --------
        >>> from vizcnn.measures.metric import MetricBatch
        >>> MetricBatch.none(2, "the model has no weights").values
        array([nan, nan])
        """
        return cls(np.full(count, np.nan), undefined={reason: np.ones(count, dtype=bool)})
