"""A model that is explained with respect to what a layer inside it returns: a spectrogram that it makes itself, or any map.

The model is cut at that layer. What comes before makes the inputs of images; what comes behind is a model like any other, with
the same layers and weights, so that every method works on it as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras.src.models.functional import Functional
from typing_extensions import override

from vizcnn.adapter.arrays import slices
from vizcnn.adapter.keras.adapter import KerasAdapter
from vizcnn.adapter.keras.fixed_inputs import FixedInputs
from vizcnn.adapter.layers import split_call
from vizcnn.errors import OptionError, UnsupportedModelError
from vizcnn.inputs import ImageSet
from vizcnn.resample import shrink


class MapSet(ImageSet):
    """Maps that a layer made of images: arrays of any numbers, which are shown in gray, from the lowest to the highest."""

    @override
    def preview(self, index: int, longest: int) -> np.ndarray:
        values = self[index]
        if values.ndim != 3:
            return super().preview(index, longest)
        gray = values.mean(axis=-1, keepdims=True)
        low, high = float(gray.min()), float(gray.max())
        return shrink(np.rint((gray - low) / ((high - low) or 1.0) * 255).astype(np.uint8), longest)

    @override
    def read(self, index: int, row: np.ndarray, longest: int | None = None) -> np.ndarray | None:
        super().read(index, row)
        return None if longest is None else self.preview(index, longest)


class InnerInputAdapter(KerasAdapter):
    """The part of a Keras model behind a layer, whose inputs the part before it makes of images.

    Parameters
    ----------
    model : keras.Model
        The whole model, Functional or Sequential.
    input_layer : str or Layer
        The layer whose output is explained.
    fixed_inputs : mapping, default None
        See `vizcnn.adapt`; they stay what they are in both parts.
    source, repairs, loss
        See `KerasAdapter`.
    **settings : object
        See `vizcnn.adapt`.

    Attributes
    ----------
    whole : KerasAdapter
        The whole model.
    input_layer : str
        The path of the layer.

    Raises
    ------
    OptionError
        If the layer isn't one that everything goes through.
    UnsupportedModelError
        If the model can't be cut.
    """

    def __init__(
        self,
        model: Any,
        input_layer: Any,
        *,
        fixed_inputs: Mapping[str | int, Any] | None = None,
        source: str = "a Keras model",
        repairs: tuple[str, ...] = (),
        loss: Any = None,
        **settings: Any,
    ) -> None:
        self.whole = whole = KerasAdapter(model, fixed_inputs=fixed_inputs, source=source, repairs=repairs, **settings)
        self.input_layer = whole.layer(input_layer).path
        held = FixedInputs(model, fixed_inputs, whole.preprocess, whole.decoding).values if fixed_inputs else {}
        rest = _behind(model, whole.operation(self.input_layer), self.input_layer, sorted(held))
        values: dict[str | int, Any] = {place + 1: held[position] for place, position in enumerate(sorted(held))}
        own: dict[str, Any] = {key: settings.get(key) for key in ("labels", "batch_size", "num_runs", "token_grid")}
        own |= {"source": source, "repairs": repairs, "loss": loss}
        super().__init__(rest, name=whole.name, fixed_inputs=values or None, preprocess="none", **own)
        self.fixed_inputs = whole.fixed_inputs
        self.add_note(
            f"What is explained is the output of layer {self.input_layer!r}, not the input of the model.",
            "inner input",
            quiet=True,
        )

    @property
    @override
    def image_model(self) -> KerasAdapter:
        return self.whole

    @override
    def load_images(self, images: Any, shape: Sequence[int | None] | None = None) -> ImageSet:
        if isinstance(images, ImageSet) and images.serves(self.input_shape, self.preprocess, None):
            return images
        loaded = self.whole.load_images(images)
        self.whole.prepare(loaded.sample_shape)
        batches = slices(len(loaded), self.whole.batch_size_for(loaded.sample_shape))
        maps = np.concatenate([self._made_of(loaded.inputs(part)) for part in batches])
        size, channels = tuple(maps.shape[1:-1]), maps.shape[-1]
        return MapSet(list(maps), size, channels, loaded.names, notes=loaded.notes, preprocess=self.preprocess)

    def _made_of(self, inputs: Any) -> Any:
        """Return what the layer makes of the model's inputs, with an axis for the channel where it has none."""
        maps = self.whole.activations(inputs, [self.input_layer])[self.input_layer]
        return maps[..., None] if maps.ndim == len(self.input_shape) else maps


def _behind(model: Any, operation: Any, path: str, held: Sequence[int]) -> Any:
    """Return the part of a model behind one call of a layer; the inputs at the positions `held` are its inputs too."""
    functional = model if isinstance(model, Functional) else getattr(model, "_functional", None)
    if functional is None:
        raise UnsupportedModelError(
            f"`input_layer` is for Functional and Sequential models, whose parts can be told from each other; {model.name!r} is "
            f"a {type(model).__name__}. Make a model of what comes behind layer {path!r}, and explain that."
        )
    calls = [node for nodes in functional._nodes_by_depth.values() for node in nodes if node.operation is operation]
    calls.sort(key=operation._inbound_nodes.index)
    number = split_call(path)[1] or 0
    if number >= len(calls) or len(calls[number].output_tensors) != 1 or not calls[number].input_tensors:
        raise OptionError(
            f"`input_layer` must name a layer of model {model.name!r} itself that returns one tensor; {path!r} is an input, lies "
            f"inside another layer, or returns several."
        )
    (tensor,) = calls[number].output_tensors
    try:
        return keras.Model(
            [tensor, *(functional.inputs[at] for at in held)], functional._outputs_struct, name=model.name
        )
    except ValueError as error:
        raise OptionError(
            f"`input_layer` must name a layer that everything goes through on its way from the input; the outputs of model "
            f"{model.name!r} depend on its input by other ways than {path!r} too."
        ) from error
