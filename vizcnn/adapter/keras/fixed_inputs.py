"""Models of several inputs: one is explained, the others are held fixed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras

from vizcnn.adapter.arrays import Array
from vizcnn.adapter.fixed_values import held_values
from vizcnn.adapter.keras.structure import input_names, input_shapes
from vizcnn.inputs import Decoding


class FixedInputs:
    """The values of all inputs of a model but one.

    Parameters
    ----------
    model : keras.Model
        The model.
    fixed_inputs : mapping
        Names or positions of the inputs that are held fixed, to their values: an array of one sample, with or without the
        batch axis, an ``.npy`` file of one, or for an image its file.
    preprocess : callable or None
        Turns the pixels of a file into inputs.
    decoding : Decoding or None
        How a file is read; None: as Keras's own loaders do.

    Attributes
    ----------
    free : int
        Position of the input that is left.
    values : dict of int to ndarray
        Those of the others, (1, ...), by their positions.

    Raises
    ------
    OptionError
        If an input doesn't exist, or not exactly one is left.
    InputError
        If a value has another shape than the input.
    """

    def __init__(
        self,
        model: Any,
        fixed_inputs: Mapping[str | int, Any],
        preprocess: Callable[[Array], Array] | None = None,
        decoding: Decoding | None = None,
    ) -> None:
        shapes = [shape[1:] for shape in input_shapes(model)]
        names = input_names(model, len(shapes))
        named = dict(zip(names, shapes, strict=True))
        held = held_values(fixed_inputs, named, preprocess=preprocess, decoding=decoding)
        self.values: dict[int, Array] = {names.index(name): value for name, value in held.items()}
        (self.free,) = (position for position in range(len(shapes)) if position not in self.values)

    def complete(self, model: Any, tensor: Any) -> Any:
        """Return all inputs in the structure that the model was made with: the free one, and the others as often as it needs."""
        count = keras.ops.shape(tensor)[0]
        inputs = [
            tensor
            if position == self.free
            else keras.ops.broadcast_to(
                keras.ops.convert_to_tensor(self.values[position]), (count, *self.values[position].shape[1:])
            )
            for position in range(len(self.values) + 1)
        ]
        return keras.tree.pack_sequence_as(model.input, inputs)
