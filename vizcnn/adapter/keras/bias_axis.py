"""Whether Keras adds a bias along the axis that it belongs to, in models whose channels come first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import keras
import numpy as np

from vizcnn.adapter.layers import LayerInfo
from vizcnn.errors import listed


@cache
def is_taken_for_last() -> bool:
    """Tell whether this Keras takes a bias (1, C, 1, 1) for one of the last axis, where that is as long.

    Keras 3.15 on TensorFlow hands what looks like a bias to `tf.nn.bias_add`, and tells the axis by its length.
    """
    bias = np.arange(1, 3, dtype="float32").reshape(1, 2, 1, 1)
    summed = keras.ops.add(keras.ops.zeros((1, 2, 3, 2)), keras.ops.convert_to_tensor(bias))
    return not np.array_equal(keras.ops.convert_to_numpy(summed), np.broadcast_to(bias, (1, 2, 3, 2)))


def misplaced(layers: Iterable[LayerInfo], operations: Mapping[str, Any]) -> list[str]:
    """Return the paths of layers whose bias this Keras adds along columns in place of channels.

    Parameters
    ----------
    layers : iterable of LayerInfo
        The layers; shapes with their channels last.
    operations : mapping
        Paths to Keras's layers.

    Returns
    -------
    list of str
    """
    found = []
    for info in layers:
        operation, shape = operations.get(info.path), info.output_shape
        is_first = getattr(operation, "data_format", None) == "channels_first"
        has_bias = is_first and getattr(operation, "bias", None) is not None
        if has_bias and shape and len(shape) > 2 and shape[-1] == shape[-2] and shape[-1] not in (None, 1):
            found.append(info.path)
    return found if found and is_taken_for_last() else []


def misplaced_note(name: str, layers: Sequence[str]) -> str:
    """Return what to say of it: a model that has such layers doesn't predict what it did where it was trained."""
    return (
        f"Keras {keras.__version__} on {keras.backend.backend()} adds the bias of {listed(layers)} in model {name!r} along the "
        f"columns, for the channels come first and the map is as wide as it has channels. So the model predicts otherwise than "
        f"where it was trained, in Keras itself too; Keras on JAX or PyTorch adds it along the channels."
    )
