"""A TensorFlow graph in a session, and what is in it: its operations as layers, and what they depend on.

A session and not eager functions: every tensor of a graph can be fetched, fed and differentiated by its name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from vizcnn.adapter.blackbox import as_kind
from vizcnn.adapter.layers import LayerInfo, io_node

_SILENT = frozenset({"Cast", "CheckNumerics", "EnsureShape", "Identity", "IdentityN", "PreventGradient", "Snapshot",
                     "StopGradient"})  # fmt: skip
"""Operations that hand on what they get."""

_ROLES = {"Conv2DBackpropInput": "transposed convolution", "Conv3DBackpropInputV2": "transposed convolution", "MatMul": "dense",
          "BatchMatMul": "dense", "BatchMatMulV2": "dense", "BatchMatMulV3": "dense", "BiasAdd": "other", "AddV2": "addition",
          "AddN": "addition", "Mul": "merge", "Sub": "merge", "Max": "pooling", "Sum": "pooling", "Pad": "padding",
          "PadV2": "padding", "MirrorPad": "padding", "Slice": "reshape", "StridedSlice": "reshape", "Pack": "merge",
          "SpaceToBatchND": "padding", "BatchToSpaceND": "reshape", "ResizeBilinear": "upsampling",
          "ResizeNearestNeighbor": "upsampling", "ResizeBicubic": "upsampling", "ResizeArea": "upsampling"}  # fmt: skip
"""Roles of operations whose names don't tell them."""

_CONTROL_FLOW = frozenset({"Case", "If", "StatelessCase", "StatelessIf", "StatelessWhile", "While"})

_VARIABLES = frozenset({"VarHandleOp", "Variable", "VariableV2"})


class GraphModel:
    """A model in a session.

    Parameters
    ----------
    session : tf.compat.v1.Session
        With the graph, and the variables restored.
    inputs : tensor
        What is explained, with the batch axis first.
    outputs : mapping
        Names to tensors.
    fed : mapping
        Tensors to the values that they are held at.
    rank : int, default 2
        How many axes a map has.

    Attributes
    ----------
    dependent : frozenset of str
        The names of all operations that depend on the input.
    leading : frozenset of str
        The names of all operations that an output depends on.
    operations : dict of str to Operation
        Those that compute on the way from the input to the outputs, by name, in the order in which they are run.
    """

    def __init__(
        self, session: Any, inputs: Any, outputs: Mapping[str, Any], fed: Mapping[Any, np.ndarray], *, rank: int = 2
    ) -> None:
        self.session = session
        self.inputs = inputs
        self.outputs = outputs
        self.fed = dict(fed)
        self.rank = rank
        everything = session.graph.get_operations()  # before anything is added to the graph
        self.dependent = frozenset(_reached([inputs.op], _consumers))
        self.leading = frozenset(_reached([tensor.op for tensor in outputs.values()], _sources, with_own=True))
        on_the_way = [op for op in everything if op.name in self.dependent & self.leading]
        self.operations = {op.name: op for op in on_the_way if op.type not in _SILENT and _is_layer(op)}
        self.has_control_flow = any(op.type in _CONTROL_FLOW for op in on_the_way)
        self.has_channels_first = _has_channels_first(on_the_way)
        self._sizes = {op.name: _size(op) for op in everything if op.type in _VARIABLES}
        self.layers = tuple(self._layers())
        self.connections = tuple(dict.fromkeys(self._connections()))

    def tensor(self, path: str) -> Any:
        """Return what an operation returns."""
        return self.operations[path].outputs[0]

    def weights(self, operation: Any) -> list[Any]:
        """Return what an operation takes that doesn't depend on the input: kernels, biases, statistics."""
        known = self.dependent | {self.inputs.op.name}
        return [tensor for tensor in operation.inputs if tensor.op.name not in known and tensor.dtype.is_floating]

    def held(self, count: int) -> dict[Any, np.ndarray]:
        """Return the inputs that aren't explained, once for each of so many samples."""
        return {
            tensor: as_kind(np.repeat(value, count, axis=0), tensor.dtype.as_numpy_dtype)
            for tensor, value in self.fed.items()
        }

    def channels_last(self, values: np.ndarray) -> np.ndarray:
        """Return a layer's values with the channels last."""
        return np.moveaxis(values, 1, -1) if self.has_channels_first and values.ndim == self.rank + 2 else values

    def channels_as_stored(self, values: np.ndarray) -> np.ndarray:
        """Return values, channels last, as the graph has them."""
        return np.moveaxis(values, -1, 1) if self.has_channels_first and values.ndim == self.rank + 2 else values

    def _layers(self) -> Iterator[LayerInfo]:
        counted: set[str] = set()
        for name, operation in self.operations.items():
            variables = set(_reached([tensor.op for tensor in self.weights(operation)], _sources, with_own=True))
            fresh = (variables & self._sizes.keys()) - counted
            counted |= fresh
            size = sum(self._sizes[variable] for variable in fresh)
            role = _ROLES.get(operation.type, "")
            yield LayerInfo(name, operation.type, self._shape(operation), size, rank=self.rank, role=role)

    def _shape(self, operation: Any) -> tuple[int | None, ...] | None:
        shape = operation.outputs[0].shape
        if shape.rank is None:
            return None
        first, *sizes = shape.as_list()
        if self.has_channels_first and len(sizes) == self.rank + 1:
            sizes = [*sizes[1:], sizes[0]]
        return (first, *sizes)

    def _connections(self) -> Iterator[tuple[str, str]]:
        for name, operation in self.operations.items():
            for before in self._before(operation.inputs):
                yield before, name
        for name, tensor in self.outputs.items():
            for before in self._before([tensor]):
                yield before, io_node(name)

    def _before(self, tensors: Iterable[Any]) -> list[str]:
        """Return the layers, or the input, that tensors come from."""
        names, passed = [], set()
        waiting = [tensor.op for tensor in tensors]
        while waiting:
            operation = waiting.pop()
            if operation.name in passed:
                continue
            passed.add(operation.name)
            if operation is self.inputs.op:
                names.append(io_node("input"))
            elif operation.name in self.operations:
                names.append(operation.name)
            elif operation.name in self.dependent:
                waiting += _sources(operation)
        return names


def _reached(start: Iterable[Any], step: Callable[[Any], list[Any]], *, with_own: bool = False) -> dict[str, None]:
    """Return the names of all operations that steps lead to."""
    waiting = list(start)
    names: dict[str, None] = {operation.name: None for operation in waiting} if with_own else {}
    while waiting:
        fresh = [other for other in step(waiting.pop()) if other.name not in names]
        names |= {other.name: None for other in fresh}
        waiting += fresh
    return names


def _sources(operation: Any) -> list[Any]:
    return [tensor.op for tensor in operation.inputs]


def _consumers(operation: Any) -> list[Any]:
    return [other for tensor in operation.outputs for other in tensor.consumers()]


def _is_layer(operation: Any) -> bool:
    if not operation.outputs or not operation.outputs[0].dtype.is_floating:
        return False
    rank = operation.outputs[0].shape.rank
    return rank is None or rank >= 2


def _has_channels_first(operations: Iterable[Any]) -> bool:
    convolutions = [op for op in operations if "Conv" in op.type or "conv" in op.type]
    formats = {op.get_attr("data_format") for op in convolutions if "data_format" in op.node_def.attr}
    return formats in ({b"NCHW"}, {b"NCDHW"})


def _size(variable: Any) -> int:
    return math.prod(max(0, dim.size) for dim in variable.get_attr("shape").dim)
