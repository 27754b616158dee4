"""What a user's layer may call of the framework that Keras runs on, past Keras itself."""

from __future__ import annotations

from typing import Any

import keras
import pytest

BACKEND = keras.backend.backend()
needs_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="a matter of TensorFlow's")
needs_torch = pytest.mark.skipif(BACKEND != "torch", reason="a matter of PyTorch's")
SLOPE = 0.2 if BACKEND == "tensorflow" else 0.01  # of leaky_relu, where none is given
LAST = {"dim": -1} if BACKEND == "torch" else {"axis": -1}

if BACKEND == "tensorflow":
    import tensorflow as tf

    nn, mean, constant = tf.nn, tf.reduce_mean, tf.constant
    out_of_memory = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
    softmax, sigmoid = nn.softmax, nn.sigmoid
elif BACKEND == "jax":
    import jax

    nn, mean, constant = jax.nn, jax.numpy.mean, jax.numpy.asarray
    out_of_memory = jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: OOM when allocating tensor")
    softmax, sigmoid = nn.softmax, nn.sigmoid
else:
    import torch

    nn, mean, constant, sigmoid = torch.nn.functional, torch.mean, torch.tensor, torch.sigmoid
    out_of_memory = torch.OutOfMemoryError("OOM when allocating tensor")

    def softmax(x: Any) -> Any:
        return nn.softmax(x, dim=-1)
