"""Functions of earlier versions of Keras that go by the same name but are others now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def hard_sigmoid_of_keras_2(x: Any) -> Any:
    """Return clip(0.2 x + 0.5, 0, 1)."""
    import keras

    return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)


FUNCTIONS: dict[str, Callable[..., Any]] = {"hard_sigmoid_of_keras_2": hard_sigmoid_of_keras_2}
"""By the names under which `repairs` writes them into a description."""
