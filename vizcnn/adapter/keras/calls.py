"""What a tapped run writes down: the calls of layers and of activations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass
class Call:
    """A layer's call: its path, which call of that layer it is, and what went in and came out.

    Attributes
    ----------
    arguments : (tuple, dict)
        All that it was called on, constants too.
    before : tensor or None
        What the layer handed to its own activation, where `Taps.before_activation` names it.
    """

    path: str
    index: int
    operation: Any
    output: Any
    inputs: tuple[Any, ...] = ()
    arguments: tuple[tuple[Any, ...], Mapping[str, Any]] = ((), {})
    before: Any = None

    @property
    def address(self) -> str:
        """The path, with the call's number from the second one on."""
        return f"{self.path}[{self.index}]" if self.index else self.path


@dataclass
class Activation:
    """An activation's call.

    Attributes
    ----------
    name, path : str
        Its name, and its layer's path.
    replaced : bool
        Whether a rule replaced it.
    output : tensor
        What it returned.
    before : int
        How many calls of layers were over before.
    options : (tuple, dict)
        What it was called on, beside its input.
    """

    name: str
    path: str
    replaced: bool
    output: Any
    before: int = 0
    options: tuple[tuple[Any, ...], Mapping[str, Any]] = ((), {})
