"""Any Keras 3 model, whatever it was built with."""

from __future__ import annotations

import threading
import warnings
import weakref
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
)
from vizcnn.adapter.taps import RELU_FAMILY, Call, Taps
from vizcnn.errors import CapabilityError, InputError, LayerError, RuleError, UnsupportedModelError, VizcnnWarning, listed
from vizcnn.targets import Score, resolve

_MEMORY = 4 * 2**30
"""Bytes that one batch may take, as the sum of the layers' outputs and their gradients, where no batch size is given."""

_CACHE = 64
"""Compiled functions that an adapter keeps; only targets that are functions ever come near it."""

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

    Attributes
    ----------
    num_traces : int
        How many functions were compiled so far.
    """

    def __init__(self, model: Any, *, name: str | None = None, hold: bool = True, **settings: Any) -> None:
        super().__init__(name or model.name, **settings)
        self._model = weakref.ref(model)
        self._held = model if hold else None
        self._backend = current()
        self._lock = threading.RLock()
        self._compiled: OrderedDict[Any, _Compiled] = OrderedDict()
        self._facts = _Facts()
        self._logarithm: dict[str, bool] = {}
        self._sample_shape: tuple[int, ...] | None = None
        self._complete = False
        self._halved: int | None = None
        self._found: dict[str, _Found] | None = None
        self.num_traces = 0

    @property
    def model(self) -> Any:
        """The Keras model."""
        model = self._model()
        if model is None:
            raise UnsupportedModelError("The model of this adapter is gone; keep a reference to it, or use vizcnn.adapt.")
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
        shapes = _input_shapes(self.model)
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
            names, shapes = _symbolic_outputs(self.model)
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
            if not self.model.built or not _is_complete(self.model):
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
        floats = sum(int(np.prod(shape)) for shape in known) or 64 * int(np.prod(sample_shape))
        return int(np.clip(2 ** int(np.log2(max(1, _MEMORY // (2 * 4 * floats)))), 1, 32))

    def _operations(self) -> dict[str, _Found]:
        with self._lock:
            if self._found is None:
                self._found = dict(_walk(self.model))
            return self._found

    # What it answers --------------------------------------------------------------------------------------------------

    def outputs(self, inputs: Array) -> Outputs:
        """See `ModelAdapter.outputs`."""
        return _returned(self._run(("outputs",), self._build_outputs, inputs).arrays)

    def scores(self, inputs: Array, target: Any = None) -> Array:
        """See `ModelAdapter.scores`."""
        score = resolve(target, self, len(inputs))

        def build(facts: _RunFacts, tensor: Any, *params: Any) -> dict[str, Any]:  # noqa: ARG001
            with Taps(self._tappable()) as taps:
                reading = self._read(taps, self._forward(self.model, tensor))
            return {"scores": self._score(reading, score, params), **reading.named_outputs()}

        return self._run(("scores", score.key), build, inputs, score).arrays["scores"]

    def kernels(self, layer: Any) -> Array:
        """See `ModelAdapter.kernels`; of a separable convolution the depthwise part."""
        info = self.layer(layer)
        operation = self._operations()[self._split_call(info.path)[0]].operation
        weights = getattr(operation, "depthwise_kernel", None)
        weights = getattr(operation, "kernel", None) if weights is None else weights
        if weights is None or len(weights.shape) != 4:
            kernels = [p for p, f in self._operations().items() if len(getattr(f.operation, "kernel", np.empty(0)).shape) == 4]
            raise LayerError(f"`layer` {info.path!r} is a {info.kind}, which has no kernels. Layers that do: {listed(kernels)}.")
        return np.asarray(keras.ops.convert_to_numpy(weights), dtype=np.float32)

    def activations(self, inputs: Array, layers: Sequence[Any]) -> dict[str, Array]:
        """See `ModelAdapter.activations`."""
        paths = tuple(self.layer(layer).path for layer in ([layers] if isinstance(layers, str) else layers))
        bare = frozenset(self._split_call(path)[0] for path in paths)
        stop = bare if bare == set(paths) else frozenset()

        def build(facts: _RunFacts, tensor: Any) -> dict[str, Any]:  # noqa: ARG001
            with Taps(self._tappable(), stop_after=stop) as taps:
                self._forward(self.model, tensor)
            reading = _Reading(self, taps, None)
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

        def build(facts: _RunFacts, tensor: Any, *params: Any) -> dict[str, Any]:
            with Taps(self._tappable(), rule=rule) as taps:
                reading = self._read(taps, self._forward(self.model, tensor))
            facts.notes = _rule_notes(rule, taps, reading.flat, self.name)
            scores = self._score(reading, score, params)
            total = keras.ops.sum(scores)
            if path is None:
                by, gradient = tensor, self._backend.gradient(total, tensor)
                if gradient is None:
                    raise CapabilityError(f"The score of {score.names[0] or 'the predicted class'!r} has no gradient by the "
                                          f"input of model {self.name!r}: a layer rounds or casts it away.")  # fmt: skip
            else:
                facts.layer, by, gradient = self._by_layer(path, taps, reading, total)
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
            _returned(arrays),
            run.facts.layer,
            run.facts.notes,
        )

    # How it is run ----------------------------------------------------------------------------------------------------

    def _forward(self, model: Any, tensor: Any) -> Any:
        return model(tensor, training=False)

    def _tappable(self) -> dict[str, Any]:
        return {path: found.operation for path, found in self._operations().items()}

    def _build_outputs(self, facts: _RunFacts, tensor: Any) -> dict[str, Any]:  # noqa: ARG002
        with Taps(self._tappable()) as taps:
            return self._read(taps, self._forward(self.model, tensor)).named_outputs()

    def _learn(self) -> None:
        """Run the model symbolically, for what can't be known otherwise."""
        sample = self._sample_shape or self.input_shape
        if not sample or None in sample:
            raise UnsupportedModelError(
                f"Model {self.name!r} doesn't say what inputs it takes; show it an image first, or call it once on a batch."
            )
        example = np.zeros((1, *(int(size or 1) for size in sample)), dtype=np.float32)
        self._function((("outputs",), example.shape[1:]), self._build_outputs, [example])

    def _read(self, taps: Taps, returned: Any) -> _Reading:
        reading = _Reading(self, taps, returned)
        for call in taps.calls:
            shape = getattr(call.output, "shape", None)
            if call.index == 0 and shape is not None:
                self._facts.layer_shapes[call.path] = tuple(shape)
        if not self._facts.activations:
            names, _ = _symbolic_outputs(self.model)
            names = names or _names_of(returned)
            for name, tensor in zip(names, reading.flat, strict=True):
                self._facts.outputs[name] = tuple(tensor.shape[1:])
                before = taps.before_activation(tensor)
                self._facts.activations[name] = before[1] if before else None
        return reading

    def _score(self, reading: _Reading, score: Score, params: Sequence[Any]) -> Any:
        return self._backend.float32(score.formula(reading, params))

    def _by_layer(self, path: str, taps: Taps, reading: _Reading, total: Any) -> tuple[str, Any, Any]:
        if path != LAST_SPATIAL:
            tensor = reading.layer(path, cast=False)
            gradient = self._backend.gradient(total, tensor)
            if gradient is None:
                raise LayerError(f"The score doesn't depend on layer {path!r} of model {self.name!r}; name one before it.")
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

    def _last_maps(self, taps: Taps, reading: _Reading) -> Iterator[Call]:
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

    def _run(self, key: tuple[Any, ...], build: _Build, inputs: Array, score: Score | None = None) -> _Run:
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
                return _joined(runs)
            except self._backend.out_of_memory:
                if size == 1:
                    raise
                self._halved = size // 2

    def _run_batch(self, key: tuple[Any, ...], build: _Build, arrays: list[Array], score: Score | None) -> _Run:
        output = score.output if score is not None else None
        full = (key, arrays[0].shape[1:], self._logarithm.get(output) if output else None)
        compiled = self._function(full, build, arrays)
        run = _Run(compiled.run(*arrays), compiled.facts)
        if output and output not in self._logarithm and self._settle(output, run):
            return self._run_batch(key, build, arrays, score)
        return run

    def _settle(self, output: str, run: _Run) -> bool:
        """Decide once whether an output holds probabilities whose logits are out of reach; their logarithm is explained then."""
        position = list(self._facts.outputs).index(output)
        values = _returned(run.arrays)[position]
        hidden = self._facts.activations[output] is None and looks_like_probabilities(values.reshape(-1, values.shape[-1]))
        self._logarithm[output] = hidden
        if hidden:
            warnings.warn(
                f"The output {output!r} of model {self.name!r} holds probabilities, and the logits behind them can't be "
                f"reached: scores are log-probabilities. A softmax that is the model's last layer can be looked through.",
                VizcnnWarning,
                stacklevel=2,
            )
        return hidden

    def _function(self, key: Any, build: _Build, examples: Sequence[Array]) -> _Compiled:
        with self._lock:
            compiled = self._compiled.get(key)
            if compiled is None:
                facts = _RunFacts()
                run = self._backend.compile(lambda *tensors: build(facts, *tensors), examples)
                compiled = self._compiled[key] = _Compiled(run, facts)
                self.num_traces += 1
                while len(self._compiled) > _CACHE:
                    self._compiled.popitem(last=False)
            self._compiled.move_to_end(key)
            return compiled

    def _checked(self, inputs: Array) -> Array:
        array = np.asarray(inputs, dtype=np.float32)
        want = self.input_shape or (None,) * 3
        fits = array.ndim == 4 and all(w is None or w == h for w, h in zip(want, array.shape[1:], strict=True))
        if not fits or not len(array):
            raise InputError(f"The inputs of model {self.name!r} must have shape (N, H, W, C) = (N, {str(want)[1:-1]}); got "
                             f"{array.shape}.")  # fmt: skip
        self.prepare(array.shape[1:])
        return array


