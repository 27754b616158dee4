"""Ask a Keras model what it does to its inputs before its first weights, by running it as far as that on constant images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from vizcnn.adapter.input_scaling import PROBES, UNKNOWN, InputScaling, from_probes
from vizcnn.adapter.keras.backends import current
from vizcnn.adapter.keras.randomness import user_seeds_kept
from vizcnn.adapter.keras.taps import Taps

_OPEN_SIZE = 32
"""Rows and columns of the images where the model leaves them open."""


@dataclass
class FirstWeights:
    """What a model was found to do before its first weights; found again when what was fitted to data has changed.

    Parameters
    ----------
    operations : callable
        Returns paths to the layers and `keras.ops` nodes that are tapped.
    forward : callable
        Runs the model on a batch.
    """

    operations: Callable[[], Mapping[str, Any]]
    forward: Callable[[Any], Any]
    _found: InputScaling | None = None
    _read: list[tuple[Any, np.ndarray]] | None = field(default=None, repr=False)

    def scaling(self, shape: Sequence[int | None]) -> InputScaling | None:
        """Return what happens to an input of that shape; None where nothing does."""
        if self._read is None or any(not np.array_equal(_numpy(variable), value) for variable, value in self._read):
            self._ask((*(size or _OPEN_SIZE for size in shape[:-1]), shape[-1] or 3))
        return self._found

    def _ask(self, shape: tuple[int, ...]) -> None:
        images = np.broadcast_to(PROBES.reshape(-1, *[1] * len(shape)), (len(PROBES), *shape))
        passed: list[Any] = []
        first: list[tuple[Any, Any]] = []
        generators: list[Any] = []

        def is_first(operation: Any, inputs: tuple[Any, ...]) -> bool:
            if getattr(operation, "_trainable_variables", ()):
                first.extend((operation, tensor) for tensor in inputs if _varies(tensor))
            else:
                passed.append(operation)
            return bool(first)

        try:
            with user_seeds_kept(current()), Taps(self.operations(), stop_before=is_first, generators=generators):
                returned = keras.tree.flatten(self.forward(keras.ops.convert_to_tensor(images)))
                first += [(None, tensor) for tensor in returned if _varies(tensor)]  # of a model without weights
        except Exception:  # noqa: BLE001 - a stranger's layers may refuse such images, or so many at once
            first = []
        known = first and not generators  # of noise one image tells nothing
        self._found, variables = _reading(*first[0], shape[-1], passed) if known else (UNKNOWN, [])
        self._read = [(variable, _numpy(variable)) for variable in variables]


def _reading(layer: Any, tensor: Any, channels: int, passed: Sequence[Any]) -> tuple[InputScaling | None, list[Any]]:
    """Return what the tensor that goes into the first layer with weights tells, and the variables that it depends on.

    What isn't trained by gradients was fitted to the data, as a Normalization is before the training and a
    BatchNormalization during it.
    """
    values = _by_channel(_numpy(tensor), channels)
    variables = [v for operation in passed for v in getattr(operation, "_non_trainable_variables", ())]
    fitted = any(_differs(v) for v in variables)
    if isinstance(layer, keras.layers.BatchNormalization):
        variables += [layer.moving_mean, layer.moving_variance]
        mean, variance = (_numpy(variable).astype(np.float64) for variable in variables[-2:])
        if values.shape[1] in (1, len(mean)) and (_differs(layer.moving_mean) or _differs(layer.moving_variance)):
            values, fitted = (values - mean) / np.sqrt(variance + layer.epsilon), True
    elif "Normalization" in type(layer).__name__:
        return UNKNOWN, []  # each image by its own mean and deviation
    return from_probes(values, fitted=fitted), variables


def _differs(variable: Any) -> bool:
    """Tell whether a variable holds numbers of its own: what was never fitted is zeros or ones; counters are whole numbers."""
    values = _numpy(variable)
    return values.dtype.kind == "f" and not any(np.allclose(values, start) for start in (0, 1))


def _varies(tensor: Any) -> bool:
    """Tell whether a tensor has other values for other images."""
    values = _numpy(tensor).astype(np.float64)
    return len(values) == len(PROBES) and not np.array_equal(values[0], values[-1], equal_nan=True)


def _by_channel(values: np.ndarray, channels: int) -> np.ndarray:
    """Return one number per image and channel, where there are channels still: the one in the middle, away from padding."""
    values = values.astype(np.float64)
    if values.ndim > 2 and values.shape[-1] != channels == values.shape[1]:
        values = np.moveaxis(values, 1, -1)
    if values.ndim > 2 and values.shape[-1] == channels:
        middle: np.ndarray = values[(slice(None), *(size // 2 for size in values.shape[1:-1]))]
        return middle
    return np.asarray(np.median(values.reshape(len(values), -1), axis=1, keepdims=True))


def _numpy(tensor: Any) -> np.ndarray:
    return np.asarray(current().numpy(getattr(tensor, "value", tensor)))
