"""What takes the place of TensorFlow's functions of matrices, places in arrays, bits, losses and frames, by its arguments."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras import ops

from vizcnn.adapter.loading.tensorflow_images import conv_transpose, convolution, separable
from vizcnn.adapter.loading.tensorflow_values import axes, both, dimensions, dtype_of, integers, tensor

Function = Callable[..., Any]


# Numbers -----------------------------------------------------------------------------------------------------------------------


def _truncated(x: Any, y: Any) -> Any:
    """Divide towards zero."""
    x, y = both(x, y)
    quotient = ops.floor_divide(ops.abs(x), ops.abs(y))
    return quotient * ops.sign(x) * ops.sign(y)


def _clip_by_norm(t: Any, clip_norm: Any, axes: Any = None) -> Any:
    norm = ops.sqrt(ops.sum(t * t, axis=integers(axes), keepdims=True))
    return t * clip_norm / ops.maximum(norm, tensor(clip_norm, t))


def _polyval(coeffs: Sequence[Any], x: Any) -> Any:
    value = ops.zeros_like(x)
    for coefficient in coeffs:
        value = value * x + coefficient
    return value


def _zero_fraction(value: Any) -> Any:
    return ops.mean(ops.cast(ops.equal(value, 0), "float32"))


def _reciprocal_no_nan(x: Any) -> Any:
    return ops.where(x == 0, ops.zeros_like(x), 1 / ops.where(x == 0, ops.ones_like(x), x))


def _xlog1py(x: Any, y: Any) -> Any:
    x, y = both(x, y)
    return ops.where(x == 0, ops.zeros_like(x), x * ops.log1p(ops.where(x == 0, ops.zeros_like(y), y)))


def _rising(smallest: Function) -> Function:
    def call(x: Any) -> Any:
        flat = ops.reshape(x, (-1,))
        return ops.all(smallest(flat[1:], flat[:-1]))

    return call


def _weighted_moments(
    x: Any, axes: Any, frequency_weights: Any, keepdims: bool | None = False, keep_dims: Any = None
) -> Any:
    keep, places = bool(keepdims or keep_dims), integers(axes)
    weights = ops.broadcast_to(tensor(frequency_weights, x), ops.shape(x))
    total = ops.sum(weights, axis=places, keepdims=True)
    mean = ops.sum(weights * x, axis=places, keepdims=True) / total
    variance = ops.sum(weights * ops.square(x - mean), axis=places, keepdims=True) / total
    return tuple(value if keep else ops.squeeze(value, places) for value in (mean, variance))


def _local_response(input: Any, depth_radius: int = 5, bias: float = 1, alpha: float = 1, beta: float = 0.5) -> Any:
    square, channels = ops.square(input), input.shape[-1]
    near = np.abs(np.subtract.outer(np.arange(channels), np.arange(channels))) <= depth_radius
    return input / (bias + alpha * ops.matmul(square, tensor(near.astype(float).tolist(), input))) ** beta


def _quantized(inputs: Any, min: Any = -6.0, max: Any = 6.0, num_bits: int = 8, narrow_range: bool = False) -> Any:
    """Round to so many steps between two numbers, moved so that 0 is a step; the gradient goes through where none is cut off."""
    first, last = int(narrow_range), 2**num_bits - 1
    low, high = (tensor(end, inputs) for end in (min, max))
    step = (high - low) / (last - first)
    zero = ops.clip(ops.floor(first - low / step + 0.5), first, last)
    low, high = (first - zero) * step, (last - zero) * step
    inside = ops.minimum(ops.maximum(inputs, low), high)
    return inside + ops.stop_gradient(ops.floor((inside - low) / step + 0.5) * step + low - inside)


# Matrices ----------------------------------------------------------------------------------------------------------------------


def _transposed(a: Any) -> Any:
    return ops.swapaxes(a, -1, -2)


def _matvec(a: Any, b: Any, transpose_a: bool = False, adjoint_a: bool = False) -> Any:
    a, b = both(a, b)
    return ops.squeeze(ops.matmul(_transposed(a) if transpose_a or adjoint_a else a, b[..., None]), -1)


def _diag(diagonal: Any) -> Any:
    return diagonal[..., None] * ops.eye(diagonal.shape[-1], dtype=diagonal.dtype)


def _eye(num_rows: int, num_columns: int | None = None, batch_shape: Any = None, dtype: Any = "float32") -> Any:
    matrix = ops.eye(num_rows, num_columns, dtype=dtype_of(dtype))
    return matrix if batch_shape is None else ops.broadcast_to(matrix, (*integers(batch_shape), *matrix.shape))


def _normalize(tensor: Any, ord: Any = "euclidean", axis: Any = None) -> Any:
    norm = ops.norm(tensor, ord=None if ord == "euclidean" else ord, axis=axes(axis), keepdims=True)
    return tensor / norm, norm


def _solve(matrix: Any, rhs: Any, adjoint: bool = False) -> Any:
    matrix, rhs = both(matrix, rhs)
    return ops.solve(_transposed(matrix) if adjoint else matrix, rhs)


def _inverse(input: Any, adjoint: bool = False) -> Any:
    return _transposed(ops.inv(input)) if adjoint else ops.inv(input)


def _cholesky_solve(chol: Any, rhs: Any) -> Any:
    chol, rhs = both(chol, rhs)
    return ops.solve_triangular(_transposed(chol), ops.solve_triangular(chol, rhs, lower=True), lower=False)


def _set_diag(input: Any, diagonal: Any) -> Any:
    rows, columns = input.shape[-2:]
    mask = ops.eye(rows, columns, dtype="bool")
    least = min(rows, columns)
    placed = ops.pad(
        _diag(tensor(diagonal, input)), [*[(0, 0)] * (len(input.shape) - 2), (0, rows - least), (0, columns - least)]
    )
    return ops.where(mask, placed, input)


# Places in arrays --------------------------------------------------------------------------------------------------------------


def _gather_nd(params: Any, indices: Any, batch_dims: int = 0) -> Any:
    if batch_dims:
        raise ValueError("tf.gather_nd with batch_dims has no counterpart in this Keras")
    indices = tensor(indices, dtype="int32")
    depth = indices.shape[-1]
    steps = [math.prod(params.shape[place + 1 : depth]) for place in range(depth)]
    flat = ops.reshape(params, (-1, *params.shape[depth:]))
    return ops.take(flat, ops.sum(indices * tensor(steps, dtype="int32"), axis=-1), axis=0)


def _scattered(combine: Function | None) -> Function:
    def call(tensor: Any, indices: Any, updates: Any) -> Any:
        indices = ops.convert_to_tensor(indices, dtype="int32")
        if combine is not None:
            added = ops.scatter(indices, updates, tensor.shape)
            return combine(tensor, added)
        return ops.scatter_update(tensor, indices, updates)

    return call


def _one_segment(function: Function) -> Function:
    def call(data: Any, segment_ids: Any, num_segments: int) -> Any:
        return function(data, tensor(segment_ids, dtype="int32"), num_segments=num_segments)

    return call


def _mean_of_segments(data: Any, segment_ids: Any, *, num_segments: int) -> Any:
    counts = ops.segment_sum(ops.ones_like(data), segment_ids, num_segments=num_segments)
    return ops.segment_sum(data, segment_ids, num_segments=num_segments) / ops.maximum(counts, 1)


def _sorted_segments(function: Function) -> Function:
    """Return the function of segments that are sorted, and as many as the numbers that stand in the file say."""

    def call(data: Any, segment_ids: Any) -> Any:
        if ops.is_tensor(segment_ids):
            raise ValueError("segments that are only known when the model runs have no counterpart in this Keras")
        return function(data, tensor(segment_ids, dtype="int32"), num_segments=1 + max(segment_ids))

    return call


_SEGMENTS = {
    "sum": ops.segment_sum, "mean": _mean_of_segments, "max": ops.segment_max, "min": ops.segment_min, "prod": ops.segment_prod,
}  # fmt: skip


def _boolean_mask(tensor: Any, mask: Any, axis: int | None = None) -> Any:
    if ops.is_tensor(mask):
        raise ValueError(
            "tf.boolean_mask by a mask that is only known when the model runs has no counterpart in this Keras"
        )
    chosen, first = np.asarray(mask, bool), axis or 0
    shape = (*tensor.shape[:first], chosen.size, *tensor.shape[first + chosen.ndim :])
    flat = ops.reshape(tensor, dimensions(shape))
    return ops.take(flat, np.flatnonzero(chosen).tolist(), axis=first)


def _meshgrid(*args: Any, indexing: str = "xy") -> Any:
    return ops.meshgrid(*args, indexing=indexing)


def _linspace(start: Any, stop: Any, num: int, axis: int = 0) -> Any:
    return ops.linspace(start, stop, num, axis=axis)


def _sequence_mask(lengths: Any, maxlen: int, dtype: Any = "bool") -> Any:
    lengths = tensor(lengths)
    return ops.cast(ops.arange(maxlen, dtype=lengths.dtype) < lengths[..., None], dtype_of(dtype))


def _frame(
    signal: Any, frame_length: int, frame_step: int, pad_end: bool = False, pad_value: float = 0, axis: int = -1
) -> Any:
    axis = axis % len(signal.shape)
    length = signal.shape[axis]
    count = -(-length // frame_step) if pad_end else 1 + (length - frame_length) // frame_step
    needed = (count - 1) * frame_step + frame_length
    if needed > length:
        pads = [(0, needed - length) if place == axis else (0, 0) for place in range(len(signal.shape))]
        signal = ops.pad(signal, pads, constant_values=pad_value)
    places = np.arange(count)[:, None] * frame_step + np.arange(frame_length)
    return ops.take(signal, places.tolist(), axis=axis)


def _in_top_k(targets: Any, predictions: Any, k: int) -> Any:
    return ops.in_top_k(targets, predictions, k)


# Losses ------------------------------------------------------------------------------------------------------------------------


def _sigmoid_crossentropy(labels: Any, logits: Any) -> Any:
    labels = tensor(labels, logits)
    return ops.relu(logits) - logits * labels + ops.log1p(ops.exp(-ops.abs(logits)))


def _softmax_crossentropy(labels: Any, logits: Any, axis: int = -1) -> Any:
    return -ops.sum(tensor(labels, logits) * ops.log_softmax(logits, axis=axis), axis=axis)


def _sparse_crossentropy(labels: Any, logits: Any) -> Any:
    return _softmax_crossentropy(ops.one_hot(tensor(labels, dtype="int32"), logits.shape[-1]), logits)


# Images ------------------------------------------------------------------------------------------------------------------------


def _image_gradients(image: Any) -> Any:
    rows = ops.pad(image[:, 1:] - image[:, :-1], [(0, 0), (0, 1), (0, 0), (0, 0)])
    columns = ops.pad(image[:, :, 1:] - image[:, :, :-1], [(0, 0), (0, 0), (0, 1), (0, 0)])
    return rows, columns


def _total_variation(images: Any) -> Any:
    rows, columns = _image_gradients(images)
    return ops.sum(ops.abs(rows), axis=(1, 2, 3)) + ops.sum(ops.abs(columns), axis=(1, 2, 3))


def _sobel_edges(image: Any) -> Any:
    kernel = np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]], np.float32)
    kernels = np.stack([kernel, kernel.T], axis=-1)[:, :, None].repeat(image.shape[-1], axis=2)
    padded = ops.pad(image, [(0, 0), (1, 1), (1, 1), (0, 0)], mode="reflect")
    edges = ops.depthwise_conv(padded, tensor(kernels.tolist(), image), padding="valid", data_format="channels_last")
    return ops.reshape(edges, (-1, *image.shape[1:], 2))


def _psnr(a: Any, b: Any, max_val: Any) -> Any:
    error = ops.mean(ops.square(a - b), axis=(-3, -2, -1))
    return 20 * np.log10(max_val) - ops.log10(error) * 10


FUNCTIONS: dict[str, Function] = {
    "truncatediv": _truncated,
    "truncatemod": lambda x, y: x - _truncated(x, y) * both(x, y)[1],
    "clip_by_norm": _clip_by_norm,
    "polyval": _polyval,
    "zero_fraction": _zero_fraction,
    "reciprocal_no_nan": _reciprocal_no_nan,
    "xlog1py": _xlog1py,
    "erfcinv": lambda x: ops.erfinv(1 - x),
    **{f"quantization.fake_quant_with_min_max_{name}": _quantized for name in ("args", "vars", "vars_per_channel")},
    "is_non_decreasing": _rising(ops.greater_equal),
    "is_strictly_increasing": _rising(ops.greater),
    "real": lambda input: input,
    "conj": lambda x: x,
    "l2_loss": lambda t: ops.sum(t * t) / 2,
    "weighted_moments": _weighted_moments,
    **dict.fromkeys(("lrn", "local_response_normalization"), _local_response),
    "bitwise.bitwise_and": lambda x, y: ops.bitwise_and(*both(x, y)),
    "bitwise.bitwise_or": lambda x, y: ops.bitwise_or(*both(x, y)),
    "bitwise.bitwise_xor": lambda x, y: ops.bitwise_xor(*both(x, y)),
    "bitwise.left_shift": lambda x, y: ops.left_shift(*both(x, y)),
    "bitwise.right_shift": lambda x, y: ops.right_shift(*both(x, y)),
    "bitwise.invert": lambda x: ops.bitwise_invert(x),
    **dict.fromkeys(("matrix_transpose", "adjoint"), lambda a=None, matrix=None, conjugate=False: _transposed(
        a if matrix is None else matrix)),
    "matvec": _matvec,
    "diag": _diag,
    "diag_part": lambda input: ops.diagonal(input, axis1=-2, axis2=-1),
    "set_diag": _set_diag,
    "eye": _eye,
    "trace": lambda x: ops.trace(x, axis1=-2, axis2=-1),
    "normalize": _normalize,
    "det": lambda input: ops.det(input),
    "inv": _inverse,
    "cholesky": lambda input: ops.cholesky(input),
    "solve": _solve,
    "cholesky_solve": _cholesky_solve,
    **dict.fromkeys(("eigh", "self_adjoint_eig"), lambda tensor: ops.eigh(tensor)),
    "eigvalsh": lambda tensor: ops.eigh(tensor)[0],
    "pinv": lambda a, rcond=None: ops.pinv(a, rcond),
    "convert_to_tensor": lambda value, dtype=None, dtype_hint=None: tensor(
        value, dtype=None if dtype is None else dtype_of(dtype)),
    "identity_n": lambda input: input,
    "gather_nd": _gather_nd,
    "embedding_lookup": lambda params, ids: ops.take(params, tensor(ids, dtype="int32"), axis=0),
    "tensor_scatter_nd_update": _scattered(None),
    "tensor_scatter_nd_add": _scattered(ops.add),
    "tensor_scatter_nd_sub": _scattered(ops.subtract),
    "scatter_nd": lambda indices, updates, shape: ops.scatter(tensor(indices, dtype="int32"), updates, integers(shape)),
    **{f"unsorted_segment_{name}": _one_segment(function) for name, function in _SEGMENTS.items()},
    **{f"segment_{name}": _sorted_segments(function) for name, function in _SEGMENTS.items()},
    "boolean_mask": _boolean_mask,
    "meshgrid": _meshgrid,
    "linspace": _linspace,
    "sequence_mask": _sequence_mask,
    "searchsorted": lambda sorted_sequence, values, side="left": ops.searchsorted(sorted_sequence, values, side=side),
    "in_top_k": _in_top_k,
    "signal.frame": _frame,
    "sigmoid_cross_entropy_with_logits": _sigmoid_crossentropy,
    "softmax_cross_entropy_with_logits": _softmax_crossentropy,
    "sparse_softmax_cross_entropy_with_logits": _sparse_crossentropy,
    "image.image_gradients": _image_gradients,
    "image.total_variation": _total_variation,
    "image.sobel_edges": _sobel_edges,
    "image.psnr": _psnr,
    "convolution": convolution,
    "atrous_conv2d": lambda value, filters, rate, padding: convolution(value, filters, 1, padding, None, rate),
    "separable_conv2d": separable,
    **dict.fromkeys(("conv1d_transpose", "conv2d_transpose", "conv3d_transpose", "conv_transpose"), conv_transpose),
}  # fmt: skip
"""By the names of ``counterpart``."""

_OF_VERSION_1 = {
    "div_no_nan": "divide_no_nan", "lin_space": "linspace", "matrix_band_part": "band_part", "matrix_determinant": "det",
    "matrix_diag": "diag", "matrix_diag_part": "diag_part", "matrix_inverse": "inv", "matrix_set_diag": "set_diag",
    "matrix_solve": "solve", "reverse_v2": "reverse", "where_v2": "where", "max_pool_v2": "max_pool", "avg_pool_v2": "avg_pool",
    "image.transpose_image": "image.transpose", "image.extract_image_patches": "image.extract_patches",
    "softmax_cross_entropy_with_logits_v2": "softmax_cross_entropy_with_logits",
    "tensor_scatter_update": "tensor_scatter_nd_update", "tensor_scatter_add": "tensor_scatter_nd_add",
    "tensor_scatter_sub": "tensor_scatter_nd_sub", "depthwise_conv2d_native": "depthwise_conv2d",
}  # fmt: skip


def with_names_of_version_1(functions: dict[str, Function]) -> dict[str, Function]:
    """Return functions with those that TensorFlow 1 called otherwise, and its casts."""
    casts = {f"to_{name}": lambda x, dtype=dtype: ops.cast(x, dtype) for name, dtype in _CASTS.items()}
    return {**functions, **{old: functions[new] for old, new in _OF_VERSION_1.items()}, **casts}


_CASTS = {"float": "float32", "double": "float64", "int32": "int32", "int64": "int64", "bfloat16": "bfloat16"}
