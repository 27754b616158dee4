"""Which layer feeds which, told by one symbolic run of a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
from keras.src.backend import compute_output_spec

from vizcnn.adapter.backends import current
from vizcnn.adapter.base import LayerInfo, end_of_model
from vizcnn.adapter.structure import names_of
from vizcnn.adapter.taps import Call, Taps


@dataclass
class Traced:
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
    shapes: dict[str, tuple[int | None, ...]] = field(default_factory=dict)
    outputs: dict[str, tuple[int | None, ...]] = field(default_factory=dict)
    activations: dict[str, str | None] = field(default_factory=dict)


def trace(
    model: Any,
    operations: Mapping[str, Any],
    layers: Sequence[LayerInfo],
    inputs: Mapping[str, Any],
    outputs: Sequence[str],
) -> Traced:
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
    sealed = tuple(f"{path}/" for path in _sealed(layers))
    containers = {info.path for info in layers if info.is_container}
    told = Traced()

    def run(*tensors: Any) -> Any:
        with Taps(operations, apart=True) as taps:
            returned = model(_as_taken(model, tensors), training=False)
        calls = [call for call in taps.calls if not call.path.startswith(sealed)]
        flow = _Flow([(end_of_model(name), tensor) for name, tensor in zip(inputs, tensors, strict=True)], calls)
        ends = _named(outputs, returned)
        told.connections = tuple(
            dict.fromkeys(flow.edges(containers, [(end_of_model(name), tensor) for name, tensor in ends.items()]))
        )
        told.outputs = {name: tuple(tensor.shape[1:]) for name, tensor in ends.items()}
        before = {name: taps.before_activation(tensor) for name, tensor in ends.items()}
        told.activations = {name: found[1] if found else None for name, found in before.items()}
        told.shapes = {}
        for call in taps.calls:
            shape = getattr(call.output, "shape", None)
            if shape is not None:
                told.shapes.setdefault(call.path, tuple(shape))
        return returned

    compute_output_spec(run, *inputs.values())
    return told


def _as_taken(model: Any, tensors: Sequence[Any]) -> Any:
    try:
        return keras.tree.pack_sequence_as(model.input, list(tensors))
    except (AttributeError, ValueError):
        return tensors[0] if len(tensors) == 1 else list(tensors)


def _named(names: Sequence[str], returned: Any) -> dict[str, Any]:
    return dict(zip(names or names_of(returned), keras.tree.flatten(returned), strict=True))


def _sealed(layers: Iterable[LayerInfo]) -> list[str]:
    """Return the layers that hold others and compute with weights of their own: a convolution with an activation layer."""
    inside: dict[str, int] = {}
    for info in layers:
        parent = info.path.rpartition("/")[0]
        inside[parent] = inside.get(parent, 0) + info.num_params
    return [info.path for info in layers if info.is_container and info.num_params > inside.get(info.path, 0)]


class _Flow:
    """Tensors back to the layers that made them."""

    def __init__(self, starts: Sequence[tuple[str, Any]], calls: Sequence[Call]) -> None:
        self._backend = current()
        self._calls = [call for call in calls if any(map(self._backend.belongs, keras.tree.flatten(call.output)))]
        self._makers: dict[int, str] = {id(tensor): name for name, tensor in starts}
        self._kept: list[Any] = []  # an id says nothing of a tensor that is gone
        for call in self._calls:
            for tensor in keras.tree.flatten(call.output):
                self._makers.setdefault(id(tensor), call.address)

    def edges(self, containers: Iterable[str], ends: Sequence[tuple[str, Any]]) -> Iterable[tuple[str, str]]:
        """Yield (from, to), in the order of the calls."""
        containers = set(containers)
        for call in self._calls:
            made = [t for t in keras.tree.flatten(call.output) if self._makers.get(id(t)) == call.address]
            if call.path not in containers:
                yield from ((source, call.address) for tensor in call.inputs for source in self._sources(tensor))
            elif made:
                # It made its output itself, of what went in and of what the layers inside it made.
                before = [parent for tensor in made for parent in self._backend.parents(tensor)] or call.inputs
                yield from ((source, call.address) for tensor in before for source in self._sources(tensor))
        for name, tensor in ends:
            yield from ((source, name) for source in self._sources(tensor))

    def _sources(self, tensor: Any) -> list[str]:
        """Return the layers behind a tensor; what is computed between layers is looked through."""
        found: dict[str, None] = {}
        seen: set[int] = set()
        queue = [tensor]
        while queue:
            one = queue.pop(0)
            self._kept.append(one)
            if id(one) in seen:
                continue
            seen.add(id(one))
            if id(one) in self._makers:
                found[self._makers[id(one)]] = None
            else:
                queue += self._backend.parents(one)
        return list(found)
