"""How a Keras model is put together: its layers by path, its inputs and its outputs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from vizcnn.adapter.layers import LayerInfo
from vizcnn.adapter.roles import role_of


@dataclass(frozen=True)
class LayerRecord:
    """A layer or `keras.ops` node, and what is said of it."""

    operation: Any
    info: LayerInfo


def _children(layer: Any) -> list[Any]:
    if not isinstance(layer, keras.Layer):
        return []
    graph = _graph(layer)
    if graph is not None and _runs_its_graph(layer):
        return graph
    return [*(graph or ()), *layer._flatten_layers(include_self=False, recursive=False)]


def _graph(layer: Any) -> list[Any] | None:
    if isinstance(layer, keras.Sequential):
        return list(layer.layers)
    return list(layer.operations) if isinstance(layer, keras.Model) and hasattr(layer, "operations") else None


def _runs_its_graph(model: Any) -> bool:
    """Tell whether a model does what its graph says: a class made with inputs and outputs may have a `call` of its own."""
    return str(getattr(type(model).call, "__module__", "")).startswith("keras.")


def walk(model: Any) -> Iterator[tuple[str, LayerRecord]]:
    """Yield every layer and `keras.ops` node that computes, by path, those that hold others before what they hold."""
    visited = {id(model)}
    names: set[str] = set()

    def visit(parent: Any, prefix: str, depth: int) -> Iterator[tuple[str, LayerRecord]]:
        for child in _children(parent):
            if id(child) in visited or isinstance(child, keras.layers.InputLayer):
                continue
            visited.add(id(child))
            path, number = prefix + child.name, 1
            while path in names:
                number += 1
                path = f"{prefix}{child.name}~{number}"
            names.add(path)
            is_container = bool(_children(child))
            yield path, LayerRecord(child, _info(child, path, depth, is_container))
            yield from visit(child, path + "/", depth + 1)

    yield from visit(model, "", 0)


def _info(operation: Any, path: str, depth: int, is_container: bool) -> LayerInfo:
    try:
        shape = tuple(operation.output.shape)
    except (AttributeError, ValueError):
        shape = None
    activation = getattr(operation, "activation", None)
    name = getattr(activation, "__name__", None) or (activation and type(activation).__name__)
    return LayerInfo(
        path=path,
        kind=type(operation).__name__,
        output_shape=shape,
        num_params=sum(int(np.prod(w.shape)) for w in getattr(operation, "weights", ())),
        depth=depth,
        is_container=is_container,
        role=_role(operation, is_container),
        activation=None if name == "linear" else name,
    )


def _role(operation: Any, is_container: bool) -> str:
    """Return what a layer is for: as Keras's class that it derives from says, whatever its own is called."""
    if isinstance(operation, keras.Model):
        return "container"
    for kind in type(operation).__mro__:
        base = str(kind.__module__).startswith("keras.") and kind not in (keras.Layer, keras.Operation)
        if base and role_of(kind.__name__) != "other":
            return role_of(kind.__name__)
    role = role_of(type(operation).__name__)
    return "container" if role == "other" and is_container else role


def is_complete(model: Any) -> bool:
    """Tell whether all layers that the model holds have their weights."""
    return all(layer.built for layer in _children(model) if isinstance(layer, keras.Layer))


def input_shapes(model: Any) -> list[tuple[int | None, ...]]:
    """Return the shapes of the inputs, batch axis first; an empty list while they aren't known."""
    try:
        tensors = model.inputs
    except (AttributeError, ValueError):
        tensors = None
    if tensors:
        return [tuple(tensor.shape) for tensor in tensors]
    shape = (getattr(model, "_build_shapes_dict", None) or {}).get("input_shape")
    return [tuple(shape)] if isinstance(shape, tuple | list) and all(isinstance(s, int | None) for s in shape) else []


def rank_of(kinds: Mapping[str, str], shape: tuple[int | None, ...] = ()) -> int:
    """Return how many axes a map has in a model of these layers: 1 of signals, 2 of images, 3 of volumes and video.

    Parameters
    ----------
    kinds : mapping of str to str
        Paths of the layers to their classes. Convolutions tell it, with one axis more, of frames, in a recurrent layer or inside
        of a `TimeDistributed`.
    shape : tuple of int or None, default ()
        The input's shape, without the batch axis; () while it isn't known. Four axes tell it whatever the layers are: one that
        lets the frames go has maps of rows and columns alone.

    Returns
    -------
    int
    """
    if len(shape) == 4:
        return 3
    over_frames = [f"{path}/" for path, kind in kinds.items() if kind == "TimeDistributed"]
    ranks = {
        int(match[2]) + bool(match[1]) + sum(map(path.startswith, over_frames))
        for path, kind in kinds.items()
        if (match := re.search(r"Conv(LSTM)?([123])D", kind))
    }
    return ranks.pop() if len(ranks) == 1 else 2


