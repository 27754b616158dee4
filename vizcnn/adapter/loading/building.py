"""Keras builds what a description says, which may be more than there is memory for: not while this watches."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_GENEROUS = 2**28
"""Bytes of weights that any description may make."""

_TIMES = 10
"""How many times the bytes of the arrays in its file a description's weights may take."""


@contextmanager
def limited_weights(size: int) -> Iterator[None]:
    """Let this thread make no more weights than a file can explain, for the length of a `with` block.

    Parameters
    ----------
    size : int
        Bytes of the arrays in the file.

    Yields
    ------
    None

    Raises
    ------
    ValueError
        If a layer asks for more.
    """
    import keras

    original, thread = keras.layers.Layer.add_weight, threading.get_ident()
    largest, total = max(_GENEROUS, _TIMES * size), 0

    def add_weight(layer: Any, shape: Any = None, *args: Any, **options: Any) -> Any:
        nonlocal total
        if threading.get_ident() == thread:
            sizes = [shape] if isinstance(shape, int) else shape or ()
            total += 4 * math.prod(part for part in sizes if isinstance(part, int))
            if total > largest:
                raise ValueError(
                    f"the weights that it describes take {total:,} bytes or more, and those of the file {size:,}"
                )
        return original(layer, shape, *args, **options)

    keras.layers.Layer.add_weight = add_weight
    try:
        yield
    finally:
        keras.layers.Layer.add_weight = original
