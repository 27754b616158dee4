"""TensorFlow Lite files, run by TensorFlow's interpreter."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from flatbuffers import flexbuffers
from tensorflow.core.framework import node_def_pb2
from tensorflow.lite.python import schema_py_generated

from vizcnn.adapter.blackbox import Source, as_kind
from vizcnn.adapter.runtimes.graph_check import computing
from vizcnn.adapter.runtimes.graph_endings import last_activation
from vizcnn.errors import ModelFileError


def open_tflite(file: Path, *, trusted: bool = False) -> Source:
    """Open a TensorFlow Lite model; quantized inputs and outputs are scaled as the file says.

    Parameters
    ----------
    file : Path
        The file.
    trusted : bool, default False
        Run TensorFlow's operations that read or write other files, too.

    Returns
    -------
    Source

    Raises
    ------
    ModelFileError
        If it is damaged, takes no image, or reaches outside of itself.
    """
    try:
        content = file.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the interpreter will move to another package
            # Of bytes, TensorFlow Lite makes sure that they hang together; a damaged file, named by its path, ends the process.
            interpreter = tf.lite.Interpreter(model_content=content)
            outside = [] if trusted else _outside(content)
            if not outside:
                interpreter.allocate_tensors()
        # Names of tensors are bytes that nobody checked before.
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        endings = _endings(content, {part["name"]: int(part["index"]) for part in outputs})
    except Exception as error:
        raise ModelFileError(
            f"`model` file {str(file)!r} is a TensorFlow Lite model that can't be run: {error}"
        ) from error
    if outside:
        raise ModelFileError(
            f"`model` file {str(file)!r} isn't opened: it may reach outside of itself by TensorFlow's {', '.join(outside)}. If "
            f"you trust whoever made it, pass safe_mode=False to vizcnn.adapt, or --trusted on the command line."
        )
    shape = tuple(int(size) for size in inputs[0]["shape_signature"]) if len(inputs) == 1 else ()
    if len(inputs) != 1 or len(shape) != 4:
        shapes = [tuple(part["shape_signature"]) for part in inputs]
        raise ModelFileError(
            f"`model` file {str(file)!r} takes inputs of shape {shapes}; vizcnn explains models of one image."
        )
    input_details, lock = inputs[0], threading.Lock()

    def run(batch: np.ndarray) -> Any:
        with lock:
            if tuple(interpreter.get_input_details()[0]["shape"]) != batch.shape:
                interpreter.resize_tensor_input(input_details["index"], batch.shape)
                interpreter.allocate_tensors()
            interpreter.set_tensor(input_details["index"], _quantized(batch, input_details))
            interpreter.invoke()
            return {part["name"]: _real(interpreter.get_tensor(part["index"]), part) for part in outputs}

    batch, *sample = (None if size < 0 else size for size in shape)
    steps = [
        part["quantization"][0] * max(1, int(part["shape"][-1] if len(part["shape"]) else 1)) / 2 for part in outputs
    ]
    return Source(run, tuple(sample), "TensorFlow Lite", batch, tolerance=max(steps), endings=endings)


_KINDS = {number: name for name, number in vars(schema_py_generated.BuiltinOperator).items() if isinstance(number, int)}


def _endings(content: bytes, outputs: dict[str, int]) -> dict[str, str]:
    """Return the activation that each output, a tensor by number, ends in, as far as it can be told."""
    model = schema_py_generated.Model.GetRootAs(content, 0)
    graph = model.Subgraphs(0)
    makers = {}
    for step in map(graph.Operators, range(graph.OperatorsLength())):
        maker = _fused(step) or _builtin(model.OperatorCodes(step.OpcodeIndex())), _first(step)
        makers.update(dict.fromkeys(map(step.Outputs, range(step.OutputsLength())), maker))
    activations = {name: last_activation(index, makers.get) for name, index in outputs.items()}
    return {name: ending for name, ending in activations.items() if ending is not None}


def _builtin(code: Any) -> str:
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())  # old files fill the second only
    return str(_KINDS.get(number, ""))


def _first(step: Any) -> int:
    """Return the tensor that a step works on."""
    return int(step.Inputs(0)) if step.InputsLength() else -1


def _fused(step: Any) -> str:
    """Return the activation that a step ends in itself, "" where it has none."""
    kind = _OPTIONS.get(step.BuiltinOptionsType())
    if kind is None or step.BuiltinOptions() is None:
        return ""
    options = kind()
    options.Init(step.BuiltinOptions().Bytes, step.BuiltinOptions().Pos)
    return f"fused {number}" if (number := options.FusedActivationFunction()) else ""


_OPTIONS = {
    getattr(schema_py_generated.BuiltinOptions, name): getattr(schema_py_generated, name)
    for name in ("FullyConnectedOptions", "Conv2DOptions", "AddOptions")
}
"""Kinds of options that may hold an activation, of the steps that are looked through."""


def _outside(content: bytes) -> list[str]:
    """Return the operations of TensorFlow in it ("Flex") that do more than compute."""
    model = schema_py_generated.Model.GetRootAs(content, 0)
    codes = [model.OperatorCodes(i).CustomCode() or b"" for i in range(model.OperatorCodesLength())]
    graphs = [model.Subgraphs(i) for i in range(model.SubgraphsLength())]
    steps = [graph.Operators(i) for graph in graphs for i in range(graph.OperatorsLength())]
    flex = [step for step in steps if codes[step.OpcodeIndex()].startswith(b"Flex")]
    return sorted({kind for kind in map(_kind, flex) if kind not in computing()})


def _kind(step: Any) -> str:
    """Return the operation that a step runs, whatever it is called."""
    options = flexbuffers.GetRoot(bytearray(step.CustomOptionsAsNumpy().tobytes())).AsVector
    node = node_def_pb2.NodeDef.FromString(options[1].AsStringBytes)
    return str(node.op)


def _quantized(values: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    scale, zero = detail["quantization"]
    whole = np.dtype(detail["dtype"]).kind != "f"
    return as_kind(values / scale + zero if whole and scale else values, detail["dtype"])


def _real(values: np.ndarray, detail: dict[str, Any]) -> np.ndarray:
    scale, zero = detail["quantization"]
    return (values.astype(np.float32) - zero) * scale if values.dtype.kind != "f" and scale else values
