"""TensorFlow SavedModels, run by their signature."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2
from tensorflow.python.framework import op_def_registry

from vizcnn.adapter.blackbox import Source, as_kind
from vizcnn.errors import ModelFileError

_SIGNATURE = "serving_default"

_HARMLESS = frozenset({"Assert", "Assign", "AssignAddVariableOp", "AssignSubVariableOp", "AssignVariableOp", "If", "Multinomial",
                       "Placeholder", "RandomStandardNormal", "RandomUniform", "RandomUniformInt", "ReadVariableOp",
                       "StatefulPartitionedCall", "TruncatedNormal", "VarHandleOp", "VarIsInitializedOp", "Variable",
                       "VariableV2", "While"})  # fmt: skip
"""Operations with a state that stays in the model; every other one that has a state may reach outside."""

_RESTORING = frozenset({"Identity", "PlaceholderWithDefault", "RestoreV2"})
"""Operations on text that restoring variables takes."""


def open_saved_model(folder: Path, *, trusted: bool = False) -> Source:
    """Open a SavedModel.

    Parameters
    ----------
    folder : Path
        The folder.
    trusted : bool, default False
        Run operations that read or write other files, too.

    Returns
    -------
    Source

    Raises
    ------
    ModelFileError
        If it is damaged, has no signature for one image, or reaches outside of itself.
    """
    try:
        stored = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
        graphs = [meta for meta in stored.meta_graphs if "serve" in meta.meta_info_def.tags] or list(stored.meta_graphs)
        meta = graphs[0]
    except Exception as error:
        raise ModelFileError(f"`model` {str(folder)!r} is a damaged SavedModel ({_line(error)}).") from error
    found = meta.signature_def.get(_SIGNATURE) if _SIGNATURE in meta.signature_def else None
    if found is None or len(found.inputs) != 1:
        names = [name for name in meta.signature_def if not name.startswith("__")]
        raise ModelFileError(
            f"`model` {str(folder)!r} has no signature {_SIGNATURE!r} of one input, by which it could be run (its signatures: "
            f"{', '.join(names) or 'none'})."
        )
    (given,) = found.inputs.values()
    shape = tuple(None if size.size < 0 else int(size.size) for size in given.tensor_shape.dim)
    if len(shape) not in (3, 4) or given.dtype not in _TYPES:
        raise ModelFileError(
            f"`model` {str(folder)!r} takes inputs of shape {shape}; vizcnn explains models of images."
        )
    fetched = [_node(info.name) for info in (given, *found.outputs.values())]
    restored = [_node(meta.saver_def.restore_op_name)] if meta.HasField("saver_def") else []
    kept = Closure(meta.graph_def, fetched), Closure(meta.graph_def, restored)
    if not trusted:
        _check(kept[0], folder, restoring=False)
        _check(kept[1], folder, restoring=True)
    try:
        session, fetches = _session(_pruned(meta, kept), folder, dict(found.outputs))
    except Exception as error:
        raise ModelFileError(f"`model` {str(folder)!r} can't be run by TensorFlow: {_line(error)}") from error
    lock = threading.Lock()

    def run(batch: np.ndarray) -> Any:
        rows = batch[..., 0] if len(shape) == 3 else batch
        with lock:
            return session.run(fetches, {given.name: as_kind(rows, _TYPES[given.dtype])})

    return Source(run, (*shape[1:], *([1] if len(shape) == 3 else [])), "SavedModel", shape[0])


_TYPES = {1: np.float32, 2: np.float64, 4: np.uint8, 19: np.float16}
"""TensorFlow's numbers of the types that images come in."""


