"""Arrays, as they go into adapters and come back: float32 NumPy, batch first, channels last."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray
Outputs: TypeAlias = tuple[Array, ...]

AXES = {2: "TC", 3: "HWC", 4: "DHWC"}
"""What the axes of one input are called, by their number: of a signal, an image, a volume."""


def slices(count: int, size: int) -> Iterable[slice]:
    """Yield slices of at most `size` that cover `count` samples."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))
