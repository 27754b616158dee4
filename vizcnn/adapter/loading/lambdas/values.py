"""Operators, subscripts and attributes, of tensors and of plain numbers beside them."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from vizcnn.adapter.loading.tensorflow_functions import counterpart

Function = Callable[..., Any]

LARGEST = 2**28
"""How many numbers any value may consist of, for each sample."""

_LONGEST = 10_000
_MOST_BITS = 64


class TooLarge(ValueError):
    """A value has more numbers than any that is needed."""


def check_size(value: Any) -> Any:
    """Return a value that was computed, unless its shape is larger than any that is needed.

    Returns
    -------
    object

    Raises
    ------
    TooLarge
        If it is.
    """
    for part in value if isinstance(value, tuple | list) else (value,):
        shape = getattr(part, "shape", ())
        size = (
            math.prod(side for side in shape if isinstance(side, int))
            if isinstance(shape, tuple | list) or shape
            else 1
        )
        if size > LARGEST:
            raise TooLarge(f"a value of {size:,} numbers; more than {LARGEST:,} are not computed, to protect memory")
    return value


def is_tensor(value: Any) -> bool:
    """Tell whether something is computed by the backend; lists of tensors are, too."""
    return ops.is_tensor(value) or (isinstance(value, list | tuple) and any(map(is_tensor, value)))


def plain(function: Function, *values: Any) -> Any:
    """Compute with plain numbers, and put lists together, as far as the result stays small.

    Returns
    -------
    object

    Raises
    ------
    ValueError
        If it wouldn't, or they are no numbers.
    """
    numbers = [isinstance(value, int | float | np.generic | np.ndarray) for value in values]
    if all(numbers):
        if function is operator.pow and all(isinstance(value, int) for value in values):
            base, exponent = values
            if abs(exponent) * abs(base).bit_length() > _MOST_BITS:
                raise ValueError(f"{base} ** {exponent}, a number of more than {_MOST_BITS} bits")
        result = function(*values)
        if isinstance(result, int) and result.bit_length() > 2 * _MOST_BITS:
            raise ValueError(f"a number of more than {2 * _MOST_BITS} bits")
        return result
    if function is operator.add and all(isinstance(value, list | tuple) for value in values):
        result = function(*values)
    elif function is operator.mul and any(isinstance(value, list | tuple) for value in values) and any(numbers):
        count, sequence = values if numbers[0] else values[::-1]
        if count * len(sequence) > _LONGEST:
            raise ValueError(f"a list of more than {_LONGEST:,} entries")
        result = sequence * count
    else:
        names = " and ".join(type(value).__name__ for value in values)
        raise ValueError(f"{function.__name__} of {names}")
    if len(result) > _LONGEST:
        raise ValueError(f"a list of more than {_LONGEST:,} entries")
    return result


def _operator(function: Function, tensorflow_name: str) -> Function:
    def call(*values: Any) -> Any:
        computes = counterpart(tensorflow_name)
        if computes is not None and any(map(is_tensor, values)):
            return computes(*values)
        return plain(function, *values)

    return call


def _divide_as_python_2(a: Any, b: Any) -> Any:
    return plain(operator.floordiv if isinstance(a, int) and isinstance(b, int) else operator.truediv, a, b)


def _logical(function: Function, name: str) -> Function:
    """Combine masks, or the bits of plain numbers."""
    return lambda *values: getattr(ops, name)(*values) if any(map(is_tensor, values)) else plain(function, *values)


def getitem(value: Any, key: Any) -> Any:
    """Return an entry or a slice, one that runs backwards too, which not every backend has."""
    if not ops.is_tensor(value):
        return value[key]
    keys = list(key) if isinstance(key, tuple) else [key]
    named = sum(part is not None and part is not Ellipsis for part in keys)
    if Ellipsis in [part for part in keys if part is Ellipsis]:
        at = next(place for place, part in enumerate(keys) if part is Ellipsis)
        keys[at : at + 1] = [slice(None)] * (len(value.shape) - named)
    axis = 0
    for place, part in enumerate(keys):
        if isinstance(part, slice) and isinstance(part.step, int) and part.step < 0:
            value, keys[place] = _backwards(value, axis, part), slice(None)
        axis += part is not None
    return value[tuple(keys)]


def _backwards(value: Any, axis: int, part: slice) -> Any:
    if part.start is None and part.stop is None and part.step == -1:
        return ops.flip(value, axis)
    size = value.shape[axis]
    return ops.take(value, list(range(size))[part], axis=axis)


def _as_list(shape: Any) -> list[Any]:
    return list(shape)


FUNCTIONS: dict[str, Function] = {
    "add": _operator(operator.add, "add"),
    "subtract": _operator(operator.sub, "subtract"),
    "multiply": _operator(operator.mul, "multiply"),
    "divide": _operator(operator.truediv, "truediv"),
    "divide_as_python_2": lambda a, b: (
        FUNCTIONS["divide"](a, b) if any(map(is_tensor, (a, b))) else _divide_as_python_2(a, b)
    ),
    "floor_divide": _operator(operator.floordiv, "floordiv"),
    "modulo": _operator(operator.mod, "mod"),
    "power": _operator(operator.pow, "pow"),
    "matmul": _operator(operator.matmul, "matmul"),
    "negative": _operator(operator.neg, "negative"),
    "positive": lambda x: x,
    "abs": _operator(operator.abs, "abs"),
    "pow": _operator(operator.pow, "pow"),
    "and": _logical(operator.and_, "logical_and"),
    "or": _logical(operator.or_, "logical_or"),
    "xor": _logical(operator.xor, "logical_xor"),
    "invert": _logical(operator.invert, "logical_not"),
    "less": _operator(operator.lt, "less"),
    "less_equal": _operator(operator.le, "less_equal"),
    "equal": _operator(operator.eq, "equal"),
    "not_equal": _operator(operator.ne, "not_equal"),
    "greater": _operator(operator.gt, "greater"),
    "greater_equal": _operator(operator.ge, "greater_equal"),
    "getitem": getitem,
    "shape": lambda x: tuple(x.shape),
    "rank": lambda x: len(x.shape) if ops.is_tensor(x) else len(x),
    "dtype": lambda x: str(x.dtype).rpartition(".")[2] if not hasattr(x.dtype, "name") else x.dtype.name,
    "transposed": lambda x: ops.transpose(x),
    "as_list": _as_list,
    "same": lambda x: x,
}
"""By the names that steps have them under, after "operator."."""
