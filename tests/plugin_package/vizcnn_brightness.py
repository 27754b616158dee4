"""A plugin that works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from vizcnn import register
from vizcnn.results import AttributionBatch

if TYPE_CHECKING:
    import numpy as np

    from vizcnn import ModelAdapter
    from vizcnn.scores import Score


@register("brightness", needs={"outputs"})
def brightness(model: ModelAdapter, inputs: np.ndarray, score: Score, *, power: Literal[1, 2] = 1) -> AttributionBatch:
    """Show where the image is bright.

    Parameters
    ----------
    power : {1, 2}, default 1
        Power of the brightness.
    """
    return AttributionBatch(inputs.mean(axis=-1) ** power, raw=inputs)
