"""Any Keras 3 model, whatever it was built with."""

from __future__ import annotations

import math
import threading
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras.src.backend import compute_output_spec
from keras.src.backend.common.stateless_scope import in_stateless_scope

from vizcnn.adapter.base import (
    AXES,
    LAST_SPATIAL,
    Array,
    Gradients,
    LayerInfo,
    ModelAdapter,
    Outputs,
    check_rule,
    looks_like_probabilities,
    slices,
    split_call,
)
from vizcnn.adapter.heads import LOGARITHMS, PROBABILITIES, Traits, last_axis
from vizcnn.adapter.input_scaling import UNKNOWN, InputScaling
from vizcnn.adapter.keras.ascent import Ascent, Plan, affine
from vizcnn.adapter.keras.backends import current
from vizcnn.adapter.keras.calling import check_outputs, errors_of_ours, fresh_state, stateful_note
from vizcnn.adapter.keras.compiled import Build, CompiledFunctions, Run, Traced
from vizcnn.adapter.keras.connections import trace
from vizcnn.adapter.keras.default_layer import attends, last_maps, narrow_maps
from vizcnn.adapter.keras.first_weights import FirstWeights
from vizcnn.adapter.keras.fixed import FixedInputs
from vizcnn.adapter.keras.forward_pass import Facts, Reading, rule_notes
from vizcnn.adapter.keras.logits_model import logits_model
from vizcnn.adapter.keras.maps import Layout
from vizcnn.adapter.keras.positions import StandIns, moves
from vizcnn.adapter.keras.randomness import Randomness, user_seeds_kept
from vizcnn.adapter.keras.state import DerivedState, stale_state_notes
from vizcnn.adapter.keras.structure import (
    Found,
    as_the_model_takes_it,
    has_channels_first,
    input_names,
    input_rank_of,
    input_shapes,
    is_complete,
    kernel_channels,
    names_of,
    rank_of,
    symbolic_outputs,
    walk,
)
from vizcnn.adapter.keras.taps import Taps
from vizcnn.adapter.keras.unflattening import unflattened_shape
from vizcnn.adapter.losses import task_of
from vizcnn.adapter.placement import Placement, bands, fit
from vizcnn.adapter.probe import extremes, is_within, read_as_probability
from vizcnn.errors import (
    CapabilityError,
    InputError,
    LayerError,
    UnsupportedModelError,
    listed,
)
from vizcnn.scores import Score, class_logits
from vizcnn.targets import resolve

_MEMORY = 4 * 2**30
"""Bytes that one batch may take, as the sum of the layers' outputs and their gradients, where no batch size is given."""

_BANDS = 9
"""Rows, and columns, of a map from which it is looked back to the input."""


