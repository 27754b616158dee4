"""What of a TensorFlow graph is run, and why it may not be: operations may compute, or restore the model's own variables."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from operator import attrgetter
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow.python.framework import op_def_registry

_FAMILIES = ("array", "bitwise", "control_flow", "cudnn_rnn", "functional", "image", "linalg", "list", "manip", "math", "nn",
             "ragged_array", "ragged_math", "random", "resource_variable", "sparse", "special_math", "spectral", "state",
             "stateless_random")  # fmt: skip
"""TensorFlow's kinds of operations of which those compute that have no state, no text, and no option beyond these."""

_OPTIONS = frozenset({"align", "bad_indices_policy", "data_format", "direction", "dst_format", "equation", "fill_mode",
                      "frame_name", "input_mode", "input_quant_mode", "interpolation", "kernel_type", "message", "method", "mode",
                      "noise", "padding", "rnn_mode", "round_mode", "src_format"})  # fmt: skip
"""Options that are texts, and say how to compute: others name files or processes."""

_HARMLESS = frozenset({"Assert", "Assign", "AssignAddVariableOp", "AssignSubVariableOp", "AssignVariableOp", "Case",
                       "CheckNumerics", "CheckNumericsV2", "CudnnRNN", "CudnnRNNV2", "CudnnRNNV3", "DisableCopyOnRead", "Empty",
                       "GuaranteeConst", "If", "Multinomial", "PartitionedCall", "RandomStandardNormal", "RandomUniform",
                       "RandomUniformInt", "ReadVariableOp", "ResourceGather", "ResourceGatherNd", "StatefulPartitionedCall",
                       "StatelessRandomGetAlg", "TruncatedNormal", "VarHandleOp", "VarIsInitializedOp", "Variable",
                       "VariableShape", "VariableV2", "While"})  # fmt: skip
"""Operations with a state that stays in the model."""

CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})

_TEXT = 7
"""TensorFlow's number of the type of text."""

_LARGEST_CONSTANT = 2**28
"""Bytes of constants that a graph may hold whatever its size."""


class Closure:
    """The nodes that some nodes of a graph depend on, and those of the functions that they call.

    Parameters
    ----------
    graph : GraphDef
        The graph.
    names : sequence of str
        The nodes that it begins with.
    """

    def __init__(self, graph: Any, names: Sequence[str]) -> None:
        nodes = {node.name: node for node in graph.node}
        functions = {function.signature.name: function for function in attrgetter("library.function")(graph)}
        self.main: dict[str, Any] = {}
        self.inside: dict[str, Any] = {}
        waiting, called = list(names), []
        while waiting:
            name = waiting.pop()
            if name in nodes and name not in self.main:
                self.main[name] = nodes[name]
                waiting += map(node_of, nodes[name].input)
                called += _functions(nodes[name])
        while called:
            name = called.pop()
            if name in functions and name not in self.inside:
                self.inside[name] = functions[name]
                called += [other for node in functions[name].node_def for other in _functions(node)]

    @property
    def operations(self) -> list[Any]:
        """All nodes."""
        bodies = [list(function.node_def) for function in self.inside.values()]
        return sum(bodies, list(self.main.values()))

    def made_by(self, place: tuple[str, tuple[Any, ...]]) -> tuple[str, tuple[str, tuple[Any, ...]]] | None:
        """Return the kind of node that made a tensor, and its first input; calls are gone into, and out of again.

        Parameters
        ----------
        place : (str, tuple of NodeDef)
            The tensor, and the calls that lead to where it stands.

        Returns
        -------
        (str, place) or None
            None where the tensor is given to the graph, or isn't found.
        """
        tensor, calls = place
        function = self.inside.get(called(calls[-1])) if calls else None
        body = self.main if function is None else _body(function)
        node = body.get(node_of(tensor))
        if node is None:
            arguments = [] if function is None else [argument.name for argument in function.signature.input_arg]
            if tensor not in arguments or arguments.index(tensor) >= len(calls[-1].input):
                return None
            return "Identity", (calls[-1].input[arguments.index(tensor)], calls[:-1])
        last = tensor.rpartition(":")[2]
        index = int(last) if last.isdecimal() and ":" in tensor else 0
        inner = self.inside.get(called(node))
        if inner is not None and len(calls) < _DEEPEST and index < len(inner.signature.output_arg):
            return "Identity", (inner.ret[inner.signature.output_arg[index].name], (*calls, node))
        first = index if node.op == "IdentityN" else 0
        return (node.op, (node.input[first], calls)) if first < len(node.input) else None


_DEEPEST = 50
"""Calls within calls that are gone into; a function may call itself."""


def node_of(tensor: str) -> str:
    """Return the name of the node that a tensor comes from."""
    return tensor.lstrip("^").partition(":")[0]


def pruned(meta: Any, kept: Sequence[Closure]) -> Any:
    """Return the graph without what isn't needed.

    TensorFlow may compute constants there before anything is asked for, and put a function in the place of another that says that
    it does the same.
    """
    rest = meta_graph_pb2.MetaGraphDef()
    rest.CopyFrom(meta)
    rest.ClearField("collection_def")
    names = {name for closure in kept for name in closure.main}
    functions = {name: function for closure in kept for name, function in closure.inside.items()}
    nodes = [node for node in meta.graph_def.node if node.name in names]
    rest.graph_def.ClearField("node")
    rest.graph_def.node.extend(nodes)
    rest.graph_def.ClearField("library")
    attrgetter("library.function")(rest.graph_def).extend(functions.values())
    return rest


