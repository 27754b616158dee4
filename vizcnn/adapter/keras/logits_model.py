"""A Keras model of another one's class scores, for a library that takes Keras models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
import numpy as np

from vizcnn.adapter.arrays import slices
from vizcnn.adapter.keras.forward_pass import ForwardPass
from vizcnn.adapter.keras.model_view import ModelView
from vizcnn.adapter.keras.runner import Runner
from vizcnn.errors import CapabilityError
from vizcnn.targets.score import class_logits


def logits_model(view: ModelView, runner: Runner, sample_shape: tuple[int, ...], output: str, path: str | None) -> Any:
    """See `KerasAdapter.logits_model`; the output and the layer by their names."""
    if view.backend.name != "tensorflow":
        raise CapabilityError(
            f"logits_model makes a model for libraries that run on TensorFlow; Keras runs on {view.backend.name} here. "
            f"Set KERAS_BACKEND=tensorflow before Keras is imported."
        )

    def finish(tensor: Any, *others: Any) -> Any:
        overrides = {str(path): others[0]} if others else {}
        return class_logits(ForwardPass.run(view, tensor, overrides=overrides).record(), output)

    def read(tensor: Any) -> Any:
        return ForwardPass.run(view, tensor).layer(str(path))

    def make() -> Any:
        return model_of_steps(view.backend, sample_shape, finish, None if path is None else read)

    return runner.functions.keep(("logits model", output, path, sample_shape, view.logarithm.get(output)), make)


def model_of_steps(
    backend: Any,
    sample_shape: tuple[int, ...],
    finish: Callable[..., Any],
    read: Callable[[Any], Any] | None = None,
) -> Any:
    """Make a Functional model out of compiled functions.

    Its layers have no weights of their own: they read the original's, so that new weights are seen and nothing done to what
    is returned reaches the original. Gradients through it run compiled. It exists for a model of any kind.

    Parameters
    ----------
    backend : Backend
        What compiles.
    sample_shape : tuple of int
        Shape (H, W, C) of one input.
    finish : callable
        Takes the input, and the layer's output where there is `read`, and returns the logits (N, ..., K).
    read : callable, default None
        Takes the input and returns a layer's output; the model then has a layer named "layer" that computes it. None: the
        model is one step.

    Returns
    -------
    keras.Model
        Input (N, H, W, C) in a list; output (N, ..., K): logits, with both sides of a single sigmoid unit.
    """
    tensors = [keras.Input(sample_shape, dtype="float32", name="input")]
    if read is not None:
        tensors.append(_Step("layer", *backend.function(read, [sample_shape]))(*tensors))
    shapes = [tuple(tensor.shape[1:]) for tensor in tensors]
    logits = _Step("logits", *backend.function(finish, shapes))(*tensors)
    model = keras.Model(tensors[:1], logits, name="logits")
    model.predict = partial(_predict, model)
    return model


def _predict(model: Any, inputs: Sequence[np.ndarray], batch_size: int = 32) -> np.ndarray:
    """Do what `keras.Model.predict` does, without its progress bar and without tracing anything anew."""
    parts = slices(len(inputs[0]), batch_size)
    return np.concatenate([keras.ops.convert_to_numpy(model([array[part] for array in inputs])) for part in parts])


class _Step(keras.layers.Layer):  # type: ignore[misc]  # Keras has no types
    """A compiled function as a layer."""

    def __init__(self, name: str, function: Callable[..., Any], shape: tuple[int | None, ...]) -> None:
        super().__init__(name=name, dtype="float32")
        # Past Keras's own __setattr__, which would track the function's variables as weights.
        object.__setattr__(self, "_function", function)
        object.__setattr__(self, "_shape", shape)

    def call(self, *tensors: Any) -> Any:
        return self._function(*tensors)

    def compute_output_spec(self, *tensors: Any) -> Any:
        return keras.KerasTensor(self._shape, dtype="float32")
