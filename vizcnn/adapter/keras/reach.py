"""Which positions of the input a layer's cells depend on, by the arithmetic of the windows on the way, or else measured.

Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill 2019; here for each cell, along
each axis, so that paths of different lengths may meet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras.src.backend import compute_output_spec

from vizcnn.adapter.arrays import Array
from vizcnn.adapter.keras.calls import Call
from vizcnn.adapter.keras.forward_pass import ForwardPass
from vizcnn.adapter.keras.model_view import ModelView
from vizcnn.adapter.keras.placing import Lines, look_back
from vizcnn.adapter.keras.positions import IN_PLACE, dilation_of, is_of_channels, is_own, is_window, reach_of
from vizcnn.adapter.keras.randomness import user_seeds_kept
from vizcnn.adapter.keras.runner import Runner
from vizcnn.adapter.layers import split_call
from vizcnn.adapter.reach import Reach

_OVER_POSITIONS = frozenset({"GroupNormalization", "Softmax", "LogSoftmax", "UnitNormalization"})
"""Those of `IN_PLACE` that compute with other positions too."""

_MEETING = frozenset(
    {"Add", "Subtract", "Multiply", "Divide", "TrueDivide", "Average", "Maximum", "Minimum", "Concatenate"}
)


@dataclass(frozen=True)
class _Axis:
    """What the cells along one axis see.

    From `low` to `high` positions of the input, both (cells,), `step` apart; `extent` as many where nothing is cut off.
    """

    low: Array
    high: Array
    extent: Array
    step: float

    @classmethod
    def of_input(cls, length: int) -> _Axis:
        places = np.arange(length)
        return cls(places, places, np.ones(length), 1.0)

    def windows(self, firsts: Array, lasts: Array, step: float, dilation: int = 1) -> _Axis:
        """Return what windows see that begin and end at these cells; those beyond the ends are padding."""
        last = len(self.low) - 1
        inside = (
            firsts + np.maximum(0, -(firsts // dilation)) * dilation,
            lasts - np.maximum(0, -((last - lasts) // dilation)) * dilation,
        )
        ends = [np.clip(at, 0, last).astype(int) for at in inside]  # of a window in the padding alone, its edge
        extent = np.maximum(*(self.extent[at] for at in ends)) + (lasts - firsts) * self.step
        return _Axis(self.low[ends[0]], self.high[ends[1]], extent, self.step * step)

    def whole(self) -> _Axis:
        """Return what one cell sees that is computed with all of them."""
        extent = self.extent.max(keepdims=True) + (len(self.low) - 1) * self.step
        return _Axis(self.low.min(keepdims=True), self.high.max(keepdims=True), extent, self.step)

    def meeting(self, other: _Axis) -> _Axis:
        """Return what cells see that are computed with the other's; these are as many, or one."""
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        return _Axis(low, high, np.maximum(self.extent, other.extent), max(self.step, other.step))


_Spread = tuple[_Axis, ...]

_BANDS = 33
"""Rows, and columns, of a map from which it is looked back to the input where that has to be measured."""


def reach(
    view: ModelView,
    runner: Runner,
    layer: str,
    sample_shape: tuple[int, ...],
    input_range: tuple[float, float],
) -> Reach | None:
    """See `ModelAdapter.reach`; None of a layer without a map of as many axes as the input, or that depends on nothing."""
    view.prepare(sample_shape)
    size = tuple(sample_shape[:-1])
    spread, grid = _followed(view, layer, sample_shape)
    if spread is not None:
        low, high, steps = zip(*((axis.low, axis.high, axis.step) for axis in spread), strict=True)
        return Reach(low, high, tuple(int(axis.extent.max()) for axis in spread), steps, size, is_exact=True)
    if grid is None or len(grid) != len(size):
        return None
    lines = Lines.across(layer, grid, _BANDS)
    (looked,) = look_back(view, runner, [lines], sample_shape, input_range, through_windows=True)
    if not all(depends.any() for depends in looked.depends):
        return None
    return Reach.measured([np.array(indices) for indices in lines.chosen], looked.depends, grid, size)


