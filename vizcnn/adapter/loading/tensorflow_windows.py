"""What takes the place of TensorFlow's functions of windows, boxes, blocks and sequences, and of its special functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from vizcnn.adapter.loading.tensorflow_values import dtype_of, integers, tensor

Function = Callable[..., Any]


# Windows -----------------------------------------------------------------------------------------------------------------------


def _pair_of(value: Any) -> tuple[int, int]:
    """Return a number along rows and columns, given once, twice, or for every axis of (N, H, W, C)."""
    sizes = integers(value)
    if len(sizes) == 1:
        return sizes[0], sizes[0]
    return (sizes[1], sizes[2]) if len(sizes) == 4 else (sizes[0], sizes[1])


def _windows(
    x: Any, size: Any, strides: Any, padding: str, rates: Any = 1
) -> tuple[Any, list[tuple[int, int]], int, int]:
    """Return all places of a window that slides over (N, H, W, C).

    Returns
    -------
    (tensor, list of (int, int), int, int)
        (places, N, h, w, C), where nothing is -inf; the places, down and across; and how many rows and columns were put in front.
    """
    (high, wide), (down, across), (by, along) = _pair_of(size), _pair_of(strides), _pair_of(rates)
    reach = [((high - 1) * by + 1, down), ((wide - 1) * along + 1, across)]
    lengths = x.shape[1:3]
    if None in lengths:
        raise ValueError("windows of an image of open size have no counterpart")
    if padding == "SAME":
        missing = [
            max((-(-n // step) - 1) * step + span - n, 0) for n, (span, step) in zip(lengths, reach, strict=True)
        ]
        front = [each // 2 for each in missing]
        pads = [(0, 0), *((first, each - first) for first, each in zip(front, missing, strict=True)), (0, 0)]
        x = ops.pad(x, pads, constant_values=-np.inf)
    elif padding == "VALID":
        front = [0, 0]
    else:
        raise ValueError(f"the padding {padding!r} has no counterpart in this Keras")
    rows, columns = ((n - span) // step + 1 for n, (span, step) in zip(x.shape[1:3], reach, strict=True))
    places = [(i * by, j * along) for i in range(high) for j in range(wide)]
    parts = [x[:, i : i + (rows - 1) * down + 1 : down, j : j + (columns - 1) * across + 1 : across] for i, j in places]
    return ops.stack(parts), places, front[0], front[1]


def _max_pool_with_argmax(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: str,
    data_format: str = "NHWC",
    output_dtype: Any = "int64",
    include_batch_in_index: bool = False,
) -> Any:
    """Return the highest value of each window, and its place ``(y * W + x) * C + c``."""
    if data_format != "NHWC":
        raise ValueError(f"the data format {data_format!r} has no counterpart in this Keras")
    parts, places, top, left = _windows(input, ksize, strides, padding)
    best = ops.argmax(parts, axis=0)
    _, height, width, channels = input.shape
    (down, across), (rows, columns) = _pair_of(strides), parts.shape[2:4]
    y = (
        ops.take(np.array([i for i, _ in places], "int32"), best)
        + (np.arange(rows, dtype="int32") * down - top)[:, None, None]
    )
    x = (
        ops.take(np.array([j for _, j in places], "int32"), best)
        + (np.arange(columns, dtype="int32") * across - left)[:, None]
    )
    place = (y * width + x) * channels + np.arange(channels, dtype="int32")
    if include_batch_in_index:
        samples = ops.arange(ops.shape(input)[0], dtype="int32") * (height * width * channels)
        place = place + ops.reshape(samples, (-1, 1, 1, 1))
    return ops.max(parts, axis=0), ops.cast(place, dtype_of(output_dtype))


def _dilation2d(
    input: Any,
    filters: Any = None,
    strides: Any = 1,
    padding: str = "VALID",
    data_format: str = "NHWC",
    dilations: Any = 1,
    filter: Any = None,
    rates: Any = None,
) -> Any:
    """Return the highest sum of the image and a window, as grayscale morphology has it."""
    if data_format != "NHWC":
        raise ValueError(f"the data format {data_format!r} has no counterpart in this Keras")
    window = tensor(filter if filters is None else filters, input)
    parts = _windows(input, tuple(window.shape[:2]), strides, padding, dilations if rates is None else rates)[0]
    return ops.max(parts + ops.reshape(window, (-1, 1, 1, 1, window.shape[-1])), axis=0)


def _erosion2d(
    value: Any, filters: Any, strides: Any, padding: str, data_format: str = "NHWC", dilations: Any = 1
) -> Any:
    flipped = ops.flip(ops.flip(tensor(filters, value), 0), 1)
    return -_dilation2d(-value, flipped, strides, padding, data_format, dilations)


# Boxes -------------------------------------------------------------------------------------------------------------------------


def _crop_and_resize(
    image: Any,
    boxes: Any,
    box_indices: Any = None,
    crop_size: Any = None,
    method: str = "bilinear",
    extrapolation_value: float = 0.0,
    box_ind: Any = None,
) -> Any:
    """Cut boxes (y0, x0, y1, x1), as shares of the image, out of images, and bring them to one size."""
    if method not in ("bilinear", "nearest"):
        raise ValueError(f"the method {method!r} has no counterpart in this Keras")
    boxes, of = tensor(boxes, image), tensor(box_ind if box_indices is None else box_indices, dtype="int32")
    samples = ops.cast(ops.take(image, of, axis=0), "float32")
    weights, inside = [], []
    for axis, count in enumerate(integers(crop_size)):
        first, last, length = boxes[:, axis : axis + 1], boxes[:, axis + 2 : axis + 3], samples.shape[axis + 1]
        if count > 1:
            at = first * (length - 1) + np.arange(count, dtype="float32") * (
                (last - first) * (length - 1) / (count - 1)
            )
        else:
            at = 0.5 * (first + last) * (length - 1)
        inside.append(ops.logical_and(at >= 0, at <= length - 1))
        at = ops.floor(at + 0.5) if method == "nearest" else at
        weights.append(ops.relu(1 - ops.abs(ops.expand_dims(at, -1) - np.arange(length, dtype="float32"))))
    crops = ops.einsum("nhwc,nih,njw->nijc", samples, *weights)
    within = ops.logical_and(ops.expand_dims(inside[0], 2), ops.expand_dims(inside[1], 1))
    return ops.where(ops.expand_dims(within, -1), crops, extrapolation_value)


# Blocks ------------------------------------------------------------------------------------------------------------------------


def _space_to_batch(input: Any, block_shape: Any, paddings: Any) -> Any:
    """Deal out the pixels of each block among as many images."""
    block = integers(block_shape)
    padded = ops.pad(
        input, [(0, 0), *map(tuple, np.asarray(paddings).tolist()), *[(0, 0)] * (len(input.shape) - 1 - len(block))]
    )
    sizes, rest = padded.shape[1 : 1 + len(block)], padded.shape[1 + len(block) :]
    shape = [-1, *(part for size, by in zip(sizes, block, strict=True) for part in (size // by, by)), *rest]
    inner, outer = [2 * axis + 2 for axis in range(len(block))], [2 * axis + 1 for axis in range(len(block))]
    behind = range(2 * len(block) + 1, 2 * len(block) + 1 + len(rest))
    turned = ops.transpose(ops.reshape(padded, shape), (*inner, 0, *outer, *behind))
    return ops.reshape(turned, (-1, *(size // by for size, by in zip(sizes, block, strict=True)), *rest))


def _batch_to_space(input: Any, block_shape: Any = None, crops: Any = None, block_size: Any = None) -> Any:
    """Undo `_space_to_batch`."""
    block = integers(block_shape) if block_size is None else (block_size, block_size)
    sizes, rest = input.shape[1 : 1 + len(block)], input.shape[1 + len(block) :]
    split = ops.reshape(input, (*block, -1, *sizes, *rest))
    count = len(block)
    order = [count, *(axis for place in range(count) for axis in (count + 1 + place, place))]
    turned = ops.transpose(split, (*order, *range(2 * count + 1, 2 * count + 1 + len(rest))))
    joined = ops.reshape(turned, (-1, *(size * by for size, by in zip(sizes, block, strict=True)), *rest))
    cuts = np.asarray(crops).tolist()
    ends = [slice(first, size * by - last) for (first, last), size, by in zip(cuts, sizes, block, strict=True)]
    return joined[(slice(None), *ends)]


# Sequences ---------------------------------------------------------------------------------------------------------------------


def _reverse_sequence(
    input: Any,
    seq_lengths: Any,
    seq_axis: Any = None,
    batch_axis: Any = None,
    seq_dim: Any = None,
    batch_dim: Any = None,
) -> Any:
    """Turn the first values of each sample round, as many as its length says."""
    along = seq_dim if seq_axis is None else seq_axis
    across = (0 if batch_dim is None else batch_dim) if batch_axis is None else batch_axis
    x = ops.moveaxis(input, (across, along), (0, 1))
    lengths = ops.expand_dims(tensor(seq_lengths, dtype="int32"), -1)
    places = np.arange(x.shape[1], dtype="int32")
    turned = ops.where(places < lengths, lengths - 1 - places, places)
    index = ops.reshape(turned, (*turned.shape, *[1] * (len(x.shape) - 2)))
    taken = ops.take_along_axis(x, ops.broadcast_to(index, ops.shape(x)), axis=1)
    return ops.moveaxis(taken, (0, 1), (across, along))


def gather_within(params: Any, indices: Any, axis: int, batch_dims: int) -> Any:
    """Take entries of each sample by its own indices, as `tf.gather` does with `batch_dims`."""
    batch = tuple(params.shape[:batch_dims])
    rest = tuple(indices.shape[batch_dims:])
    x = ops.moveaxis(params, axis, batch_dims)
    flat = ops.reshape(indices, (*(-1 if size is None else size for size in batch), math.prod(rest)))
    index = ops.reshape(flat, (*flat.shape, *[1] * (len(x.shape) - batch_dims - 1)))
    index = ops.broadcast_to(index, (*ops.shape(flat), *ops.shape(x)[batch_dims + 1 :]))
    taken = ops.take_along_axis(x, index, axis=batch_dims)
    shape = (*(-1 if size is None else size for size in batch), *rest, *x.shape[batch_dims + 1 :])
    moved = ops.reshape(taken, shape)
    return ops.moveaxis(moved, tuple(range(batch_dims, batch_dims + len(rest))), tuple(range(axis, axis + len(rest))))


def _dct(input: Any, type: int = 2, n: int | None = None, axis: int = -1, norm: str | None = None) -> Any:
    """Return the discrete cosine transform of types 2 and 3 along the last axis."""
    count = input.shape[-1]
    if type not in (2, 3) or n not in (None, count) or axis != -1:
        raise ValueError("this form of the discrete cosine transform has no counterpart")
    return ops.matmul(input, tensor(_cosines(count, type, norm).tolist(), input))


def _cosines(count: int, kind: int, norm: str | None) -> np.ndarray:
    """Return the matrix (values, coefficients) of the transform."""
    n, k = np.arange(count)[:, None], np.arange(count)[None]
    table = 2 * np.cos(np.pi * (2 * n + 1) * k / (2 * count))
    if norm == "ortho":
        table = table * np.where(k == 0, 0.5, math.sqrt(0.5)) / math.sqrt(count)
    elif kind == 3:
        table = table * np.where(k == 0, 0.5, 1)
    return np.asarray(table if kind == 2 else table.T)


def _mfccs(log_mel_spectrograms: Any) -> Any:
    return _dct(log_mel_spectrograms) / math.sqrt(2 * log_mel_spectrograms.shape[-1])


# Special functions -------------------------------------------------------------------------------------------------------------


def _log_gamma(x: Any) -> Any:
    """Return log(abs(gamma(x))): Stirling's series at x + 8, brought back step by step; mirrored below 1/2."""
    x = tensor(x)
    below = x < 0.5
    z = ops.where(below, 1 - x, x)
    steps = sum((ops.log(z + step) for step in range(1, 8)), start=ops.log(z))
    far = z + 8
    value = (far - 0.5) * ops.log(far) - far + 0.5 * math.log(2 * math.pi) - steps
    value = value + 1 / (12 * far) - 1 / (360 * far**3) + 1 / (1260 * far**5)
    return ops.where(below, math.log(math.pi) - ops.log(ops.abs(ops.sin(math.pi * x))) - value, value)


