"""What the names in stored code mean: modules by the names that everybody gives them, and the functions of theirs that compute.

A function is known by its module and its own name, as in "tf.image.resize", "K.mean", "np.sqrt" or "builtins.abs".
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np

Function = Callable[..., Any]

_MODULES = {
    **dict.fromkeys(("tf", "ktf", "tensorflow", "K.tf", "tf.compat.v1", "tf.compat.v2"), "tf"),
    **dict.fromkeys(("K", "KB", "kb", "backend", "keras_backend", "keras.backend", "tf.python.keras.backend"), "K"),
    **dict.fromkeys(("np", "numpy"), "np"),
    **dict.fromkeys(("ops", "kops", "keras_ops", "keras.ops", "keras_core.ops"), "ops"),
    **dict.fromkeys(("keras", "tf.keras", "tf.python.keras", "keras_core"), "keras"),
    **dict.fromkeys(("activations", "keras.activations"), "activations"),
    **dict.fromkeys(("imagenet_utils", "keras.applications.imagenet_utils"), "imagenet_utils"),
    "math": "math",
}
"""Modules by the names that they have in people's code."""


def canonical(path: str) -> str:
    """Return a dotted name with its module by the one name that this package has for it."""
    while True:
        parts = path.split(".")
        for count in range(len(parts), 0, -1):
            module = _MODULES.get(".".join(parts[:count]))
            if module is not None and module != ".".join(parts[:count]):
                path = ".".join([module, *parts[count:]])
                break
        else:
            return path


def is_module(name: str) -> bool:
    """Tell whether a global of that name is taken for a module."""
    return name in _MODULES


def is_builtin(name: str) -> bool:
    """Tell whether a global of that name is one of Python's functions that are read."""
    return name in _BUILTINS


# Values ------------------------------------------------------------------------------------------------------------------------

_DTYPES = ("bool", "float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
           "uint64", "complex64")  # fmt: skip

_METHODS = {
    "BILINEAR": "bilinear", "NEAREST_NEIGHBOR": "nearest", "BICUBIC": "bicubic", "AREA": "area", "LANCZOS3": "lanczos3",
    "LANCZOS5": "lanczos5",
}  # fmt: skip

_VALUES: Mapping[str, Any] = MappingProxyType({
    **{f"{home}.{name}": name for home in ("tf", "np", "tf.dtypes") for name in _DTYPES},
    **{f"tf.image.ResizeMethod.{name}": value for name, value in _METHODS.items()},
    **{f"{home}.{name}": getattr(math, name) for home in ("np", "math") for name in ("pi", "e", "inf")},
    "tf.newaxis": None,
    "np.newaxis": None,
})  # fmt: skip
"""Attributes of modules that are values."""

_SETTINGS: Mapping[str, Any] = MappingProxyType({
    "K.epsilon": 1e-7,
    "K.floatx": "float32",
    "K.image_data_format": "channels_last",
    "K.image_dim_ordering": "tf",
    "K.backend": "tensorflow",
    "K.learning_phase": 0,
    "keras.config.epsilon": 1e-7,
    "keras.config.floatx": "float32",
    "keras.config.image_data_format": "channels_last",
    "keras.config.backend": "tensorflow",
})  # fmt: skip
"""Functions without arguments that say how Keras is set, and what they say where nothing was changed."""


def _middle(given: Mapping[str, Any]) -> Any:
    return (given.get("minval", 0.0) + given.get("maxval", 1.0)) / 2


_MEAN: Mapping[str, tuple[tuple[str, ...], Callable[[Mapping[str, Any]], Any]]] = MappingProxyType({
    **{name: (("shape", "mean", "stddev"), lambda given: given.get("mean", 0.0)) for name in (
        "K.random_normal", "K.truncated_normal", "tf.random.normal", "tf.random_normal", "tf.random.truncated_normal",
        "tf.truncated_normal", "keras.random.normal", "keras.random.truncated_normal",
    )},
    **dict.fromkeys(
        ("K.random_uniform", "tf.random.uniform", "tf.random_uniform", "keras.random.uniform"),
        (("shape", "minval", "maxval"), _middle),
    ),
    **{name: (("shape", "p"), lambda given: given.get("p", 0.0)) for name in ("K.random_bernoulli", "K.random_binomial")},
    **{name: (("x",), lambda given: given["x"]) for name in ("K.dropout", "tf.nn.dropout", "keras.random.dropout")},
})  # fmt: skip
"""Functions that draw random numbers: their first parameters, and the mean of what they draw."""


def value_of(path: str) -> tuple[Any] | None:
    """Return what an attribute of a module is, in a tuple; None where it is no value that is known."""
    return (_VALUES[path],) if path in _VALUES else None


def setting(path: str) -> tuple[Any] | None:
    """Return what a function without arguments says of how Keras is set, in a tuple; None where it is none of these."""
    return (_SETTINGS[path],) if path in _SETTINGS else None


