"""A call of each of Keras's operations on a batch of images, as a Functional model's author would write it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from tests import framework

Call = Callable[[Any], Any]

UNARY = (
    "abs absolute all any arccos arccosh arcsin arcsinh arctan arctanh argmax argmin argsort amax amin average cbrt ceil celu "
    "copy cos cosh count_nonzero deg2rad elu erf erfc erfinv exp exp2 expm1 fabs floor gelu hard_shrink hard_sigmoid hard_silu "
    "hard_tanh i0 isfinite isinf isnan isneginf isposinf isreal layer_normalization leaky_relu log log10 log1p log2 log_sigmoid "
    "log_softmax logical_not logsumexp max mean median min nan_to_num nanmax nanmean nanmin nansum negative ones_like prod "
    "ptp rad2deg ravel real reciprocal relu relu6 rms_normalization round rsqrt selu sigmoid sign signbit silu sin sinc sinh "
    "soft_shrink softmax softplus softsign sort sparse_plus sparse_sigmoid sparsemax sqrt square squareplus stop_gradient std "
    "sum tan tanh tanh_shrink trunc var zeros_like"
)

BINARY = (
    "add arctan2 divide divide_no_nan equal floor_divide fmax fmin fmod greater greater_equal heaviside hypot isclose less "
    "less_equal logaddexp logaddexp2 maximum minimum mod multiply not_equal power subtract true_divide"
)

INTEGER = "bitwise_invert bitwise_not"
INTEGERS = "bitwise_left_shift bitwise_right_shift gcd lcm left_shift right_shift"

KERNEL = np.random.default_rng(1).normal(size=(3, 3, 3, 4)).astype(np.float32)


def _whole(x: Any) -> Any:
    return ops.cast(x * 20, "int32")


def _square(x: Any) -> Any:
    return ops.matmul(x[..., 0], ops.transpose(x[..., 0], (0, 2, 1))) + 8 * np.eye(8, dtype=np.float32)


OPERATORS: dict[str, Call] = {
    "x + 1": lambda x: x + 1,
    "1 + x": lambda x: 1 + x,
    "x - array": lambda x: x - np.array([0.1, 0.2, 0.3], np.float32),
    "1 - x": lambda x: 1 - x,
    "x * x": lambda x: x * x,
    "2 * x": lambda x: 2 * x,
    "x / 255.": lambda x: x / 255.0,
    "1 / x": lambda x: 1 / x,
    "-x": lambda x: -x,
    "abs(x)": lambda x: abs(x),
    "x ** 2": lambda x: x**2,
    "2 ** x": lambda x: 2**x,
    "x % .3": lambda x: x % 0.3,
    "x // .3": lambda x: x // 0.3,
    "x @ array": lambda x: x @ np.ones((3, 2), np.float32),
    "x < .5": lambda x: x < 0.5,
    "x >= .5": lambda x: x >= 0.5,
    "x != .5": lambda x: x != 0.5,
    "a & b": lambda x: (x > 0.3) & (x < 0.6),
    "a | b": lambda x: (x < 0.3) | (x > 0.6),
    "a ^ b": lambda x: (x < 0.5) ^ (x > 0.3),
    "~a": lambda x: ~(x > 0.3),
    "x[:, 1:5]": lambda x: x[:, 1:5],
    "x[..., 0]": lambda x: x[..., 0],
    "x[0:1, ..., None, :]": lambda x: x[0:1, ..., None, :],
    "x[:, -1]": lambda x: x[:, -1],
    "x[:, ::2, None]": lambda x: x[:, ::2, None],
}

CALLS: dict[str, Call] = {
    "adaptive_average_pool": lambda x: ops.adaptive_average_pool(x, (4, 4)),
    "adaptive_max_pool": lambda x: ops.adaptive_max_pool(x, (4, 4)),
    "append": lambda x: ops.append(x, x, axis=1),
    "array_split": lambda x: ops.array_split(x, 3, axis=1)[1],
    "average_pool": lambda x: ops.average_pool(x, 2),
    "max_pool": lambda x: ops.max_pool(x, (2, 2), 1, "same"),
    "cast": lambda x: ops.cast(x, "float16"),
    "saturate_cast": lambda x: ops.saturate_cast(x * 300, "uint8"),
    "clip": lambda x: ops.clip(x, 0.2, 0.5),
    "concatenate": lambda x: ops.concatenate([x, 2 * x], axis=-1),
    "conv": lambda x: ops.conv(x, KERNEL, 1, "same"),
    "depthwise_conv": lambda x: ops.depthwise_conv(x, KERNEL, 1, "same"),
    "cross": lambda x: ops.cross(x, x[:, :, :1]),
    "cumsum": lambda x: ops.cumsum(x, axis=1),
    "cholesky": lambda x: ops.cholesky(_square(x)),
    "inv": lambda x: ops.inv(_square(x)),
    "det": lambda x: ops.det(_square(x) / 8),
    "solve": lambda x: ops.solve(_square(x), x[..., 0]),
    "svd": lambda x: ops.svd(_square(x))[1],
    "norm": lambda x: ops.norm(x, axis=(1, 2)),
    "normalize": lambda x: ops.normalize(x, axis=-1),
    "trace": lambda x: ops.trace(_square(x), axis1=1, axis2=2),
    "depth_to_space": lambda x: ops.depth_to_space(ops.tile(x, (1, 1, 1, 4)), 2),
    "space_to_depth": lambda x: ops.space_to_depth(x, 2),
    "diagonal": lambda x: ops.diagonal(x, axis1=1, axis2=2),
    "diff": lambda x: ops.diff(x, axis=1),
    "digitize": lambda x: ops.digitize(x, np.array([0.2, 0.5, 0.8], np.float32)),
    "dot": lambda x: ops.dot(x, np.ones((3, 2), np.float32)),
    "dot_product_attention": lambda x: ops.dot_product_attention(x, x, x),
    "einsum": lambda x: ops.einsum("abcd,de->abce", x, np.ones((3, 2), np.float32)),
    "expand_dims": lambda x: ops.expand_dims(x, 1),
    "flip": lambda x: ops.flip(x, axis=2),
    "full_like": lambda x: ops.full_like(x, 2.0),
    "get_item": lambda x: ops.get_item(x, (slice(None), slice(1, 5), Ellipsis, 0)),
    "hstack": lambda x: ops.hstack([x, x]),
    "logical_and": lambda x: ops.logical_and(x > 0.3, x < 0.6),
    "matmul": lambda x: ops.matmul(x, np.ones((3, 2), np.float32)),
    "max of axes": lambda x: ops.max(x, axis=(1, 2), keepdims=True),
    "mean of axes": lambda x: ops.mean(x, axis=(1, 2)),
    "moments": lambda x: ops.moments(x, axes=(1, 2))[1],
    "moveaxis": lambda x: ops.moveaxis(x, 1, 2),
    "one_hot": lambda x: ops.one_hot(_whole(x)[:, :, 0, 0], 20),
    "pad": lambda x: ops.pad(x, ((0, 0), (1, 2), (1, 0), (0, 0))),
    "pad with a mode": lambda x: ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect"),
    "repeat": lambda x: ops.repeat(x, 2, axis=1),
    "reshape": lambda x: ops.reshape(x, (-1, 16, 12)),
    "roll": lambda x: ops.roll(x, 2, axis=1),
    "rot90": lambda x: ops.rot90(x, axes=(1, 2)),
    "select": lambda x: ops.select([x > 0.6, x < 0.3], [x, 2 * x], 0.0),
    "slice": lambda x: ops.slice(x, (0, 1, 1, 0), (2, 3, 3, 3)),
    "split": lambda x: ops.split(x, 2, axis=1)[1],
    "squeeze": lambda x: ops.squeeze(x[:, :1], axis=1),
    "stack": lambda x: ops.stack([x, x], axis=1),
    "swapaxes": lambda x: ops.swapaxes(x, 1, 2),
    "take": lambda x: ops.take(x, np.array([2, 0]), axis=-1),
    "take_along_axis": lambda x: ops.take_along_axis(x, ops.argsort(x, axis=1), axis=1),
    "tensordot": lambda x: ops.tensordot(x, np.ones((3, 2), np.float32), axes=[[3], [0]]),
    "threshold": lambda x: ops.threshold(x, 0.5, 0.0),
    "tile": lambda x: ops.tile(x, (1, 2, 1, 1)),
    "top_k": lambda x: ops.top_k(x, 2)[0],
    "transpose": lambda x: ops.transpose(x, (0, 2, 1, 3)),
    "tril": lambda x: ops.tril(x[..., 0]),
    "unstack": lambda x: ops.unstack(x, axis=1)[2],
    "where": lambda x: ops.where(x > 0.5, x, 0.0),
    "image.resize": lambda x: ops.image.resize(x, (5, 6), interpolation="bilinear"),
    "image.crop_images": lambda x: ops.image.crop_images(x, 1, 1, target_height=4, target_width=4),
    "image.pad_images": lambda x: ops.image.pad_images(x, 1, 1, target_height=12, target_width=12),
    "image.rgb_to_grayscale": lambda x: ops.image.rgb_to_grayscale(x),
    "image.rgb_to_hsv": lambda x: ops.image.rgb_to_hsv(x),
    "image.extract_patches": lambda x: ops.image.extract_patches(x, 2),
    "image.affine_transform": lambda x: ops.image.affine_transform(
        x, np.array([[1, 0, 1, 0, 1, 1, 0, 0]] * 2, np.float32)
    ),
    "activations.relu": lambda x: keras.activations.relu(x - 0.5, negative_slope=0.1, max_value=0.2),
    "activations.leaky_relu": lambda x: keras.activations.leaky_relu(x - 0.5),
}


def _with(name: str, call: Callable[[Call, Any], Any]) -> Call:
    return lambda x: call(getattr(ops, name), x)


def calls() -> dict[str, Call]:
    """Return every call by name, but those that Keras can't run on this backend even before they are saved."""
    found: dict[str, Call] = {**OPERATORS, **CALLS}
    found |= {name: getattr(ops, name) for name in UNARY.split()}
    found |= {name: _with(name, lambda f, x: f(x, x * 0.5 + 0.1)) for name in BINARY.split()}
    found |= {name: _with(name, lambda f, x: f(_whole(x))) for name in INTEGER.split()}
    found |= {name: _with(name, lambda f, x: f(_whole(x), 2)) for name in INTEGERS.split()}
    return {name: call for name, call in found.items() if name not in UNABLE[framework.BACKEND]}


UNABLE: dict[str, set[str]] = {
    "tensorflow": set(),
    "jax": {"average_pool", "norm"},
    "torch": set(),
}


def groups(size: int) -> Iterator[dict[str, Call]]:
    """Yield the calls in groups, each small enough for one model."""
    entries = list(calls().items())
    for start in range(0, len(entries), size):
        yield dict(entries[start : start + size])
