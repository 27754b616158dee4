"""The last activation on the way to an output of a stored graph, whatever format it is stored in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

ACTIVATIONS = {
    "sigmoid": "sigmoid",
    "logistic": "sigmoid",
    "qlinearsigmoid": "sigmoid",
    "hardsigmoid": "hard_sigmoid",
    "softmax": "softmax",
    "qlinearsoftmax": "softmax",
    "logsoftmax": "log_softmax",
}
"""Kinds of operations, in the words of TensorFlow, TensorFlow Lite and ONNX, to the activation that they are."""

_NUMBERS = frozenset({"tanh", "relu", "relu6", "leakyrelu", "prelu", "elu", "selu", "gelu", "softplus", "softsign"})
"""Activations that make no probabilities, though all that a model is shown may lie within 0 to 1."""

_WEIGHTED = frozenset({"matmul", "batchmatmul", "fullyconnected", "gemm", "conv", "conv2d"})
_ADDING = frozenset({"add", "addv2", "biasadd"})
_KEEPING = frozenset({"identity", "identityn", "cast", "quantize", "dequantize", "quantizelinear", "dequantizelinear",
                      "ensureshape", "checknumerics", "stopgradient"})  # fmt: skip
_MOVING = frozenset({"reshape", "squeeze", "expanddims", "unsqueeze", "flatten", "transpose", "stridedslice", "slice", "gather",
                     "gatherv2"})  # fmt: skip
_CUTTING = frozenset({"clip", "clipbyvalue", "minimum", "maximum"})

_FARTHEST = 200
"""Operations that are looked through; a graph may go in a circle."""

Step = Callable[[Any], tuple[str, Any] | None]
"""Takes a tensor; returns the kind of operation that made it, and its first input. None: the tensor is given, or not found."""


def last_activation(tensor: Any, step: Step) -> str | None:
    """Return the activation that a tensor ends in, behind what only moves, rounds or cuts its numbers.

    Parameters
    ----------
    tensor
        The output, as `step` knows it.
    step : callable
        How the graph is walked, from the end to the start.

    Returns
    -------
    str or None
        "sigmoid", "hard_sigmoid", "softmax", "log_softmax"; "tanh" and others that make no probabilities; "linear" where
        weights made the numbers; None where it can't be told, and the numbers have to tell.

    Examples
    --------
    >>> from vizcnn.adapter.runtimes.graph_endings import last_activation
    >>> graph = {"out": ("Squeeze", "p"), "p": ("Sigmoid", "logit"), "logit": ("MatMul", "features")}
    >>> last_activation("out", graph.get), last_activation("logit", graph.get), last_activation("features", graph.get)
    ('sigmoid', 'linear', None)
    """
    passed: set[str] = set()
    for _ in range(_FARTHEST):
        maker = step(tensor)
        if maker is None:
            return None
        kind = maker[0].replace("_", "").lower()
        if kind in ACTIVATIONS:
            return _behind(ACTIVATIONS[kind], passed)
        if kind in _NUMBERS:
            return None if passed & (_CUTTING | _ADDING) else kind
        if kind in _WEIGHTED:
            return None if passed & _CUTTING else "linear"
        if kind not in _KEEPING | _MOVING | _CUTTING | _ADDING:
            return None
        passed.add(kind)
        tensor = maker[1]
    return None


def _behind(activation: str, passed: set[str]) -> str | None:
    """Return the activation where it still holds behind what was passed."""
    if passed & _ADDING:
        return None
    # A softmax is one only over its own axis, which nobody follows here; a sigmoid is one number by number.
    return None if "softmax" in activation and passed - _KEEPING else activation
