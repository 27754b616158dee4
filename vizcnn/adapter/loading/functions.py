"""What earlier versions of Keras had under a name, and this one hasn't, or has as something else."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any


def hard_sigmoid_of_keras_2(x: Any) -> Any:
    """Return clip(0.2 x + 0.5, 0, 1)."""
    import keras

    return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)


@cache
def custom_objects() -> Mapping[str, Any]:
    """Return all of it, by the names that stand in descriptions and those that `repairs` writes into them."""
    import keras

    from vizcnn.adapter.loading import gone_layers, wiring
    from vizcnn.adapter.loading.lambdas.layer import LambdaExpression
    from vizcnn.adapter.loading.tensorflow_functions import counterpart

    class TFOpLambda(keras.layers.Layer):  # type: ignore[misc]
        """A TensorFlow function that was called on Keras tensors, as Keras 2 wrote it into functional models.

        It is called on these tensors; `arguments` says where they stand among the others, as `wiring` wrote it.
        """

        def __init__(self, function: str, arguments: dict[str, Any], **options: Any) -> None:
            super().__init__(**{**options, "autocast": False})
            self.function, self.arguments = function, arguments
            if not wiring.num_tensors(arguments):
                raise ValueError(f"Keras 2 didn't write down what the TensorFlow function {function!r} was called on")
            if counterpart(function) is None:
                raise ValueError(f"the TensorFlow function {function!r} has no counterpart in this Keras")

        def call(self, *tensors: Any) -> Any:
            computes: Any = counterpart(self.function)
            filled = wiring.filled(self.arguments, tensors)
            known = inspect.signature(computes)
            named = {
                key: value
                for key, value in filled["kwargs"].items()
                if key in known.parameters or not _is_inert(key, value)
            }
            try:
                known.bind(*filled["args"], **named)
            except TypeError as error:
                raise ValueError(f"of the TensorFlow function {self.function!r}: {error}") from error
            return computes(*filled["args"], **named)

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "function": self.function, "arguments": self.arguments}

    applications = {
        name: getattr(import_module(f"keras.src.applications.{home}"), name)
        for name, home in LAYERS_OF_APPLICATIONS.items()
    }
    functions = {"hard_sigmoid_of_keras_2": hard_sigmoid_of_keras_2}
    gone = {name: getattr(gone_layers, name) for name in GONE_LAYERS}
    return {**functions, "LambdaExpression": LambdaExpression, "TFOpLambda": TFOpLambda, **gone, **applications}


GONE_LAYERS = (
    "BatchNormalizationPerSample", "Cosine", "CuDNNGRU", "CuDNNLSTM", "Deconvolution2D", "Highway", "LocallyConnected1D",
    "LocallyConnected2D", "MaxoutDense", "ParametricSoftplus", "SReLU", "SReLUOfTheano", "ThresholdedReLU",
    *(f"{kind}{ndim}DOfTheano" for kind in ("Conv", "MaxPooling", "AveragePooling") for ndim in (1, 2, 3)),
)  # fmt: skip
"""Layers of earlier versions that this one hasn't, or has with another arithmetic: those of `gone_layers`."""


LAYERS_OF_APPLICATIONS = {
    "LayerScale": "convnext",
    "StochasticDepth": "convnext",
    "CustomScaleLayer": "inception_resnet_v2",
}
"""Layers that Keras has for its own architectures only, and where."""


def layer_of_applications(class_name: str) -> str | None:
    """Return the name of such a layer without the package that it may be registered in; None where it is none of them."""
    name = class_name.removeprefix("Custom>")
    return name if name in LAYERS_OF_APPLICATIONS else None


_INERT = ("name", "validate_indices", "use_cudnn_on_gpu", "a_is_sparse", "b_is_sparse", "optimize", "stable", "message")


def _is_inert(key: str, value: Any) -> bool:
    """Tell whether an argument of a TensorFlow function changes nothing of what it returns."""
    return value is None or key in _INERT
