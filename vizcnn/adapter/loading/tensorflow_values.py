"""How Keras 2 wrote what a TensorFlow function was called with: numbers beside tensors, shapes, slices, dtypes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras import backend, ops


def tensor(value: Any, like: Any = None, dtype: str | None = None) -> Any:
    """Return a value as a tensor; a number or a list takes the dtype of the tensor or tensors that it stands beside."""
    if ops.is_tensor(value):
        return value
    if isinstance(like, list | tuple):
        like = next((entry for entry in like if ops.is_tensor(entry)), None)
    if dtype is None and ops.is_tensor(like):
        dtype = like.dtype
    if isinstance(value, list | tuple) and any(map(ops.is_tensor, value)):
        return ops.stack([tensor(entry, value, dtype) for entry in value])
    return ops.convert_to_tensor(value, dtype=dtype)


def both(x: Any, y: Any) -> tuple[Any, Any]:
    """Return two tensors of one dtype, either of which may have been a number."""
    y = tensor(y, like=x)
    return tensor(x, like=y), y


def integers(value: Any) -> Any:
    """Return a shape or axes as a tuple, whether they were a number, a list or a tensor; None stays."""
    if value is None:
        return None
    if ops.is_tensor(value):
        return tuple(ops.unstack(value)) if len(value.shape) else (value,)
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def axes(value: Any) -> Any:
    """Return axes as Keras takes them: None, a number, or a tuple."""
    return tuple(value) if isinstance(value, list | tuple) else value


def dimensions(shape: Any) -> tuple[Any, ...]:
    """Return the sizes of a new shape; one that is only known when the model runs becomes -1, which says the same."""
    sizes = list(integers(shape))
    unknown = [place for place, size in enumerate(sizes) if not isinstance(size, int)]
    if len(unknown) == 1 and not any(isinstance(size, int) and size == -1 for size in sizes):
        sizes[unknown[0]] = -1
    return tuple(sizes)


def dtype_of(value: Any) -> str:
    """Return the name of a dtype; JAX has no int64, and warns of it."""
    name = str(value).removeprefix("tf.").removesuffix("_ref")
    return "int32" if name == "int64" and backend.backend() == "jax" else name


def index(spec: Any) -> Any:
    """Read what stood between the brackets of ``x[..., ::-1]``."""
    if isinstance(spec, list | tuple):
        return tuple(map(index, spec))
    if isinstance(spec, Mapping):
        if "start" in spec:
            return slice(spec["start"], spec.get("stop"), spec.get("step"))
        if spec.get("class_name") == "__ellipsis__":
            return Ellipsis
        raise ValueError(f"the slice {dict(spec)!r} can't be read")
    return spec