def reaches_outside(closure: Closure, path: str | None = None) -> list[str]:
    """Return what in a graph may reach outside of it; [] where all of it only computes.

    Parameters
    ----------
    closure : Closure
        What is run.
    path : str, default None
        The node that is fed the path of the variables, where it restores them.

    Returns
    -------
    list of str
        Kinds of operations, and other reasons.
    """
    outside = sorted(
        {node.op for node in closure.operations if not _is_inside(node.op, closure, restoring=path is not None)}
    )
    outside += [
        f"a function named like the operation {name}"
        for name in closure.inside
        if op_def_registry.get(name) is not None
    ]
    if path is not None:
        scopes: list[tuple[str, Mapping[str, Any]]] = [("", closure.main)]
        scopes += [(name, _body(function)) for name, function in closure.inside.items()]
        restores = [(scope, node) for scope, body in scopes for node in body.values() if node.op == "RestoreV2"]
        strange = [node for scope, node in restores if not _is_fed(node.input[0], scope, dict(scopes), closure, path)]
        outside += ["a path of its own" for _ in strange]
    return list(dict.fromkeys(outside))


def constants(closure: Closure) -> int:
    """Return the bytes of all constants: a shape may claim many of which the file holds one."""
    shapes = [node.attr["value"].tensor for node in closure.operations if node.op == "Const" and "value" in node.attr]
    return sum(
        math.prod(max(0, size.size) for size in tensor.tensor_shape.dim) * tf.dtypes.DType(tensor.dtype).size
        for tensor in shapes
        if tensor.dtype in _SIZED
    )


_SIZED = frozenset(kind.as_datatype_enum for kind in (
    tf.float32, tf.float64, tf.float16, tf.bfloat16, tf.int8, tf.int16, tf.int32, tf.int64, tf.uint8, tf.uint16, tf.uint32,
    tf.uint64, tf.bool, tf.complex64, tf.complex128,
))  # fmt: skip


def largest_constants(size: int) -> int:
    """Return the bytes of constants that a graph of so many bytes may hold."""
    return max(_LARGEST_CONSTANT, 10 * size)


def _functions(node: Any) -> list[str]:
    """Return the functions that a node names in its attributes, or calls by its own kind."""
    named = [value.func.name for value in node.attr.values() if value.HasField("func")]
    return [node.op, *named, *(func.name for value in node.attr.values() for func in value.list.func)]


def _is_inside(kind: str, closure: Closure, *, restoring: bool) -> bool:
    if kind in closure.inside or kind in _HARMLESS or (restoring and kind == "RestoreV2"):
        return True
    return kind in computing()


@cache
def computing() -> frozenset[str]:
    """Return the operations that only compute."""
    nodes = set()
    for family in _FAMILIES:
        module = importlib.import_module(f"tensorflow.python.ops.gen_{family}_ops")
        for name in vars(module):
            definition = op_def_registry.get(name)
            if definition is None or definition.is_stateful or name == "RemoteCall":
                continue
            text = any(argument.type == _TEXT for argument in (*definition.input_arg, *definition.output_arg))
            options = {option.name for option in definition.attr if "string" in option.type}
            if not text and options <= _OPTIONS:
                nodes.add(name)
    return frozenset(nodes)


def _body(function: Any) -> dict[str, Any]:
    return {node.name: node for node in function.node_def}


def _is_fed(tensor: str, scope: str, scopes: Mapping[str, Mapping[str, Any]], closure: Closure, path: str) -> bool:
    """Tell whether a text is the path that is fed, handed on unchanged through copies and calls, and nothing else."""
    visited: set[tuple[str, str]] = set()
    waiting = [(tensor, scope)]
    while waiting:
        place = tensor, scope = waiting.pop()
        if place in visited:
            continue
        visited.add(place)
        name, body = node_of(tensor), scopes[scope]
        if name in body:
            if not scope and name == path and body[name].op in ("Placeholder", "PlaceholderWithDefault"):
                continue
            if body[name].op != "Identity":
                return False
            waiting.append((body[name].input[0], scope))
            continue
        arguments = [argument.name for argument in closure.inside[scope].signature.input_arg] if scope else []
        if name not in arguments:
            return False
        waiting += _given(scope, arguments.index(name), scopes)
        if any(not _is_call(node, scope) for node in closure.operations if scope in _functions(node)):
            return False
    return True


def _given(function: str, index: int, scopes: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield what each call of a function gives for an argument, and where the call stands."""
    for scope, body in scopes.items():
        for node in body.values():
            if _is_call(node, function) and index < len(node.input):
                yield node.input[index], scope


def called(node: Any) -> str:
    """Return the function that a call runs; of another node its kind."""
    return str(node.attr["f"].func.name if node.op in CALLS else node.op)


def _is_call(node: Any, function: str) -> bool:
    return node.op == function or (node.op in CALLS and node.attr["f"].func.name == function)