@dataclass
class _Facts:
    """What running a model, symbolically or not, has told of it."""

    outputs: dict[str, tuple[int | None, ...]] = field(default_factory=dict)
    activations: dict[str, str | None] = field(default_factory=dict)
    layer_shapes: dict[str, tuple[int | None, ...]] = field(default_factory=dict)


@dataclass
class _RunFacts:
    """What tracing one function has told."""

    layer: str | None = None
    notes: tuple[str, ...] = ()


_Build = Callable[..., dict[str, Any]]


@dataclass(frozen=True)
class _Compiled:
    run: Callable[..., dict[str, Array]]
    facts: _RunFacts


@dataclass(frozen=True)
class _Run:
    arrays: dict[str, Array]
    facts: _RunFacts


@dataclass(frozen=True)
class _Found:
    operation: Any
    info: LayerInfo


class _Reading:
    """A run of the model, as the formulas of `vizcnn.targets` read it."""

    xp = keras.ops

    def __init__(self, adapter: KerasAdapter, taps: Taps, returned: Any) -> None:
        self._adapter = adapter
        self._taps = taps
        self._returned = returned
        self.flat: list[Any] = keras.tree.flatten(returned) if returned is not None else []

    def returned(self) -> Any:
        """See `vizcnn.targets.Reading`."""
        return self._returned

    def logits(self, output: str) -> Any:
        """See `vizcnn.targets.Reading`."""
        adapter = self._adapter
        tensor = self.flat[list(adapter._facts.outputs).index(output)]
        before = self._taps.before_activation(tensor)
        values = adapter._backend.float32(before[0] if before else tensor)
        if before is None and adapter._logarithm.get(output):
            return keras.ops.log(keras.ops.maximum(values, 1e-30))
        return values

    def activation(self, output: str) -> str | None:
        """See `vizcnn.targets.Reading`."""
        return self._adapter._facts.activations[output]

    def layer(self, path: str, *, cast: bool = True) -> Any:
        """See `vizcnn.targets.Reading`."""
        adapter = self._adapter
        bare, index = adapter._split_call(path)
        found = [call for call in self._taps.calls if call.path == bare]
        match = [call for call in found if call.index == (index or 0)]
        if not match:
            count = f"is called {len(found)} times" if found else "is not called"
            raise LayerError(f"`layer` {path!r} can't be read: layer {bare!r} of model {adapter.name!r} {count} in a run.")
        tensor = match[0].output
        if not adapter._backend.belongs(tensor):
            raise LayerError(f"`layer` {path!r} can't be read: it runs inside a loop, or returns more than one tensor.")
        return adapter._backend.float32(tensor) if cast else tensor

    def named_outputs(self) -> dict[str, Any]:
        """The outputs as what a compiled function returns."""
        return {f"output {i}": self._adapter._backend.float32(tensor) for i, tensor in enumerate(self.flat)}


