"""The layers of a model as boxes and arrows, with nested layers open down to some depth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from vizcnn.adapter.base import LayerInfo, split_call
from vizcnn.render.diagram.boxes import INPUT, Box, Edge, Graph, Shape, in_order


class Collapse:
    """Where a layer's call is seen when containers below some depth are closed.

    Parameters
    ----------
    layers : sequence of LayerInfo
        The model's layers.
    connections : sequence of (str, str)
        As `ModelAdapter.connections` gives them.
    depth : int or None
        Layers deeper than this are seen as the container that holds them; None: all are seen.
    """

    def __init__(self, layers: Sequence[LayerInfo], connections: Iterable[Edge], depth: int | None) -> None:
        self.infos = {info.path: info for info in layers}
        self._depth = depth
        self._calls: Counter[str] = Counter()
        self._outer: dict[str, int] = {}
        for address in dict.fromkeys(end for edge in connections for end in edge):
            path, index = split_call(address)
            self._calls[path] = max(self._calls[path], (index or 0) + 1)

    def __call__(self, address: str) -> str:
        """Return the address that stands for a call."""
        path, index = split_call(address)
        info = self.infos.get(path)
        if info is None or self._depth is None or info.depth <= self._depth:
            return address
        container = "/".join(path.split("/")[: self._depth + 1])
        inner = self._calls[path]
        if container not in self._outer:
            self._outer[container] = min(self._calls[p] for p in self._calls if p.startswith(container + "/"))
        outer = self._outer[container]
        call = (index or 0) // (inner // outer) if inner % outer == 0 else min(index or 0, outer - 1)
        return f"{container}[{call}]" if call else container


def collapse_to_depth(layers: Sequence[LayerInfo], connections: Sequence[Edge], depth: int | None) -> tuple[Edge, ...]:
    """Return the connections between the layers that are seen down to a depth, each once."""
    collapse = Collapse(layers, connections, depth)
    edges = ((collapse(a), collapse(b)) for a, b in connections)
    return tuple(dict.fromkeys((a, b) for a, b in edges if a != b))


def build(
    layers: Sequence[LayerInfo], connections: Sequence[Edge], inputs: Mapping[str, Shape], depth: int | None = None
) -> Graph:
    """Return a box for every layer that takes part, down to a depth, and for every input.

    Parameters
    ----------
    layers, connections
        As `ModelAdapter` gives them.
    inputs : mapping
        Names of the model's inputs to their shapes, without the batch axis.
    depth : int or None, default None
        Deeper layers are closed into the container that holds them.

    Returns
    -------
    Graph
    """
    infos = {info.path: info for info in layers}
    edges = [(a, b) for a, b in collapse_to_depth(layers, connections, depth) if not _is_end(b)]
    starts = {f"<{name}>": shape for name, shape in inputs.items()}
    boxes: dict[str, Box] = {}
    for key in dict.fromkeys(end for edge in edges for end in edge):
        info = infos.get(split_call(key)[0])
        if info is None:
            boxes[key] = Box(key.strip("<>"), INPUT, (INPUT,), starts.get(key), 0, ())
            continue
        inside = [other for other in layers if other.path.startswith(info.path + "/") and not other.is_container]
        closed = info.is_container and depth is not None and info.depth >= depth
        shape = None if info.output_shape is None else info.output_shape[1:]
        boxes[key] = Box(
            name=key.rsplit("/", 1)[-1],
            kind=info.kind,
            role=info.role,
            parts=(_part(info),),
            shape=shape,
            num_params=info.num_params if closed or not info.is_container else 0,
            paths=(info.path,),
            parent=info.path if info.is_container and not closed else info.path.rpartition("/")[0],
            contents=Counter(map(_called, inside)) if closed else {_called(info): 1},
            is_block=closed,
            is_closed=closed,
        )
    return in_order(boxes, edges)


def _is_end(address: str) -> bool:
    return address.startswith("<") and address.endswith(">")


def _called(info: LayerInfo) -> str:
    return info.activation if info.activation and info.kind == "Activation" else info.kind


def _part(info: LayerInfo) -> str:
    inner = info.activation and info.kind != "Activation"
    return f"{info.kind}, {info.activation}" if inner else _called(info)