def _followed(
    view: ModelView, layer: str, sample_shape: tuple[int, ...]
) -> tuple[_Spread | None, tuple[int, ...] | None]:
    """Follow the windows on the way to a layer; and return the size of its map.

    What its cells see is None where something on the way isn't known: somebody else's code, tokens, a turn.
    """
    bare, index = split_call(layer)
    stop = frozenset({bare}) if index is None else frozenset()
    spread: _Spread | None = None
    grid: tuple[int, ...] | None = None

    def follow(tensor: Any) -> Any:
        nonlocal spread, grid
        run = ForwardPass.run(view, tensor, stop_after=stop)
        known: dict[int, _Spread | None] = {id(tensor): tuple(map(_Axis.of_input, sample_shape[:-1]))}
        for number, call in enumerate(run.taps.calls):
            if number == 0 and is_own(view.model):  # the cast to what the model takes, if any, is no layer's
                known |= {id(one): known[id(tensor)] for one in call.inputs if tuple(one.shape) == tuple(tensor.shape)}
            for output in keras.tree.flatten(call.output):
                if id(output) not in known:  # a container returns what a layer inside it has returned
                    known[id(output)] = _after(call, output, [known.get(id(one)) for one in call.inputs])
            if call.address == layer:
                size = run.layout.size(getattr(call.output, "shape", ()))
                grid = None if size is None or None in size else tuple(int(length or 0) for length in size)
                spread = known.get(id(call.output)) if grid is not None else None
        return tensor

    with user_seeds_kept(view.backend):
        compute_output_spec(follow, keras.KerasTensor((1, *sample_shape)))
    return (spread if spread is None or _lengths(spread) == grid else None), grid


def _after(call: Call, output: Any, before: Sequence[_Spread | None]) -> _Spread | None:
    """Return what the cells of a layer's output see; None where that isn't known."""
    operation, kind = call.operation, type(call.operation).__name__
    if not before or any(spread is None for spread in before) or not is_own(operation):
        return None
    spreads = [spread for spread in before if spread is not None]
    first, shape = spreads[0], tuple(getattr(output, "shape", ()))
    sizes = _sizes(operation, shape, len(first))
    if is_window(operation):
        return _windows(operation, first, sizes)
    if kind in _MEETING:
        if kind == "Concatenate" and operation.axis % len(shape) != _channel_axis(operation, shape):
            return None
        return _met(spreads, sizes)
    if kind.startswith("Global") or kind == "Flatten":
        return tuple(axis.whole() for axis in first)
    if kind == "GroupNormalization" or "Attention" in kind or _normalizes_positions(operation, shape):
        return _met([*spreads, tuple(axis.whole() for axis in first)], sizes)
    if all(length == 1 for length in _lengths(first)):
        return first  # one cell that sees the same, however its vector is computed with and shaped
    if kind in _RESHAPING:
        return _RESHAPING[kind](operation, first, sizes)
    if kind in ("Dense", "EinsumDense") and not is_of_channels(operation, tuple(call.inputs[0].shape), shape):
        return None
    if kind in IN_PLACE and kind not in _OVER_POSITIONS and len(spreads) == 1 and sizes == _lengths(first):
        return first
    if kind in ("Mean", "Max", "Min", "Sum"):
        return first if sizes == _lengths(first) else tuple(axis.whole() for axis in first)
    return None


def _normalizes_positions(operation: Any, shape: tuple[int | None, ...]) -> bool:
    """Tell whether a normalization by statistics of the image itself takes these over other axes than that of the channels."""
    if type(operation).__name__ not in ("LayerNormalization", "RMSNormalization"):
        return False
    axes = operation.axis if isinstance(operation.axis, list | tuple) else (operation.axis,)
    return any(axis % len(shape) != len(shape) - 1 for axis in axes)


def _lengths(spread: _Spread) -> tuple[int, ...]:
    return tuple(len(axis.low) for axis in spread)


def _channel_axis(operation: Any, shape: tuple[int | None, ...]) -> int:
    return 1 if getattr(operation, "data_format", None) == "channels_first" else len(shape) - 1


def _sizes(operation: Any, shape: tuple[int | None, ...], rank: int) -> tuple[int, ...] | None:
    """Return how many cells an output has along each axis; None where it isn't a map."""
    if len(shape) != rank + 2:
        return None
    sizes = shape[2:] if _channel_axis(operation, shape) == 1 else shape[1:-1]
    return None if None in sizes else tuple(int(length or 0) for length in sizes)


