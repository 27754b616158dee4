"""SavedModels without a signature: one is written, of the function that the saved object is called by.

`tf.saved_model.save` writes none of an object with several functions. The file holds them, with what each captures: variables,
whose values lie beside it, and constants. So a graph is made that calls one of them and restores these variables, and opened as
any other: nothing of the file runs before that is checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import node_def_pb2
from tensorflow.core.protobuf import meta_graph_pb2, trackable_object_graph_pb2

from vizcnn.errors import ModelFileError, listed

_CALL = "__call__"
"""What an object itself is called by: taken before its other functions."""

_SAVE_ANEW = "Save it with one: tf.saved_model.save(model, folder, signatures=model.FUNCTION)."


@dataclass(frozen=True)
class _Trace:
    """A function of the object, as it was traced for one kind of arguments.

    Attributes
    ----------
    body : FunctionDef
        What it computes.
    takes, returns : tuple of (str, TensorSpecProto)
        Its tensors, by name.
    num_true : int
        How many arguments are True, as `training` may be.
    captured : tuple of int
        The objects that it is given beside.
    """

    body: Any
    takes: tuple[tuple[str, Any], ...]
    returns: tuple[tuple[str, Any], ...]
    num_true: int
    captured: tuple[int, ...]

    @property
    def shapes(self) -> tuple[tuple[int | None, ...], ...]:
        return tuple(tuple(None if n.size < 0 else n.size for n in spec.shape.dim) for _, spec in self.takes)

    @property
    def order(self) -> tuple[int, int]:
        """What predicts before what trains, and what takes any size before what takes one."""
        return self.num_true, -sum(shape.count(None) for shape in self.shapes)


def with_signature(meta: Any, folder: Path, name: str) -> Any:
    """Return a graph that calls a function of the saved object, with the signature of that call.

    Parameters
    ----------
    meta : MetaGraphDef
        What was saved.
    folder : Path
        Where.
    name : str
        What to call the signature.

    Returns
    -------
    MetaGraphDef

    Raises
    ------
    ModelFileError
        If it isn't clear which function is meant, or there is none.
    """
    objects = meta.object_graph_def
    trace = _chosen(meta, folder)
    keys = _keys(objects, folder) if trace.captured else {}
    made = meta_graph_pb2.MetaGraphDef()
    made.CopyFrom(meta)
    for part in ("graph_def", "signature_def", "saver_def", "collection_def"):
        made.ClearField(part)
    attrgetter("library")(made.graph_def).CopyFrom(attrgetter("library")(meta.graph_def))
    made.graph_def.versions.CopyFrom(meta.graph_def.versions)
    nodes = {node.name: node for node in meta.graph_def.node}
    with tf.Graph().as_default() as graph:
        inputs = [tf.compat.v1.placeholder(spec.dtype, spec.shape, name="input") for _, spec in trace.takes]
        file = tf.compat.v1.placeholder(tf.string, (), name="file")
        given, assigned, constants = [], [], []
        for position, at in enumerate(trace.captured):
            if objects.nodes[at].WhichOneof("kind") == "constant":
                constant = node_def_pb2.NodeDef()
                constant.CopyFrom(nodes[objects.nodes[at].constant.operation])
                constant.name = f"constant_{position}"
                constants.append(constant)
                given.append(constant.name)
                continue
            variable = objects.nodes[at].variable
            own = f"variable_{position}"
            handle = tf.raw_ops.VarHandleOp(dtype=variable.dtype, shape=variable.shape, shared_name=own, name=own)
            (value,) = tf.raw_ops.RestoreV2(
                prefix=file, tensor_names=[keys[at]], shape_and_slices=[""], dtypes=[variable.dtype]
            )
            assigned.append(tf.raw_ops.AssignVariableOp(resource=handle, value=value))
            given.append(handle.op.name)
        with tf.control_dependencies(assigned):
            restore = tf.no_op(name="restore")
    made.graph_def.node.extend([*graph.as_graph_def().node, *constants])
    made.graph_def.node.append(_call(trace.body, [*(tensor.op.name for tensor in inputs), *given]))
    if assigned:
        made.saver_def.filename_tensor_name = made.saver_def.save_tensor_name = file.name
        made.saver_def.restore_op_name = restore.name
        made.saver_def.version = made.saver_def.V2
    signature = made.signature_def[name]
    for (key, spec), tensor in zip(trace.takes, inputs, strict=True):
        _set(signature.inputs[key], tensor.name, spec)
    for position, (key, spec) in enumerate(trace.returns):
        _set(signature.outputs[key], f"{_CALL_NODE}:{position}", spec)
    return made


_CALL_NODE = "StatefulPartitionedCall"


def _call(function: Any, given: Sequence[str]) -> Any:
    call = node_def_pb2.NodeDef(name=_CALL_NODE, op=_CALL_NODE, input=given)
    call.attr["f"].func.name = function.signature.name
    for name, arguments in (("Tin", function.signature.input_arg), ("Tout", function.signature.output_arg)):
        call.attr[name].list.type.extend(argument.type for argument in arguments)
    return call


def _set(info: Any, tensor: str, spec: Any) -> None:
    info.name, info.dtype = tensor, spec.dtype
    info.tensor_shape.CopyFrom(spec.shape)


def _chosen(meta: Any, folder: Path) -> _Trace:
    """Return the one function that the object is called by."""
    found = _functions(meta.object_graph_def)
    file = f"`model` {str(folder)!r} has no signature"
    if not found:
        raise ModelFileError(f"{file}, and holds no function by which it could be run. {_SAVE_ANEW}")
    bodies = {body.signature.name: body for body in attrgetter("library.function")(meta.graph_def)}
    traces = {name: list(_usable(names, bodies, meta.object_graph_def)) for name, names in found.items()}
    usable = {name: sorted(some, key=attrgetter("order")) for name, some in traces.items() if some}
    if not usable:
        raise ModelFileError(
            f"{file}, and none of its functions ({listed(found)}) takes arrays, and nothing else but its variables. {_SAVE_ANEW}"
        )
    calls = [name for name in usable if name.rpartition(".")[2] == _CALL]
    if len(usable) > 1 and len(calls) != 1:
        raise ModelFileError(f"{file}, and several functions by which it could be run: {listed(usable)}. {_SAVE_ANEW}")
    name = calls[0] if calls else next(iter(usable))
    first, *others = usable[name]
    if others and others[0].order == first.order:
        shapes = listed([" and ".join(map(str, one.shapes)) for one in usable[name]])
        raise ModelFileError(
            f"{file}, and its function {name!r} was saved for inputs of several shapes: {shapes}. {_SAVE_ANEW}"
        )
    return first


def _functions(objects: Any) -> dict[str, list[str]]:
    """Return the functions of the object, or where it has none, of those in it: by path, with the names of their traces."""
    level, seen = {"": 0}, {0}
    while level:
        found: dict[str, list[str]] = {}
        following: dict[str, int] = {}
        for path, at in level.items():
            for child in objects.nodes[at].children if at < len(objects.nodes) else ():
                name, held = f"{path}{child.local_name}", objects.nodes[child.node_id]
                is_hidden = child.local_name.startswith("_") and child.local_name != _CALL
                if held.WhichOneof("kind") == "function" and not is_hidden:
                    found[name] = list(held.function.concrete_functions)
                elif held.WhichOneof("kind") == "user_object" and child.node_id not in seen and not is_hidden:
                    seen.add(child.node_id)
                    following[f"{name}."] = child.node_id
        if found:
            return found
        level = following
    return {}


def _usable(names: Sequence[str], bodies: Mapping[str, Any], objects: Any) -> Iterator[_Trace]:
    """Yield the traces that take tensors, and of the object variables and constants alone."""
    for name in names:
        stored, body = objects.concrete_functions[name], bodies.get(name)
        leaves = list(_leaves(stored.canonicalized_input_signature, "input"))
        takes, returns = _tensors(leaves), _tensors(list(_leaves(stored.output_signature, "output")))
        kinds = {objects.nodes[at].WhichOneof("kind") for at in stored.bound_inputs}
        if (
            body is not None
            and takes
            and returns
            and kinds <= {"variable", "constant"}
            and len(body.signature.input_arg) == len(takes) + len(stored.bound_inputs)
            and len(body.signature.output_arg) == len(returns)
        ):
            num_true = sum(leaf.bool_value for _, leaf in leaves)
            yield _Trace(body, takes, returns, num_true, tuple(stored.bound_inputs))


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield what a structure of arguments or results holds, in TensorFlow's order, each by the name that is nearest."""
    kind = value.WhichOneof("kind")
    if kind in ("tuple_value", "list_value"):
        for inner in getattr(value, kind).values:
            yield from _leaves(inner, name)
    elif kind == "dict_value":
        for key in sorted(value.dict_value.fields):
            yield from _leaves(value.dict_value.fields[key], key)
    elif kind == "named_tuple_value":
        for pair in value.named_tuple_value.values:
            yield from _leaves(pair.value, pair.key)
    else:
        yield name, value


