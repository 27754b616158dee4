"""TensorFlow Lite files, run by TensorFlow's interpreter."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from vizcnn.adapter.blackbox import Source, as_kind
from vizcnn.errors import ModelFileError


def open_tflite(file: Path) -> Source:
    """Open a TensorFlow Lite model; quantized inputs and outputs are scaled as the file says.

    Parameters
    ----------
    file : Path
        The file.

    Returns
    -------
    Source

    Raises
    ------
    ModelFileError
        If it is damaged, or takes no image.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the interpreter will move to another package
            interpreter = tf.lite.Interpreter(model_path=str(file))
            interpreter.allocate_tensors()
    except Exception as error:
        raise ModelFileError(
            f"`model` file {str(file)!r} is a TensorFlow Lite model that can't be run: {error}"
        ) from error
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    shape = tuple(int(size) for size in inputs[0]["shape_signature"]) if len(inputs) == 1 else ()
    if len(inputs) != 1 or len(shape) != 4:
        shapes = [tuple(part["shape_signature"]) for part in inputs]
        raise ModelFileError(
            f"`model` file {str(file)!r} takes inputs of shape {shapes}; vizcnn explains models of one image."
        )
    given, lock = inputs[0], threading.Lock()

    def run(batch: np.ndarray) -> Any:
        with lock:
            if tuple(interpreter.get_input_details()[0]["shape"]) != batch.shape:
                interpreter.resize_tensor_input(given["index"], batch.shape)
                interpreter.allocate_tensors()
            interpreter.set_tensor(given["index"], _quantized(batch, given))
            interpreter.invoke()
            return {part["name"]: _real(interpreter.get_tensor(part["index"]), part) for part in outputs}

    batch, *sample = (None if size < 0 else size for size in shape)
    steps = [
        part["quantization"][0] * max(1, int(part["shape"][-1] if len(part["shape"]) else 1)) / 2 for part in outputs
    ]
    return Source(run, tuple(sample), "TensorFlow Lite", batch, tolerance=max(steps))


def _quantized(values: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    scale, zero = detail["quantization"]
    whole = np.dtype(detail["dtype"]).kind != "f"
    return as_kind(values / scale + zero if whole and scale else values, detail["dtype"])


def _real(values: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    scale, zero = detail["quantization"]
    return (values.astype(np.float32) - zero) * scale if values.dtype.kind != "f" and scale else values