def _session(meta: Any, folder: Path, outputs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    # Not tf.saved_model.load: it builds the objects of the training, too, and fails on those of other versions.
    graph = tf.Graph()
    with graph.as_default():
        session = tf.compat.v1.Session(graph=graph)
        saver = tf.compat.v1.train.import_meta_graph(meta)
        if saver is not None:
            saver.restore(session, str(folder / "variables" / "variables"))
        fetches = {name: graph.get_tensor_by_name(info.name) for name, info in outputs.items()}
    return session, fetches


class Closure:
    """The nodes that some nodes of a graph depend on, and those of the functions that they call.

    Parameters
    ----------
    graph : GraphDef
        The graph.
    names : sequence of str
        The nodes that it begins with.
    """

    def __init__(self, graph: Any, names: Sequence[str]) -> None:
        nodes = {node.name: node for node in graph.node}
        functions = {function.signature.name: function for function in attrgetter("library.function")(graph)}
        self.main: dict[str, Any] = {}
        self.inside: dict[str, Any] = {}
        waiting, called = list(names), []
        while waiting:
            name = waiting.pop()
            if name in nodes and name not in self.main:
                self.main[name] = nodes[name]
                waiting += map(_node, nodes[name].input)
                called += _functions(nodes[name])
        while called:
            name = called.pop()
            if name in functions and name not in self.inside:
                self.inside[name] = functions[name]
                called += [other for node in functions[name].node_def for other in _functions(node)]

    @property
    def operations(self) -> list[Any]:
        """All nodes."""
        bodies = [list(function.node_def) for function in self.inside.values()]
        return sum(bodies, list(self.main.values()))


def _node(tensor: str) -> str:
    return tensor.lstrip("^").partition(":")[0]


def _functions(node: Any) -> list[str]:
    """Return the functions that a node names in its attributes, or calls by its own kind."""
    named = [value.func.name for value in node.attr.values() if value.HasField("func")]
    return [node.op, *named, *(func.name for value in node.attr.values() for func in value.list.func)]


def _pruned(meta: Any, kept: Sequence[Closure]) -> Any:
    """Return the graph without what isn't needed: TensorFlow may compute constants there before anything is asked for."""
    pruned = meta_graph_pb2.MetaGraphDef()
    pruned.CopyFrom(meta)
    pruned.ClearField("collection_def")
    names = {name for closure in kept for name in closure.main}
    nodes = [node for node in meta.graph_def.node if node.name in names]
    del pruned.graph_def.node[:]
    pruned.graph_def.node.extend(nodes)
    return pruned


def _check(closure: Closure, folder: Path, *, restoring: bool) -> None:
    """Refuse what could reach outside: operations with a state, on text, or that run other code."""
    outside = sorted({node.op for node in closure.operations if not _is_inside(node.op, closure, restoring=restoring)})
    if restoring:
        strings = {n.name for n in closure.main.values() if n.op == "Const" and n.attr["dtype"].type == _TEXT}
        calls = [n for n in closure.main.values() if n.op in ("PartitionedCall", "StatefulPartitionedCall")]
        outside += ["a path of its own" for call in calls if strings & set(map(_node, call.input))]
        for function in closure.inside.values():
            made = {node.name: node for node in function.node_def}
            restores = [node for node in function.node_def if node.op == "RestoreV2"]
            outside += ["a path of its own" for node in restores if _source(node.input[0], made)]
        main = [node for node in closure.main.values() if node.op == "RestoreV2"]
        sources = [_source(node.input[0], closure.main) for node in main]
        outside += ["a path of its own" for source in sources if source != "PlaceholderWithDefault"]
    if outside:
        raise ModelFileError(
            f"`model` {str(folder)!r} isn't opened: it may reach outside of itself by {', '.join(dict.fromkeys(outside))}. If "
            f"you trust whoever made it, pass trusted=True to vizcnn.adapt, or --trusted on the command line."
        )


_TEXT = 7
"""TensorFlow's number of the type of text."""


def _source(tensor: str, made: Mapping[str, Any]) -> str:
    """Return the operation that a text comes from, copies left out; "" for an argument of the function."""
    name = _node(tensor)
    while name in made and made[name].op == "Identity":
        name = _node(made[name].input[0])
    return str(made[name].op) if name in made else ""


def _is_inside(kind: str, closure: Closure, *, restoring: bool) -> bool:
    if kind in closure.inside or kind in _HARMLESS or (restoring and kind in _RESTORING):
        return True
    definition = op_def_registry.get(kind)
    if definition is None or definition.is_stateful or kind.startswith(("Debug", "PyFunc", "Xla")):
        return False
    return not any(argument.type == _TEXT for argument in (*definition.input_arg, *definition.output_arg))


def _line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200] if text else ''}"
