"""The graph of a SavedModel without calls: every operation in the open, so that it can be looked at and differentiated."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tensorflow.core.framework import node_def_pb2
from tensorflow.python.framework import op_def_registry

from vizcnn.adapter.runtimes.graph_check import CALLS, Closure, called, node_of

_MOST = 200_000
"""Operations that a graph may unfold to: functions that call each other twice make many of few."""

_DEEPEST = 100
"""Calls within calls."""

_CALL = re.compile(r"(Stateful)?PartitionedCall(_\d+)?")
"""What TensorFlow calls a call by itself; it says nothing of the model."""


class Unfolding:
    """Operations of a graph and of the functions that it calls, one after the other.

    Parameters
    ----------
    closure : Closure
        What is run.

    Attributes
    ----------
    nodes : list of NodeDef
        The operations, each behind those that it was written behind.
    """

    def __init__(self, closure: Closure) -> None:
        self._functions = closure.inside
        self._names = set(closure.main)
        self._made = 0
        self._outer: dict[str, list[str]] = {}
        self.nodes: list[Any] = list(self._body(closure.main, "", self._outer, {}, 0, is_main=True))

    def tensor(self, name: str) -> str:
        """Return what a tensor of the main graph is called now."""
        return _at(self._outer, name)

    def _body(
        self,
        nodes: Mapping[str, Any],
        prefix: str,
        made: dict[str, list[str]],
        given: Mapping[str, list[str]],
        depth: int,
        *,
        is_main: bool = False,
    ) -> Iterator[Any]:
        """Yield the operations of a body under new names; `made` learns what their outputs are called.

        Its keys are tensors as the body writes them ("conv:output", "image"), its values the names of all that they hold.
        """
        made.update(given)
        for node in _in_order(nodes):
            self._made += 1
            if self._made > _MOST or depth > _DEEPEST:
                raise ValueError("its functions unfold to too many operations")
            inputs = [_at(made, name) for name in node.input if not name.startswith("^")]
            function = self._functions.get(called(node))
            if function is None:
                copy = node_def_pb2.NodeDef()
                copy.CopyFrom(node)
                copy.name = node.name if is_main else self._unique(prefix + node.name)
                controls = [
                    f"^{made[name][0].partition(':')[0]}" for name in map(_control, node.input) if made.get(name)
                ]
                copy.ClearField("input")
                copy.input.extend([*inputs, *dict.fromkeys(controls)])
                copy.attr.pop("_gradient_op_type", None)  # names a function of whoever exported it
                made[f"^{node.name}"] = [copy.name]
                made.update(_outputs(node, copy.name, is_main=is_main))
                yield copy
                continue
            arguments = dict(
                zip((argument.name for argument in function.signature.input_arg), ([i] for i in inputs), strict=True)
            )
            inner: dict[str, list[str]] = {}
            body = {other.name: other for other in function.node_def}
            yield from self._body(body, prefix + _scope(node.name), inner, arguments, depth + 1)
            results = [_at(inner, function.ret[output.name]) for output in function.signature.output_arg]
            made.update(_results(node, function, results, is_main=is_main))

    def _unique(self, name: str) -> str:
        base, number = name, 0
        while name in self._names:
            number += 1
            name = f"{base}_{number}"
        self._names.add(name)
        return name


class Folded:
    """Operations of a graph as they are, calls among them.

    Parameters
    ----------
    closure : Closure
        What is run.

    Attributes
    ----------
    nodes : list of NodeDef
        The operations of the main graph.
    """

    def __init__(self, closure: Closure) -> None:
        self.nodes: list[Any] = list(_in_order(closure.main))

    def tensor(self, name: str) -> str:
        """Return what a tensor of the main graph is called."""
        return name


def _in_order(nodes: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the nodes of a body as they are written, but each behind those that it takes."""
    done: set[str] = set()
    for first in nodes:
        waiting = [(first, False)]
        while waiting:
            name, is_ready = waiting.pop()
            if name in done or name not in nodes:
                continue
            if is_ready:
                done.add(name)
                yield nodes[name]
                continue
            waiting.append((name, True))
            before = (node_of(tensor) for tensor in reversed(nodes[name].input))
            waiting += [(other, False) for other in before if other not in done and other != name]


def _at(made: Mapping[str, list[str]], tensor: str) -> str:
    """Return what a tensor is called now: "conv:output:0" and "image" of a function, "conv:0" and "conv" of the main graph."""
    if tensor in made:
        return made[tensor][0]
    name, _, index = tensor.rpartition(":")
    return made[name][int(index)]


def _control(name: str) -> str:
    return name if name.startswith("^") else ""


def _outputs(node: Any, name: str, *, is_main: bool) -> dict[str, list[str]]:
    """Return what the outputs of an operation are called."""
    definition = op_def_registry.get(node.op)
    made: dict[str, list[str]] = {}
    start = 0
    for output in definition.output_arg:
        count = (
            int(node.attr[output.number_attr].i)
            if output.number_attr
            else len(node.attr[output.type_list_attr].list.type)
            if output.type_list_attr
            else 1
        )
        made[f"{node.name}:{output.name}"] = [f"{name}:{index}" for index in range(start, start + count)]
        start += count
    return {node.name: [f"{name}:{index}" for index in range(start)]} if is_main else made


def _results(node: Any, function: Any, results: list[str], *, is_main: bool) -> dict[str, list[str]]:
    if is_main:
        return {node.name: results}
    if node.op in CALLS:
        return {f"{node.name}:output": results}
    outputs = (output.name for output in function.signature.output_arg)
    return {f"{node.name}:{name}": [result] for name, result in zip(outputs, results, strict=True)}


def _scope(name: str) -> str:
    """Return what the operations of a call have before their names: the call's own name, where it has one."""
    scope, _, last = name.rpartition("/")
    return f"{scope}/" * bool(scope) if _CALL.fullmatch(last) else f"{name}/"
