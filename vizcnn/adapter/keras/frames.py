"""Layers inside of a `TimeDistributed`: run on all frames at once, and read as maps that have the frames among their axes.

Keras calls the layer inside once for each frame, so that a network inside is traced as often, and no call has a map of the whole
input. Here the frames go into the batch, (N, T, H, W, C) to (N * T, H, W, C), and what each layer inside returns is taken apart
again, (N, T, h, w, K), where it is read, replaced and differentiated by, before the next layer is given it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import keras

from vizcnn.adapter.keras.endings import Ending


def is_frame_by_frame(operation: Any) -> bool:
    """Tell whether this is a layer that runs another one on each frame, in Keras's own way."""
    return getattr(type(operation), "call", None) is keras.layers.TimeDistributed.call


class Frames:
    """The `TimeDistributed` layers that a run is inside of.

    Parameters
    ----------
    endings : dict
        Those of the run, by the `id` of a tensor; they are carried on.
    """

    def __init__(self, endings: dict[int, Ending]) -> None:
        self._endings = endings
        self._counts: list[int] = []
        self._rows: list[int | None] = []
        self._wholes: dict[int, Any] = {}  # what is known of one is kept by both, so that no other tensor takes an `id`
        self._flats: dict[int, Any] = {}

    @contextmanager
    def inside(self, whole: Any, flat: Any) -> Iterator[None]:
        """Run a layer on the frames of `whole` (N, T, ...), which is also `flat` (N * T, ...)."""
        if not self._counts:
            self._keep(whole, flat)
        self._counts.append(whole.shape[1])
        self._rows.append(None if whole.shape[0] is None else whole.shape[0] * whole.shape[1])
        try:
            yield
        finally:
            self._counts.pop()
            self._rows.pop()

    def unfolded(self, output: Any) -> Any:
        """Return what a layer returned with the frames among its axes; as it is where the run is inside of none."""
        return keras.tree.map_structure(self._whole, output) if self._counts else output

    def folded(self, output: Any) -> Any:
        """Return what `unfolded` returned as the next layer takes it."""
        return keras.tree.map_structure(self._flat, output) if self._counts else output

    def of_all(self, tensor: Any, count: int) -> Any:
        """Return what a layer returned of all frames as its `TimeDistributed` returns it."""
        if not self._counts and id(tensor) in self._wholes:
            return self._wholes[id(tensor)]
        return self._reshaped(tensor, (-1, count, *tensor.shape[1:]), 1)

    def _whole(self, tensor: Any) -> Any:
        if id(tensor) in self._wholes:
            return self._wholes[id(tensor)]
        shape = getattr(tensor, "shape", ())
        if not shape or shape[0] != self._rows[-1]:
            return tensor  # weights and positions, which are the same for all frames
        return self._reshaped(tensor, (-1, *self._counts, *shape[1:]), len(self._counts))

    def _flat(self, tensor: Any) -> Any:
        depth = len(self._counts)
        shape = tuple(getattr(tensor, "shape", ()))
        if shape[1 : depth + 1] != tuple(self._counts):
            return tensor
        if id(tensor) not in self._flats:
            self._keep(tensor, self._reshaped(tensor, (-1, *shape[depth + 1 :]), -depth))
        return self._flats[id(tensor)]

    def _keep(self, whole: Any, flat: Any) -> None:
        self._wholes[id(flat)], self._flats[id(whole)] = whole, flat

    def _reshaped(self, tensor: Any, shape: tuple[int | None, ...], shift: int) -> Any:
        lengths = keras.ops.shape(tensor)[1 if shift > 0 else 1 - shift :]
        leading = shape[: len(shape) - len(lengths)]
        output = keras.ops.reshape(tensor, (*leading, *lengths))
        ending = self._endings.get(id(tensor))
        if ending is not None:
            axis = None if ending.axis is None else ending.axis + shift
            logits = keras.ops.reshape(ending.logits, (*leading, *lengths))
            self._endings[id(output)] = replace(ending, output=output, logits=logits, axis=axis)
        return output


def all_at_once(layer: Any, frames: Frames) -> Callable[..., Any]:
    """Return a call of a `TimeDistributed` that runs the layer inside once, on the frames of all samples.

    Parameters
    ----------
    layer : keras.layers.TimeDistributed
        The layer.
    frames : Frames
        Where it is said that the run is inside of it.

    Returns
    -------
    callable
        As `TimeDistributed.call`, which is what runs where the number of frames is open.
    """
    original = layer.call

    def call(inputs: Any, training: Any = None, mask: Any = None) -> Any:
        count = inputs.shape[1]
        if count is None:
            return original(inputs, training=training, mask=mask)
        options: dict[str, Any] = {}
        if layer.layer._call_has_mask_arg and mask is not None:
            options["mask"] = keras.ops.reshape(mask, (-1, *keras.ops.shape(mask)[2:]))
        if layer.layer._call_has_training_arg:
            options["training"] = training
        flat = keras.ops.reshape(inputs, (-1, *keras.ops.shape(inputs)[2:]))
        with frames.inside(inputs, flat):
            output = layer.layer.call(flat, **options)
        return frames.of_all(output, count)

    return call
