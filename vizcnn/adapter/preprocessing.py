"""From pixels (0..255) to what the model was trained on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from vizcnn.errors import InputError, OptionError, did_you_mean

SCALINGS: dict[str, tuple[float, float]] = {"0..1": (1 / 255, 0.0), "-1..1": (1 / 127.5, -1.0), "none": (1.0, 0.0)}
"""Factor and offset of the simple scalings."""


class Preprocess:
    """A function from a batch of pixels to a batch of inputs, with its name and the range that it gives.

    Parameters
    ----------
    function : callable
        Takes (N, H, W, C), float32 in 0..255, and returns the same shape.
    name : str
        What to call it in results and messages.
    """

    def __init__(self, function: Callable[[np.ndarray], Any], name: str) -> None:
        self.name = name
        self._function = function

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        """Return the inputs made of a batch of pixels, which stays as it is."""
        # A copy: Keras's own functions scale their argument in place.
        result = np.asarray(self._function(np.array(batch, dtype=np.float32)), dtype=np.float32)
        if len(result) != len(batch) or result.ndim != batch.ndim:
            raise InputError(
                f"`preprocess` must turn a batch (N, H, W, C) into another; {self.name!r} turned shape {batch.shape} "
                f"into {result.shape}."
            )
        return result

    @property
    def output_range(self) -> tuple[float, float] | None:
        """What black and white become, lowest and highest; None where the function doesn't take such an image."""
        try:
            ends = [self(np.full((1, 32, 32, 3), value, dtype=np.float32)) for value in (0.0, 255.0)]
        except Exception:  # noqa: BLE001 - a stranger's function on an image that it may not be made for
            return None
        return float(min(end.min() for end in ends)), float(max(end.max() for end in ends))


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
    if callable(preprocess):
        return Preprocess(preprocess, getattr(preprocess, "__name__", type(preprocess).__name__))
    if preprocess in SCALINGS:
        factor, offset = SCALINGS[preprocess]
        return Preprocess(lambda batch: batch * np.float32(factor) + np.float32(offset), preprocess)
    modules = _application_modules()
    if preprocess in modules:
        return Preprocess(modules[preprocess], preprocess)
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
