"""TensorFlow: compiled functions, gradients in a graph, and the activations that a model may call."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf


class Backend:
    """See `vizcnn.adapter.backends`."""

    name = "tensorflow"
    out_of_memory: tuple[type[Exception], ...] = (tf.errors.ResourceExhaustedError,)
    unsupported: tuple[type[Exception], ...] = (tf.errors.UnimplementedError, tf.errors.InvalidArgumentError)

    @cached_property
    def most_samples(self) -> int:
        """Samples from which on a larger batch is no faster: on a processor caches are full early."""
        return 64 if tf.config.list_physical_devices("GPU") else 16

    def compile(self, function: Callable[..., dict[str, Any]], examples: Sequence[np.ndarray]) -> Callable[..., Any]:
        """Trace `function` once, for any number of samples, and return what runs it on arrays.

        The variables of the model are captured by reference, so new weights are seen at once.

        Parameters
        ----------
        function : callable
            Takes tensors and returns a dict of tensors.
        examples : sequence of ndarray
            One array per argument; all but the first axis are fixed.

        Returns
        -------
        callable
        """
        specs = [tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in examples]
        # Always a graph, never eager: TensorFlow's eager gradient of some strided convolutions corrupts memory.
        concrete = tf.function(function, autograph=False).get_concrete_function(*specs)

        def run(*arrays: np.ndarray) -> dict[str, np.ndarray]:
            return {name: tensor.numpy() for name, tensor in concrete(*map(tf.constant, arrays)).items()}

        return run

    def function(
        self, function: Callable[..., Any], shapes: Sequence[tuple[int | None, ...]]
    ) -> tuple[Callable[..., Any], tuple[int | None, ...]]:
        """Trace `function`, float32 tensors to one tensor, and return what runs it on tensors, and the result's shape.

        What it returns can be differentiated from outside, and that gradient runs compiled too.
        """
        specs = [tf.TensorSpec((None, *shape), tf.float32) for shape in shapes]
        concrete = tf.function(function, autograph=False).get_concrete_function(*specs)
        return concrete, tuple(concrete.output_shapes)

    def gradient(self, total: Any, tensor: Any) -> Any | None:
        """Return d total / d tensor, or None where `total` doesn't depend on it.

        Called while a function is being traced. `tf.gradients` takes any tensor of the graph after the fact, goes back no
        further than to that tensor, and follows custom gradients.
        """
        (gradient,) = tf.gradients(total, tensor)
        return None if gradient is None else tf.convert_to_tensor(gradient)

    def belongs(self, tensor: Any) -> bool:
        """Tell whether a tensor is one of the graph being traced, rather than of a loop or function inside it."""
        return tf.is_tensor(tensor) and getattr(tensor, "graph", None) is tf.compat.v1.get_default_graph()

    def parents(self, tensor: Any) -> list[Any]:
        """Return the tensors that one of the graph being traced was computed from."""
        operation = getattr(tensor, "op", None) if tf.is_tensor(tensor) else None
        return [] if operation is None else list(operation.inputs)

    def numpy(self, tensor: Any) -> np.ndarray:
        """Return a tensor's or variable's value."""
        return np.asarray(tf.convert_to_tensor(tensor).numpy())

    def float32(self, tensor: Any) -> Any:
        """Cast to float32."""
        return tensor if tensor.dtype == tf.float32 else tf.cast(tensor, tf.float32)

    def layout_functions(self) -> Iterator[tuple[Any, str]]:
        """Yield (module, name) of Keras's functions that a processor only has for channels last."""
        if not tf.config.list_physical_devices("GPU"):
            nn = importlib.import_module("keras.src.backend.tensorflow.nn")
            for name in ("conv", "depthwise_conv", "separable_conv", "conv_transpose", "max_pool", "average_pool"):
                if hasattr(nn, name):
                    yield nn, name

    def activation_functions(self) -> Iterator[tuple[Any, str]]:
        """Yield (module, name) of TensorFlow's own activations, which a layer may call instead of Keras's."""
        for name in _ACTIVATIONS:
            yield tf.nn, name


_ACTIVATIONS = ("relu", "relu6", "leaky_relu", "crelu", "elu", "selu", "gelu", "silu", "swish", "softplus", "softsign",
                "sigmoid", "tanh", "softmax")  # fmt: skip
