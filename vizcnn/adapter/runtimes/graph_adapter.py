"""A TensorFlow graph that can be looked into: the adapter of SavedModels."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf
from typing_extensions import override

from vizcnn.adapter.arrays import Array, Outputs, slices
from vizcnn.adapter.blackbox import BlackBoxAdapter, Source
from vizcnn.adapter.gradients import Gradients
from vizcnn.adapter.layers import LAST_SPATIAL, LayerInfo
from vizcnn.adapter.runtimes.graph_model import GraphModel
from vizcnn.adapter.runtimes.graph_pass import GraphPass
from vizcnn.errors import CapabilityError, InputError, LayerError, listed
from vizcnn.targets.score import Score

_NO_MAPS = frozenset({"pooling", "padding", "upsampling", "reshape", "softmax", "dropout", "preprocessing", "identity"})
"""Roles of operations whose maps say nothing that the one before doesn't say."""


@dataclass(frozen=True)
class GraphSource(Source):
    """What runs a graph, and the graph.

    Attributes
    ----------
    model : GraphModel
        The graph in its session.
    as_fed : callable
        Turns a batch of float32 (N, H, W, C) into what the graph is fed.
    held : mapping of str to ndarray, shape (1, ...)
        Values of the inputs that aren't explained, by name.
    """

    model: GraphModel = field(kw_only=True)
    as_fed: Callable[[Array], Array] = field(kw_only=True)
    held: Mapping[str, Array] = field(default_factory=dict, kw_only=True)


