"""Any Keras 3 model, whatever it was built with."""

from __future__ import annotations

import math
import threading
import warnings
import weakref
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from vizcnn.adapter.backends import current
from vizcnn.adapter.base import (
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
from vizcnn.adapter.compiled import Build, CompiledFunctions, Run, Traced
from vizcnn.adapter.logits_model import logits_model
from vizcnn.adapter.reading import Facts, Reading, rule_notes
from vizcnn.adapter.structure import Found, input_shapes, is_complete, names_of, symbolic_outputs, walk
from vizcnn.adapter.taps import Call, Taps
from vizcnn.errors import (
    CapabilityError,
    InputError,
    LayerError,
    UnsupportedModelError,
    VizcnnWarning,
    listed,
)
from vizcnn.scores import Score, class_logits
from vizcnn.targets import resolve

_MEMORY = 4 * 2**30
"""Bytes that one batch may take, as the sum of the layers' outputs and their gradients, where no batch size is given."""

# Layers that move, drop or scale values, so that their maps say nothing that the layer before doesn't say.
_NOT_A_MAP = ("Pooling", "Padding", "Cropping", "Dropout", "Noise", "Flatten", "Reshape", "Permute", "UpSampling", "Resizing",
              "Rescaling", "CenterCrop", "Identity", "Cast", "GetItem", "Random")  # fmt: skip


class KerasAdapter(ModelAdapter):
    """A Keras model, run by functions that are compiled once and kept for as long as the adapter lives.

    Parameters
    ----------
    model : keras.Model
        The model; its weights, layers and training flag are the same after every call.
    preprocess, labels, batch_size, image_size
        See `vizcnn.adapt`.
    name : str, default None
        What to call it; None: the model's own name.
    """

    def __init__(self, model: Any, *, name: str | None = None, hold: bool = True, **settings: Any) -> None:
        super().__init__(name or model.name, **settings)
        self._model = weakref.ref(model)
        self._held = model if hold else None
        self._backend = current()
        self._lock = threading.RLock()
        self._functions = CompiledFunctions(self._backend)
        self._facts = Facts()
        self._sample_shape: tuple[int, ...] | None = None
        self._complete = False
        self._halved: int | None = None
        self._found: dict[str, Found] | None = None

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
        """See `ModelAdapter.capabilities`; a Keras model answers everything."""
        return frozenset({"outputs", "scores", "kernels", "activations", "gradients", "keras"})

    # What the model is ------------------------------------------------------------------------------------------------

    @property
    def layers(self) -> tuple[LayerInfo, ...]:
        """See `ModelAdapter.layers`."""
        shapes = self._facts.layer_shapes
        return tuple(
            replace(found.info, output_shape=shapes.get(path, found.info.output_shape))
            for path, found in self._operations().items()
        )

    def layer(self, layer: Any) -> LayerInfo:
        """See `ModelAdapter.layer`; a Keras layer object is accepted too."""
        if not isinstance(layer, str | LayerInfo):
            paths = [path for path, found in self._operations().items() if found.operation is layer]
            layer = paths[0] if paths else getattr(layer, "name", layer)
        return super().layer(layer)

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """See `ModelAdapter.input_shape`."""
        shapes = input_shapes(self.model)
        if len(shapes) > 1:
            raise UnsupportedModelError(
                f"Model {self.name!r} takes {len(shapes)} inputs; vizcnn explains models of one image. Wrap it in a model that "
                f"holds the other inputs fixed."
            )
        shape = tuple(shapes[0][1:]) if shapes else ()
        if len(shape) == 2 and None not in shape:
            return (*shape, 1)  # Keras itself drops a last axis of one for a model of (H, W)
        if shape and len(shape) != 3:
            raise UnsupportedModelError(
                f"Model {self.name!r} takes inputs of shape {shape}; vizcnn explains models of images, (H, W, C)."
            )
        return shape

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
        """See `ModelAdapter.output_activation`."""
        if output not in self._facts.activations:
            self._learn()
        return self._facts.activations.get(output)

    @property
    def input_range(self) -> tuple[float, float] | None:
        """See `ModelAdapter.input_range`; a model that scales its inputs itself takes pixels."""
        if self.preprocess is None and self.scales_inputs:
            return 0.0, 255.0
        return super().input_range

    @property
    def scales_inputs(self) -> bool:
        """Whether the model has a layer of its own that scales its inputs."""
        return any(info.kind in ("Rescaling", "Normalization") for info in self.layers)

    def prepare(self, sample_shape: tuple[int, ...]) -> None:
        """See `ModelAdapter.prepare`: a model that was never called makes its layers on the first call."""
        self._sample_shape = sample_shape
        if self._complete:
            return
        with self._lock:
            if not self.model.built or not is_complete(self.model):
                self._found = None
                self._forward(self.model, np.zeros((1, *sample_shape), dtype=np.float32))
            self._complete = True

    def batch_size_for(self, sample_shape: tuple[int, ...]) -> int:
        """See `ModelAdapter.batch_size_for`; halved for good when the device ran out of memory."""
        size = self._batch_size or self._fitting_batch(sample_shape)
        return min(size, self._halved or size)

    def _fitting_batch(self, sample_shape: tuple[int, ...]) -> int:
        shapes = [info.output_shape for info in self.layers if not info.is_container]
        known = [shape[1:] for shape in shapes if shape and None not in shape[1:]]
        floats = sum(math.prod(size or 1 for size in shape) for shape in known) or 64 * math.prod(sample_shape)
        return int(np.clip(2 ** int(np.log2(max(1, _MEMORY // (2 * 4 * floats)))), 1, 32))

    def _operations(self) -> dict[str, Found]:
        with self._lock:
            if self._found is None:
                self._found = dict(walk(self.model))
            return self._found

    # What it answers --------------------------------------------------------------------------------------------------

    def outputs(self, inputs: Array) -> Outputs:
        """See `ModelAdapter.outputs`."""
        return self._run(("outputs",), self._build_outputs, inputs).outputs

    def scores(self, inputs: Array, target: Any = None) -> Array:
        """See `ModelAdapter.scores`."""
        score = resolve(target, self, len(inputs))

        def build(traced: Traced, tensor: Any, *params: Any) -> dict[str, Any]:  # noqa: ARG001
            with Taps(self._tappable()) as taps:
                reading = self._read(taps, self._forward(self.model, tensor))
            return {"scores": self._score(reading, score, params), **reading.named_outputs()}

        return self._run(("scores", score.key), build, inputs, score).arrays["scores"]

    def kernels(self, layer: Any) -> Array:
        """See `ModelAdapter.kernels`; of a separable convolution the depthwise part."""
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
        return np.asarray(keras.ops.convert_to_numpy(weights), dtype=np.float32)

    def activations(self, inputs: Array, layers: Sequence[Any]) -> dict[str, Array]:
        """See `ModelAdapter.activations`."""
        paths = tuple(self.layer(layer).path for layer in ([layers] if isinstance(layers, str) else layers))
        bare = frozenset(split_call(path)[0] for path in paths)
        stop = bare if bare == set(paths) else frozenset()

        def build(traced: Traced, tensor: Any) -> dict[str, Any]:  # noqa: ARG001
            with Taps(self._tappable(), stop_after=stop) as taps:
                self._forward(self.model, tensor)
            reading = Reading(self._facts, taps, None)
            return {path: reading.layer(path) for path in paths}

        return self._run(("activations", paths), build, inputs).arrays

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
        """
        rule = check_rule(rule)
        score = resolve(target, self, len(inputs))
        path = of if of in (None, LAST_SPATIAL) else self.layer(of).path

        def build(traced: Traced, tensor: Any, *params: Any) -> dict[str, Any]:
            with Taps(self._tappable(), rule=rule) as taps:
                reading = self._read(taps, self._forward(self.model, tensor))
            traced.notes = rule_notes(rule, taps, reading.flat, self.name)
            scores = self._score(reading, score, params)
            total = keras.ops.sum(scores)
            if path is None:
                by, gradient = tensor, self._backend.gradient(total, tensor)
                if gradient is None:
                    raise CapabilityError(f"The score of {score.names[0] or 'the predicted class'!r} has no gradient by the "
                                          f"input of model {self.name!r}: a layer rounds or casts it away.")  # fmt: skip
            else:
                traced.layer, by, gradient = self._by_layer(path, taps, reading, total)
            answer = {"gradients": gradient, "scores": scores, **reading.named_outputs()}
            if path is not None:
                answer["values"] = by
            return {name: self._backend.float32(value) for name, value in answer.items()}

        run = self._run(("gradients", score.key, path, rule), build, inputs, score)
        arrays = run.arrays
        return Gradients(
            arrays["gradients"],
            arrays.get("values", inputs),
            arrays["scores"],
            run.outputs,
            run.traced.layer,
            run.traced.notes,
        )

    # How it is run ----------------------------------------------------------------------------------------------------

    def _forward(self, model: Any, tensor: Any) -> Any:
        return model(tensor, training=False)

    def _tappable(self) -> dict[str, Any]:
        return {path: found.operation for path, found in self._operations().items()}

    def _build_outputs(self, traced: Traced, tensor: Any) -> dict[str, Any]:
        with Taps(self._tappable()) as taps:
            reading = self._read(taps, self._forward(self.model, tensor))
        return reading.named_outputs()

    def _learn(self) -> None:
        """Run the model symbolically, for what can't be known otherwise."""
        sample = self._sample_shape or self.input_shape
        if not sample or None in sample:
            raise UnsupportedModelError(
                f"Model {self.name!r} doesn't say what inputs it takes; show it an image first, or call it once on a batch."
            )
        example = np.zeros((1, *(int(size or 1) for size in sample)), dtype=np.float32)
        self._functions.prepare((("outputs",), example.shape[1:], False), self._build_outputs, [example])

    def _read(self, taps: Taps, returned: Any) -> Reading:
        reading = Reading(self._facts, taps, returned)
        for call in taps.calls:
            shape = getattr(call.output, "shape", None)
            if call.index == 0 and shape is not None:
                self._facts.layer_shapes[call.path] = tuple(shape)
        if not self._facts.activations:
            names, _ = symbolic_outputs(self.model)
            names = names or names_of(returned)
            for name, tensor in zip(names, reading.flat, strict=True):
                self._facts.outputs[name] = tuple(tensor.shape[1:])
                before = taps.before_activation(tensor)
                self._facts.activations[name] = before[1] if before else None
        return reading

    def _score(self, reading: Reading, score: Score, params: Sequence[Any]) -> Any:
        return self._backend.float32(score.formula(reading, params))

    def _by_layer(self, path: str, taps: Taps, reading: Reading, total: Any) -> tuple[str, Any, Any]:
        if path != LAST_SPATIAL:
            tensor = reading.layer(path, cast=False)
            gradient = self._backend.gradient(total, tensor)
            if gradient is None:
                raise LayerError(
                    f"The score doesn't depend on layer {path!r} of model {self.name!r}; name one before it."
                )
            return path, tensor, gradient
        for call in self._last_maps(taps, reading):
            gradient = self._backend.gradient(total, call.output)
            if gradient is not None:
                path = call.path if call.index == 0 else f"{call.path}[{call.index}]"
                return path, call.output, gradient
        kinds = Counter(type(call.operation).__name__ for call in taps.calls)
        raise LayerError(
            f"Model {self.name!r} has no layer with more than one row and column that its output depends on, so there is "
            f"nothing to draw a class activation map from (its layers: {', '.join(kinds)}). Saliency and occlusion need no such "
            f"layer."
        )

    def _last_maps(self, taps: Taps, reading: Reading) -> Iterator[Call]:
        """Yield the calls whose output is a map worth explaining, last first; of one tensor, the layer that made it."""
        makers: dict[int, Call] = {}
        for call in taps.calls:
            if self._backend.belongs(call.output):
                makers.setdefault(id(call.output), call)
        ends = {id(tensor) for tensor in reading.flat}
        ends |= {id(before[0]) for before in map(taps.before_activation, reading.flat) if before}
        for identity, call in reversed(makers.items()):
            shape = call.output.shape
            kind = type(call.operation).__name__
            is_map = len(shape) == 4 and 1 not in shape[1:3]
            if is_map and identity not in ends and not any(word in kind for word in _NOT_A_MAP):
                yield call

    def _run(self, key: tuple[Any, ...], build: Build, inputs: Array, score: Score | None = None) -> Run:
        """Run a compiled function over the samples, a batch at a time."""
        inputs = self._checked(inputs)
        params = score.params if score is not None else ()
        while True:
            size = self.batch_size_for(inputs.shape[1:])
            try:
                runs = [
                    self._run_batch(key, build, [inputs[part], *(param[part] for param in params)], score)
                    for part in slices(len(inputs), size)
                ]
                return Run.joined(runs)
            except self._backend.out_of_memory:
                if size == 1:
                    raise
            self._halved = size // 2

    def _run_batch(self, key: tuple[Any, ...], build: Build, arrays: list[Array], score: Score | None) -> Run:
        output = score.output if score is not None else None
        logarithm = output is not None and self._facts.logarithm.get(output, False)
        run = self._functions.run((key, arrays[0].shape[1:], logarithm), build, arrays)
        if output and output not in self._facts.logarithm and self._settle(output, run):
            return self._run_batch(key, build, arrays, score)
        return run

    def _settle(self, output: str, run: Run) -> bool:
        """Decide once whether an output holds probabilities whose logits are out of reach; their logarithm is explained then."""
        position = list(self._facts.outputs).index(output)
        values = run.outputs[position]
        hidden = self._facts.activations[output] is None and looks_like_probabilities(
            values.reshape(-1, values.shape[-1])
        )
        self._facts.logarithm[output] = hidden
        if hidden:
            warnings.warn(
                f"The output {output!r} of model {self.name!r} holds probabilities, and the logits behind them can't be "
                f"reached: scores are log-probabilities. A softmax that is the model's last layer can be looked through.",
                VizcnnWarning,
                stacklevel=2,
            )
        return hidden

    def _checked(self, inputs: Array) -> Array:
        array = np.asarray(inputs, dtype=np.float32)
        want = self.input_shape or (None,) * 3
        fits = array.ndim == 4 and all(w is None or w == h for w, h in zip(want, array.shape[1:], strict=True))
        if not fits or not len(array):
            raise InputError(f"The inputs of model {self.name!r} must have shape (N, H, W, C) = (N, {str(want)[1:-1]}); got "
                             f"{array.shape}.")  # fmt: skip
        self.prepare(array.shape[1:])
        return array


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
