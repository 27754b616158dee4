"""A run of a TensorFlow graph, as the formulas of targets read it; and the same operations under another gradient of ReLU."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

import tensorflow as tf
from tensorflow.experimental import numpy as tnp

from vizcnn.adapter.heads import Head
from vizcnn.adapter.layers import split_call
from vizcnn.adapter.runtimes.graph_endings import ACTIVATIONS
from vizcnn.adapter.runtimes.graph_model import GraphModel
from vizcnn.errors import LayerError, RuleError

_LEAST = 1e-30

_RELU = frozenset({"LeakyRelu", "Relu", "Relu6"})

_FARTHEST = 200
"""Operations that are looked through for the last activation."""


class _Namespace(SimpleNamespace):
    """TensorFlow's NumPy, with what formulas take of Keras's beside it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(tnp, name)


_XP = _Namespace(cast=tf.cast, convert_to_tensor=tf.convert_to_tensor)


class GraphPass:
    """A run of the graph.

    Parameters
    ----------
    model : GraphModel
        The graph.
    heads : callable
        Tells how an output is read, by its name.
    rule : str, default "vanilla"
        What ReLU does to the gradient.
    is_copy : bool, default False
        Run the operations once more under that rule, too: TensorFlow rewrites loops and branches for their gradient, which it
        can't any more once they were run.

    Attributes
    ----------
    ends : list of tensor
        Outputs, and what is behind their last activation: they are no maps to be explained.
    """

    xp = _XP

    def __init__(
        self, model: GraphModel, heads: Callable[[str], Head], rule: str = "vanilla", *, is_copy: bool = False
    ) -> None:
        self._model = model
        self._heads = heads
        self._at = under(model, rule, is_copy=is_copy)
        self._outputs = {name: self._at(tensor) for name, tensor in model.outputs.items()}

    def returned(self) -> Any:
        """See `vizcnn.targets.score.ForwardPass`."""
        values = tuple(self._outputs.values())
        return values[0] if len(values) == 1 else values

    def output(self, output: str) -> Any:
        """See `vizcnn.targets.score.ForwardPass`."""
        return tf.cast(self._outputs[output], tf.float32)

    def logits(self, output: str) -> Any:
        """See `vizcnn.targets.score.ForwardPass`: what goes into the last activation; else its logarithm, or odds."""
        values, head = self.output(output), self._heads(output)
        if head.activation is None or head.is_logarithm:
            return values
        before = before_activation(self._outputs[output], head.activation)
        if before is not None:
            return tf.cast(before, tf.float32)
        logarithm = tf.math.log(tf.maximum(values, _LEAST))
        return logarithm if head.activation == "softmax" else logarithm - tf.math.log(tf.maximum(1 - values, _LEAST))

    def head(self, output: str) -> Head:
        """See `vizcnn.targets.score.ForwardPass`."""
        return self._heads(output)

    def layer(self, path: str) -> Any:
        """See `vizcnn.targets.score.ForwardPass`."""
        return self.stored(path)

    def stored(self, path: str) -> Any:
        """Return a layer's output as the graph has it."""
        bare, call = split_call(path)
        if call:
            raise LayerError(f"`layer` {path!r} can't be read: an operation of a graph is run once.")
        return self._at(self._model.tensor(bare))

    @property
    def ends(self) -> set[str]:
        """The operations that make an output, before what moves it and before its last activation."""
        names: set[str] = set()
        for tensor in self._model.outputs.values():
            path = _to_activation(tensor)
            names |= {operation.name for operation in path}
            before = path[-1].inputs[0].op if path and path[-1].type in ("Softmax", "Sigmoid") else tensor.op
            while before.type in _MOVING | _RESIZING | {"BiasAdd", "Add", "AddV2"} and before.inputs:
                names.add(before.name)
                before = before.inputs[0].op
            names.add(before.name)
        return names


_MOVING = frozenset({"Cast", "CheckNumerics", "EnsureShape", "ExpandDims", "Identity", "IdentityN", "Reshape", "Squeeze",
                     "StopGradient", "StridedSlice", "Transpose"})  # fmt: skip


_RESIZING = frozenset({"ResizeArea", "ResizeBicubic", "ResizeBilinear", "ResizeNearestNeighbor"})


