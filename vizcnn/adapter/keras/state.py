"""What tells weights from others; and state that layers derive from weights, which has to follow them when they are loaded."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import keras
import numpy as np


def finalize(model: Any) -> None:
    """Let every layer of a loaded model derive its state from its weights.

    Keras's loader of HDF5 files does so for the layers of the outer model only: a Normalization in a nested model, in a wrapper
    or in a layer of the author's own goes on with mean 0 and variance 1.
    """
    for layer in model._flatten_layers():
        # As Keras does it: without weights there is nothing to follow, and a Discretization would forget its bins.
        if hasattr(layer, "finalize_state") and layer.built and layer.weights:
            layer.finalize_state()


def checksum(arrays: Iterable[np.ndarray]) -> tuple[int, int]:
    """Return how many bytes arrays have, and the CRC-32 of all of them."""
    size = crc = 0
    for array in arrays:
        content = np.ascontiguousarray(array).reshape(-1).view(np.uint8)  # bfloat16 has no buffer of its own
        size, crc = size + content.size, zlib.crc32(content.data, crc)
    return size, crc


class DerivedState:
    """What layers derive from their weights and keep as constants: `adapt` and `finalize_state` replace it.

    Parameters
    ----------
    model : keras.Model
        The model; of its layers only those that derive anything are kept.
    """

    def __init__(self, model: Any) -> None:
        self._layers = [layer for layer in model._flatten_layers() if hasattr(layer, "finalize_state")]
        self._last, self._count = self._read(), 0

    def version(self) -> int:
        """Return how often any of it was seen to be another than before."""
        now = self._read()
        if any(new is not old for new, old in zip(now, self._last, strict=True)):
            self._last, self._count = now, self._count + 1
        return self._count

    def _read(self) -> list[Any]:
        return [getattr(layer, name, None) for layer in self._layers for name in ("mean", "variance", "bin_boundaries")]


def stale_state_notes(model: Any) -> Iterator[str]:
    """Yield a note for each Normalization that doesn't use the mean and variance that it holds."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Normalization) and layer.built and layer.input_mean is None:
            mean_and_variance = (layer.mean, layer.adapt_mean), (layer.variance, layer.adapt_variance)
            if not all(_agree(used, held) for used, held in mean_and_variance):
                yield (
                    f"Layer {layer.name!r} holds a mean and a variance that it doesn't use, as Keras leaves a nested "
                    f"Normalization that comes from an HDF5 file: the model, and so every explanation of it, is another than the "
                    f"saved one. Give vizcnn the file's path, or call the layer's finalize_state() and adapt the model anew."
                )


def _agree(used: Any, held: Any) -> bool:
    tensors = (keras.ops.convert_to_tensor(value) for value in (used, held))
    used, held = (np.ravel(keras.ops.convert_to_numpy(tensor)).astype(np.float32) for tensor in tensors)
    return bool(np.allclose(used, held, rtol=1e-2, atol=1e-6))  # it may be used in half precision
