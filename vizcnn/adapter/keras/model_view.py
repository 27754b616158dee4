"""What a Keras model is: its layers, its inputs, and how it is called. Everything that runs a model is handed this view of it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras.src.backend.common.stateless_scope import in_stateless_scope

from vizcnn.adapter.arrays import Array
from vizcnn.adapter.heads import Head
from vizcnn.adapter.keras.backends import current
from vizcnn.adapter.keras.calling import errors_of_ours, fresh_state
from vizcnn.adapter.keras.connections import trace
from vizcnn.adapter.keras.fixed_inputs import FixedInputs
from vizcnn.adapter.keras.maps import Layout
from vizcnn.adapter.keras.model_state import ModelState
from vizcnn.adapter.keras.randomness import user_seeds_kept
from vizcnn.adapter.keras.structure import (
    LayerRecord,
    as_the_model_takes_it,
    has_channels_first,
    input_names,
    input_rank_of,
    input_shapes,
    is_complete,
    kernel_channels,
    rank_of,
    symbolic_outputs,
    walk,
)
from vizcnn.adapter.keras.taps import Taps
from vizcnn.adapter.keras.unflattening import unflattened_shape
from vizcnn.adapter.layers import LayerInfo
from vizcnn.errors import UnsupportedModelError, listed


class ModelView:
    """A Keras model, and all that is known of it.

    Parameters
    ----------
    model : keras.Model
        The model.
    name : str
        What to call it.
    heads : callable
        Tells how an output is read, by its name.
    keep_alive : bool, default True
        Keep the model alive.
    fixed_inputs : FixedInputs, default None
        The values of all its inputs but one.
    token_grid : (int, int), default None
        The grid that tokens lie on, where that was said.

    Attributes
    ----------
    backend : Backend
        What Keras runs on.
    lock : threading.RLock
        Held while anything is learnt of the model.
    logarithm : dict
        Names of the outputs to whether they hold probabilities whose logits are out of reach.
    """

    def __init__(
        self,
        model: Any,
        name: str,
        heads: Callable[[str], Head],
        *,
        keep_alive: bool = True,
        fixed_inputs: FixedInputs | None = None,
        token_grid: tuple[int, int] | None = None,
    ) -> None:
        self.name = name
        self.heads = heads
        self.token_grid = token_grid
        self.backend = current()
        self.lock = threading.RLock()
        self.logarithm: dict[str, bool] = {}
        self._model = weakref.ref(model)
        self._held = model if keep_alive else None
        self._fixed = fixed_inputs
        self._states: dict[tuple[int, ...] | None, ModelState] = {}
        self._shown = threading.local()
        self._last_shown: tuple[int, ...] | None = None
        self._complete = False
        # By the shape of an input: the records and the number of known shapes that the layers were made of, and the layers.
        self._layers: dict[tuple[int, ...] | None, tuple[Any, int, tuple[LayerInfo, ...]]] = {}
        self._records: dict[str, LayerRecord] | None = None
        self._are_of_all = False
        self._connections: tuple[tuple[str, str], ...] | None = None
        self._has_channels_first = False
        self._rank = 2
        self._kernel_channels: frozenset[int] = frozenset()

    @property
    def model(self) -> Any:
        """The Keras model."""
        model = self._model()
        if model is None:
            raise UnsupportedModelError(
                "The model of this adapter is gone; keep a reference to it, or use vizcnn.adapt."
            )
        return model

    # Inputs of one shape at a time ------------------------------------------------------------------------------------

    @property
    def sample_shape(self) -> tuple[int, ...] | None:
        """The shape of the inputs that this thread works on; before its first, of those last seen by any."""
        shape: tuple[int, ...] | None = getattr(self._shown, "shape", self._last_shown)
        return shape

    @property
    def state(self) -> ModelState:
        """What is known of the model for inputs of that shape."""
        shape = self.sample_shape
        state = self._states.get(shape)  # asked dozens of times in a call
        return state or self._states.setdefault(shape, ModelState(logarithm=self.logarithm))

    def known_sample_shape(self) -> tuple[int, ...]:
        """Return the shape of an input without open sizes, ready to be run on.

        Returns
        -------
        tuple of int

        Raises
        ------
        UnsupportedModelError
            If it isn't known.
        """
        sample = self.sample_shape or self.input_shape
        if not sample or None in sample:
            raise self.unknown_inputs()
        shape = tuple(int(size or 1) for size in sample)
        self.prepare(shape)
        return shape

    def unknown_inputs(self) -> UnsupportedModelError:
        """Return the error of a model that is asked for what only an input can tell."""
        return UnsupportedModelError(
            f"Model {self.name!r} doesn't say what inputs it takes; show it an image first, or call it once on a batch."
        )

    def prepare(self, sample_shape: tuple[int, ...]) -> None:
        """Turn to inputs of that shape; a model that was never called makes its layers on the first call."""
        self._shown.shape = self._last_shown = tuple(sample_shape)
        if self._complete:
            return
        with self.lock:
            if not self.is_complete:
                self._make_layers(np.zeros((1, *sample_shape), dtype=np.float32))
            self._complete = True

    @property
    def is_complete(self) -> bool:
        """Whether the model has all its layers, and these their weights."""
        return self._complete or bool(self.model.built and is_complete(self.model))

    def _make_layers(self, inputs: Array) -> None:
        """Call the model once, which makes the layers that it lacks; those that it has stay as they are."""
        state = [(variable, self.backend.numpy(variable)) for variable in self.model.non_trainable_variables]
        with user_seeds_kept(self.backend):
            self.forward(inputs, stateless=False)
        for variable, value in state:
            variable.assign(value)

    # Layers -----------------------------------------------------------------------------------------------------------

    @property
    def records(self) -> dict[str, LayerRecord]:
        """Every layer and `keras.ops` node that computes, by path; looked for again once all have been made."""
        with self.lock:
            if self._records is None or (not self._are_of_all and self.is_complete):
                self._are_of_all, self._connections = self.is_complete, None
                records = dict(walk(self.model))
                rank = rank_of({path: record.info.kind for path, record in records.items()}, self._taken_shape())
                if rank != 2:
                    records = {path: replace(r, info=replace(r.info, rank=rank)) for path, r in records.items()}
                self._records = records
                self._rank = rank
                # Of convolutions alone: Flatten and others have a data_format too, and often the default one.
                convolutions = [r.operation for r in records.values() if "Conv" in r.info.kind]
                self._kernel_channels = kernel_channels(r.operation for r in records.values())
                self._has_channels_first = {getattr(c, "data_format", None) for c in convolutions} == {"channels_first"}
            return self._records

    @property
    def operations(self) -> dict[str, Any]:
        """Paths to the layers and nodes themselves, as they are tapped."""
        return {path: record.operation for path, record in self.records.items()}

    @property
    def layers(self) -> tuple[LayerInfo, ...]:
        """See `ModelAdapter.layers`."""
        records, shapes = self.records, self.state.layer_shapes
        cached = self._layers.get(self.sample_shape)
        if cached is None or cached[0] is not records or cached[1] != len(shapes):
            infos = [_shaped(record.info, shapes.get(path)) for path, record in records.items()]
            infos = [_with_channels_last(info) for info in infos] if self.channels_first else infos
            cached = self._layers[self.sample_shape] = records, len(shapes), tuple(infos)
        return cached[2]

    @property
    def connections(self) -> tuple[tuple[str, str], ...]:
        """See `ModelAdapter.connections`; found by running the model once on symbols."""
        with self.lock:
            if self._connections is None:
                inputs = self._symbols()
                names, _ = symbolic_outputs(self.model)
                shape = next(iter(inputs.values())).shape
                with user_seeds_kept(self.backend), errors_of_ours(self.model, self.name, shape, self.backend):
                    traced = trace(self.model, self.operations, self.layers, inputs, names)
                state = self.state
                for path, shape in traced.shapes.items():
                    state.layer_shapes.setdefault(path, shape)
                if not state.activations:
                    state.outputs |= traced.outputs
                    state.activations |= traced.activations
                self._connections = traced.connections
            return self._connections

    def variables(self) -> list[Any]:
        """Return every variable of the model, those of layers that it doesn't track too."""
        return self._all("variables")

    def weights(self) -> list[Any]:
        """Return those of its variables that are weights: no states of seeds and metrics, which change without a training."""
        return self._all("weights")

    def _all(self, sort: str) -> list[Any]:
        owners = self.model, *self.operations.values()
        return list({id(one): one for owner in owners for one in getattr(owner, sort, ())}.values())

    @property
    def channels_first(self) -> bool:
        """Whether the model keeps channels before rows and columns; vizcnn's arrays have them last."""
        return bool(self.records) and self._has_channels_first

    @property
    def rank(self) -> int:
        """How many axes a map has: 1 in a model of signals, 2 of images, 3 of volumes and video."""
        return self._rank if self.records else 2

    # Inputs -----------------------------------------------------------------------------------------------------------

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """See `ModelAdapter.input_shape`."""
        shapes = input_shapes(self.model)
        if self._fixed is not None:
            shapes = [shapes[self._fixed.free]]
        if len(shapes) > 1:
            names = input_names(self.model, len(shapes))
            others = ", ".join(f"{name!r}: ..." for name in names[1:])
            raise UnsupportedModelError(
                f"Model {self.name!r} takes {len(shapes)} inputs, {listed(names)}; one is explained at a time, with the others "
                f"held fixed: vizcnn.adapt(model, fixed_inputs={{{others}}}), each an array of one sample or an image file "
                f"(--fixed NAME=VALUE on the command line)."
            )
        rank = self._input_rank
        shape = tuple(shapes[0][1:]) if shapes else (() if rank == 2 else (None,) * (rank + 1))
        if len(shape) == rank and (rank == 1 or None not in shape):
            return (*shape, 1)  # Keras itself drops a last axis of one for a model of (H, W)
        unflattened = unflattened_shape(self.model, shape)
        if unflattened is not None and len(unflattened) == rank + 1:
            return unflattened
        if shape and len(shape) != rank + 1:
            raise UnsupportedModelError(
                f"Model {self.name!r} takes inputs of shape {shape}; vizcnn explains models of images, (H, W, C), with "
                f"convolutions of one dimension those of signals, (T, C), and those of volumes, (D, H, W, C), and video, "
                f"(T, H, W, C)."
            )
        return (*shape[1:], shape[0]) if shape and self._takes_channels_first else shape

    @property
    def input_shapes(self) -> Mapping[str, tuple[int | None, ...]]:
        """See `ModelAdapter.input_shapes`."""
        shapes = [shape[1:] for shape in input_shapes(self.model)]
        return dict(zip(input_names(self.model, len(shapes)), shapes, strict=True))

    def _symbols(self) -> dict[str, Any]:
        """Return a symbol for each of the model's inputs, by name."""
        shapes = input_shapes(self.model)
        if not shapes and self.sample_shape:
            shapes = [(None, *self.sample_shape)]
        if not shapes:
            raise self.unknown_inputs()
        if len(shapes) == 1 and len(shapes[0]) >= 3 and None not in shapes[0][1:]:
            self.prepare(tuple(int(size or 1) for size in shapes[0][1:]))
        types = [tensor.dtype for tensor in getattr(self.model, "inputs", None) or ()] or ["float32"] * len(shapes)
        names = input_names(self.model, len(shapes))
        return {
            name: keras.KerasTensor(shape, dtype=dtype) for name, shape, dtype in zip(names, shapes, types, strict=True)
        }

    def _taken_shape(self) -> tuple[int | None, ...]:
        """Return the shape of the input that is explained, as the model itself has it; () while it isn't known."""
        shapes = input_shapes(self.model)
        position = self._fixed.free if self._fixed is not None else 0
        return tuple(shapes[position][1:]) if len(shapes) > position else ()

    @property
    def _input_rank(self) -> int:
        """How many axes an input has, without channels: one fewer than the maps of a spectrogram that the model makes itself."""
        shape, rank = self._taken_shape(), self.rank
        if rank != 2 or not 1 <= len(shape) <= 2 or not self._kernel_channels:
            return rank
        return input_rank_of(rank, shape, unflattened_shape(self.model, shape))

    @property
    def num_fixed_inputs(self) -> int:
        """How many inputs are held fixed."""
        return 0 if self._fixed is None else len(self._fixed.values)

    @property
    def _takes_channels_first(self) -> bool:
        """Whether the model takes inputs with channels before rows and columns, whatever its maps have."""
        first = self.channels_first
        shape = self._taken_shape()
        return has_channels_first(shape, first, self._kernel_channels) if len(shape) == self.rank + 1 else first

    # How it is called -------------------------------------------------------------------------------------------------

    def forward(self, tensor: Any, *, stateless: bool = True) -> Any:
        """Call the model on a batch, in inference, and return what it returns."""
        model, shapes = self.model, input_shapes(self.model)
        if len(shapes) == 1 and len(shapes[0]) == 2:
            # One that the model itself unflattens.
            tensor = keras.ops.reshape(tensor, (-1, shapes[0][1] or tensor.shape[1]))
        if self._takes_channels_first and len(tensor.shape) == self.rank + 2:
            tensor = keras.ops.moveaxis(tensor, -1, 1)
        inputs = self._fixed.complete(model, tensor) if self._fixed else as_the_model_takes_it(model, tensor)
        # What a layer assigns to a variable in inference (statistics, seeds, counters) lasts for this run; losses aren't kept.
        scope = keras.StatelessScope() if stateless and not in_stateless_scope() else nullcontext()
        with errors_of_ours(model, self.name, tensor.shape, self.backend), fresh_state(model), scope:
            return model(inputs, training=False)

    def taps(self, **options: Any) -> Taps:
        """Return taps on every layer; options as `Taps` has them."""
        return Taps(self.operations, channels_first=self.rank + 2 if self.channels_first else 0, **options)

    def layout(self, taps: Taps) -> Layout:
        """Return how the layers' outputs of a run are maps."""
        state = self.state
        return Layout(
            taps.calls,
            rank=self.rank,
            channels_first=self.channels_first,
            size=(self.sample_shape or ())[:-1],
            attends=state.attends,
            token_grid=self.token_grid,
        )


def _shaped(info: LayerInfo, shape: tuple[int | None, ...] | None) -> LayerInfo:
    return info if shape in (None, info.output_shape) else replace(info, output_shape=shape)


def _with_channels_last(info: LayerInfo) -> LayerInfo:
    shape = info.output_shape
    is_map = shape is not None and len(shape) == info.rank + 2
    return replace(info, output_shape=(shape[0], *shape[2:], shape[1])) if shape and is_map else info
