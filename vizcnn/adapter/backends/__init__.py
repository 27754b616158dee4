"""What differs between TensorFlow, JAX and PyTorch, one module each; nothing else in vizcnn knows a framework.

A backend module has a class `Backend` with the methods of `TensorFlowBackend`.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

from vizcnn.errors import UnsupportedModelError

_SUPPORTED = ("tensorflow",)


@cache
def current() -> Any:
    """Return the backend that Keras runs on.

    Returns
    -------
    Backend

    Raises
    ------
    UnsupportedModelError
        If vizcnn doesn't support it.
    """
    import keras

    name = keras.backend.backend()
    if name not in _SUPPORTED:
        raise UnsupportedModelError(
            f"Keras runs on {name!r}; vizcnn supports {', '.join(_SUPPORTED)}. Set KERAS_BACKEND=tensorflow before Keras is "
            f"imported, and restart Python."
        )
    return importlib.import_module(f"vizcnn.adapter.backends.{name}").Backend()
