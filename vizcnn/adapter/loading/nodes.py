"""Walking through the description of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Node:
    """An object in a description.

    Attributes
    ----------
    place : str
        Where in the model it is: names of layers, and of what in a layer.
    value : dict
        Its class_name and config.
    depth : int
        How many models hold it.
    """

    place: str
    value: dict[str, Any]
    depth: int

    @property
    def class_name(self) -> str:
        """The name of its class."""
        return str(self.value["class_name"])

    @property
    def module(self) -> str:
        """Where its class is said to be; Keras 2 didn't say."""
        return str(self.value.get("module") or "keras")


def nodes(value: Any, place: str = "", depth: int = 0) -> Iterator[Node]:
    """Yield all objects of a description, those that hold others first."""
    if isinstance(value, Mapping):
        here = place
        if isinstance(value.get("class_name"), str) and "config" in value:
            config = value["config"] if isinstance(value["config"], Mapping) else {}
            name = config.get("name") or value.get("name")
            here = f"{place}/{name}".strip("/") if isinstance(name, str) else place
            yield Node(here, dict_of(value), depth)
            depth += "layers" in config or isinstance(value["config"], list)
        for key, entry in value.items():
            if isinstance(entry, Mapping | list):
                yield from nodes(entry, here if key in ("config", "layers") else f"{here}.{key}", depth)
    elif isinstance(value, list):
        for entry in value:
            if isinstance(entry, Mapping | list):
                yield from nodes(entry, place, depth)


def dict_of(value: Any) -> dict[str, Any]:
    """Return a mapping as the very dict that it is, so that it can be changed in place."""
    if not isinstance(value, dict):
        raise TypeError(f"a description is made of dicts, not of {type(value).__name__}")
    return value
