"""What takes the place of the TensorFlow functions that Keras 2 wrote into functional models, with TensorFlow's own arguments.

The parameters are TensorFlow's, by their names; the first is given by its place.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from vizcnn.adapter.loading import tensorflow_arrays, tensorflow_images, tensorflow_windows
from vizcnn.adapter.loading.tensorflow_values import axes, both, dimensions, dtype_of, index, integers, tensor

Function = Callable[..., Any]


def counterpart(function: str) -> Function | None:
    """Return what computes a TensorFlow function in Keras; None where nothing does.

    Parameters
    ----------
    function : str
        Its name after ``tf.``: "math.truediv", "compat.v1.squeeze", "image.resize".

    Returns
    -------
    callable or None
    """
    name = function.removeprefix("compat.v1.").removeprefix("compat.v2.")
    home = next((home for home in _HOMES if name.startswith(home)), "")
    return _FUNCTIONS.get(name.removeprefix(home))


_HOMES = ("math.", "nn.", "linalg.", "__operators__.", "dtypes.", "keras.backend.", "keras.activations.")
"""Modules of TensorFlow that share functions, or name none twice; those of "image." keep it."""


def _each(function: Function) -> Function:
    return lambda x: function(tensor(x))


def _pair(function: Function) -> Function:
    return lambda x, y: function(*both(x, y))


def _reduce(function: Function) -> Function:
    def call(
        x: Any, axis: Any = None, keepdims: bool | None = False, keep_dims: Any = None, reduction_indices: Any = None
    ) -> Any:
        axis = reduction_indices if axis is None else axis
        return function(tensor(x), axis=axes(axis), keepdims=bool(keepdims or keep_dims))

    return call


# Elementwise -------------------------------------------------------------------------------------------------------------------


def saturate_cast(value: Any, dtype: Any) -> Any:
    """Return values of another dtype, those out of its range cut off."""
    limits = np.iinfo(dtype_of(dtype)) if "int" in dtype_of(dtype) else np.finfo(dtype_of(dtype))
    return ops.cast(ops.clip(value, float(limits.min), float(limits.max)), dtype_of(dtype))


def _cumulated(function: Function, start: int) -> Function:
    def call(x: Any, axis: int = 0, exclusive: bool = False, reverse: bool = False) -> Any:
        x = ops.flip(x, axis) if reverse else x
        if exclusive:
            front = ops.full_like(ops.take(x, [0], axis=axis), start)
            x = ops.concatenate([front, ops.take(x, list(range(x.shape[axis] - 1)), axis=axis)], axis=axis)
        x = function(x, axis=axis)
        return ops.flip(x, axis) if reverse else x

    return call


def _batch_normalization(
    x: Any, mean: Any, variance: Any, offset: Any = None, scale: Any = None, variance_epsilon: float = 0.001
) -> Any:
    x = (x - tensor(mean, x)) * ops.rsqrt(tensor(variance, x) + variance_epsilon)
    x = x if scale is None else x * tensor(scale, x)
    return x if offset is None else x + tensor(offset, x)


def _softmax(function: Function) -> Function:
    return lambda logits, axis=None, dim=None: function(
        logits, axis=-1 if axis is None and dim is None else axis or dim or 0
    )


def _zero_where(mask: Any, value: Any) -> Any:
    return ops.where(mask, ops.zeros_like(value), value)


def _ones_for_zeros(x: Any) -> Any:
    return ops.where(x == 0, ops.ones_like(x), x)


_ELEMENTWISE: dict[str, Function] = {
    **{name: _each(getattr(ops, name)) for name in (
        "abs", "ceil", "floor", "round", "sign", "exp", "expm1", "log", "log1p", "sqrt", "rsqrt", "square", "sin", "cos", "tan",
        "sinh", "cosh", "tanh", "erf", "reciprocal", "negative", "logical_not", "stop_gradient", "relu", "relu6", "sigmoid",
        "silu", "softplus", "softsign", "selu", "log_sigmoid",
    )},
    **{f"{before}": _each(getattr(ops, now)) for before, now in {
        "acos": "arccos", "asin": "arcsin", "atan": "arctan", "acosh": "arccosh", "asinh": "arcsinh", "atanh": "arctanh",
        "is_nan": "isnan", "is_inf": "isinf", "is_finite": "isfinite", "rint": "round", "swish": "silu", "erfinv": "erfinv",
    }.items()},
    **{name: _pair(getattr(ops, name)) for name in (
        "add", "subtract", "multiply", "divide", "maximum", "minimum", "mod", "greater", "greater_equal", "less", "less_equal",
        "equal", "not_equal", "logical_and", "logical_or", "logical_xor",
    )},
    **{before: _pair(getattr(ops, now)) for before, now in {
        "truediv": "divide", "div": "divide", "realdiv": "divide", "floordiv": "floor_divide", "floor_div": "floor_divide",
        "floormod": "mod", "pow": "power", "eq": "equal", "ne": "not_equal",
    }.items()},
    **{before: _pair(lambda x, y, f=function: f(y, x)) for before, function in {
        "radd": ops.add, "rsub": ops.subtract, "rmul": ops.multiply, "rtruediv": ops.divide, "rpow": ops.power,
    }.items()},
    "identity": lambda x: x,
    "ensure_shape": lambda x, shape: x,
    "check_numerics": lambda tensor: tensor,
    "erfc": lambda x: 1 - ops.erf(x),
    "squared_difference": _pair(lambda x, y: ops.square(x - y)),
    "divide_no_nan": _pair(lambda x, y: _zero_where(y == 0, x / _ones_for_zeros(y))),
    "multiply_no_nan": _pair(lambda x, y: _zero_where(y == 0, x * y)),
    "xlogy": _pair(lambda x, y: _zero_where(x == 0, x * ops.log(ops.where(x == 0, ops.ones_like(y), y)))),
    "xdivy": _pair(lambda x, y: _zero_where(x == 0, x / ops.where(x == 0, ops.ones_like(y), y))),
    "atan2": lambda y, x: ops.arctan2(*both(y, x)),
    "scalar_mul": lambda scalar, x: ops.multiply(*both(scalar, x)),
    "add_n": lambda inputs: sum(inputs[1:], start=inputs[0]),
    "elu": lambda features, alpha=1.0: ops.elu(features, alpha),
    "crelu": lambda features, axis=-1: ops.relu(ops.concatenate([features, -features], axis=axis)),
    "leaky_relu": lambda features, alpha=0.2: ops.leaky_relu(features, alpha),
    "gelu": lambda features, approximate=False: ops.gelu(features, approximate=approximate),
    "softmax": _softmax(ops.softmax),
    "log_softmax": _softmax(ops.log_softmax),
    "clip_by_value": lambda t, clip_value_min, clip_value_max: ops.minimum(
        ops.maximum(t, tensor(clip_value_min, t)), tensor(clip_value_max, t)
    ),
    "cast": lambda x, dtype: ops.cast(tensor(x), dtype_of(dtype)),
    "saturate_cast": saturate_cast,
    "cumsum": _cumulated(ops.cumsum, 0),
    "cumprod": _cumulated(ops.cumprod, 1),
    "batch_normalization": _batch_normalization,
}  # fmt: skip


# Reductions --------------------------------------------------------------------------------------------------------------------


def _l2_normalize(x: Any, axis: Any = None, epsilon: float = 1e-12, dim: Any = None) -> Any:
    square = ops.sum(ops.square(x), axis=axes(dim if axis is None else axis), keepdims=True)
    return x * ops.rsqrt(ops.maximum(square, tensor(epsilon, x)))


def _norm(
    tensor: Any, ord: Any = "euclidean", axis: Any = None, keepdims: bool | None = False, keep_dims: Any = None
) -> Any:
    keep = bool(keepdims or keep_dims)
    return ops.norm(tensor, ord=None if ord == "euclidean" else ord, axis=axes(axis), keepdims=keep)


def _moments(x: Any, axes: Any, keepdims: bool | None = False, keep_dims: Any = None) -> Any:
    return ops.moments(x, axes=integers(axes), keepdims=bool(keepdims or keep_dims))


def _counted(input: Any, axis: Any = None, keepdims: bool | None = False, dtype: Any = "int64") -> Any:
    return ops.sum(ops.cast(ops.not_equal(input, 0), dtype_of(dtype)), axis=axes(axis), keepdims=bool(keepdims))


def _best(function: Function) -> Function:
    def call(input: Any, axis: Any = None, output_type: Any = "int64", dimension: Any = None) -> Any:
        place = axis if axis is not None else dimension if dimension is not None else 0
        return ops.cast(function(input, axis=place), dtype_of(output_type))

    return call


def _top_k(input: Any, k: int = 1, sorted: bool = True) -> Any:
    return ops.top_k(input, k, sorted=sorted)


def _sort(values: Any, axis: int = -1, direction: str = "ASCENDING") -> Any:
    values = ops.sort(values, axis=axis)
    return ops.flip(values, axis) if direction == "DESCENDING" else values


def _argsort(values: Any, axis: int = -1, direction: str = "ASCENDING") -> Any:
    return ops.cast(ops.argsort(-values if direction == "DESCENDING" else values, axis=axis), "int32")


_REDUCTIONS: dict[str, Function] = {
    "reduce_mean": _reduce(ops.mean),
    "reduce_sum": _reduce(ops.sum),
    "reduce_prod": _reduce(ops.prod),
    "reduce_max": _reduce(ops.max),
    "reduce_min": _reduce(ops.min),
    "reduce_std": _reduce(ops.std),
    "reduce_variance": _reduce(ops.var),
    "reduce_logsumexp": _reduce(ops.logsumexp),
    "reduce_any": _reduce(ops.any),
    "reduce_all": _reduce(ops.all),
    "reduce_euclidean_norm": _reduce(lambda x, axis, keepdims: ops.sqrt(ops.sum(x * x, axis=axis, keepdims=keepdims))),
    "count_nonzero": _counted,
    "l2_normalize": _l2_normalize,
    "norm": _norm,
    "moments": _moments,
    "argmax": _best(ops.argmax),
    "argmin": _best(ops.argmin),
    "top_k": _top_k,
    "sort": _sort,
    "argsort": _argsort,
}


# Shapes and slices -------------------------------------------------------------------------------------------------------------


def _pad(tensor: Any, paddings: Any, mode: str = "CONSTANT", constant_values: Any = 0) -> Any:
    constant = {"constant_values": constant_values} if mode.upper() == "CONSTANT" else {}
    return ops.pad(tensor, [tuple(pair) for pair in paddings], mode=mode.lower(), **constant)


def _split(value: Any, num_or_size_splits: Any, axis: int = 0) -> Any:
    if isinstance(num_or_size_splits, int):
        return ops.split(value, num_or_size_splits, axis=axis)
    sizes = list(num_or_size_splits)
    if -1 in sizes:
        sizes[sizes.index(-1)] = value.shape[axis] - sum(sizes) - 1
    return ops.split(value, [int(end) for end in np.cumsum(sizes)[:-1]], axis=axis)


def _squeeze(input: Any, axis: Any = None, squeeze_dims: Any = None) -> Any:
    return ops.squeeze(input, axis=axes(squeeze_dims if axis is None else axis))


def _roll(input: Any, shift: Any, axis: Any) -> Any:
    for step, place in zip(integers(shift), integers(axis), strict=True):
        input = ops.roll(input, step, axis=place)
    return input


def _flip(tensor: Any, axis: Any) -> Any:
    return ops.flip(tensor, axis=integers(axis))


def _slice(input_: Any, begin: Any, size: Any) -> Any:
    ends = [None if n == -1 else start + n for start, n in zip(begin, size, strict=True)]
    return input_[tuple(slice(start, end) for start, end in zip(begin, ends, strict=True))]


def _strided_slice(
    input_: Any, begin: Any, end: Any, strides: Any = None, begin_mask: int = 0, end_mask: int = 0,
    ellipsis_mask: int = 0, new_axis_mask: int = 0, shrink_axis_mask: int = 0,
) -> Any:  # fmt: skip
    """Slice as TensorFlow does it; bit i of a mask says how the i-th entry is to be read."""
    parts: list[Any] = []
    for bit, (start, stop) in enumerate(zip(begin, end, strict=True)):
        step = 1 if strides is None else strides[bit]
        if ellipsis_mask >> bit & 1:
            parts.append(Ellipsis)
        elif new_axis_mask >> bit & 1:
            parts.append(None)
        elif shrink_axis_mask >> bit & 1:
            parts.append(start)
        else:
            parts.append(slice(None if begin_mask >> bit & 1 else start, None if end_mask >> bit & 1 else stop, step))
    return input_[tuple(parts)]


def _gather(params: Any, indices: Any, axis: Any = None, batch_dims: int = 0) -> Any:
    if batch_dims:
        place = batch_dims if axis is None else axis
        return tensorflow_windows.gather_within(params, tensor(indices, dtype="int32"), place, batch_dims)
    return ops.take(tensor(params), tensor(indices, dtype="int32"), axis=0 if axis is None else axis)


def _shape(input: Any, out_type: Any = "int32") -> Any:
    return ops.stack([ops.cast(size, dtype_of(out_type)) for size in ops.shape(input)])


def _range(start: Any, limit: Any = None, delta: Any = 1, dtype: Any = None) -> Any:
    start, limit = (0, start) if limit is None else (start, limit)
    return ops.arange(start, limit, delta, dtype=None if dtype is None else dtype_of(dtype))


def _like(function: Function) -> Function:
    def call(input: Any, dtype: Any = None) -> Any:
        return function(input, dtype=None if dtype is None else dtype_of(dtype))

    return call


def _batch_flatten(x: Any) -> Any:
    return ops.reshape(x, (-1, math.prod(x.shape[1:])))


def _band_part(input: Any, num_lower: int, num_upper: int) -> Any:
    rows, columns = (ops.arange(size) for size in input.shape[-2:])
    below = rows[:, None] - columns[None, :]
    inside = ops.logical_and(below <= (num_lower if num_lower >= 0 else input.shape[-2]),
                             -below <= (num_upper if num_upper >= 0 else input.shape[-1]))  # fmt: skip
    return ops.where(inside, input, ops.zeros_like(input))


_SHAPES: dict[str, Function] = {
    "reshape": lambda tensor, shape: ops.reshape(tensor, dimensions(shape)),
    "transpose": lambda a, perm=None, conjugate=False: ops.transpose(a, integers(perm)),
    "expand_dims": lambda input, axis=None, dim=None: ops.expand_dims(input, dim if axis is None else axis),
    "squeeze": _squeeze,
    "concat": lambda values, axis: ops.concatenate([tensor(value, values) for value in values], axis=axis),
    "stack": lambda values, axis=0: ops.stack([tensor(value, values) for value in values], axis=axis),
    "unstack": lambda value, axis=0: ops.unstack(value, axis=axis),
    "split": _split,
    "tile": lambda input, multiples: ops.tile(tensor(input), integers(multiples)),
    "repeat": lambda input, repeats, axis=None: ops.repeat(input, repeats, axis=axis),
    "broadcast_to": lambda input, shape: ops.broadcast_to(tensor(input), integers(shape)),
    "pad": _pad,
    "reverse": _flip,
    "roll": _roll,
    "getitem": lambda tensor, slice_spec: tensor[index(slice_spec)],
    "slice": _slice,
    "strided_slice": _strided_slice,
    "gather": _gather,
    "shape": _shape,
    "size": lambda input, out_type="int32": ops.size(input),
    "rank": lambda input: len(input.shape),
    "range": _range,
    "fill": lambda dims, value: ops.broadcast_to(tensor(value), integers(dims)),
    "zeros": lambda shape, dtype="float32": ops.broadcast_to(tensor(0, dtype=dtype_of(dtype)), integers(shape)),
    "ones": lambda shape, dtype="float32": ops.broadcast_to(tensor(1, dtype=dtype_of(dtype)), integers(shape)),
    "zeros_like": _like(ops.zeros_like),
    "ones_like": _like(ops.ones_like),
    "batch_flatten": _batch_flatten,
    "band_part": _band_part,
}


# Choices and products ----------------------------------------------------------------------------------------------------------


def _where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None or y is None:
        raise ValueError("tf.where without values has no counterpart in this Keras")
    return ops.where(condition, *both(x, y))


def _one_hot(
    indices: Any, depth: int, on_value: Any = None, off_value: Any = None, axis: Any = None, dtype: Any = None
) -> Any:
    hot = ops.one_hot(indices, depth, axis=-1 if axis is None else axis, dtype=dtype_of(dtype or "float32"))
    on, off = (1 if on_value is None else on_value, 0 if off_value is None else off_value)
    return hot if (on, off) == (1, 0) else hot * on + (1 - hot) * off


def _matmul(
    a: Any, b: Any, transpose_a: bool = False, transpose_b: bool = False, adjoint_a: bool = False, adjoint_b: bool = False,
) -> Any:  # fmt: skip
    a, b = both(a, b)
    a = ops.swapaxes(a, -1, -2) if transpose_a or adjoint_a else a
    return ops.matmul(a, ops.swapaxes(b, -1, -2) if transpose_b or adjoint_b else b)


def _tensordot(a: Any, b: Any, axes: Any) -> Any:
    return ops.tensordot(*both(a, b), axes=axes)


_FUNCTIONS: dict[str, Function] = tensorflow_arrays.with_names_of_version_1(
    {
        **_ELEMENTWISE,
        **_REDUCTIONS,
        **_SHAPES,
        "where": _where,
        "one_hot": _one_hot,
        "matmul": _matmul,
        "tensordot": _tensordot,
        "cross": lambda a, b: ops.cross(*both(a, b)),
        **tensorflow_images.FUNCTIONS,
        **tensorflow_arrays.FUNCTIONS,
        **tensorflow_windows.FUNCTIONS,
    }
)
