"""Results made by hand, without a model."""

from __future__ import annotations

from typing import Any

import numpy as np

from vizcnn.adapter.base import Prediction
from vizcnn.results import Attributions


def attributions(count: int = 1, size: tuple[int, int] = (4, 6), **fields: Any) -> Attributions:
    """Return maps that rise from -1 (or from 0) to 1, over gray images of the same size."""
    ramp = np.linspace(-1 if fields.get("signed") else 0, 1, size[0] * size[1], dtype=np.float32).reshape(size)
    values = np.stack([ramp * (i + 1) for i in range(count)])
    defaults: dict[str, Any] = {
        "values": values,
        "raw": values,
        "scores": np.arange(count, dtype=np.float32),
        "images": [np.full((*size, 3), min(50 * (i + 1), 255), dtype=np.uint8) for i in range(count)],
        "target": ("cat",) * count,
        "classes": (1,) * count,
        "probabilities": (0.75,) * count,
        "predictions": (Prediction(1, "cat", 0.75),) * count,
        "model": "tiny",
        "method": "saliency",
        "names": tuple(f"{i}.png" for i in range(count)),
    }
    return Attributions(**{**defaults, **fields})