class KerasAdapter(ModelAdapter):
    """A Keras model, run by functions that are compiled once and kept for as long as the adapter lives.

    Parameters
    ----------
    model : keras.Model
        The model; its weights, layers and training flag are the same after every call.
    preprocess, labels, batch_size, image_size, decoding, fixed
        See `vizcnn.adapt`.
    name : str, default None
        What to call it; None: the model's own name.
    hold : bool, default True
        Keep the model alive.
    origin : str, default "a Keras model"
        What it is, or what its file is and who wrote it.
    repairs : tuple of str, default ()
        What had to be repaired in the file that it comes from.
    loss : default None
        What it was trained by, as its file says; None: as the model was compiled.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> cnn = vz.assets.digits_cnn()
    >>> for _ in range(3):
    ...     scores = cnn.scores(np.zeros((1, 28, 28, 1)), "3")
    >>> isinstance(cnn, vz.KerasAdapter), cnn.num_traces
    (True, 1)
    """

    def __init__(
        self,
        model: Any,
        *,
        name: str | None = None,
        hold: bool = True,
        origin: str = "a Keras model",
        repairs: tuple[str, ...] = (),
        loss: Any = None,
        fixed: Mapping[str | int, Any] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(name or model.name, **settings)
        self.origin = origin
        self.repairs = repairs
        self._loss = loss
        self._fixed = FixedInputs(model, fixed, self.preprocess, self.decoding) if fixed else None
        self._model = weakref.ref(model)
        self._held = model if hold else None
        self._backend = current()
        self._lock = threading.RLock()
        self._randomness = Randomness(self._backend, self.num_runs)
        self._derived = DerivedState(model)
        self._functions = CompiledFunctions(self._backend, self._variables, self._derived.version)
        self._known: dict[tuple[int, ...] | None, Facts] = {}
        self._logarithm: dict[str, bool] = {}
        self._kinds_of_units: dict[str, str | None] = {}
        self._shown = threading.local()
        self._last_shown: tuple[int, ...] | None = None
        self._complete = False
        self._halved: int | None = None
        self._found: dict[str, Found] | None = None
        self._has_channels_first = False
        self._has_rank = 2
        self._kernel_channels: frozenset[int] = frozenset()
        self._connections: tuple[tuple[str, str], ...] | None = None
        self._first_weights = FirstWeights(self._tappable, lambda batch: self._forward(self.model, batch))
        for note in filter(None, [*stale_state_notes(model), stateful_note(model)]):
            self.add_note(note)

    @property
    def num_traces(self) -> int:
        """How many functions were compiled so far."""
        return self._functions.num_traces

    @property
    def model(self) -> Any:
        """The Keras model."""
        model = self._model()
        if model is None:
            raise UnsupportedModelError(
                "The model of this adapter is gone; keep a reference to it, or use vizcnn.adapt."
            )
        return model

    @property
    def capabilities(self) -> frozenset[str]:
        """See `ModelAdapter.capabilities`; a Keras model answers everything, "tensorflow" where it runs on that."""
        answers = {"outputs", "scores", "layers", "kernels", "activations", "gradients", "ascent"}
        return frozenset(answers | ({"tensorflow"} if self._backend.name == "tensorflow" else set()))

    @property
    def _sample_shape(self) -> tuple[int, ...] | None:
        """The shape of the inputs that this thread works on; before its first, of those last seen by any."""
        shape: tuple[int, ...] | None = getattr(self._shown, "shape", self._last_shown)
        return shape

    @property
    def _facts(self) -> Facts:
        """What is known of the model for inputs of that shape."""
        return self._known.setdefault(self._sample_shape, Facts(logarithm=self._logarithm))

    # What the model is ------------------------------------------------------------------------------------------------

    @property
    def layers(self) -> tuple[LayerInfo, ...]:
        """See `ModelAdapter.layers`."""
        shapes = self._facts.layer_shapes
        infos = [_shaped(found.info, shapes.get(path)) for path, found in self._operations().items()]
        return tuple(map(_with_channels_last, infos) if self._channels_first else infos)

    def layer(self, layer: Any) -> LayerInfo:
        """See `ModelAdapter.layer`; a Keras layer object is accepted too.

        Returns
        -------
        LayerInfo

        Examples
        --------
        >>> import vizcnn as vz
        >>> cnn = vz.assets.digits_cnn()
        >>> cnn.layer(cnn.model.layers[-1]).path
        'preds'
        """
        if not isinstance(layer, str | LayerInfo):
            paths = [path for path, found in self._operations().items() if found.operation is layer]
            layer = paths[0] if paths else layer
        return super().layer(layer)

    @property
    def connections(self) -> tuple[tuple[str, str], ...]:
        """See `ModelAdapter.connections`; found by running the model once on symbols."""
        with self._lock:
            if self._connections is None:
                inputs = self._symbols()
                names, _ = symbolic_outputs(self.model)
                shape = next(iter(inputs.values())).shape
                with user_seeds_kept(self._backend), errors_of_ours(self.model, self.name, shape, self._backend):
                    told = trace(self.model, self._tappable(), self.layers, inputs, names)
                for path, shape in told.shapes.items():
                    self._facts.layer_shapes.setdefault(path, shape)
                if not self._facts.activations:
                    self._facts.outputs |= told.outputs
                    self._facts.activations |= told.activations
                self._connections = told.connections
            return self._connections

    def _symbols(self) -> dict[str, Any]:
        """Return a symbol for each of the model's inputs, by name."""
        shapes = input_shapes(self.model)
        if not shapes and self._sample_shape:
            shapes = [(None, *self._sample_shape)]
        if not shapes:
            raise self._unknown_inputs()
        if len(shapes) == 1 and len(shapes[0]) >= 3 and None not in shapes[0][1:]:
            self.prepare(tuple(int(size or 1) for size in shapes[0][1:]))
        types = [tensor.dtype for tensor in getattr(self.model, "inputs", None) or ()] or ["float32"] * len(shapes)
        names = input_names(self.model, len(shapes))
        return {
            name: keras.KerasTensor(shape, dtype=dtype) for name, shape, dtype in zip(names, shapes, types, strict=True)
        }

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
                f"held fixed: vizcnn.adapt(model, fixed={{{others}}}), each an array of one sample or an image file "
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
                f"Model {self.name!r} takes inputs of shape {shape}; vizcnn explains models of images, (H, W, C), and with "
                f"convolutions of one or three dimensions those of signals, (T, C), and volumes, (D, H, W, C)."
            )
        return (*shape[1:], shape[0]) if shape and self._takes_channels_first else shape

    @property
    def input_shapes(self) -> Mapping[str, tuple[int | None, ...]]:
        """See `ModelAdapter.input_shapes`."""
        shapes = [shape[1:] for shape in input_shapes(self.model)]
        return dict(zip(input_names(self.model, len(shapes)), shapes, strict=True))

    @property
    def num_params(self) -> int:
        """See `ModelAdapter.num_params`."""
        return int(self.model.count_params()) if self.model.built else super().num_params

    @property
    def output_shapes(self) -> Mapping[str, tuple[int | None, ...]]:
        """See `ModelAdapter.output_shapes`."""
        if not self._facts.outputs:
            names, shapes = symbolic_outputs(self.model)
            if not names:
                self._learn()
                return self._facts.outputs
            return dict(zip(names, shapes, strict=True))
        return self._facts.outputs

    def output_activation(self, output: str) -> str | None:
        """See `ModelAdapter.output_activation`.

        Returns
        -------
        str or None

        Examples
        --------
        >>> import keras, vizcnn as vz
        >>> unit = keras.layers.Dense(1, activation="sigmoid", name="tabby")
        >>> cnn = vz.adapt(keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), unit]))
        >>> [cnn.output_activation(name) for name in cnn.output_shapes]
        ['sigmoid']
        """
        if output not in self._facts.activations:
            self._learn()
        return self._facts.activations.get(output)

    def output_traits(self, output: str) -> Traits:
        """See `ModelAdapter.output_traits`: as the run of the model showed it.

        Returns
        -------
        vizcnn.adapter.heads.Traits

        Examples
        --------
        >>> import keras, vizcnn as vz
        >>> maps = keras.layers.Conv2D(5, 1, name="maps")
        >>> first = keras.layers.Permute((3, 1, 2), name="channels_first")
        >>> softmax = keras.layers.Softmax(axis=1, name="classes")
        >>> cnn = vz.adapt(keras.Sequential([keras.Input((8, 8, 1)), maps, first, softmax]))
        >>> traits = cnn.output_traits(cnn.output_name(None))
        >>> traits.axis, traits.units
        (1, 5)
        """
        activation = self.output_activation(output)
        shape = (None, *self.output_shapes[output])
        name, axis = self._facts.endings.get(output, (None, self._unit_axis(shape)))
        if axis is None and len(shape) == 2:
            axis = 1  # a map that was flattened: in a row of numbers each is a unit
        kind = activation or LOGARITHMS.get(str(name))
        single = axis is None or shape[axis] == 1
        if name is None and single and kind is None:
            kind = self._kind_of_unit(output)
        constant = kind == "softmax" and single
        return Traits(
            "sigmoid" if constant else kind,
            axis,
            shape,
            is_logarithm=name in LOGARITHMS,
            task=self._task(output, self.output_shapes),
            is_constant=constant,
        )

    def _task(self, output: str, outputs: Iterable[str]) -> str | None:
        return task_of(self._trained_with, list(outputs), output)

    @property
    def _trained_with(self) -> Any:
        """The loss that the model, or its file, was compiled with."""
        loss = getattr(self.model, "loss", None)
        return self._loss if loss is None else loss

    def _kind_of_unit(self, output: str) -> str | None:
        """Tell by what one number can be whether it is a probability, where no activation is found that made it."""
        with self._lock:
            if output not in self._kinds_of_units:
                self._kinds_of_units[output] = None
                sample = self._sample_shape or self.input_shape
                shape = tuple(int(size or 1) for size in sample)
                noise, place = extremes(shape), list(self.output_shapes).index(output)
                if all(is_within(self.outputs(shown)[place]) for shown in (noise, -noise)):
                    self._kinds_of_units[output] = "sigmoid"
                    self.add_note(read_as_probability(self.name, output), quiet=True)
            return self._kinds_of_units[output]

    def _unit_axis(self, shape: tuple[int | None, ...]) -> int | None:
        """Return the axis of the units where no activation told it."""
        sample = self._sample_shape or ()
        if len(shape) == 3 and len(sample) == 3 and shape[1:] == sample[:2]:
            return None  # a map of one value, without an axis for it
        is_map = self._channels_first and len(shape) == self._rank + 2
        return 1 if is_map else last_axis(shape)

    @property
    def input_scaling(self) -> InputScaling | None:
        """See `ModelAdapter.input_scaling`; found by running the model as far as its first weights."""
        with self._lock:
            try:
                shape = self._sample_shape or self.input_shape
            except UnsupportedModelError:  # several inputs, or none that is an image
                return UNKNOWN
            if not shape or not self.model.built or not is_complete(self.model):
                return UNKNOWN
            return self._first_weights.scaling(shape)

    @property
    def input_range(self) -> tuple[float, float] | None:
        """See `ModelAdapter.input_range`; bytes are pixels."""
        known = super().input_range
        tensors = () if known is not None or self.preprocess is not None else getattr(self.model, "inputs", None) or ()
        takes_bytes = [keras.backend.standardize_dtype(tensor.dtype) == "uint8" for tensor in tensors]
        return (0.0, 255.0) if takes_bytes and all(takes_bytes) else known

    def prepare(self, sample_shape: tuple[int, ...]) -> None:
        """See `ModelAdapter.prepare`: a model that was never called makes its layers on the first call.

        Examples
        --------
        >>> import keras, vizcnn as vz
        >>> conv = keras.layers.Conv2D(4, 3, name="conv")
        >>> cnn = vz.adapt(keras.Sequential([conv, keras.layers.GlobalAveragePooling2D()]))
        >>> cnn.prepare((8, 8, 3))
        >>> cnn.kernels("conv").shape
        (3, 3, 3, 4)
        """
        self._shown.shape = self._last_shown = tuple(sample_shape)
        if self._complete:
            return
        with self._lock:
            if not self.model.built or not is_complete(self.model):
                self._found = self._connections = None
                self._make_layers(np.zeros((1, *sample_shape), dtype=np.float32))
            self._complete = True

    def _make_layers(self, inputs: Array) -> None:
        """Call the model once, which makes the layers that it lacks; those that it has stay as they are."""
        state = [(variable, self._backend.numpy(variable)) for variable in self.model.non_trainable_variables]
        with user_seeds_kept(self._backend):
            self._forward(self.model, inputs, stateless=False)
        for variable, value in state:
            variable.assign(value)

    def batch_size_for(self, sample_shape: tuple[int, ...]) -> int:
        """See `ModelAdapter.batch_size_for`; halved for good when the device ran out of memory.

        Returns
        -------
        int

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.adapt(vz.assets.DIGITS_CNN, batch_size=4).batch_size_for((28, 28, 1))
        4
        """
        size = self._batch_size or self._fitting_batch(sample_shape)
        return min(size, self._halved or size)

    def _fitting_batch(self, sample_shape: tuple[int, ...]) -> int:
        sizes, told = self._facts.batch_sizes, len(self._facts.layer_shapes)
        if (sample_shape, told) not in sizes:  # it is asked on every call, and walks all layers
            sizes[sample_shape, told] = self._batch_of(sample_shape)
        return sizes[sample_shape, told]

    def _batch_of(self, sample_shape: tuple[int, ...]) -> int:
        shapes = [info.output_shape for info in self.layers if not info.is_container]
        known = [shape[1:] for shape in shapes if shape and None not in shape[1:]]
        floats = sum(math.prod(filter(None, shape)) for shape in known) or 64 * math.prod(sample_shape)
        return int(np.clip(2 ** int(np.log2(max(1, _MEMORY // (2 * 4 * floats)))), 1, self._backend.most_samples))

    def _operations(self) -> dict[str, Found]:
        with self._lock:
            if self._found is None:
                self._found = dict(walk(self.model))
                rank = rank_of(found.info.kind for found in self._found.values())
                if rank != 2:
                    self._found = {
                        path: replace(found, info=replace(found.info, rank=rank)) for path, found in self._found.items()
                    }
                self._has_rank = rank
                # Of convolutions alone: Flatten and others have a data_format too, and often the default one.
                kernels = [f.operation for f in self._found.values() if "Conv" in f.info.kind]
                self._kernel_channels = kernel_channels(f.operation for f in self._found.values())
                self._has_channels_first = {getattr(k, "data_format", None) for k in kernels} == {"channels_first"}
            return self._found

    # What it answers --------------------------------------------------------------------------------------------------

    def outputs(self, inputs: Array) -> Outputs:
        """See `ModelAdapter.outputs`.

        Returns
        -------
        tuple of ndarray of float32, shape (N, ...)

        Examples
        --------
        >>> import vizcnn as vz
        >>> cnn = vz.assets.digits_cnn()
        >>> images = vz.inputs.load(vz.assets.digits(), cnn.input_shape)
        >>> cnn.outputs(images.inputs(slice(None)))[0].argmax(axis=1).tolist()
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
        """
        return self._run(("outputs",), self._build_outputs, self._checked(inputs)).outputs

    def scores(self, inputs: Array, target: Any = None) -> Array:
        """See `ModelAdapter.scores`.

        Returns
        -------
        ndarray of float32, shape (N,)
            Of a class: its logit.

        Examples
        --------
        >>> import vizcnn as vz
        >>> cnn = vz.assets.digits_cnn()
        >>> inputs = vz.inputs.load(vz.assets.digits(), cnn.input_shape).inputs(slice(None))
        >>> int(cnn.scores(inputs, "3").argmax())  # which image looks most like a three
        3
        """
        return self.evaluate(inputs, target)[0]

    def evaluate(self, inputs: Array, target: Any = None) -> tuple[Array, Outputs]:
        """See `ModelAdapter.evaluate`.

        Returns
        -------
        (ndarray, tuple of ndarray)

        Examples
        --------
        >>> import numpy as np, vizcnn as vz
        >>> scores, outputs = vz.assets.digits_cnn().evaluate(np.zeros((2, 28, 28, 1)), target=["3", "8"])
        >>> scores.shape, [values.shape for values in outputs]
        ((2,), [(2, 10)])
        """
        inputs = self._checked(inputs)
        score = resolve(target, self, len(inputs))

        def build(traced: Traced, tensor: Any, *params: Any) -> dict[str, Any]:
            with self._taps(generators=traced.generators) as taps:
                reading = self._read(taps, self._forward(self.model, tensor))
            scores = self._score(reading, score, params)
            traced.undecided = reading.undecided
            return {"scores": scores, **reading.named_outputs()}

        run = self._run(("scores", score.key), build, inputs, score)
        return run.arrays["scores"], run.outputs

    def kernels(self, layer: Any) -> Array:
        """See `ModelAdapter.kernels`; of a separable convolution the depthwise part.

        Returns
        -------
        ndarray of float32, shape (kh, kw, C, K)
            Of a separable convolution K is the multiplier.

        Examples
        --------
        >>> import keras, vizcnn as vz
        >>> conv = keras.layers.SeparableConv2D(8, 3, name="conv")
        >>> vz.adapt(keras.Sequential([keras.Input((8, 8, 4)), conv])).kernels("conv").shape
        (3, 3, 4, 1)
        """
        info = self.layer(layer)
        operation = self._operations()[split_call(info.path)[0]].operation
        weights = getattr(operation, "depthwise_kernel", None)
        weights = getattr(operation, "kernel", None) if weights is None else weights
        if weights is None or len(weights.shape) != 4:
            kernels = [
                p for p, f in self._operations().items() if len(getattr(f.operation, "kernel", np.empty(0)).shape) == 4
            ]
            raise LayerError(
                f"`layer` {info.path!r} is a {info.kind}, which has no kernels. Layers that do: {listed(kernels)}."
            )
        return np.asarray(self._backend.numpy(getattr(weights, "value", weights)), dtype=np.float32)

    def activations(self, inputs: Array, layers: Sequence[Any]) -> dict[str, Array]:
        """See `ModelAdapter.activations`.

        Returns
        -------
        dict of str to ndarray of float32, shape (N, ..., K)

        Examples
        --------
        >>> import keras, numpy as np, vizcnn as vz
        >>> conv = keras.layers.Conv2D(1, 3, kernel_initializer="ones", name="conv")
        >>> cnn = vz.adapt(keras.Sequential([keras.Input((4, 4, 1)), conv]))
        >>> cnn.activations(np.ones((1, 4, 4, 1)), ["conv"])["conv"][0, ..., 0]
        array([[9., 9.], [9., 9.]], dtype=float32)
        """
        inputs = self._checked(inputs)
        paths = tuple(self.layer(layer).path for layer in ([layers] if isinstance(layers, str) else layers))
        bare = frozenset(split_call(path)[0] for path in paths)
        stop = bare if bare == set(paths) else frozenset()

        def build(traced: Traced, tensor: Any) -> dict[str, Any]:
            with self._taps(stop_after=stop, generators=traced.generators) as taps:
                self._forward(self.model, tensor)
            reading = Reading(self._facts, taps, None)
            self._facts.moved |= moves(self.model, taps.calls)
            layout = self._layout(taps)
            return {path: layout.of(reading.layer(path)) for path in paths}

        arrays = self._run(("activations", paths), build, inputs).arrays
        for path, values in arrays.items():
            self._check_rows(path, values, inputs)
        return arrays

    def gradients(self, inputs: Array, target: Any = None, *, of: Any = None, rule: str = "vanilla") -> Gradients:
        """See `ModelAdapter.gradients`.

        Parameters
        ----------
        inputs : ndarray, shape (N, H, W, C)
            The model's inputs.
        target : optional
            Any form that `vizcnn.targets.resolve` takes.
        of : str or Layer, default None
            What to differentiate by: a layer's output; None: the input; `LAST_SPATIAL`: the last map.
        rule : {"vanilla", "guided", "relu"}, default "vanilla"
            What ReLU does to the gradient.

        Returns
        -------
        Gradients

        Raises
        ------
        RuleError
            If the rule finds no ReLU.
        LayerError
            If there is no such layer, or the score doesn't depend on it.

        Examples
        --------
        >>> import keras, numpy as np, vizcnn as vz
        >>> dense = keras.layers.Dense(1, kernel_initializer="ones")
        >>> cnn = vz.adapt(keras.Sequential([keras.Input((2, 2, 1)), keras.layers.Flatten(), dense]))
        >>> cnn.gradients(np.zeros((1, 2, 2, 1)), 0).gradients.ravel()  # of a linear model: its weights
        array([1., 1., 1., 1.], dtype=float32)
        """
        rule = check_rule(rule)
        inputs = self._checked(inputs)
        score = resolve(target, self, len(inputs))
        path = of if of in (None, LAST_SPATIAL) else self.layer(of).path

        def build(traced: Traced, tensor: Any, *params: Any) -> dict[str, Any]:
            with self._taps(rule=rule, generators=traced.generators) as taps:
                reading = self._read(taps, self._forward(self.model, tensor))
            traced.notes = rule_notes(rule, taps, reading.flat, self.name)
            scores = self._score(reading, score, params)
            traced.undecided = reading.undecided
            total = keras.ops.sum(scores)
            if path is None:
                by, gradient = tensor, self._backend.gradient(total, tensor)
                if gradient is None:
                    raise CapabilityError(f"The score of {score.names[0] or 'the predicted class'!r} has no gradient by the "
                                          f"input of model {self.name!r}: a layer rounds or casts it away.")  # fmt: skip
            else:
                traced.layer, by, gradient = self._by_layer(path, taps, reading, total)
                traced.notes += self._layout(taps).notes(traced.layer, reading.layer(traced.layer, cast=False).shape)
            answer = {"gradients": gradient, "scores": scores, **reading.named_outputs()}
            if path is not None:
                answer["values"] = by
            return {name: self._backend.float32(value) for name, value in answer.items()}

        key = ("gradients", score.key, path, rule)
        run = self._run((*key, tuple(self._facts.unfit)), build, inputs, score)
        while path == LAST_SPATIAL and self._is_unfit(run, inputs):
            run = self._run((*key, tuple(self._facts.unfit)), build, inputs, score)
        arrays = run.arrays
        self._check_rows(str(run.traced.layer), arrays.get("values", inputs), inputs)
        return Gradients(
            arrays["gradients"],
            arrays.get("values", inputs),
            arrays["scores"],
            run.outputs,
            run.traced.layer,
            run.traced.notes,
        )

    def _is_unfit(self, run: Run, inputs: Array) -> bool:
        """Tell whether the layer that was taken is no picture of the input, and pass over it from then on."""
        layer, values = str(run.traced.layer), run.arrays["values"]
        unfit = len(values) != len(inputs)  # windows, say, folded into the batch
        if not unfit and self._facts.attends:
            found = self.placement(layer, values.shape[1:], inputs.shape[1:])
            unfit = found is not None and not found.is_possible
        if unfit:
            self._facts.unfit[layer] = None
        return unfit

    def _check_rows(self, layer: str, values: Array, inputs: Array) -> None:
        if len(values) != len(inputs):
            raise LayerError(
                f"`layer` {layer!r} returns {len(values)} rows for {len(inputs)} inputs, as where windows are folded into the "
                f"batch, so its maps are of no input; name a layer outside of that."
            )

    def placement(self, layer: str, shape: tuple[int, ...], sample_shape: tuple[int, ...]) -> Placement | None:
        """See `ModelAdapter.placement`: measured once, and only where something on the way may move positions.

        Returns
        -------
        Placement or None

        Examples
        --------
        >>> import keras, vizcnn as vz
        >>> layers = [keras.layers.Cropping2D(((8, 0), (0, 0))), keras.layers.Conv2D(2, 3, padding="same", name="conv")]
        >>> cnn = vz.adapt(keras.Sequential([keras.Input((16, 16, 1)), *layers]))
        >>> low, high = cnn.placement("conv", (8, 16), (16, 16, 1)).axes[0].ends
        >>> round(low, 3), round(high, 3)  # the lower half of the image
        (8.0, 16.0)
        """
        self.prepare(sample_shape)
        grid = tuple(shape[: self._rank])
        key = layer, grid, tuple(sample_shape)
        if key not in self._facts.placements:
            if layer not in self._facts.moved:
                self._learn()
            moved = self._facts.moved.get(layer, True) or len(grid) != len(sample_shape) - 1
            self._facts.placements[key] = self._measured(layer, grid, sample_shape) if moved else None
        return self._facts.placements[key]

    def _measured(self, layer: str, grid: tuple[int, ...], sample_shape: tuple[int, ...]) -> Placement | None:
        """Look from some rows and columns of a map back to the input."""
        chosen = [bands(count, _BANDS) for count in grid]
        masks = np.concatenate([_band_masks(axis, indices, grid) for axis, indices in enumerate(chosen)])
        random = np.random.default_rng(0)
        low, high = self.input_range or (0.0, 1.0)
        inputs = random.uniform(low + 0.1 * (high - low), high, (len(masks), *sample_shape)).astype(np.float32)
        bare, index = split_call(layer)
        slack, fits = 0.0, True

        def build(traced: Traced, tensor: Any, mask: Any) -> dict[str, Any]:  # noqa: ARG001
            nonlocal slack, fits
            stand_ins = StandIns()
            stop = frozenset({bare}) if index is None else frozenset()
            with Taps(self._tappable(), rule="relu", stop_after=stop, stand_in=stand_ins) as taps:
                self._forward(self.model, tensor)
            slack = stand_ins.slack
            layout = self._layout(taps)
            values = layout.of(Reading(self._facts, taps, None).layer(layer, cast=False))
            fits = tuple(values.shape[1:-1]) == grid
            if not fits:  # a method's own enlargement, say
                return {"gradients": keras.ops.zeros_like(tensor)}
            weights = random.uniform(0.5, 1.5, int(values.shape[-1])).astype(np.float32)
            weighed = self._backend.float32(values) * keras.ops.convert_to_tensor(weights)
            total = keras.ops.sum(weighed * mask[..., None])
            gradient = self._backend.gradient(total, tensor)
            return {"gradients": keras.ops.zeros_like(tensor) if gradient is None else gradient}

        size = self.batch_size_for(sample_shape)
        runs = [
            self._functions.run(("placement", layer, grid, sample_shape), build, [inputs[part], masks[part]])
            for part in slices(len(inputs), size)
        ]
        depends = np.nan_to_num(np.abs(Run.joined(runs).arrays["gradients"])).sum(axis=-1)
        if not depends.any():
            found = Placement.unknown(grid, sample_shape[:-1])
            return found if fits or not found.is_possible else None
        ends = np.cumsum([0, *map(len, chosen)])
        seen = [(indices, depends[a:b]) for indices, a, b in zip(chosen, ends, ends[1:], strict=False)]
        found = fit(seen, grid, sample_shape[:-1])
        return None if found.is_plain(slack) else found

    def logits_model(self, sample_shape: tuple[int, ...], output: str | int | None = None, *, layer: Any = None) -> Any:
        """Return a small Functional Keras model of this one's class scores, for a library that takes Keras models.

        Keras must run on TensorFlow.

        Parameters
        ----------
        sample_shape : tuple of int
            Shape (H, W, C) of one input.
        output : str or int, default None
            Which of several outputs, by name or position; None: the first.
        layer : str or Layer, default None
            A layer whose output is to be found inside, by the name "layer"; the logits depend on it as in the original.

        Returns
        -------
        keras.Model
            See `vizcnn.adapter.keras.logits_model`.

        Raises
        ------
        LayerError
            If there is no such layer.
        CapabilityError
            If Keras doesn't run on TensorFlow.

        Examples
        --------
        >>> import vizcnn as vz
        >>> cnn = vz.assets.digits_cnn()
        >>> logits = cnn.logits_model((28, 28, 1), layer="conv5")
        >>> logits.get_layer("layer").output.shape, logits.output_shape
        ((None, 14, 14, 64), (None, 10))
        """
        if self._backend.name != "tensorflow":
            raise CapabilityError(
                f"logits_model makes a model for libraries that run on TensorFlow; Keras runs on {self._backend.name} here. Set "
                f"KERAS_BACKEND=tensorflow before Keras is imported."
            )
        self.prepare(sample_shape)
        name = self.output_name(output)
        path = None if layer is None else self.layer(layer).path
        self.output_activation(name)  # so that the outputs are known by name before the logits are read

        def finish(tensor: Any, *given: Any) -> Any:
            with self._taps(instead={str(path): given[0]} if given else {}) as taps:
                reading = self._read(taps, self._forward(self.model, tensor))
            return class_logits(reading, name)

        def read(tensor: Any) -> Any:
            with self._taps() as taps:
                self._forward(self.model, tensor)
            return Reading(self._facts, taps, None).layer(str(path))

        def make() -> Any:
            return logits_model(self._backend, sample_shape, finish, None if path is None else read)

        return self._functions.keep(("logits model", name, path, sample_shape, self._facts.logarithm.get(name)), make)

    def ascend(
        self,
        score: Score,
        shape: tuple[int, int, int],
        *,
        steps: int,
        seed: int = 0,
        optimizer: Any = None,
        ends: tuple[float, float] | None = None,
        **plan: Any,
    ) -> Iterator[tuple[Array, Array]]:
        """See `ModelAdapter.ascend`.

        Parameters
        ----------
        score : Score
            What is to rise, one image per sample.
        shape : (int, int, int)
            Shape (H, W, C) of an image.
        steps : int
            How many steps.
        seed : int, default 0
            Seed of the start and of the transforms.
        optimizer : keras.optimizers.Optimizer or str, default None
            What makes the steps; None: Adam with a learning rate of 0.05. It is copied, and starts anew.
        ends : (float, float), default None
            What black and white are to the model; None: what `preprocess` makes of them.
        **plan
            `parametrization`, `penalties`, `modifiers` and `transforms` of a `vizcnn.adapter.keras.ascent.Plan`, all four.

        Yields
        ------
        (ndarray, ndarray)
            Before each step the images (N, H, W, C) in 0..1 and their scores (N,); last the images, and scores of NaN.

        Examples
        --------
        >>> import vizcnn as vz
        >>> from vizcnn.transforms import NONE
        >>> cnn = vz.assets.digits_cnn()
        >>> plan = {"parametrization": "fourier", "penalties": (), "modifiers": (), "transforms": NONE}
        >>> made = list(cnn.ascend(vz.targets.Class("3").score(cnn, 1), (28, 28, 1), steps=4, ends=(0, 255), **plan))
        >>> bool(made[3][1] > made[0][1])  # the score rises
        True
        """
        self.prepare(shape)
        maker = keras.optimizers.Adam(0.05) if optimizer is None else keras.optimizers.get(optimizer)
        matrix, offset = affine(self.preprocess if ends is None else None, ends or (0.0, 1.0), shape[-1])
        made = Plan(
            shape=(len(score), *shape),
            optimizer=f"{type(maker).__name__} { {**maker.get_config(), 'name': ''} }",
            scale=tuple(matrix.ravel().tolist()),
            offset=tuple(offset.tolist()),
            **plan,
        )

        def scores(tensor: Any, *params: Any) -> Any:
            with self._taps(rule="redirected", past_casts=True) as taps:
                reading = self._read(taps, self._forward(self.model, tensor))
            return self._score(reading, score, params)

        ascent = self._functions.keep(
            ("ascent", made, score.key), lambda: Ascent(made, maker, scores, self._variables())
        )
        yield from ascent.run(score, steps, seed)
        if not ascent.reached:
            self.add_note(
                f"In activation maximization of model {self.name!r} the gradient of the score was zero in every step: such an "
                f"image shows its start and the penalties, and nothing of the model."
            )

    # How it is run ----------------------------------------------------------------------------------------------------

    @property
    def _channels_first(self) -> bool:
        """Whether the model keeps channels before rows and columns; vizcnn's arrays have them last."""
        self._operations()
        return self._has_channels_first

    @property
    def _rank(self) -> int:
        """How many axes a map has: 1 in a model of signals, 2 of images, 3 of volumes."""
        self._operations()
        return self._has_rank

    def _taken_shape(self) -> tuple[int | None, ...]:
        """Return the shape of the input that is explained, as the model itself has it; () while it isn't known."""
        shapes = input_shapes(self.model)
        position = self._fixed.free if self._fixed is not None else 0
        return tuple(shapes[position][1:]) if len(shapes) > position else ()

    @property
    def _input_rank(self) -> int:
        """How many axes an input has, without channels: one fewer than the maps of a spectrogram that the model makes itself."""
        shape, rank = self._taken_shape(), self._rank
        if rank != 2 or not 1 <= len(shape) <= 2 or not self._kernel_channels:
            return rank
        return input_rank_of(rank, shape, unflattened_shape(self.model, shape))

    @property
    def _takes_channels_first(self) -> bool:
        """Whether the model takes inputs with channels before rows and columns, whatever its maps have."""
        first = self._channels_first
        shape = self._taken_shape()
        return has_channels_first(shape, first, self._kernel_channels) if len(shape) == self._rank + 1 else first

    def _forward(self, model: Any, tensor: Any, *, stateless: bool = True) -> Any:
        shapes = input_shapes(model)
        if len(shapes) == 1 and len(shapes[0]) == 2:
            tensor = keras.ops.reshape(
                tensor, (-1, shapes[0][1] or tensor.shape[1])
            )  # one that the model itself unflattens
        if self._takes_channels_first and len(tensor.shape) == self._rank + 2:
            tensor = keras.ops.moveaxis(tensor, -1, 1)
        inputs = self._fixed.complete(model, tensor) if self._fixed else as_the_model_takes_it(model, tensor)
        # What a layer assigns to a variable in inference (statistics, seeds, counters) lasts for this run; losses aren't kept.
        scope = keras.StatelessScope() if stateless and not in_stateless_scope() else nullcontext()
        with errors_of_ours(model, self.name, tensor.shape, self._backend), fresh_state(model), scope:
            return model(inputs, training=False)

    def _variables(self) -> list[Any]:
        """Return every variable of the model, those of layers that it doesn't track too."""
        found = [*self.model.variables]
        for operation in self._tappable().values():
            found += getattr(operation, "variables", ())
        return list({id(variable): variable for variable in found}.values())

    def _tappable(self) -> dict[str, Any]:
        return {path: found.operation for path, found in self._operations().items()}

    def _taps(self, **options: Any) -> Taps:
        first = self._rank + 2 if self._channels_first else 0
        return Taps(self._tappable(), channels_first=first, **options)

    def _build_outputs(self, traced: Traced, tensor: Any) -> dict[str, Any]:
        with self._taps(generators=traced.generators) as taps:
            reading = self._read(taps, self._forward(self.model, tensor))
        return reading.named_outputs()

    def _learn(self) -> None:
        """Run the model symbolically, for what can't be known otherwise."""
        sample = self._sample_shape or self.input_shape
        if not sample or None in sample:
            raise self._unknown_inputs()
        shape = tuple(int(size or 1) for size in sample)
        self.prepare(shape)
        with user_seeds_kept(self._backend):
            compute_output_spec(
                lambda tensor: list(self._build_outputs(Traced(), tensor).values()), keras.KerasTensor((1, *shape))
            )

    def _unknown_inputs(self) -> UnsupportedModelError:
        return UnsupportedModelError(
            f"Model {self.name!r} doesn't say what inputs it takes; show it an image first, or call it once on a batch."
        )

    def _read(self, taps: Taps, returned: Any) -> Reading:
        reading = Reading(self._facts, taps, returned, self.head)
        self._facts.attends |= attends(taps)
        self._facts.moved |= moves(self.model, taps.calls)
        for call in taps.calls:
            shape = getattr(call.output, "shape", None)
            if call.index == 0 and shape is not None:
                self._facts.layer_shapes[call.path] = (None, *shape[1:]) if shape else ()
        if not self._facts.activations:
            names, _ = symbolic_outputs(self.model)
            names = names or names_of(returned)
            check_outputs(self.name, names, reading.flat)
            for name, tensor in zip(names, reading.flat, strict=True):
                self._facts.outputs[name] = tuple(tensor.shape[1:])
                ending = taps.ending(tensor)
                self._facts.activations[name] = PROBABILITIES.get(ending.name) if ending else None
                if ending is not None:
                    self._facts.endings[name] = ending.name, ending.axis
        return reading

    def _layout(self, taps: Taps) -> Layout:
        return Layout(
            taps.calls,
            rank=self._rank,
            channels_first=self._channels_first,
            size=(self._sample_shape or ())[:-1],
            attends=self._facts.attends,
            token_grid=self.token_grid,
        )

    def _score(self, reading: Reading, score: Score, params: Sequence[Any]) -> Any:
        return self._backend.float32(score.formula(reading, params))

    def _by_layer(self, path: str, taps: Taps, reading: Reading, total: Any) -> tuple[str, Any, Any]:
        layout = self._layout(taps)
        if path != LAST_SPATIAL:
            tensor = reading.layer(path, cast=False)
            gradient = self._backend.gradient(total, tensor)
            if gradient is None:
                raise LayerError(
                    f"The score doesn't depend on layer {path!r} of model {self.name!r}; name one before it."
                )
            return path, layout.of(tensor), layout.of(gradient)
        for call in last_maps(taps, reading.flat, layout, belongs=self._backend.belongs, unfit=self._facts.unfit):
            gradient = self._backend.gradient(total, call.output)
            if gradient is not None:
                return call.address, layout.of(call.output), layout.of(gradient)
        narrow = [
            (address, size)
            for address, size in narrow_maps(taps, layout)
            if self._backend.gradient(total, reading.layer(address, cast=False)) is not None
        ][:1]
        if narrow:
            raise LayerError(
                f"Model {self.name!r} has no layer with more than one row and column that its output depends on; its last map is "
                f"{'x'.join(map(str, narrow[0][1]))}, that of layer={narrow[0][0]!r}. Name that one."
            )
        kinds = Counter(type(call.operation).__name__ for call in taps.calls)
        raise LayerError(
            f"Model {self.name!r} has no layer with more than one row and column that its output depends on, so there is "
            f"nothing to draw a class activation map from (its layers: {', '.join(kinds)}). Saliency and occlusion need no such "
            f"layer."
        )

    def _run(self, key: tuple[Any, ...], build: Build, inputs: Array, score: Score | None = None) -> Run:
        """Run a compiled function over the samples, a batch at a time."""
        params = score.params if score is not None else ()
        while True:
            size = self.batch_size_for(inputs.shape[1:])
            try:
                runs = [
                    self._run_batch(key, build, [inputs[part], *(param[part] for param in params)])
                    for part in slices(len(inputs), size)
                ]
                return Run.joined(runs)
            except Exception as error:
                if self._backend.is_unsupported(error):
                    reason = " ".join(str(error).split())[:300]
                    raise CapabilityError(
                        f"{self._backend.name} can't run this on model {self.name!r}: {reason}"
                    ) from error
                if size == 1 or not self._backend.is_out_of_memory(error):
                    raise
            self._halved = size // 2

    def _run_batch(self, key: tuple[Any, ...], build: Build, arrays: list[Array]) -> Run:
        full_key = self._full_key(key, arrays[0])
        with user_seeds_kept(self._backend):
            run = self._functions.run(full_key, build, arrays)
            if any(self._settle(output, run) for output in run.traced.undecided):
                return self._run_batch(key, build, arrays)
            if not run.traced.draws:
                return run
            run, spread = self._randomness.settle(run, lambda: self._functions.run(full_key, build, arrays))
        if spread:
            self.add_note(self._randomness.note(self.name, spread))
        return run

    def _full_key(self, key: tuple[Any, ...], inputs: Array) -> tuple[Any, ...]:
        hidden = frozenset(output for output, is_hidden in self._logarithm.items() if is_hidden)
        return key, inputs.shape[1:], hidden, self.labels, str(self._trained_with)

    def _settle(self, output: str, run: Run) -> bool:
        """Decide once whether an output holds probabilities whose logits are out of reach; their logarithm is explained then.

        Returns
        -------
        bool
            Whether this run took the probabilities for logits, and has to be done again.
        """
        with self._lock:
            first = output not in self._logarithm
            if first:
                values = self.head(output).by_unit(np, run.outputs[list(self._facts.outputs).index(output)])
                self._logarithm[output] = looks_like_probabilities(values.reshape(-1, values.shape[-1]))
            hidden = self._logarithm[output]
        if first and hidden:
            self.add_note(
                f"The output {output!r} of model {self.name!r} holds probabilities, and the logits behind them can't be "
                f"reached: scores are log-probabilities. A softmax that is the model's last layer can be looked through."
            )
        return hidden

    def _checked(self, inputs: Array) -> Array:
        array = np.asarray(inputs, dtype=np.float32)
        want = self.input_shape or (None,) * 3
        fits = array.ndim == len(want) + 1 and all(w in (None, h) for w, h in zip(want, array.shape[1:], strict=True))
        if not fits or not len(array):
            axes = ", ".join(AXES[len(want)])
            raise InputError(f"The inputs of model {self.name!r} must have shape (N, {axes}) = (N, {str(want)[1:-1]}); got "
                             f"{array.shape}.")  # fmt: skip
        self.prepare(array.shape[1:])
        return array


def _shaped(info: LayerInfo, shape: tuple[int | None, ...] | None) -> LayerInfo:
    return info if shape in (None, info.output_shape) else replace(info, output_shape=shape)


def _with_channels_last(info: LayerInfo) -> LayerInfo:
    shape = info.output_shape
    is_map = shape is not None and len(shape) == info.rank + 2
    return replace(info, output_shape=(shape[0], *shape[2:], shape[1])) if shape and is_map else info


def _band_masks(axis: int, indices: Sequence[int], grid: tuple[int, ...]) -> Array:
    """Return masks (indices, *grid) that let one row or column through each."""
    masks = np.zeros((len(indices), *grid), dtype=np.float32)
    for mask, index in zip(masks, indices, strict=True):
        np.moveaxis(mask, axis, 0)[index] = 1
    return masks


def is_keras_layer(value: Any) -> bool:
    """Tell whether this is a layer of Keras, as models are too."""
    return isinstance(value, keras.layers.Layer)


def is_keras_model(model: Any) -> bool:
    """Tell whether this is a model of the Keras that vizcnn uses."""
    return isinstance(model, keras.Model)


_implicit: weakref.WeakKeyDictionary[Any, KerasAdapter] = weakref.WeakKeyDictionary()


def implicit_adapter(model: Any) -> KerasAdapter:
    """Return the adapter of a bare model: the same one each time, for as long as the model lives."""
    adapter = _implicit.get(model)
    if adapter is None:
        adapter = _implicit.setdefault(model, KerasAdapter(model, hold=False))
    return adapter