class GraphAdapter(BlackBoxAdapter):
    """A graph whose operations are layers: by name, each can be read, differentiated by and replaced.

    Parameters
    ----------
    source : GraphSource
        The graph.
    name : str
        What to call it.
    **settings
        As `vizcnn.adapt` takes them.
    """

    def __init__(self, source: GraphSource, name: str, **settings: Any) -> None:
        super().__init__(source, name, **settings)
        self.source = f"a TensorFlow {source.kind}"
        self._model = source.model
        self._as_fed = source.as_fed
        self._made: dict[Any, Any] = {}
        self._making = threading.RLock()

    @property
    @override
    def capabilities(self) -> frozenset[str]:
        return frozenset({"outputs", "scores", "layers", "kernels", "activations", "gradients"})

    @property
    @override
    def layers(self) -> tuple[LayerInfo, ...]:
        return self._model.layers

    @property
    @override
    def connections(self) -> tuple[tuple[str, str], ...]:
        return self._model.connections

    def _scores_and_outputs(self, inputs: Array, score: Score) -> tuple[Array, Outputs]:
        scores, params = self._scores(score)
        fetched = self._run_graph(inputs, score, params, {"scores": scores, "outputs": self._model.outputs})
        return fetched["scores"], tuple(fetched["outputs"].values())

    def _activations(self, inputs: Array, paths: tuple[str, ...]) -> dict[str, Array]:
        tensors = {path: self._pass().stored(path) for path in paths}
        fetched = self._run_graph(inputs, None, (), tensors)
        return {path: self._model.channels_last(values) for path, values in fetched.items()}

    def _kernels(self, layer: LayerInfo) -> Array:
        for tensor in self._model.weights(self._model.operations[layer.path]):
            if tensor.shape.rank == 4 and layer.role.endswith("convolution"):
                return np.asarray(self._model.session.run(tensor), dtype=np.float32)
        kernels = [info.path for info in self.layers if info.role.endswith("convolution")]
        raise LayerError(
            f"`layer` {layer.path!r} is a {layer.kind}, which has no kernels. Layers that do: {listed(kernels)}."
        )

    def _gradients(self, inputs: Array, score: Score, path: str | None, rule: str) -> Gradients:
        layer, gradient, values, scores, params = self._gradient(score, path, rule)
        fetches = {"gradient": gradient, "values": values, "scores": scores, "outputs": self._model.outputs}
        fetched = self._run_graph(inputs, score, params, fetches)
        grads, values = fetched["gradient"], fetched["values"]
        if layer is None:
            grads, values = grads.reshape(inputs.shape), inputs
        else:
            grads, values = self._model.channels_last(grads), self._model.channels_last(values)
        return Gradients(grads, values, fetched["scores"], tuple(fetched["outputs"].values()), layer)

    def _default_layer(self, score: Score) -> str:
        return str(self._gradient(score, LAST_SPATIAL, "vanilla")[0])

    def _scores_from(self, path: str, activations: Array, score: Score, inputs: Array | None) -> Array:
        scores, params = self._scores(score)
        tensor = self._pass().stored(path)
        stored = self._model.channels_as_stored(activations)
        if not tensor.shape.is_compatible_with((None, *stored.shape[1:])):
            wanted = self.layer(path).output_shape
            raise InputError(f"`activations` of layer {path!r} must have shape {wanted}; got {activations.shape}.")
        feed = dict(zip(params, score.params, strict=True)) | {tensor: stored}
        if inputs is not None:
            feed[self._model.inputs] = self._as_fed(inputs)
        try:
            return np.asarray(self._model.session.run(scores, feed | self._model.held(len(stored))), dtype=np.float32)
        except tf.errors.InvalidArgumentError as error:
            if inputs is None:
                raise InputError(
                    f"`inputs` are needed beside the activations of layer {path!r}: the score depends on them by other ways too."
                ) from error
            raise self._cant_run(error) from error

    # The graph's own -----------------------------------------------------------------------------------------------------

    def _pass(self, rule: str = "vanilla", own: Any = None) -> GraphPass:
        """Return the run that all share under a rule; with a key of its own one that nothing else shares."""
        is_copy = own is not None
        run: GraphPass = self._keep(
            ("pass", rule, own), lambda: GraphPass(self._model, self.head, rule, is_copy=is_copy)
        )
        return run

    def _scores(self, score: Score, rule: str = "vanilla", own: Any = None) -> tuple[Any, tuple[Any, ...]]:
        """Return the scores (N,) as a tensor, and the placeholders of the score's params."""

        def make() -> tuple[Any, tuple[Any, ...]]:
            params = tuple(tf.compat.v1.placeholder(param.dtype, (None, *param.shape[1:])) for param in score.params)
            return tf.cast(score.formula(self._pass(rule, own), params), tf.float32), params

        read = tuple(self.head(name).activation for name in self.output_shapes)
        made: tuple[Any, tuple[Any, ...]] = self._keep(("scores", score.key, rule, read, self.labels, own), make)
        return made

    def _gradient(self, score: Score, path: str | None, rule: str) -> tuple[Any, ...]:
        """Return the layer, d score / d its output, that output, the scores and their placeholders."""
        own = (score.key, path) if self._model.has_control_flow else None
        scores, params = self._scores(score, rule, own)
        run = self._pass(rule, own)

        def make() -> tuple[Any, ...]:
            if path is None:
                gradient = self._differentiate(scores, self._model.inputs)
                if gradient is None:
                    raise CapabilityError(
                        f"The score of model {self.name!r} has no gradient by its input: it is rounded, or its input is of whole "
                        f"numbers ({self._model.inputs.dtype.name})."
                    )
                return None, gradient, self._model.inputs, scores, params
            for layer in self._last_maps(run) if path == LAST_SPATIAL else [path]:
                gradient = self._differentiate(scores, run.stored(layer))
                if gradient is not None:
                    return layer, gradient, run.stored(layer), scores, params
            if path != LAST_SPATIAL:
                raise LayerError(
                    f"The score doesn't depend on layer {path!r} of model {self.name!r}; name one before it."
                )
            raise LayerError(
                f"Model {self.name!r} has no operation with more than one row and column that its output depends on, so there is "
                f"nothing to draw a class activation map from. Saliency and occlusion need no such layer."
            )

        made: tuple[Any, ...] = self._keep(("gradient", scores.name, path, rule), make)
        return made

    def _differentiate(self, scores: Any, tensor: Any) -> Any:
        try:
            (gradient,) = tf.gradients(tf.reduce_sum(scores), [tensor])
        except LookupError as error:
            reason = " ".join(str(error).split())[:200]
            raise CapabilityError(f"Model {self.name!r} can't be differentiated: {reason}") from error
        return None if gradient is None else tf.convert_to_tensor(gradient)

    def _last_maps(self, run: GraphPass) -> Iterator[str]:
        """Yield the layers whose output is a map worth explaining, last first."""
        for info in reversed(self.layers):
            if (
                info.output_shape is not None
                and info.is_spatial
                and info.role not in _NO_MAPS
                and info.path not in run.ends
            ):
                yield info.path

    def _keep(self, key: Any, make: Callable[[], Any]) -> Any:
        with self._making:
            if key not in self._made:
                with self._model.session.graph.as_default():
                    self._made[key] = make()
            return self._made[key]

    # Running it ----------------------------------------------------------------------------------------------------------

    def _run_graph(self, inputs: Array, score: Score | None, params: Sequence[Any], fetches: Mapping[str, Any]) -> Any:
        """Run all samples, a batch at a time, and return what was fetched, in float32."""
        size = self._source.batch or self.batch_size_for(inputs.shape[1:])
        runs = []
        for part in slices(len(inputs), size):
            numbers = () if score is None else score[part].params
            runs.append(self._mean(inputs[part], dict(zip(params, numbers, strict=True)), fetches))
        return tf.nest.map_structure(lambda *parts: np.concatenate(parts), *runs)

    def _mean(self, inputs: Array, numbers: dict[Any, Array], fetches: Mapping[str, Any]) -> Any:
        runs = [self._run_once(inputs, numbers, fetches) for _ in range(self.num_runs)]
        return tf.nest.map_structure(
            lambda *values: np.mean(values, axis=0, dtype=np.float64).astype(np.float32), *runs
        )

    def _run_once(self, inputs: Array, numbers: dict[Any, Array], fetches: Mapping[str, Any]) -> Any:
        count, size = len(inputs), self._source.batch or len(inputs)
        missing = size - count
        if missing:
            inputs = np.concatenate([inputs, np.zeros((missing, *inputs.shape[1:]), inputs.dtype)])
            numbers = {
                key: np.concatenate([value, np.repeat(value[-1:], missing, 0)]) for key, value in numbers.items()
            }
        feed = {self._model.inputs: self._as_fed(inputs), **numbers, **self._model.held(size)}
        try:
            fetched = self._model.session.run(fetches, feed)
        except tf.errors.OpError as error:
            raise self._cant_run(error) from error
        return tf.nest.map_structure(lambda values: np.asarray(values)[:count], fetched)

    def _cant_run(self, error: Exception) -> CapabilityError:
        return CapabilityError(f"Model {self.name!r} can't be run: {' '.join(str(error).split())[:300]}")
