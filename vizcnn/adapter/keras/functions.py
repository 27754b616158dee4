"""Which functions of Keras and of the framework a tapped run watches: activations, and those that hand an ending on."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

from vizcnn.adapter.keras.backends import current
from vizcnn.adapter.keras.endings import FOLLOWED

_KERAS_ACTIVATIONS = ("relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "glu", "softplus", "softsign",
                      "sigmoid", "hard_sigmoid", "hard_silu", "hard_tanh", "hard_shrink", "soft_shrink", "tanh_shrink",
                      "squareplus", "sparse_plus", "log_sigmoid", "tanh", "softmax", "log_softmax", "sparsemax",
                      "threshold")  # fmt: skip


def activation_functions() -> Iterator[tuple[Any, str, str]]:
    """Yield owner, attribute and name of each activation: of Keras's backend, Keras's ReLU, and the framework itself."""
    backend = current()
    for part in ("nn", "numpy"):
        module = importlib.import_module(f"keras.src.backend.{backend.name}.{part}")
        yield from ((module, name, name) for name in _KERAS_ACTIVATIONS if hasattr(module, name))
    activations = importlib.import_module("keras.src.activations.activations")
    yield activations.ReLU, "static_call", "relu"
    yield from ((owner, name, name) for owner, name in backend.activation_functions())


def followed_functions() -> Iterator[tuple[Any, str]]:
    """Yield owner and name of each function that endings are followed through: of Keras's backend and of the framework."""
    backend = current()
    modules = [importlib.import_module(f"keras.src.backend.{backend.name}.{part}") for part in ("core", "numpy")]
    for module in (*modules, importlib.import_module("keras.src.backend"), *backend.array_modules()):
        yield from ((module, name) for name in FOLLOWED if callable(vars(module).get(name)))
