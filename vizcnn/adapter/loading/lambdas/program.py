"""Arithmetic as a list of steps: what is read of a function's code, and what a layer computes by.

A value in a step is a number, a text, None, `Ellipsis`, a `Ref`, or a tuple, list, slice or dict of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

INPUTS, MASK = 0, 1
"""The first two values of a program, which it is given."""

_FIRST_STEP = 2


@dataclass(frozen=True)
class Ref:
    """A value that a program is given or computes, by its number."""

    number: int


@dataclass(frozen=True)
class Step:
    """A function that is called on values.

    Attributes
    ----------
    function : str
        Its name, one of `vizcnn.adapter.loading.lambdas.names`.
    args : tuple
        What it is called on.
    kwargs : mapping
        Its keywords.
    """

    function: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Program:
    """Steps, and which value is returned.

    Attributes
    ----------
    steps : tuple of Step
        What is computed, in this order.
    result : object
        What is returned, made of their values.
    """

    steps: tuple[Step, ...]
    result: Any

    def needed(self) -> Program:
        """Return it without the steps that the result doesn't need."""
        used: set[int] = set(refs(self.result))
        for number in range(len(self.steps) - 1, -1, -1):
            if number + _FIRST_STEP in used:
                used.update(refs([self.steps[number].args, dict(self.steps[number].kwargs)]))
        kept = [number for number in range(len(self.steps)) if number + _FIRST_STEP in used]
        place = {number + _FIRST_STEP: Ref(index + _FIRST_STEP) for index, number in enumerate(kept)}
        steps = tuple(
            Step(step.function, renumbered(step.args, place), renumbered(dict(step.kwargs), place))
            for step in (self.steps[number] for number in kept)
        )
        return Program(steps, renumbered(self.result, place))

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        steps = [[step.function, _written(list(step.args)), _written(dict(step.kwargs))] for step in self.steps]
        return {"steps": steps, "result": _written(self.result)}

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> Program:
        """Read what `to_json` wrote."""
        steps = tuple(Step(name, tuple(_read(args)), _read(kwargs)) for name, args, kwargs in config["steps"])
        return cls(steps, _read(config["result"]))


def next_ref(steps: list[Step]) -> Ref:
    """Return what the last of some steps computes."""
    return Ref(len(steps) - 1 + _FIRST_STEP)


def refs(value: Any) -> Iterator[int]:
    """Yield the numbers of all values that a value is made of."""
    if isinstance(value, Ref):
        yield value.number
    for part in _parts(value):
        yield from refs(part)


def is_computed(value: Any) -> bool:
    """Tell whether a value is one that a program is given or computes, or is made of such."""
    return next(refs(value), None) is not None


def renumbered(value: Any, place: Mapping[int, Any]) -> Any:
    """Return a value with others in place of its `Ref`s."""
    if isinstance(value, Ref):
        return place.get(value.number, value)
    if isinstance(value, slice):
        return slice(*(renumbered(part, place) for part in _parts(value)))
    if isinstance(value, tuple | list):
        return type(value)(renumbered(part, place) for part in value)
    if isinstance(value, dict):
        return {key: renumbered(part, place) for key, part in value.items()}
    return value


def _parts(value: Any) -> tuple[Any, ...]:
    if isinstance(value, slice):
        return value.start, value.stop, value.step
    if isinstance(value, tuple | list):
        return tuple(value)
    return tuple(value.values()) if isinstance(value, dict) else ()


def _written(value: Any) -> Any:
    if isinstance(value, Ref):
        return {"value": value.number}
    if value is Ellipsis:
        return {"ellipsis": None}
    if isinstance(value, slice):
        return {"slice": [_written(part) for part in _parts(value)]}
    if isinstance(value, tuple):
        return {"tuple": [_written(part) for part in value]}
    if isinstance(value, list):
        return [_written(part) for part in value]
    if isinstance(value, dict):
        return {"dict": {key: _written(part) for key, part in value.items()}}
    return value


def _read(value: Any) -> Any:
    if isinstance(value, list):
        return [_read(part) for part in value]
    if not isinstance(value, Mapping):
        return value
    ((kind, inner),) = value.items()
    if kind == "value":
        return Ref(int(inner))
    if kind == "slice":
        return slice(*map(_read, inner))
    if kind == "tuple":
        return tuple(map(_read, inner))
    if kind == "dict":
        return {key: _read(part) for key, part in inner.items()}
    return Ellipsis
