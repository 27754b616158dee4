"""Models that take an image as one row of numbers, and make an image of it themselves: what shape it has then."""

from __future__ import annotations

import math
from typing import Any

import keras

from vizcnn.adapter.keras.structure import walk


def unflattened_shape(model: Any, shape: tuple[int | None, ...]) -> tuple[int, ...] | None:
    """Return the shape of what a model makes of a flat input, at once or after what acts on each number alone.

    Parameters
    ----------
    model : keras.Model
        The model.
    shape : tuple of int or None
        The input's shape, without the batch axis.

    Returns
    -------
    tuple of int or None
        None where the input isn't flat, or nothing of that is done.
    """
    if len(shape) != 1 or shape[0] is None:
        return None  # it is asked on every call
    flat = {id(tensor) for tensor in getattr(model, "inputs", None) or ()}
    target: tuple[int, ...] | None = None
    for _, inner in walk(model):
        operation = inner.operation
        for node in getattr(operation, "_inbound_nodes", ()):
            if len(node.input_tensors) != 1 or id(node.input_tensors[0]) not in flat or _mixes(operation):
                continue
            output = node.outputs[0]
            sizes = tuple(output.shape[1:])
            flat |= {id(tensor) for tensor in getattr(operation, "inputs", None) or ()}  # a nested model's own
            if sizes == (target or shape):
                flat.add(id(output))
            elif isinstance(operation, keras.Model) or None in sizes or math.prod(sizes) != shape[0]:
                continue
            elif target is None or sizes == (*target, 1):  # the channel axis may come in a step of its own
                target, flat = sizes, {id(output)}
    return target if target is not None and len(target) > 1 else None


def _mixes(operation: Any) -> bool:
    """Tell whether a layer makes each number of several, by a matrix or a kernel."""
    return not isinstance(operation, keras.Model) and any(
        len(weight.shape) > 1 and max(weight.shape) < math.prod(weight.shape)
        for weight in getattr(operation, "weights", ())
    )
