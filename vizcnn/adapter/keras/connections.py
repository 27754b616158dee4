"""Which layer feeds which, told by one symbolic run of a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from vizcnn.adapter.heads import PROBABILITIES
from vizcnn.adapter.keras.backends import current
from vizcnn.adapter.keras.backends.base import Dataflow
from vizcnn.adapter.keras.calls import Call
from vizcnn.adapter.keras.structure import names_of, tensors_of
from vizcnn.adapter.keras.taps import Taps
from vizcnn.adapter.layers import LayerInfo, io_node

Shape = tuple[int | None, ...]


@dataclass
class SymbolicRun:
    """What the run told.

    Attributes
    ----------
    connections : tuple of (str, str)
        As `ModelAdapter.connections` gives them.
    shapes : dict
        Paths to the shapes of what the layers returned first.
    outputs : dict
        Names of the model's outputs to their shapes, without the batch axis.
    activations : dict
        Names of the outputs to the softmax or sigmoid that they end in, or None.
    """

    connections: tuple[tuple[str, str], ...] = ()
    shapes: dict[str, Shape] = field(default_factory=dict)
    outputs: dict[str, Shape] = field(default_factory=dict)
    activations: dict[str, str | None] = field(default_factory=dict)


def trace(
    model: Any,
    operations: Mapping[str, Any],
    layers: Sequence[LayerInfo],
    inputs: Mapping[str, Any],
    outputs: Sequence[str],
) -> SymbolicRun:
    """Run a model on symbols and follow them from layer to layer.

    Parameters
    ----------
    model : keras.Model
        The model.
    operations : mapping
        Paths to what is tapped.
    layers : sequence of LayerInfo
        The same layers, described.
    inputs : mapping
        Names of the inputs to `keras.KerasTensor`, in the model's own order.
    outputs : sequence of str
        Names of the outputs; empty where they aren't known.

    Returns
    -------
    Traced
    """
    backend = current()
    sealed = tuple(f"{path}/" for path in _sealed(layers))
    containers = {info.path for info in layers if info.is_container}
    traced = SymbolicRun()
    steps: list[_Step] = []
    names: list[str] = []

    def run(*tensors: Any) -> list[Any]:
        with Taps(operations, copy_identity=True) as taps:
            returned = model(_as_taken(model, tensors), training=False)
        output_tensors = _named(outputs, returned)
        traced.outputs = _agreed({name: _shape(tensor)[1:] for name, tensor in output_tensors.items()}, traced.outputs)
        reached = {name: taps.ending(tensor) for name, tensor in output_tensors.items()}
        traced.activations = {name: PROBABILITIES.get(end.name) if end else None for name, end in reached.items()}
        traced.shapes = _agreed(_shapes(taps.calls), traced.shapes)
        names[:] = map(io_node, output_tensors)
        steps.clear()
        listed = [*tensors, *output_tensors.values()]
        for call in taps.calls:
            results = [tensor for tensor in keras.tree.flatten(call.output) if backend.is_traced(tensor)]
            operands = [tensor for tensor in call.inputs if backend.is_traced(tensor)]
            if results and not call.path.startswith(sealed):
                steps.append(_Step(call.path, call.address, len(listed), len(results), len(operands)))
                listed += [*results, *operands]
        return listed

    nodes = backend.dataflow(run, list(inputs.values()))
    input_nodes = dict(zip(map(io_node, inputs), nodes.nodes, strict=False))
    output_nodes = dict(zip(names, nodes.nodes[len(inputs) :], strict=False))
    traced.connections = tuple(dict.fromkeys(_edges(nodes, steps, input_nodes, output_nodes, containers)))
    return traced


@dataclass(frozen=True)
class _Step:
    """A layer's call: where its output and its inputs stand among the nodes."""

    path: str
    address: str
    at: int
    made: int
    given: int


def _shapes(calls: Iterable[Call]) -> dict[str, Shape]:
    shapes: dict[str, Shape] = {}
    for call in calls:
        if hasattr(call.output, "shape"):
            shapes.setdefault(call.path, _shape(call.output))
    return shapes


def _shape(tensor: Any) -> Shape:
    return tuple(size if isinstance(size, int) else None for size in tensor.shape)


def _agreed(shapes: dict[str, Shape], before: Mapping[str, Shape]) -> dict[str, Shape]:
    """Return shapes with None where an earlier run, with another stand-in for sizes that are open, had another size."""
    agreed = {}
    for name, shape in shapes.items():
        other = before.get(name, shape)
        same = zip(shape, other, strict=False)
        agreed[name] = tuple(a if a == b else None for a, b in same) if len(shape) == len(other) else shape
    return agreed


def _as_taken(model: Any, tensors: Sequence[Any]) -> Any:
    try:
        return keras.tree.pack_sequence_as(model.input, list(tensors))
    except (AttributeError, ValueError):
        return tensors[0] if len(tensors) == 1 else list(tensors)


def _named(names: Sequence[str], returned: Any) -> dict[str, Any]:
    return dict(zip(names or names_of(returned), tensors_of(returned), strict=True))


def _sealed(layers: Iterable[LayerInfo]) -> list[str]:
    """Return the layers that hold others and compute with weights of their own: a convolution with an activation layer."""
    inside: dict[str, int] = {}
    for info in layers:
        parent = info.path.rpartition("/")[0]
        inside[parent] = inside.get(parent, 0) + info.num_params
    return [info.path for info in layers if info.is_container and info.num_params > inside.get(info.path, 0)]


def _edges(
    dataflow: Dataflow,
    steps: Sequence[_Step],
    input_nodes: Mapping[str, Any],
    output_nodes: Mapping[str, Any],
    containers: set[str],
) -> Iterator[tuple[str, str]]:
    """Yield (from, to), in the order of the calls."""
    makers = {node: name for name, node in input_nodes.items()}
    for step in steps:
        for node in dataflow.nodes[step.at : step.at + step.made]:
            makers.setdefault(node, step.address)
    for step in steps:
        middle = step.at + step.made
        operands = dataflow.nodes[middle : middle + step.given]
        results = [node for node in dataflow.nodes[step.at : middle] if makers.get(node) == step.address]
        if step.path in containers:
            # It made its output itself, of what went in and of what the layers inside it made.
            operands = results and ([parent for node in results for parent in dataflow.parents(node)] or operands)
        yield from ((source, step.address) for node in operands for source in _sources(dataflow, makers, node))
    for name, node in output_nodes.items():
        yield from ((source, name) for source in _sources(dataflow, makers, node))


def _sources(dataflow: Dataflow, makers: Mapping[Any, str], node: Any) -> list[str]:
    """Return the layers behind a tensor; what is computed between layers is looked through."""
    layers: dict[str, None] = {}
    visited: set[Any] = set()
    queue = [node]
    while queue:
        one = queue.pop(0)
        if one in visited:
            continue
        visited.add(one)
        if one in makers:
            layers[makers[one]] = None
        else:
            queue += dataflow.parents(one)
    return list(layers)