def input_rank_of(rank: int, shape: tuple[int | None, ...], unflattened: tuple[int, ...] | None) -> int:
    """Return how many axes an input has, without channels: a model of maps of two that takes a signal makes a spectrogram of it.

    Parameters
    ----------
    rank : int
        How many axes its maps have.
    shape : tuple of int or None
        The input's shape, without the batch axis.
    unflattened : tuple of int, default None
        What the model makes of a flat input first.

    Returns
    -------
    int
    """
    if rank != 2 or (unflattened is not None and unflattened[-1] != 1):
        return rank
    flat = len(shape) == 1 and (unflattened is None or len(unflattened) == 2)
    return 1 if flat or (len(shape) == 2 and shape[1] == 1) else rank


def kernel_channels(operations: Iterable[Any]) -> frozenset[int]:
    """Return the numbers of channels that convolutions look at."""
    counts = set()
    for operation in operations:
        kernel = getattr(operation, "depthwise_kernel", None) if hasattr(operation, "kernel_size") else None
        kernel = getattr(operation, "kernel", None) if kernel is None and hasattr(operation, "kernel_size") else kernel
        if kernel is not None and len(kernel.shape) >= 3:
            axis = -1 if "Transpose" in type(operation).__name__ else -2
            counts.add(int(kernel.shape[axis]) * int(getattr(operation, "groups", 1) or 1))
    return frozenset(counts)


def has_channels_first(shape: tuple[int | None, ...], maps_have: bool, channels: frozenset[int]) -> bool:
    """Tell whether an input has its channels first: as the maps have them, unless the convolutions take as many as its other end.

    Parameters
    ----------
    shape : tuple of int or None
        The input's shape, without the batch axis.
    maps_have : bool
        Whether the convolutions' maps have their channels first.
    channels : frozenset of int
        How many channels convolutions look at.

    Returns
    -------
    bool
    """
    first, last = (shape[0], shape[-1]) if len(shape) > 1 else (None, None)
    if (first in channels) == (last in channels):
        return maps_have
    end, rest = (first, shape[1:]) if first in channels else (last, shape[:-1])
    fewest = all(size is None or (end is not None and end < size) for size in rest)
    return (end is first) if fewest else maps_have


def as_the_model_takes_it(model: Any, tensor: Any) -> Any:
    """Return the input in the structure that the model was made with: bare, in a list of one, or in a dict of one."""
    try:
        struct = model.input
    except (AttributeError, ValueError):
        return tensor
    return keras.tree.pack_sequence_as(struct, [tensor]) if len(keras.tree.flatten(struct)) == 1 else tensor


def input_names(model: Any, count: int) -> list[str]:
    """Return a name for each of the inputs whose shapes `input_shapes` gives."""
    try:
        names = [tensor.name for tensor in model.inputs or ()]
    except (AttributeError, ValueError):
        names = []
    if len(set(names)) == count == len(names) and not any(name.startswith("keras_tensor") for name in names):
        return names
    return ["input"] if count == 1 else [f"input_{i}" for i in range(count)]


def symbolic_outputs(model: Any) -> tuple[list[str], list[tuple[int | None, ...]]]:
    """Return names and shapes (without the batch axis) of the outputs, as far as they are known without a run."""
    if not _runs_its_graph(model):
        return [], []
    try:
        tensors, struct = model.outputs, model.output
    except (AttributeError, ValueError):
        return [], []
    if not tensors:
        return [], []
    names = list(getattr(model, "output_names", ()))
    if isinstance(struct, dict) or len(names) != len(tensors):
        names = names_of(struct)
    counts: Counter[str] = Counter()
    unique = []
    for name in names:
        unique.append(f"{name}[{counts[name]}]" if counts[name] else name)
        counts[name] += 1
    return unique, [tuple(tensor.shape[1:]) for tensor in tensors]


def final_activations(model: Any) -> dict[str, str]:
    """Return what makes probabilities of each output (N, K), by name, where the layer at the very end says it; else nothing."""
    names, shapes = symbolic_outputs(model)
    found = {}
    for name, shape, tensor in zip(names, shapes, model.outputs if names else (), strict=True):
        layer = tensor._keras_history.operation
        says = type(layer) in (keras.layers.Dense, keras.layers.Activation)
        kind = _PROBABILITIES.get(layer.activation) if says else None
        if kind is None or len(shape) != 1 or shape[0] is None:
            return {}
        found[name] = kind
    return found


_PROBABILITIES = {keras.activations.softmax: "softmax", keras.activations.sigmoid: "sigmoid"}


def tensors_of(struct: Any) -> list[Any]:
    """Return what holds numbers of what a model returns, in the order in which Keras flattens it: no None, and no text."""
    return list(filter(_holds_numbers, keras.tree.flatten(struct)))


def names_of(struct: Any) -> list[str]:
    """Return a name for each of `tensors_of`."""
    flat = keras.tree.flatten(struct)
    names = [f"output_{i}" for i in range(len(flat))]
    if isinstance(struct, dict):
        positions = keras.tree.flatten(dict(zip(struct, range(len(struct)), strict=True)))
        if len(positions) == len(flat):
            keys = list(struct)
            names = [str(keys[i]) for i in positions]
    held = [name for name, value in zip(names, flat, strict=True) if _holds_numbers(value)]
    return ["output"] if len(held) == 1 and not isinstance(struct, dict) else held


def _holds_numbers(value: Any) -> bool:
    return hasattr(value, "shape") and "string" not in str(getattr(value, "dtype", "string"))
