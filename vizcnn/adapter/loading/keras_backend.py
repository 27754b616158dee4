"""What takes the place of the functions of ``keras.backend`` as Keras 1 and 2 had them, with their own arguments."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from keras import ops

from vizcnn.adapter.loading.tensorflow_functions import counterpart
from vizcnn.adapter.loading.tensorflow_values import both, dimensions, dtype_of, integers, tensor

Function = Callable[..., Any]


def _as_in_tensorflow(name: str) -> Function:
    function = counterpart(name)
    if function is None:
        raise LookupError(name)  # a slip in the tables below
    return function


def _best(function: Function) -> Function:
    return lambda x, axis=-1: function(x, axis=axis)


def _relu(x: Any, alpha: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Any:
    above = ops.where(x > threshold, x, alpha * (x - threshold)) if threshold or alpha else ops.relu(x)
    return above if max_value is None else ops.minimum(above, tensor(max_value, x))


def _batch_dot(x: Any, y: Any, axes: Any = None) -> Any:
    """Multiply the matrices of each sample; Keras 2 took the last axis of one and the last but one of the other."""
    rows, columns = len(x.shape), len(y.shape)
    if axes is None:
        axes = (rows - 1, columns - 2 if columns > 2 else 1)
    first, second = (axes, axes) if isinstance(axes, int) else axes
    return ops.expand_dims(_dot(x, y, (first, second)), 1) if rows == columns == 2 else _dot(x, y, (first, second))


def _dot(x: Any, y: Any, axes: tuple[int, int]) -> Any:
    first, second = axes[0] % len(x.shape), axes[1] % len(y.shape)
    letters = iter("bcdefghijklmnopq")
    batch, summed = next(letters), next(letters)
    left = [batch if axis == 0 else summed if axis == first else next(letters) for axis in range(len(x.shape))]
    right = [batch if axis == 0 else summed if axis == second else next(letters) for axis in range(len(y.shape))]
    kept = [letter for letter in left + right[1:] if letter != summed]
    return ops.einsum(f"{''.join(left)},{''.join(right)}->{''.join(kept)}", x, y)


def _repeat(x: Any, n: int) -> Any:
    return ops.repeat(ops.expand_dims(x, 1), n, axis=1)


def _tile(x: Any, n: Any) -> Any:
    return ops.tile(x, (n,) * len(x.shape) if isinstance(n, int) else integers(n))


def _resize_images(
    x: Any, height_factor: int, width_factor: int, data_format: str = "channels_last", interpolation: str = "nearest"
) -> Any:
    place = 1 if data_format in ("channels_last", "tf") else 2
    size = tuple(side * factor for side, factor in zip(x.shape[place:], (height_factor, width_factor), strict=False))
    form = "channels_last" if place == 1 else "channels_first"
    return ops.image.resize(x, size, interpolation=interpolation, data_format=form)


def _pad(num_axes: int) -> Function:
    def call(x: Any, padding: Any = 1, data_format: str | None = None) -> Any:
        pairs = [(side, side) if isinstance(side, int) else tuple(side) for side in integers(padding)]
        pairs = [tuple(integers(padding))] if num_axes == 1 and isinstance(padding, tuple | list) else pairs
        pairs = pairs * num_axes if len(pairs) == 1 else pairs
        batch_and_channels = [(0, 0)] * (2 if data_format in ("channels_first", "th") else 1)
        pads = [*batch_and_channels, *pairs]
        return ops.pad(x, pads + [(0, 0)] * (len(x.shape) - len(pads)))

    return call


def _switch(condition: Any, then_expression: Any, else_expression: Any) -> Any:
    then, other = both(then_expression, else_expression)
    condition = tensor(condition)
    more = len(then.shape) - len(condition.shape)
    return ops.where(
        ops.reshape(condition, (-1, *condition.shape[1:], *[1] * more)) if more > 0 else condition, then, other
    )


def _gather(reference: Any, indices: Any) -> Any:
    return ops.take(reference, tensor(indices, dtype="int32"), axis=0)


def _slice(x: Any, start: Any, size: Any) -> Any:
    return _as_in_tensorflow("slice")(x, start, size)


def _constant(value: Any, dtype: Any = None, shape: Any = None) -> Any:
    value = tensor(value, dtype=dtype_of(dtype or "float32"))
    return value if shape is None else ops.broadcast_to(value, integers(shape))


def _l2_normalize(x: Any, axis: Any = None) -> Any:
    return _as_in_tensorflow("l2_normalize")(x, axis=axis)


FUNCTIONS: dict[str, Function] = {
    **{name: _as_in_tensorflow(name) for name in (
        "abs", "square", "exp", "log", "round", "sign", "maximum", "minimum", "equal", "not_equal", "greater", "greater_equal",
        "less", "less_equal", "sin", "cos", "tanh", "sigmoid", "softplus", "softsign", "zeros_like", "ones_like", "shape",
        "reshape", "batch_flatten", "stop_gradient", "identity", "cumsum", "cumprod",
    )},
    **{name: _as_in_tensorflow(f"reduce_{name}") for name in (
        "sum", "mean", "max", "min", "prod", "std", "any", "all", "logsumexp",
    )},
    "var": _as_in_tensorflow("reduce_variance"),
    "argmax": _best(ops.argmax),
    "argmin": _best(ops.argmin),
    "l2_normalize": _l2_normalize,
    "sqrt": lambda x: ops.sqrt(ops.maximum(x, tensor(0, x))),
    "pow": lambda x, a: ops.power(*both(x, a)),
    "clip": lambda x, min_value, max_value: ops.minimum(ops.maximum(x, tensor(min_value, x)), tensor(max_value, x)),
    "softmax": lambda x, axis=-1: ops.softmax(x, axis=axis),
    "relu": _relu,
    "elu": lambda x, alpha=1.0: ops.elu(x, alpha),
    "hard_sigmoid": lambda x: ops.clip(0.2 * x + 0.5, 0.0, 1.0),
    "cast": lambda x, dtype: ops.cast(tensor(x), dtype_of(dtype)),
    "cast_to_floatx": lambda x: ops.cast(tensor(x), "float32"),
    "dot": lambda x, y: ops.tensordot(x, y, axes=[[len(x.shape) - 1], [max(0, len(y.shape) - 2)]]),
    "batch_dot": _batch_dot,
    "expand_dims": lambda x, axis=-1, dim=None: ops.expand_dims(x, axis if dim is None else dim),
    "squeeze": lambda x, axis: ops.squeeze(x, axis=axis),
    "concatenate": lambda tensors, axis=-1: ops.concatenate([tensor(value, tensors) for value in tensors], axis=axis),
    "stack": lambda x, axis=0: ops.stack([tensor(value, x) for value in x], axis=axis),
    "permute_dimensions": lambda x, pattern: ops.transpose(x, integers(pattern)),
    "transpose": lambda x: ops.transpose(x),
    "reverse": lambda x, axes: ops.flip(x, axis=integers(axes)),
    "flatten": lambda x: ops.reshape(x, (-1,)),
    "repeat": _repeat,
    "repeat_elements": lambda x, rep, axis: ops.repeat(x, rep, axis=axis),
    "tile": _tile,
    "gather": _gather,
    "slice": _slice,
    "switch": _switch,
    "one_hot": lambda indices, num_classes: ops.one_hot(ops.cast(indices, "int32"), num_classes),
    "resize_images": _resize_images,
    "temporal_padding": _pad(1),
    "spatial_2d_padding": _pad(2),
    "spatial_3d_padding": _pad(3),
    "constant": _constant,
    "variable": _constant,
    "zeros": lambda shape, dtype=None: ops.broadcast_to(tensor(0, dtype=dtype_of(dtype or "float32")), dimensions(shape)),
    "ones": lambda shape, dtype=None: ops.broadcast_to(tensor(1, dtype=dtype_of(dtype or "float32")), dimensions(shape)),
    "arange": lambda start, stop=None, step=1, dtype="int32": _as_in_tensorflow("range")(start, stop, step, dtype),
    "int_shape": lambda x: tuple(x.shape),
    "ndim": lambda x: len(x.shape),
    "count_params": lambda x: math.prod(x.shape),
    "dtype": lambda x: str(x.dtype),
}  # fmt: skip
"""By their names in ``keras.backend``."""
