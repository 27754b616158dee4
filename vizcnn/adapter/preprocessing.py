"""From pixels (0..255) to what the model was trained on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from vizcnn.errors import OptionError, did_you_mean
from vizcnn.inputs.preprocessing import Preprocess

SCALINGS: dict[str, tuple[float, float]] = {"0..1": (1 / 255, 0.0), "-1..1": (1 / 127.5, -1.0), "none": (1.0, 0.0)}
"""Factor and offset of the simple scalings."""


def resolve_preprocess(preprocess: str | Callable[[np.ndarray], Any] | None) -> Preprocess | None:
    """Return what a name or a function means; see `vizcnn.adapt`.

    Returns
    -------
    Preprocess or None

    Raises
    ------
    OptionError
        If it is neither a function nor a known name.
    """
    if preprocess is None or isinstance(preprocess, Preprocess):
        return preprocess
    keras = sys.modules.get("keras")
    if keras is not None and isinstance(preprocess, keras.Layer):
        layer = preprocess
        return Preprocess(lambda image: layer(image[None])[0], layer.name)  # layers take batches
    if callable(preprocess):
        return Preprocess(preprocess)
    if preprocess in SCALINGS:
        factor, offset = SCALINGS[preprocess]
        return Preprocess(lambda batch: batch * np.float32(factor) + np.float32(offset), preprocess, takes_batches=True)
    modules = _application_modules()
    if preprocess in modules:
        return Preprocess(modules[preprocess], preprocess, takes_batches=True)
    raise OptionError(
        f"`preprocess` must be a function, one of {', '.join(map(repr, SCALINGS))}, or the name of a keras.applications "
        f"module such as 'mobilenet_v2'; got {preprocess!r}.{did_you_mean(preprocess, [*SCALINGS, *modules])}"
    )


def _application_modules() -> dict[str, Callable[..., Any]]:
    import keras

    return {
        name: module.preprocess_input
        for name, module in vars(keras.applications).items()
        if hasattr(module, "preprocess_input") and not name.startswith("_")
    }
