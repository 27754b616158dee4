"""Each weight goes where its name says, not where it stands: HDF5 files list a layer's by the order at the time of saving.

What TensorFlow.js keeps has no layers at all, only names: `assign_by_name`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np


@contextmanager
def weights_by_name() -> Iterator[None]:
    """Let Keras set the weights of an HDF5 file by their names, for the length of a `with` block.

    Keras saves those that are trained before those that aren't, and sets them in that order again; but where a part of a nested
    model, or of a layer of the author's own, was frozen, the model that it makes of the description doesn't know, and so takes
    the weights of one part for those of another.

    Yields
    ------
    None

    Raises
    ------
    ValueError
        If neither names nor order tell which weight is which.
    """
    from keras.src.legacy.saving import legacy_h5_format as keras_hdf5

    def read(group: h5py.Group) -> list[np.ndarray]:
        names = keras_hdf5.load_attributes_from_hdf5_group(group, "weight_names")
        return _Named(original_read(group), names)

    def assign(instance: Any, weights: Sequence[Any], values: list[np.ndarray], *args: Any, **options: Any) -> None:
        if isinstance(values, _Named):
            weights = in_order_of(values.names, weights)
        original_assign(instance, weights, values, *args, **options)

    def load(group: h5py.Group, model: Any, *args: Any, **options: Any) -> None:
        if "layer_names" in group.attrs or "layer_names0" in group.attrs:
            original_load(group, model, *args, **options)
        else:
            assign_by_name(group, model)

    with _lock:
        original_load = keras_hdf5.load_weights_from_hdf5_group
        original_read, original_assign = keras_hdf5.load_subset_weights_from_hdf5_group, keras_hdf5._set_weights
        keras_hdf5.load_subset_weights_from_hdf5_group, keras_hdf5._set_weights = read, assign
        keras_hdf5.load_weights_from_hdf5_group = load
        try:
            yield
        finally:
            keras_hdf5.load_subset_weights_from_hdf5_group = original_read
            keras_hdf5._set_weights = original_assign
            keras_hdf5.load_weights_from_hdf5_group = original_load


_lock = threading.RLock()


class _Named(list[np.ndarray]):
    """Arrays, and their names in the file."""

    def __init__(self, arrays: Sequence[np.ndarray], names: Sequence[str]) -> None:
        super().__init__(arrays)
        self.names = list(names)


def assign_by_name(group: h5py.Group, model: Any) -> None:
    """Set all weights of a model from arrays that are told apart by nothing but their names.

    Parameters
    ----------
    group : h5py.Group
        The arrays; their paths are names, as "dense_1/kernel". What a name lacks of a weight's path, or has beside it, are
        models and cells that hold the layer: "lstm/kernel" is "encoder/lstm/lstm_cell/kernel".
    model : keras.Model
        The model.

    Raises
    ------
    ValueError
        If an array has no place, or more than one, or a weight no array.
    """
    arrays: dict[str, h5py.Dataset] = {}
    group.visititems(lambda path, entry: arrays.update({path: entry}) if isinstance(entry, h5py.Dataset) else None)
    weights = {weight.path: weight for weight in model.weights if "seed_generator" not in weight.path}
    if len(arrays) != len(weights):
        raise ValueError(f"the file has {len(arrays)} weights, and the model that it describes {len(weights)}")
    places = {name: _places(name, array.shape, weights) for name, array in arrays.items()}
    while places:
        name = min(places, key=lambda name: len(places[name]))
        if len(places[name]) != 1:
            what = f"may be {' or '.join(places[name][:3])}" if places[name] else "has no place in the model"
            raise ValueError(f"weight {name!r} of shape {arrays[name].shape} {what}")
        (path,) = places.pop(name)
        weights[path].assign(arrays[name][()])
        for others in places.values():
            if path in others:
                others.remove(path)


def _places(name: str, shape: tuple[int, ...], weights: Mapping[str, Any]) -> list[str]:
    """Return the paths of the weights that a name may mean, those of which it has most."""
    parts = name.split("/")
    shared = {
        path: len(set(parts) & set(path.split("/")))
        for path, weight in weights.items()
        if tuple(weight.shape) == shape and _leads_to(parts, path.split("/"))
    }
    most = max(shared.values(), default=0)
    return [path for path, count in shared.items() if count == most]


def _leads_to(name: Sequence[str], path: Sequence[str]) -> bool:
    """Tell whether a name and a path are of the same weight, and one has all parts of the other in their order."""
    shorter, longer = sorted((name, path), key=len)
    rest = iter(longer[:-1])
    same = path[-1] in (name[-1], _RENAMED.get(name[-1]))
    return same and len(shorter) > 1 and all(part in rest for part in shorter[:-1])


_RENAMED = {"depthwise_kernel": "kernel"}
"""What Keras 2 called weights that have another name now."""


def in_order_of(names: Sequence[str], weights: Sequence[Any]) -> Sequence[Any]:
    """Return a layer's weights in the order in which a file lists them.

    Parameters
    ----------
    names : sequence of str
        Names in the file, as "block/conv2d_7/kernel".
    weights : sequence of keras.Variable
        As many weights, in the order of the layer.

    Returns
    -------
    sequence of keras.Variable
        As they are, where the names of file and layer have nothing in common, as in files of Keras 1.

    Raises
    ------
    ValueError
        If file and layer have weights of the same names in another order, and several of each.
    """
    in_file, in_layer = _keys(names), _keys([weight.path for weight in weights])
    for parts in range(1, max(map(len, in_file + in_layer), default=0) + 1):
        wanted, present = [key[-parts:] for key in in_file], [key[-parts:] for key in in_layer]
        if len(set(wanted)) == len(wanted) and sorted(wanted) == sorted(present):
            return [weights[present.index(key)] for key in wanted]
    wanted, present = [key[-1:] for key in in_file], [key[-1:] for key in in_layer]
    if sorted(wanted) == sorted(present) and wanted != present:
        raise ValueError(
            f"weights such as {names[0]!r} were saved in another order than the layer has them, because a part of it was "
            f"frozen, and their names don't tell which is which. Save the model as .keras instead"
        )
    return weights


_Key = tuple[tuple[str, int], ...]


def _keys(names: Sequence[str]) -> list[_Key]:
    """Return the parts of names, with a rank in place of the number at their end: Keras counts on in each session."""
    split = [[_numbered(part) for part in name.partition(":")[0].split("/")] for name in names]
    counts: dict[str, set[int]] = {}
    for parts in split:
        for base, number in parts:
            counts.setdefault(base, set()).add(number)
    ranks = {base: sorted(numbers) for base, numbers in counts.items()}
    return [tuple((base, ranks[base].index(number)) for base, number in parts) for parts in split]


def _numbered(part: str) -> tuple[str, int]:
    match = re.fullmatch(r"(.*?)_(\d+)", part)
    return (match[1], int(match[2])) if match else (part, -1)
