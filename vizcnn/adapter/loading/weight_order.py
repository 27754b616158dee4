"""HDF5 files list the weights of a layer by the order at the time of saving: each goes where its name says, not its place."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
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

    with _lock:
        original_read, original_assign = keras_hdf5.load_subset_weights_from_hdf5_group, keras_hdf5._set_weights
        keras_hdf5.load_subset_weights_from_hdf5_group, keras_hdf5._set_weights = read, assign
        try:
            yield
        finally:
            keras_hdf5.load_subset_weights_from_hdf5_group = original_read
            keras_hdf5._set_weights = original_assign


_lock = threading.RLock()


class _Named(list[np.ndarray]):
    """Arrays, and their names in the file."""

    def __init__(self, arrays: Sequence[np.ndarray], names: Sequence[str]) -> None:
        super().__init__(arrays)
        self.names = list(names)


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
