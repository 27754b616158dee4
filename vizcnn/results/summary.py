"""A model's layers, inputs and outputs as a table of text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from vizcnn.adapter.base import split_call
from vizcnn.results.layer_graph import lifted
from vizcnn.text import shape_text

if TYPE_CHECKING:
    from vizcnn.adapter import LayerInfo
    from vizcnn.results.architecture import Architecture


def summarize(architecture: Architecture) -> str:
    """Describe a model: its inputs and outputs, and its layers by path.

    Parameters
    ----------
    architecture : Architecture
        The model. Its `depth` says how deep nested layers are shown.

    Returns
    -------
    str
        Lines of text; nested layers are indented, and their parameters are part of their container's.
    """
    depth = architecture.depth
    shown = [info for info in architecture.layers if depth is None or info.depth <= depth]
    ends = [("input", name, shape_text(shape), "") for name, shape in architecture.inputs.items()]
    ends += [
        ("output", name, shape_text(shape), architecture.activations.get(name) or "")
        for name, shape in architecture.outputs.items()
    ]
    sources = _sources(architecture)
    head = ("layer", "kind", "output shape", "parameters", "fed by")
    rows = [head, *((*_row(info), ", ".join(sources[info.path]) or "nothing") for info in shown)]
    hidden = len(architecture.layers) - len(shown)
    more = [f"{hidden} nested layer{'s' * (hidden > 1)} not shown (depth {depth})"] if hidden else []
    total = f"{architecture.num_params:,} parameters in {len(architecture.layers)} layers"
    return "\n".join([f"model {architecture.model}", *_aligned(ends), "", *_aligned(rows, right={3}), "", *more, total])


def _sources(architecture: Architecture) -> dict[str, list[str]]:
    """Return what feeds each layer, by paths where it lies elsewhere; a container is fed what goes into it from outside."""
    infos = {info.path: info for info in architecture.layers}
    found: dict[str, dict[str, None]] = {path: {} for path in infos}
    for depth in range(max((info.depth for info in architecture.layers), default=0)):
        for a, b in lifted(architecture.layers, architecture.connections, depth):
            target = infos.get(split_call(b)[0])
            if target is not None and target.is_container and target.depth == depth:
                found[target.path][_beside(a, target.path)] = None
    for a, b in lifted(architecture.layers, architecture.connections, architecture.depth):
        target = infos.get(split_call(b)[0])
        if target is not None:
            found[target.path][_beside(a, target.path)] = None
    return {path: list(sources) for path, sources in found.items()}


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
