"""What differs between TensorFlow, JAX and PyTorch, one module each; nothing else in vizcnn knows a framework.

A backend module has a class `Backend`, a `vizcnn.adapter.keras.backends.base.Backend`.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

from vizcnn.errors import UnsupportedModelError

_SUPPORTED = ("tensorflow", "jax", "torch")


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
            f"Keras runs on {name!r}; vizcnn supports {', '.join(_SUPPORTED)}. Set KERAS_BACKEND to one of them before Keras is "
            f"imported, and restart Python."
        )
    return importlib.import_module(f"vizcnn.adapter.keras.backends.{name}").Backend()
