"""Which layers leave positions where they are, and what stands in for them while it is measured where a map lies.

A layer of Keras that is known to compute in place (a convolution, a pooling, an activation) hands on, in that measurement, only
which position looks at which. What is left is what moves positions: cropping, padding, turning, and code that nobody knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np

from vizcnn.adapter.keras.calls import Call

# Keras's layers and operations that compute at each position alone, or hand positions on in their order.
IN_PLACE = frozenset(
    {
        *(
            "Activation",
            "ReLU",
            "LeakyReLU",
            "PReLU",
            "ELU",
            "SELU",
            "Softmax",
            "Relu",
            "Relu6",
            "LeakyRelu",
            "Elu",
            "Selu",
        ),
        *(
            "Celu",
            "Gelu",
            "Silu",
            "Swish",
            "Sigmoid",
            "HardSigmoid",
            "HardSilu",
            "HardSwish",
            "HardTanh",
            "Tanh",
            "Softplus",
        ),
        *("Softsign", "LogSigmoid", "Mish", "Threshold", "LogSoftmax", "BatchNormalization", "LayerNormalization"),
        *(
            "GroupNormalization",
            "RMSNormalization",
            "UnitNormalization",
            "SpectralNormalization",
            "Rescaling",
            "Normalization",
        ),
        *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "AlphaDropout", "GaussianDropout"),
        *(
            "GaussianNoise",
            "ActivityRegularization",
            "Identity",
            "Cast",
            "Masking",
            "Add",
            "Subtract",
            "Multiply",
            "Divide",
        ),
        *(
            "TrueDivide",
            "Average",
            "Maximum",
            "Minimum",
            "Clip",
            "Abs",
            "Absolute",
            "Negative",
            "Power",
            "Square",
            "Sqrt",
        ),
        *("Rsqrt", "Exp", "Log", "Log1p", "Log10", "RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation"),
        *("RandomBrightness", "RandomContrast", "RandomHue", "RandomSaturation", "RandomColorJitter", "RandomShear"),
        *("RandomSharpness", "RandomGrayscale", "RandomPerspective", "RandomErasing", "RandomGaussianBlur"),
        *("AutoContrast", "Equalization", "Solarization", "RandomPosterization", "RandomColorDegeneration"),
        *("Dense", "EinsumDense", "MultiHeadAttention", "GroupedQueryAttention", "Attention", "AdditiveAttention"),
    }
)

_BY_SHAPE = frozenset({"Reshape", "Flatten", "Concatenate", "UpSampling1D", "UpSampling2D", "UpSampling3D", "Resizing"})
"""Those that leave positions in place unless their shapes or options say otherwise."""


def is_own(operation: Any) -> bool:
    """Tell whether what a layer does is written in Keras itself."""
    return str(getattr(type(operation).call, "__module__", "")).startswith("keras.")


def moves(model: Any, calls: Sequence[Call]) -> dict[str, bool]:
    """Tell for each call whether it, or one before it, may have moved positions.

    Parameters
    ----------
    model : keras.Model
        The model.
    calls : sequence of Call
        Those of one run, in their order.

    Returns
    -------
    dict of str to bool
        By the call's address. A layer of somebody else's code counts from the first layer inside it on.
    """
    known: dict[str, bool] = {}
    moved = not is_own(model)
    unknown = {call.path for call in calls if not is_own(call.operation)}
    for number, call in enumerate(calls):
        parts = call.path.split("/")
        foreign = any("/".join(parts[:end]) in unknown for end in range(1, len(parts) + 1))
        moved = moved or foreign or not _stays(call, calls[:number], calls[number + 1 :])
        known[call.address] = moved
    return known


def _stays(call: Call, earlier: Sequence[Call], later: Sequence[Call]) -> bool:
    operation, kind = call.operation, type(call.operation).__name__
    if is_window(operation) or kind in IN_PLACE or kind.startswith("Global"):
        return _keeps_axes(operation)
    before, after = _shape(call.inputs[0] if call.inputs else None), _shape(call.output)
    if isinstance(operation, keras.Model | keras.layers.TimeDistributed) or before is None:
        return True  # what is inside is looked at by itself
    if after is None:
        return not isinstance(call.output, list | tuple)  # pieces, as of a split
    if kind.startswith("ZeroPadding"):
        return _is_undone(call, later)
    if kind not in _BY_SHAPE:
        # Whatever has one value per channel left, as the squeeze of a squeeze and excitation, has no positions to move.
        return kind in ("Mean", "Max", "Min", "Sum") or set(after[1:-1]) <= {1}
    if kind == "Concatenate":
        return bool(operation.axis % len(after) == _channels_of(earlier, len(after)))
    if kind in ("Reshape", "Flatten"):
        return _is_grid(before, after, earlier) or set(before[1:-1]) <= {1}
    return not any(getattr(operation, option, False) for option in ("crop_to_aspect_ratio", "pad_to_aspect_ratio"))


def _channels_of(calls: Sequence[Call], rank: int) -> int:
    first = any(getattr(call.operation, "data_format", None) == "channels_first" for call in calls)
    return 1 if first else rank - 1


def _is_grid(before: Sequence[int | None], after: Sequence[int | None], earlier: Sequence[Call]) -> bool:
    """Tell whether a map became a row of tokens, or tokens went back to the grid that they came from."""
    if after[-1] != before[-1] or min(len(after), len(before)) != 3:
        return False
    return len(after) == 3 or any(
        (_shape(tensor) or ())[1:-1] == after[1:-1] for call in earlier for tensor in call.inputs
    )


def _keeps_axes(operation: Any) -> bool:
    """Tell whether a layer of Keras hands positions on in their order, as all do but an equation that turns them."""
    before, _, after = re.split(",|->", getattr(operation, "equation", "") or "a,a->a")
    kept = [letter for letter in before if letter in after]
    return kept == [letter for letter in after if letter in before]


def is_of_channels(operation: Any, before: Sequence[int | None], after: Sequence[int | None]) -> bool:
    """Tell whether a dense layer computes with the channels of each position alone."""
    return len(before) > 2 and before[1:-1] == after[1:-1] and _keeps_axes(operation)


def _is_undone(call: Call, later: Sequence[Call]) -> bool:
    """Tell whether all that read a padded map are convolutions or poolings without a padding of their own that use it up."""
    before, after = _shape(call.inputs[0]), _shape(call.output)
    readers = [other for other in later if any(tensor is call.output for tensor in other.inputs)]
    if before is None or after is None or not readers:
        return False
    added = max(
        (a - b for a, b in zip(after[1:], before[1:], strict=True) if a is not None and b is not None), default=0
    )
    return all(
        is_window(reader.operation)
        and reader.operation.padding == "valid"
        and min(reach_of(reader.operation)) - 1 >= added
        for reader in readers
    )


def _shape(tensor: Any) -> tuple[int | None, ...] | None:
    shape = getattr(tensor, "shape", None)
    return None if shape is None else tuple(size if isinstance(size, int) else None for size in shape)


def is_window(operation: Any) -> bool:
    """Tell whether this is a convolution or pooling of Keras, which goes over a map by a window."""
    return (
        (hasattr(operation, "kernel_size") or hasattr(operation, "pool_size"))
        and hasattr(operation, "strides")
        and is_own(operation)
    )


def _window(operation: Any) -> tuple[int, ...]:
    return tuple(getattr(operation, "kernel_size", None) or operation.pool_size)


def dilation_of(operation: Any) -> tuple[int, ...]:
    """Return how many positions lie between two weights of a window, along each axis; 1: none is left out."""
    rate = getattr(operation, "dilation_rate", 1)
    return (rate,) * len(_window(operation)) if isinstance(rate, int) else tuple(rate)


def reach_of(operation: Any) -> tuple[int, ...]:
    """Return how many positions a window reaches over, along each axis."""
    return tuple((k - 1) * d + 1 for k, d in zip(_window(operation), dilation_of(operation), strict=True))


# What stands in for them -------------------------------------------------------------------------------------------------


class StandIns:
    """What known layers return while it is measured where a map lies.

    A convolution or pooling looks at the middle of its window alone, and every channel at all channels; what computes at each
    position alone hands it on. So a cell's gradient tells where it lies, with no dead units, and no windows that overlap.

    Attributes
    ----------
    slack : float
        How far the first and the last cell of a map are from where stretching puts them by the windows of ordinary
        convolutions alone, as a share of the map's length: the most of any tensor so far.
    slacks : list of float
        The same after each call.
    """

    def __init__(self) -> None:
        self.slack = 0.0
        self.slacks: list[float] = []
        self._slacks: dict[int, float] = {}
        self._kept: list[Any] = []  # so that no other tensor takes the `id`
        self._random = np.random.default_rng(0)

    def __call__(self, operation: Any, inputs: Sequence[Any], output: Any) -> Any:
        """Return what takes the place of a layer's output.

        Parameters
        ----------
        operation : keras.Operation
            The layer.
        inputs : sequence of tensor
            What it was called on.
        output : tensor
            What it returned.

        Returns
        -------
        tensor
            Of the output's shape; the output itself where the layer isn't known.
        """
        stand_in = output if not inputs or _shape(output) is None else self._stand_in(operation, inputs, output)
        self.slacks.append(self.slack)
        return stand_in

    def _stand_in(self, operation: Any, inputs: Sequence[Any], output: Any) -> Any:
        slack = max(self._slack_of(tensor) for tensor in inputs)
        positions, off = self._made(operation, inputs, output) if is_own(operation) else (None, 0.0)
        stand_in = output if positions is None else keras.ops.cast(positions, output.dtype)
        self.slack = max(self.slack, slack + off)
        self._slacks[id(stand_in)] = slack + off
        self._kept.append(stand_in)
        return stand_in

    def _made(self, operation: Any, inputs: Sequence[Any], output: Any) -> tuple[Any | None, float]:
        """Return the stand-in, None where the layer isn't known, and how far its windows alone put the ends of the map off."""
        before, after, kind = tuple(inputs[0].shape), tuple(output.shape), type(operation).__name__
        if is_window(operation) and len(before) == len(after) == len(_window(operation)) + 2:
            return self._windows(operation, inputs[0], after)
        if kind in IN_PLACE and before[1:] == after[1:] and (len(inputs) == 1 or "Attention" in kind):
            return inputs[0], 0.0
        if kind in ("Dense", "EinsumDense") and is_of_channels(operation, before, after):
            return self._channels(inputs[0], after[-1]), 0.0
        return None, 0.0

    def _windows(self, operation: Any, x: Any, after: tuple[int | None, ...]) -> tuple[Any | None, float]:
        first = getattr(operation, "data_format", None) == "channels_first"
        x = keras.ops.moveaxis(x, 1, -1) if first else x
        size = [length for length in (after[2:] if first else after[1:-1]) if length is not None]
        if len(size) < len(after) - 2 or None in x.shape[1:-1]:
            return None, 0.0
        middles, off = self._middles(operation, x, size)
        values = self._channels(middles, after[1] if first else after[-1])
        return keras.ops.moveaxis(values, -1, 1) if first else values, off

    def _slack_of(self, tensor: Any) -> float:
        return self._slacks.get(id(tensor), self.slack)

    def _channels(self, x: Any, count: int | None) -> Any:
        """Mix the channels evenly, each new one with a weight of its own."""
        mean = keras.ops.mean(x, axis=-1, keepdims=True)
        factors = self._random.uniform(0.5, 1.5, count or 1).astype("float32")
        return mean * keras.ops.cast(keras.ops.convert_to_tensor(factors), mean.dtype)

    def _middles(self, operation: Any, x: Any, size: Sequence[int]) -> tuple[Any, float]:
        """Return each window's middle, and how far the ends of the map are from where stretching puts them."""
        mean = keras.ops.mean(x, axis=-1, keepdims=True)
        lengths = tuple(int(length) for length in x.shape[1:-1])
        if "Transpose" in type(operation).__name__:
            return _gathered(mean, [_stretched(n, count) for n, count in zip(lengths, size, strict=True)]), 0.0
        strides = operation.strides if isinstance(operation.strides, tuple | list) else (operation.strides,) * len(size)
        rows, off = [], 0.0
        for n, count, stride, reach in zip(lengths, size, strides, reach_of(operation), strict=True):
            middle = (reach - 1) / 2
            if operation.padding == "same":
                middle -= max((count - 1) * stride + reach - n, 0) // 2
            elif operation.padding == "causal":
                middle = 0.0
            centers = middle + stride * np.arange(count)
            stretch = (np.array([0, count - 1]) + 0.5) * n / count - 0.5
            off = max(off, float(np.abs(centers[[0, -1]] - stretch).max()) / n)
            rows.append(_taking(centers, n))
        return _gathered(mean, rows), off


def _stretched(length: int, count: int) -> np.ndarray:
    return _taking((np.arange(count) + 0.5) * length / count - 0.5, length)


def _taking(centers: np.ndarray, length: int) -> np.ndarray:
    """Return the matrix (cells, positions) that takes the values at these places, between two positions half of each."""
    places = np.clip(centers, 0, length - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(places[:, None] - np.arange(length))), dtype=np.float32)


def _gathered(x: Any, matrices: Iterable[np.ndarray]) -> Any:
    """Multiply each axis of positions by a matrix."""
    for axis, matrix in enumerate(matrices, start=1):
        weights = keras.ops.cast(keras.ops.convert_to_tensor(matrix), x.dtype)
        x = keras.ops.moveaxis(keras.ops.tensordot(x, weights, axes=[[axis], [1]]), -1, axis)
    return x