def before_activation(tensor: Any, activation: str) -> Any:
    """Return an output without its last activation; None where it can't be told.

    What moves a sigmoid's numbers about behind it moves its logits as well; a softmax is one over its own axis only.
    """
    path = _to_activation(tensor)
    if not path or ACTIVATIONS.get(path[-1].type.lower()) != activation:
        return None
    *moves, last = path
    if activation == "softmax" and any(move.type not in ("Identity", "IdentityN", "Cast") for move in moves):
        return None
    value = last.inputs[0]
    return _again(moves, {last.outputs[0].name: value}, tensor) if moves else value


def _to_activation(tensor: Any) -> list[Any]:
    """Return the operations that lead back from a tensor to the softmax or sigmoid behind it; [] where there is none."""
    path: list[Any] = []
    for _ in range(_FARTHEST):
        path.append(tensor.op)
        if ACTIVATIONS.get(tensor.op.type.lower()) in ("softmax", "sigmoid"):
            return path
        if tensor.op.type not in _MOVING or not tensor.op.inputs:
            return []
        tensor = tensor.op.inputs[tensor.value_index if tensor.op.type == "IdentityN" else 0]
    return []


def _again(operations: list[Any], given: dict[str, Any], tensor: Any) -> Any:
    """Return what a tensor is when some operations are run once more with other tensors in place of those named."""
    return _copied(tensor.graph, operations, given, "logits")(tensor)


def _copied(
    graph: Any, operations: list[Any], given: dict[str, Any], name: str, rule: str = ""
) -> Callable[[Any], Any]:
    """Run operations once more; return what finds the copy of a tensor."""
    definition, kept = tf.compat.v1.GraphDef(), {operation.name for operation in operations}
    for operation in operations:
        node = definition.node.add()
        node.CopyFrom(operation.node_def)
        inputs = [name for name in node.input if not name.startswith("^")]
        del node.input[:]
        node.input.extend(inputs)
        node.attr.pop("_class", None)
        if rule and operation.type in _RELU:
            node.attr["_gradient_op_type"].s = _gradient(rule, operation.type).encode()
        given = {tensor.name: tensor for tensor in operation.inputs if tensor.op.name not in kept} | given
    with graph.as_default():
        scope = graph.unique_name(name, mark_as_used=False)
        tf.import_graph_def(definition, input_map=given, name=scope)

    def at(tensor: Any) -> Any:
        return graph.get_tensor_by_name(f"{scope}/{tensor.name}") if tensor.op.name in kept else tensor

    return at


def under(model: GraphModel, rule: str, *, is_copy: bool = False) -> Callable[[Any], Any]:
    """Return what finds each tensor of a model in the copy of its operations that hands gradients on by a rule.

    Parameters
    ----------
    model : GraphModel
        The graph.
    rule : {"vanilla", "guided", "relu"}
        What ReLU does to the gradient.
    is_copy : bool, default False
        Copy them under "vanilla", too.

    Returns
    -------
    callable
        Takes a tensor of the model, and returns that of the copy.

    Raises
    ------
    RuleError
        If there is no ReLU.
    """
    if rule == "vanilla" and not is_copy:
        return lambda tensor: tensor
    kinds = Counter(operation.type for operation in model.operations.values())
    if rule != "vanilla" and not kinds.keys() & _RELU:
        others = ", ".join(f"{kind} ({count})" for kind, count in kinds.most_common(6))
        raise RuleError(
            f"`rule` {rule!r} changes how ReLU hands the gradient on, and the graph has none; it has {others}. Use "
            f"rule='vanilla'."
        )
    graph = model.session.graph
    operations = [graph.get_operation_by_name(name) for name in sorted(model.leading & model.dependent)]
    return _copied(graph, operations, {}, f"rule_{rule}", rule if rule != "vanilla" else "")


@cache
def _gradient(rule: str, kind: str) -> str:
    """Register the gradient of a ReLU by a rule, and return its name."""
    name = f"Vizcnn{rule.title()}{kind}"

    def gradient(operation: Any, grad: Any) -> Any:
        positive = tf.maximum(grad, 0)
        if rule == "relu":
            return positive
        y, x = operation.outputs[0], operation.inputs[0]
        if kind == "LeakyRelu":
            return tf.where(x > 0, positive, operation.get_attr("alpha") * positive)
        passes = y > 0 if kind == "Relu" else tf.logical_and(y > 0, y < 6)
        return tf.where(passes, positive, tf.zeros_like(positive))

    tf.RegisterGradient(name)(gradient)
    return name