def _met(spreads: Sequence[_Spread], sizes: tuple[int, ...] | None) -> _Spread | None:
    """Return what cells see that are computed of several tensors' cells; one of one cell is computed with everywhere."""
    first, *others = sorted(spreads, key=lambda spread: -max(_lengths(spread)))
    for other in others:
        if any(length not in (1, full) for length, full in zip(_lengths(other), _lengths(first), strict=True)):
            return None
        first = tuple(axis.meeting(one) for axis, one in zip(first, other, strict=True))
    return first if sizes is None or sizes == _lengths(first) else None


def _windows(operation: Any, spread: _Spread, sizes: tuple[int, ...] | None) -> _Spread | None:
    is_of_frames = len(reach_of(operation)) != len(spread)  # a recurrent one, or one that is run on each frame
    if sizes is None or is_of_frames or getattr(operation, "output_padding", None) is not None:
        return None
    strides = operation.strides if isinstance(operation.strides, tuple | list) else (operation.strides,) * len(sizes)
    is_transposed = "Transpose" in type(operation).__name__
    axes = []
    windows = zip(spread, sizes, strides, reach_of(operation), dilation_of(operation), strict=True)
    for axis, cells, stride, reach, dilation in windows:
        length, at = len(axis.low), np.arange(cells)
        if is_transposed:  # the convolution that it turns around goes from its output to its input
            before = max((length - 1) * stride + reach - cells, 0) // 2 if operation.padding == "same" else 0
            axes.append(axis.windows(-((reach - 1 - at - before) // stride), (at + before) // stride, 1 / stride))
            continue
        before = 0
        if operation.padding == "same":
            before = max((cells - 1) * stride + reach - length, 0) // 2
        elif operation.padding == "causal":
            before = reach - 1
        axes.append(axis.windows(at * stride - before, at * stride - before + reach - 1, stride, dilation))
    return tuple(axes)


def _padded(operation: Any, spread: _Spread, sizes: tuple[int, ...] | None) -> _Spread | None:
    """Return what cells see behind a padding or a cropping, whose first cells are so many away from the input's."""
    amounts = getattr(operation, "padding", getattr(operation, "cropping", None))
    if sizes is None or amounts is None:
        return None
    pairs = [amounts] if isinstance(amounts[0], int) else amounts
    sign = -1 if hasattr(operation, "padding") else 1
    starts = [sign * pair[0] + np.arange(cells) for pair, cells in zip(pairs, sizes, strict=True)]
    return tuple(axis.windows(at, at, 1) for axis, at in zip(spread, starts, strict=True))


def _enlarged(operation: Any, spread: _Spread, sizes: tuple[int, ...] | None) -> _Spread | None:
    """Return what cells see behind an enlargement; each is one of the cells, or between two."""
    is_whole = getattr(operation, "crop_to_aspect_ratio", False) or getattr(operation, "pad_to_aspect_ratio", False)
    how = getattr(operation, "interpolation", "nearest")
    resizes = type(operation).__name__ == "Resizing"
    if sizes is None or is_whole or how not in (("bilinear",) if resizes else ("bilinear", "nearest")):
        return None
    axes = []
    for axis, cells in zip(spread, sizes, strict=True):
        factor = len(axis.low) / cells
        at = (np.arange(cells) + 0.5) * factor - (0.5 if how == "bilinear" else 0.0)
        low, high = np.floor(at), np.ceil(at) if how == "bilinear" else np.floor(at)
        low, high = (np.clip(ends, 0, len(axis.low) - 1) for ends in (low, high))
        axes.append(axis.windows(low, high, factor))
    return tuple(axes)


def _reshaped(operation: Any, spread: _Spread, sizes: tuple[int, ...] | None) -> _Spread | None:
    del operation
    return spread if sizes == _lengths(spread) else None


_RESHAPING: dict[str, Callable[[Any, _Spread, tuple[int, ...] | None], _Spread | None]] = {
    **{f"ZeroPadding{rank}D": _padded for rank in (1, 2, 3)},
    **{f"Cropping{rank}D": _padded for rank in (1, 2, 3)},
    **{f"UpSampling{rank}D": _enlarged for rank in (1, 2, 3)},
    "Resizing": _enlarged,
    "Reshape": _reshaped,
}
