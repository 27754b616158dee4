"""What a Keras model returns: its outputs, scores and the outputs of its layers, from one run; and kernels, from none."""

from __future__ import annotations

from typing import Any

import numpy as np

from vizcnn.adapter.arrays import Array, Outputs
from vizcnn.adapter.keras.compiled import Traced
from vizcnn.adapter.keras.default_layer import check_rows
from vizcnn.adapter.keras.forward_pass import ForwardPass, outputs_of
from vizcnn.adapter.keras.model_view import ModelView
from vizcnn.adapter.keras.runner import Runner
from vizcnn.adapter.layers import LayerInfo, split_call
from vizcnn.errors import LayerError, listed
from vizcnn.targets.score import Score


def outputs(view: ModelView, runner: Runner, inputs: Array) -> Outputs:
    """See `ModelAdapter.outputs`."""
    return runner.run(("outputs",), lambda traced, tensor: outputs_of(view, tensor, traced), inputs).outputs


def scores_and_outputs(view: ModelView, runner: Runner, inputs: Array, score: Score) -> tuple[Array, Outputs]:
    """See `ModelAdapter.scores_and_outputs`."""

    def build(traced: Traced, tensor: Any, *params: Any) -> dict[str, Any]:
        reading = ForwardPass.run(view, tensor, traced).record()
        return {"scores": reading.scores(score, params, traced), **reading.named_outputs()}

    run = runner.run(("scores", score.key), build, inputs, score)
    return run.arrays["scores"], run.outputs


def activations(view: ModelView, runner: Runner, inputs: Array, paths: tuple[str, ...]) -> dict[str, Array]:
    """See `ModelAdapter.activations`."""

    def build(traced: Traced, tensor: Any) -> dict[str, Any]:
        return read(view, tensor, paths, traced)

    arrays = runner.run(("activations", paths), build, inputs).arrays
    for path, values in arrays.items():
        check_rows(path, len(values), len(inputs))
    return arrays


def read(view: ModelView, tensor: Any, paths: tuple[str, ...], traced: Traced) -> dict[str, Any]:
    """Run the model on a batch as far as the last of some layers, and return their outputs, channels last, by path."""
    bare = frozenset(split_call(path)[0] for path in paths)
    stop = bare if bare == set(paths) else frozenset()
    reading = ForwardPass.run(view, tensor, traced, stop_after=stop).record_moves()
    layout = reading.layout
    return {path: layout.of(reading.layer(path)) for path in paths}


def kernels(view: ModelView, runner: Runner, layer: LayerInfo) -> Array:
    """See `ModelAdapter.kernels`."""
    operation = view.operations[split_call(layer.path)[0]]
    weights = getattr(operation, "depthwise_kernel", None)
    weights = getattr(operation, "kernel", None) if weights is None else weights
    if weights is None or len(weights.shape) != 4:
        others = view.operations.items()
        paths = [path for path, other in others if len(getattr(other, "kernel", np.empty(0)).shape) == 4]
        raise LayerError(
            f"`layer` {layer.path!r} is a {layer.kind}, which has no kernels. Layers that do: {listed(paths)}."
        )
    return runner.value(weights).astype(np.float32)