def _tensors(leaves: Sequence[tuple[str, Any]]) -> tuple[tuple[str, Any], ...]:
    """Return the tensors among leaves, by names of their own."""
    kinds = ("tensor_spec_value", "bounded_tensor_spec_value")
    named: dict[str, Any] = {}
    for name, leaf in leaves:
        if leaf.WhichOneof("kind") in kinds:
            spec = getattr(leaf, leaf.WhichOneof("kind"))
            own = spec.name if name == "input" and spec.name else name
            named[own if own not in ("output", *named) else f"{own}_{len(named)}"] = spec
    return tuple(named.items())


def _keys(objects: Any, folder: Path) -> dict[int, str]:
    """Return what the value of each variable is called in the file of values: both list the object's parts by the same names."""
    values = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    stored = trackable_object_graph_pb2.TrackableObjectGraph.FromString(
        values.get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH")
    )
    keys: dict[int, str] = {}
    waiting, seen = [(0, 0)], {0}
    while waiting:
        at, there = waiting.pop()
        keys.update((at, value.checkpoint_key) for value in stored.nodes[there].attributes[:1])
        children = {child.local_name: child.node_id for child in stored.nodes[there].children}
        for child in objects.nodes[at].children:
            if child.node_id not in seen and child.local_name in children:
                seen.add(child.node_id)
                waiting.append((child.node_id, children[child.local_name]))
    return keys
