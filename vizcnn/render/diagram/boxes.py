"""A model as boxes and the arrows between them: what a diagram is drawn of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Shape = tuple[int | None, ...]
Edge = tuple[str, str]

INPUT = "Input"
"""The kind of the boxes that stand for the model's inputs."""


@dataclass(frozen=True)
class Box:
    """One layer, or several that are drawn as one.

    Attributes
    ----------
    name : str
        What it is called in the diagram.
    kind : str
        The class of its main layer, the one with the most weights.
    role : str
        What that layer is for.
    parts : tuple of str
        The kinds, or inner activations, of the layers in it, in order; of repeated ones, those of the first.
    shape : tuple or None
        Of its output, without the batch axis.
    num_params : int
        Weights in it.
    paths : tuple of str
        The layers in it.
    parent : str
        The container that it lies in; "" for the model itself.
    contents : mapping
        Kinds to the number of layers in it.
    repeats : int
        How many times the same came in a row.
    is_block : bool
        Whether it is more than a layer and what belongs to it.
    is_closed : bool
        Whether it is a container whose layers aren't shown.
    has_paths : bool
        Whether there is more than one way through it, as in a residual block.
    ends : tuple of str
        The names of the first and the last of what it repeats.
    """

    name: str
    kind: str
    parts: tuple[str, ...]
    shape: Shape | None
    num_params: int
    paths: tuple[str, ...]
    role: str = "other"
    parent: str = ""
    contents: Mapping[str, int] = field(default_factory=dict)
    repeats: int = 1
    is_block: bool = False
    is_closed: bool = False
    has_paths: bool = False
    ends: tuple[str, ...] = ()


@dataclass(frozen=True)
class Graph:
    """Boxes by their keys, each after those that feed it, and the arrows between them."""

    boxes: Mapping[str, Box]
    edges: tuple[Edge, ...]

    @property
    def before(self) -> dict[str, list[str]]:
        """What feeds each box."""
        return _grouped(self.boxes, ((b, a) for a, b in self.edges))

    @property
    def after(self) -> dict[str, list[str]]:
        """What each box feeds."""
        return _grouped(self.boxes, self.edges)


def _grouped(keys: Iterable[str], pairs: Iterable[Edge]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {key: [] for key in keys}
    for a, b in pairs:
        grouped[a].append(b)
    return grouped


def in_order(boxes: Mapping[str, Box], edges: Iterable[Edge]) -> Graph:
    """Order the boxes so that each comes after what feeds it, as long as there is no circle."""
    unique = tuple(dict.fromkeys(edges))
    after = _grouped(boxes, unique)
    num_missing = Counter(b for _, b in unique)
    order: dict[str, None] = {}
    remaining = dict.fromkeys(boxes)
    while remaining:
        ready: str | None = next((key for key in remaining if not num_missing[key]), None) or next(iter(remaining))
        # Follow one way as far as it goes, so that what belongs together stays together.
        while ready is not None:
            del remaining[ready]
            order[ready] = None
            num_missing.subtract(after[ready])
            ready = next((key for key in after[ready] if key in remaining and not num_missing[key]), None)
    return Graph({key: boxes[key] for key in order}, unique)