def draws(path: str) -> bool:
    """Tell whether a function draws random numbers."""
    return path in _MEAN


def mean_of(path: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any] | None:
    """Return the mean of the random numbers that a function draws, in a tuple; None where it draws none."""
    if path not in _MEAN:
        return None
    parameters, mean = _MEAN[path]
    try:
        return (mean({**dict(zip(parameters, args, strict=False)), **kwargs}),)
    except (KeyError, TypeError):  # its limits are computed
        return None


# Functions ---------------------------------------------------------------------------------------------------------------------


def function_of(path: str) -> Function | None:
    """Return what computes a function; None where nothing does.

    Parameters
    ----------
    path : str
        Its name, as `canonical` returns it.

    Returns
    -------
    callable or None
    """
    home, _, name = path.partition(".")
    finder = _HOMES.get(home)
    return None if finder is None else finder(name)


def _of_tensorflow(name: str) -> Function | None:
    from vizcnn.adapter.loading.tensorflow_functions import counterpart

    return _only_in_lambdas().get(name) or counterpart(name)


def _of_backend(name: str) -> Function | None:
    from vizcnn.adapter.loading.keras_backend import FUNCTIONS

    return FUNCTIONS.get(name)


_CONTROL = frozenset({"associative_scan", "cond", "convert_to_numpy", "custom_gradient", "fori_loop", "map", "saturate_cast",
                      "scan", "switch", "vectorize", "vectorized_map", "while_loop"})  # fmt: skip
"""Functions of `keras.ops` that call what they are given, or leave the device."""


def _of_ops(name: str) -> Function | None:
    import inspect

    import keras

    home: Any = keras.ops
    *parts, last = name.split(".")
    for part in parts:
        home = getattr(home, part, None) if part in ("image", "linalg", "nn", "numpy") else None
    function = None if last in _CONTROL or last.startswith("_") else getattr(home, last, None)
    return function if inspect.isfunction(function) else None


def _of_activations(name: str) -> Function | None:
    import inspect

    import keras

    function = None if name in ("get", "serialize", "deserialize") else getattr(keras.activations, name, None)
    return function if inspect.isfunction(function) else None


def _of_keras(name: str) -> Function | None:
    import keras

    home, _, rest = name.partition(".")
    if home == "applications" and rest.endswith(".preprocess_input"):
        module = getattr(keras.applications, rest.partition(".")[0], None)
        return getattr(module, "preprocess_input", None) if rest.count(".") == 1 else None
    return None


def _of_imagenet_utils(name: str) -> Function | None:
    import keras

    return keras.applications.imagenet_utils.preprocess_input if name == "preprocess_input" else None


_BUILTINS = ("abs", "bool", "float", "int", "len", "list", "max", "min", "pow", "round", "sum", "tuple")


def _of_builtins(name: str) -> Function | None:
    from vizcnn.adapter.loading.lambdas import values

    if name in ("abs", "pow"):
        return values.FUNCTIONS[name]
    return getattr(builtins, name) if name in _BUILTINS else None


_OF_NUMBERS = ("ceil", "cos", "exp", "floor", "log", "log10", "log2", "sin", "sqrt", "tan", "tanh")
_OF_ARRAYS = ("abs", "array", "asarray", "float32", "float64", "int32", "mean", "prod", "round", "square", "sum", "std")


def _of_math(name: str) -> Function | None:
    return getattr(math, name) if name in _OF_NUMBERS else None


def _of_numpy(name: str) -> Function | None:
    return getattr(np, name) if name in _OF_NUMBERS + _OF_ARRAYS else None


def _of_operators(name: str) -> Function | None:
    from vizcnn.adapter.loading.lambdas import values

    return values.FUNCTIONS.get(name)


_HOMES: dict[str, Callable[[str], Function | None]] = {
    "tf": _of_tensorflow,
    "K": _of_backend,
    "ops": _of_ops,
    "np": _of_numpy,
    "math": _of_math,
    "keras": _of_keras,
    "activations": _of_activations,
    "imagenet_utils": _of_imagenet_utils,
    "builtins": _of_builtins,
    "operator": _of_operators,
}


@cache
def _only_in_lambdas() -> Mapping[str, Function]:
    """Return the functions of TensorFlow that no layer of Keras 2's stands for: what they make isn't made of tensors."""
    from keras import ops

    from vizcnn.adapter.loading.tensorflow_values import dtype_of, integers, tensor

    def constant(value: Any, dtype: Any = None, shape: Any = None) -> Any:
        value = tensor(value, dtype=dtype_of(dtype) if dtype else None)
        return value if shape is None else ops.broadcast_to(value, integers(shape))

    return {
        "constant": constant,
        "convert_to_tensor": lambda value, dtype=None: constant(value, dtype),
        "einsum": ops.einsum,
        "to_float": lambda x: ops.cast(x, "float32"),
        "to_int32": lambda x: ops.cast(x, "int32"),
    }
