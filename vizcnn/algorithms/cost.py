"""What an explanation costs, in runs of the model, told before it is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vizcnn.adapter import ModelAdapter


@dataclass(frozen=True)
class Cost:
    """How often a model is run to explain one image.

    Attributes
    ----------
    runs : int
        Runs forwards.
    gradients : int
        Runs forwards and back.

    Examples
    --------
    >>> from vizcnn.algorithms.cost import Cost
    >>> str(Cost(1000)), str(Cost(gradients=50)), str(Cost(2, 1)), Cost(gradients=50).seconds(0.01)
    ('1,000 runs', '50 runs and back', '2 runs, and 1 and back', 1.5)
    """

    runs: int = 0
    gradients: int = 0

    def __str__(self) -> str:
        forwards = f"{self.runs:,} run{'s' * (self.runs != 1)}" if self.runs or not self.gradients else ""
        if not self.gradients:
            return forwards
        return (
            f"{forwards}, and {self.gradients:,} and back"
            if forwards
            else f"{self.gradients:,} run{'s' * (self.gradients != 1)} and back"
        )

    def __mul__(self, times: int) -> Cost:
        return Cost(self.runs * times, self.gradients * times)

    def seconds(self, run: float) -> float:
        """Return how long it takes.

        Parameters
        ----------
        run : float
            Seconds that a run forwards takes; one back takes about twice as long.

        Returns
        -------
        float

        Examples
        --------
        >>> from vizcnn.algorithms.cost import Cost
        >>> Cost(runs=1000).seconds(0.005)
        5.0
        """
        return run * (self.runs + (1 + _BACK) * self.gradients)


_BACK = 2
"""Runs forwards that a run back takes as long as."""

GRADIENT = Cost(gradients=1)
"""Of a method that takes one gradient."""

Costs = Cost | Callable[[ModelAdapter, Sequence[int], Mapping[str, Any]], Cost]
"""A cost; or what gives it of a model, the shape (H, W, C) of an input, and all options."""


def runs_by(option: str) -> Callable[[ModelAdapter, Sequence[int], Mapping[str, Any]], Cost]:
    """Return the cost of a method that runs the model as often as an option says."""
    return lambda model, shape, options: Cost(int(options[option]))


def gradients_by(
    option: str, times: int = 1, more: int = 0
) -> Callable[[ModelAdapter, Sequence[int], Mapping[str, Any]], Cost]:
    """Return the cost of a method that takes as many gradients as an option says, so many times, and some more."""
    return lambda model, shape, options: Cost(gradients=times * int(options[option]) + more)


def channels_of(model: ModelAdapter, layer: str | None) -> int:
    """Return how many channels a layer has; where none is named, the last one that has a map."""
    named = None if layer is None else model.layer(layer)
    maps = [info for info in model.layers if info.is_spatial and info.output_shape and not info.is_container]
    found = named or (maps[-1] if maps else None)
    return int(found.output_shape[-1] or 1) if found is not None and found.output_shape else 1
