"""A model's layers, inputs and outputs as tables of text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from vizcnn.adapter.base import LayerInfo, split_call
from vizcnn.results.layer_graph import collapse_to_depth
from vizcnn.text import shape_text

Edges = Sequence[tuple[str, str]]
Shapes = Mapping[str, tuple[int | None, ...]]


def table_of_ends(inputs: Shapes, outputs: Shapes, activations: Mapping[str, str | None]) -> list[str]:
    """Return a line for each input and output: its name, its shape, and the activation that it ends in."""
    ends = [("input", name, shape_text(shape), "") for name, shape in inputs.items()]
    ends += [("output", name, shape_text(shape), activations.get(name) or "") for name, shape in outputs.items()]
    return _aligned(ends)


def table_of_layers(layers: Sequence[LayerInfo], connections: Edges, depth: int | None) -> list[str]:
    """Return a line for each layer down to a depth: path, kind, output shape, parameters, and what feeds it.

    Parameters
    ----------
    layers : sequence of LayerInfo
        The model's layers.
    connections : sequence of (str, str)
        As `ModelAdapter.connections` gives them.
    depth : int or None
        How deep nested layers are shown; None: all of them.

    Returns
    -------
    list of str
        Nested layers are indented, and their parameters are part of their container's; a last line says how many aren't shown.
    """
    visible = [info for info in layers if depth is None or info.depth <= depth]
    sources = _sources(layers, connections, depth)
    head = ("layer", "kind", "output shape", "parameters", "fed by")
    rows = [head, *((*_row(info), ", ".join(sources[info.path]) or "nothing") for info in visible)]
    num_hidden = len(layers) - len(visible)
    more = [f"{num_hidden} nested layer{'s' * (num_hidden > 1)} not shown (depth {depth})"] if num_hidden else []
    return [*_aligned(rows, right={3}), "", *more]


def _sources(layers: Sequence[LayerInfo], connections: Edges, depth: int | None) -> dict[str, list[str]]:
    """Return what feeds each layer, by paths where it lies elsewhere; a container is fed what goes into it from outside."""
    infos = {info.path: info for info in layers}
    sources_by_path: dict[str, dict[str, None]] = {path: {} for path in infos}
    for level in range(max((info.depth for info in layers), default=0)):
        for a, b in collapse_to_depth(layers, connections, level):
            target = infos.get(split_call(b)[0])
            if target is not None and target.is_container and target.depth == level:
                sources_by_path[target.path][_beside(a, target.path)] = None
    for a, b in collapse_to_depth(layers, connections, depth):
        target = infos.get(split_call(b)[0])
        if target is not None:
            sources_by_path[target.path][_beside(a, target.path)] = None
    return {path: list(sources) for path, sources in sources_by_path.items()}


def _beside(address: str, target: str) -> str:
    """Leave out the container of a source where it is the target's too."""
    parent = target.rpartition("/")[0]
    same = bool(parent) and address.startswith(f"{parent}/")
    return address[len(parent) + 1 :] if same else address


def _row(info: LayerInfo) -> tuple[str, ...]:
    kind = f"{info.kind} ({info.activation})" if info.activation else info.kind
    shape = shape_text(None if info.output_shape is None else info.output_shape[1:])
    return "  " * info.depth + info.path, kind, shape, f"{info.num_params:,}"


def _aligned(rows: Sequence[Sequence[str]], right: Iterable[int] = ()) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if i in set(right) else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
