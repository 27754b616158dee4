"""What an ONNX file says of itself: which other files it is kept in, and what its outputs end in.

It is read with the few fields of the format that this takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from vizcnn.adapter.runtimes.graph_endings import last_activation

_MESSAGES = {
    "Entry": {"key": (1, "string"), "value": (2, "string")},
    "Tensor": {"external_data": (13, "Entry")},
    "Sparse": {"values": (1, "Tensor"), "indices": (2, "Tensor")},
    "Attribute": {"name": (1, "string"), "i": (3, "int64"), "t": (5, "Tensor"), "g": (6, "Graph"),
                  "tensors": (10, "Tensor"), "graphs": (11, "Graph"),
                  "sparse_tensor": (22, "Sparse"), "sparse_tensors": (23, "Sparse")},
    "Node": {"input": (1, "string"), "output": (2, "string"), "op_type": (4, "string"), "attribute": (5, "Attribute"),
             "domain": (7, "string")},
    "Graph": {"node": (1, "Node"), "initializer": (5, "Tensor"), "sparse_initializer": (15, "Sparse")},
    "Function": {"node": (7, "Node"), "attribute_proto": (11, "Attribute")},
    "Training": {"initialization": (1, "Graph"), "algorithm": (2, "Graph")},
    "Model": {"graph": (7, "Graph"), "training_info": (20, "Training"), "functions": (25, "Function")},
}  # fmt: skip
"""Messages of ONNX to those of their fields that lead to tensors: number, and type."""

_READERS = frozenset({"EPContext"})
"""Operations that are kept in a file of their own."""


def strange_files(content: bytes, folder: Path) -> list[str]:
    """Return the files that a model is kept in beside its own and that aren't plain files of the same folder.

    Parameters
    ----------
    content : bytes
        The file.
    folder : Path
        Where it lies.

    Returns
    -------
    list of str
        Names of files, or what else is read from elsewhere.
    """
    waiting: list[Any] = [_model().FromString(content)]
    reasons: list[str] = []
    while waiting:
        message = waiting.pop()
        if message.DESCRIPTOR.name == "Entry":
            names = message.value if "location" in message.key else ()
            reasons += [repr(name) for name in names if not _lies_in(name, folder)]
        elif message.DESCRIPTOR.name == "Node" and set(message.op_type) & _READERS:
            reasons += sorted(set(message.op_type) & _READERS)
        for field, value in message.ListFields():
            if field.message_type is not None:
                waiting += value
    return list(dict.fromkeys(reasons))


def endings(content: bytes, outputs: Mapping[str, int]) -> dict[str, str]:
    """Return the activation that each output ends in, as far as it can be told.

    Parameters
    ----------
    content : bytes
        The file.
    outputs : mapping
        Names of outputs to how many axes they have.

    Returns
    -------
    dict of str to str
    """
    graphs = _model().FromString(content).graph
    makers = {name: node for graph in graphs for node in graph.node for name in node.output}
    activations = {}
    for output, rank in outputs.items():

        def step(tensor: str, rank: int = rank) -> tuple[str, str] | None:
            node = makers.get(tensor)
            return None if node is None or not node.input else (_kind(node, rank), node.input[0])

        ending = last_activation(output, step)
        if ending is not None:
            activations[output] = ending
    return activations


def _kind(node: Any, rank: int) -> str:
    """Return a node's operation; "" where it is somebody's own, or a softmax over another axis than the last."""
    if not {*node.domain} <= {"", "ai.onnx", "com.microsoft"}:
        return ""
    kind = str(node.op_type[-1]) if node.op_type else ""
    axes = [number for attribute in node.attribute if "axis" in attribute.name for number in attribute.i]
    return "" if kind.endswith("oftmax") and not {*axes} <= {-1, rank - 1} else kind


def _lies_in(name: str, folder: Path) -> bool:
    parts = {*PurePosixPath(name).parts, *PureWindowsPath(name).parts}
    if ".." in parts or PurePosixPath(name).is_absolute() or PureWindowsPath(name).anchor:
        return False
    return (folder / name).is_file() and (folder / name).resolve().is_relative_to(folder.resolve())


@cache
def _model() -> Any:
    """Return the class that reads a model: fields may repeat, as the last of them counts and each is looked at."""
    kinds = descriptor_pb2.FieldDescriptorProto
    plain = {"string": kinds.TYPE_STRING, "int64": kinds.TYPE_INT64}
    file = descriptor_pb2.FileDescriptorProto(name="vizcnn_onnx.proto", package="vizcnn_onnx", syntax="proto2")
    for name, parts in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in parts.items():
            entry = message.field.add(name=field, number=number, label=kinds.LABEL_REPEATED)
            entry.type = plain.get(kind, kinds.TYPE_MESSAGE)
            if kind not in plain:
                entry.type_name = f".vizcnn_onnx.{kind}"
    # proto2 messages: a text that is no UTF-8 is an error of ONNX Runtime's own
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("vizcnn_onnx.Model"))