def _returned(arrays: Mapping[str, Array]) -> Outputs:
    return tuple(array for name, array in arrays.items() if name.startswith("output "))


def _joined(runs: Sequence[_Run]) -> _Run:
    if len(runs) == 1:
        return runs[0]
    return _Run({name: np.concatenate([run.arrays[name] for run in runs]) for name in runs[0].arrays}, runs[0].facts)


def _rule_notes(rule: str, taps: Taps, ends: Sequence[Any], name: str) -> tuple[str, ...]:
    if rule == "vanilla":
        return ()
    done, left = taps.rule_report(tuple(ends))
    others = ", ".join(f"{kind} ({count})" for kind, count in left.most_common())
    if not done:
        found = f"its activations are {others}" if others else "no activation was found"
        raise RuleError(
            f"`rule` {rule!r} changes how ReLU ({', '.join(sorted(RELU_FAMILY))}) hands the gradient on, and model {name!r} has "
            f"none of them: {found}. Use rule='vanilla'."
        )
    if left:
        return (f"Rule {rule!r} replaced {done.total()} activations (ReLU) and left {left.total()} as they are: {others}.",)
    return ()


# The model's structure ---------------------------------------------------------------------------------------------------


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


def _children(layer: Any) -> list[Any]:
    if isinstance(layer, keras.Sequential):
        return list(layer.layers)
    if hasattr(layer, "operations") and isinstance(layer, keras.Model):
        return list(layer.operations)
    return list(layer._flatten_layers(include_self=False, recursive=False)) if isinstance(layer, keras.Layer) else []