def _digamma(x: Any) -> Any:
    """Return the derivative of `_log_gamma`."""
    x = tensor(x)
    below = x < 0.5
    z = ops.where(below, 1 - x, x)
    steps = sum((1 / (z + step) for step in range(1, 8)), start=1 / z)
    far = z + 8
    value = ops.log(far) - 1 / (2 * far) - 1 / (12 * far**2) + 1 / (120 * far**4) - 1 / (252 * far**6) - steps
    return ops.where(below, value - math.pi / ops.tan(math.pi * x), value)


def _cumulative_logsumexp(x: Any, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Any:
    if exclusive:
        raise ValueError("an exclusive cumulative_logsumexp has no counterpart")
    x = ops.flip(x, axis) if reverse else x
    most = ops.max(x, axis=axis, keepdims=True)
    summed = ops.log(ops.cumsum(ops.exp(x - most), axis=axis)) + most
    return ops.flip(summed, axis) if reverse else summed


def _triangular_solve(matrix: Any, rhs: Any, lower: bool = True, adjoint: bool = False) -> Any:
    if adjoint:
        axes = [*range(len(matrix.shape) - 2), len(matrix.shape) - 1, len(matrix.shape) - 2]
        matrix, lower = ops.transpose(matrix, axes), not lower
    return ops.solve_triangular(matrix, rhs, lower=lower)


def _svd(tensor: Any, full_matrices: bool = False, compute_uv: bool = True) -> Any:
    if not compute_uv:
        return ops.svd(tensor, full_matrices=False, compute_uv=False)
    u, values, adjoint = ops.svd(tensor, full_matrices=full_matrices)
    axes = [*range(len(adjoint.shape) - 2), len(adjoint.shape) - 1, len(adjoint.shape) - 2]
    return values, u, ops.transpose(adjoint, axes)


def _qr(input: Any, full_matrices: bool = False) -> Any:
    return ops.qr(input, mode="complete" if full_matrices else "reduced")


def _lu(input: Any, output_idx_type: Any = "int32") -> Any:
    """Return both triangles in one matrix, and the order of its rows.

    Step by step: `keras.ops.lu_factor` takes one matrix alone on TensorFlow, and has other pivots on JAX and PyTorch.
    """
    matrix, places = input, ops.arange(input.shape[-1], dtype="int32")
    order = ops.zeros_like(matrix[..., 0], dtype="int32") + places
    for step in range(input.shape[-1]):
        column = ops.where(places >= step, ops.abs(matrix[..., step]), -1.0)
        largest = ops.cast(ops.argmax(column, axis=-1, keepdims=True), "int32")
        swapped = ops.where(places == step, largest, ops.where(places == largest, step, places))
        order = ops.take_along_axis(order, swapped, axis=-1)
        matrix = ops.take_along_axis(matrix, ops.expand_dims(swapped, -1), axis=-2)
        pivots = matrix[..., step : step + 1, :]
        below = ops.expand_dims(places > step, -1)
        factors = matrix[..., step : step + 1] / pivots[..., step : step + 1]
        rest = ops.where(places > step, matrix - factors * pivots, ops.where(places == step, factors, matrix))
        matrix = ops.where(below, rest, matrix)
    return matrix, ops.cast(order, dtype_of(output_idx_type))


def _log_determinant(matrix: Any) -> Any:
    determinant = ops.det(matrix)
    return ops.log(ops.abs(determinant))


def _sign_and_log_determinant(input: Any) -> Any:
    determinant = ops.det(input)
    return ops.sign(determinant), ops.log(ops.abs(determinant))


def _bincount(arr: Any, weights: Any = None, minlength: Any = None, **others: Any) -> Any:
    if weights is not None or minlength is None or others.get("axis") is not None:
        raise ValueError("this form of bincount has no counterpart")
    return ops.bincount(ops.reshape(tensor(arr, dtype="int32"), (-1,)), minlength=minlength)


FUNCTIONS: dict[str, Function] = {
    "max_pool_with_argmax": _max_pool_with_argmax,
    "dilation2d": _dilation2d,
    "erosion2d": _erosion2d,
    "image.crop_and_resize": _crop_and_resize,
    "space_to_batch": _space_to_batch,
    "space_to_batch_nd": _space_to_batch,
    "batch_to_space": _batch_to_space,
    "batch_to_space_nd": _batch_to_space,
    "reverse_sequence": _reverse_sequence,
    "signal.dct": _dct,
    "signal.idct": lambda input, type=2, n=None, axis=-1, norm=None: _dct(
        input, {2: 3, 3: 2}.get(type, 0), n, axis, norm
    ),
    "signal.mfccs_from_log_mel_spectrograms": _mfccs,
    "lgamma": _log_gamma,
    "digamma": _digamma,
    "cumulative_logsumexp": _cumulative_logsumexp,
    "triangular_solve": _triangular_solve,
    "svd": _svd,
    "qr": _qr,
    "lu": _lu,
    "logdet": _log_determinant,
    "slogdet": _sign_and_log_determinant,
    "bincount": _bincount,
}
