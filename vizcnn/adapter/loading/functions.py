"""What earlier versions of Keras had under a name, and this one hasn't, or has as something else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any


def hard_sigmoid_of_keras_2(x: Any) -> Any:
    """Return clip(0.2 x + 0.5, 0, 1)."""
    import keras

    return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)


@cache
def custom_objects() -> Mapping[str, Any]:
    """Return all of it, by the names that stand in descriptions and those that `repairs` writes into them."""
    import keras

    class TFOpLambda(keras.layers.Layer):  # type: ignore[misc]
        """A TensorFlow function that was called on Keras tensors, as Keras 2 wrote it into functional models."""

        def __init__(self, function: str, **options: Any) -> None:
            super().__init__(**options)
            self.function = function
            if function not in operations():
                raise ValueError(f"the TensorFlow function {function!r} has no counterpart in this Keras")

        def call(self, x: Any, *args: Any, name: str | None = None, **given: Any) -> Any:
            return operations()[self.function](x, *args, **given)

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "function": self.function}

    return {"hard_sigmoid_of_keras_2": hard_sigmoid_of_keras_2, "TFOpLambda": TFOpLambda}


@cache
def operations() -> Mapping[str, Callable[..., Any]]:
    """Return what takes the place of TensorFlow's functions, with their arguments, by the names that Keras 2 gave them."""
    import keras

    ops = keras.ops
    binary = {
        "truediv": ops.divide,
        "divide": ops.divide,
        "add": ops.add,
        "subtract": ops.subtract,
        "multiply": ops.multiply,
        "maximum": ops.maximum,
        "minimum": ops.minimum,
        "pow": ops.power,
    }
    unary = {
        "relu": ops.relu,
        "relu6": ops.relu6,
        "sigmoid": ops.sigmoid,
        "tanh": ops.tanh,
        "silu": ops.silu,
        "swish": ops.silu,
        "square": ops.square,
        "sqrt": ops.sqrt,
        "exp": ops.exp,
        "abs": ops.absolute,
        "identity": lambda x: x,
    }
    found: dict[str, Callable[..., Any]] = {}
    for name, binary_function in binary.items():
        for home in ("math.", "__operators__.", ""):
            found[f"{home}{name}"] = lambda x, y, f=binary_function: f(x, ops.cast(ops.convert_to_tensor(y), x.dtype))
    for name, unary_function in unary.items():
        for home in ("nn.", "math.", ""):
            found[f"{home}{name}"] = lambda x, f=unary_function: f(x)
    return found | {
        "nn.softmax": lambda logits, axis=-1: ops.softmax(logits, axis=-1 if axis is None else axis),
        "nn.leaky_relu": lambda features, alpha=0.2: ops.leaky_relu(features, alpha),
        "math.reduce_mean": lambda x, axis=None, keepdims=False: ops.mean(x, axis=axis, keepdims=bool(keepdims)),
        "math.reduce_max": lambda x, axis=None, keepdims=False: ops.max(x, axis=axis, keepdims=bool(keepdims)),
        "math.reduce_sum": lambda x, axis=None, keepdims=False: ops.sum(x, axis=axis, keepdims=bool(keepdims)),
        "__operators__.getitem": lambda x, slice_spec: x[_index(slice_spec)],
        "cast": lambda x, dtype: ops.cast(x, dtype),
        "reshape": lambda x, shape: ops.reshape(x, tuple(shape)),
        "transpose": lambda a, perm=None: ops.transpose(a, perm),
        "expand_dims": lambda x, axis: ops.expand_dims(x, axis),
        "concat": lambda values, axis: ops.concatenate(values, axis=axis),
        "clip_by_value": lambda x, clip_value_min, clip_value_max: ops.clip(x, clip_value_min, clip_value_max),
    }


def _index(spec: Any) -> Any:
    """Read what stood between the brackets of ``x[..., ::-1]``, as Keras 2 wrote it."""
    if isinstance(spec, list | tuple):
        return tuple(map(_index, spec))
    if isinstance(spec, Mapping):
        if "start" in spec:
            return slice(spec["start"], spec.get("stop"), spec.get("step"))
        if spec.get("class_name") == "__ellipsis__":
            return Ellipsis
        raise ValueError(f"the slice {dict(spec)!r} can't be read")
    return spec