def _walk(model: Any) -> Iterator[tuple[str, _Found]]:
    seen = {id(model)}
    names: set[str] = set()

    def visit(parent: Any, prefix: str, depth: int) -> Iterator[tuple[str, _Found]]:
        for child in _children(parent):
            if id(child) in seen or isinstance(child, keras.layers.InputLayer):
                continue
            seen.add(id(child))
            path, number = prefix + child.name, 1
            while path in names:
                number += 1
                path = f"{prefix}{child.name}~{number}"
            names.add(path)
            is_container = bool(_children(child))
            yield path, _Found(child, _info(child, path, depth, is_container))
            yield from visit(child, path + "/", depth + 1)

    yield from visit(model, "", 0)


def _info(operation: Any, path: str, depth: int, is_container: bool) -> LayerInfo:
    try:
        shape = tuple(operation.output.shape)
    except (AttributeError, ValueError):
        shape = None
    activation = getattr(operation, "activation", None)
    name = getattr(activation, "__name__", None) or (activation and type(activation).__name__)
    return LayerInfo(
        path=path,
        kind=type(operation).__name__,
        output_shape=shape,
        num_params=sum(int(np.prod(w.shape)) for w in getattr(operation, "weights", ())),
        depth=depth,
        is_container=is_container,
        activation=None if name == "linear" else name,
    )


def _is_complete(model: Any) -> bool:
    return all(layer.built for layer in _children(model) if isinstance(layer, keras.Layer))


def _input_shapes(model: Any) -> list[tuple[int | None, ...]]:
    try:
        tensors = model.inputs
    except (AttributeError, ValueError):
        tensors = None
    if tensors:
        return [tuple(tensor.shape) for tensor in tensors]
    shape = (getattr(model, "_build_shapes_dict", None) or {}).get("input_shape")
    return [tuple(shape)] if isinstance(shape, tuple | list) and all(isinstance(s, int | None) for s in shape) else []


def _symbolic_outputs(model: Any) -> tuple[list[str], list[tuple[int | None, ...]]]:
    try:
        tensors, struct = model.outputs, model.output
    except (AttributeError, ValueError):
        return [], []
    if not tensors:
        return [], []
    names = list(getattr(model, "output_names", ()))
    if isinstance(struct, dict) or len(names) != len(tensors):
        names = _names_of(struct)
    counts: Counter[str] = Counter()
    unique = []
    for name in names:
        unique.append(f"{name}[{counts[name]}]" if counts[name] else name)
        counts[name] += 1
    return unique, [tuple(tensor.shape[1:]) for tensor in tensors]


def _names_of(struct: Any) -> list[str]:
    flat = keras.tree.flatten(struct)
    if isinstance(struct, dict):
        positions = keras.tree.flatten(dict(zip(struct, range(len(struct)), strict=True)))
        if len(positions) == len(flat):
            keys = list(struct)
            return [str(keys[i]) for i in positions]
    return ["output"] if len(flat) == 1 else [f"output_{i}" for i in range(len(flat))]


