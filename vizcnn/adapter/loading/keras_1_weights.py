"""The weights of Keras 1: arrays of other names, axes and parts, written as Keras has them today.

A kernel of Theano is flipped, as it computed true convolutions, and Keras's others cross-correlations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from vizcnn.adapter.loading.stored import Stored

Arrays = dict[str, np.ndarray]


@dataclass
class Leaf:
    """A layer that holds weights itself.

    Attributes
    ----------
    name, class_name : str
        Its name, and its class in Keras 1.
    config : mapping
        Its arguments in Keras 1.
    node : dict
        Its description of today, to which is added what only the weights tell.
    inner : list of Leaf
        The layers that a wrapper holds.
    arrays : dict
        Its weights, by their names in Keras 1.
    """

    name: str
    class_name: str
    config: Mapping[str, Any]
    node: dict[str, Any]
    inner: list[Leaf] = field(default_factory=list)
    arrays: Arrays = field(default_factory=dict)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the weights in Keras 1, in the order of the file."""
        if self.class_name == "Bidirectional":
            return tuple(f"{way}.{name}" for way in _WAYS for name in self.inner[0].parameters)
        if self.inner:
            return tuple(f"{place}.{name}" for place, leaf in enumerate(self.inner) for name in leaf.parameters)
        return _parameters(self.class_name, self.config)

    def is_trained(self, name: str) -> bool:
        """Tell whether a weight counts as trained: such come first in the list of a model."""
        return self.config.get("trainable", True) is not False and name not in ("running_mean", "running_std")

    def converted(self, theano: bool) -> Arrays:
        """Return the weights of today, by name."""
        if self.class_name == "Bidirectional":
            halves: Arrays = {}
            for way in _WAYS:
                leaf = Leaf("", self.inner[0].class_name, self.inner[0].config, {}, arrays=self._part(way))
                halves |= {f"{way}/{name}": array for name, array in leaf.converted(theano).items()}
            return halves
        if self.inner:
            converted: Arrays = {}
            for place, leaf in enumerate(self.inner):
                leaf.arrays = self._part(str(place))
                prefix = f"{leaf.name}/" if len(self.inner) > 1 else ""
                converted |= {f"{prefix}{name}": array for name, array in leaf.converted(theano).items()}
            return converted
        return _converted(self, theano)

    def _part(self, prefix: str) -> Arrays:
        return {
            name.partition(".")[2]: array for name, array in self.arrays.items() if name.partition(".")[0] == prefix
        }


_WAYS = ("forward", "backward")
_GATES = {"LSTM": "icfo", "GRU": "zrh", "ConvLSTM2D": "icfo"}
_GATES_NOW = {"LSTM": "ifco", "GRU": "zrh", "ConvLSTM2D": "ifco"}


def _parameters(class_name: str, config: Mapping[str, Any]) -> tuple[str, ...]:
    if class_name in _GATES and config.get("consume_less") != "gpu":
        return tuple(f"{kind}_{gate}" for gate in _GATES[class_name] for kind in "WUb")
    if class_name in _PARAMETERS:
        return _PARAMETERS[class_name]
    if class_name in _WITH_A_BIAS:
        names = _WITH_A_BIAS[class_name]
        return names if config.get("bias", True) else tuple(name for name in names if not name.startswith("b"))
    return ()


_PARAMETERS = {
    **dict.fromkeys(("LSTM", "GRU", "SimpleRNN"), ("W", "U", "b")),
    "BatchNormalization": ("gamma", "beta", "running_mean", "running_std"),
    "Embedding": ("W",),
    "PReLU": ("alphas",),
    "ParametricSoftplus": ("alphas", "betas"),
    "SReLU": ("t_left", "a_left", "t_right", "a_right"),
    "TimeDistributedDense": ("W", "b"),
}

_WITH_A_BIAS = {
    **dict.fromkeys(
        ("Dense", "TimeDistributedDense", "MaxoutDense", "Convolution1D", "AtrousConvolution1D", "Convolution2D",
         "AtrousConvolution2D", "Deconvolution2D", "Convolution3D", "LocallyConnected1D", "LocallyConnected2D"), ("W", "b")
    ),
    "SeparableConvolution2D": ("depthwise_kernel", "pointwise_kernel", "b"),
    "Highway": ("W", "W_carry", "b", "b_carry"),
}  # fmt: skip

_NAMES = {
    "W": "kernel", "U": "recurrent_kernel", "b": "bias", "W_carry": "carry_kernel", "b_carry": "carry_bias",
    "running_mean": "moving_mean", "running_std": "moving_variance", "alphas": "alpha", "betas": "beta",
}  # fmt: skip

_CONVOLUTIONS = ("Convolution1D", "AtrousConvolution1D", "Convolution2D", "AtrousConvolution2D", "Deconvolution2D",
                 "Convolution3D", "SeparableConvolution2D", "ConvLSTM2D")  # fmt: skip

_OF_THEANO = {"Convolution1D", "AtrousConvolution1D", "Convolution2D", "AtrousConvolution2D", "Convolution3D"}
"""Layers whose padding "same" is another one on Theano; and pooling."""


def _converted(leaf: Leaf, theano: bool) -> Arrays:
    kind, arrays = leaf.class_name, leaf.arrays
    if kind in _CONVOLUTIONS:
        arrays = {
            name: array if name.startswith("b") else _kernel(leaf, array, theano) for name, array in arrays.items()
        }
    if kind in _GATES and len(arrays) > 3:
        arrays = {
            part: np.concatenate([arrays[f"{part}_{gate}"] for gate in _GATES_NOW[kind]], axis=-1) for part in "WUb"
        }
    if kind in ("PReLU", "SReLU", "ParametricSoftplus"):
        shape = next(iter(arrays.values())).shape
        leaf.node["config"]["shared_axes"] = [axis + 1 for axis, size in enumerate(shape) if size == 1]
    if kind == "BatchNormalization" and leaf.config.get("mode", 0) == 1:
        arrays = {name: arrays[name] for name in ("gamma", "beta")}  # the averages aren't used
    if kind == "Embedding":
        return {"embeddings": arrays["W"]}
    return {_NAMES.get(name, name): array for name, array in arrays.items()}


def _kernel(leaf: Leaf, array: np.ndarray, theano: bool) -> np.ndarray:
    """Return a kernel with its axes of space first, then the channels of the input, then those of the output."""
    if leaf.class_name.endswith("1D"):
        length = leaf.config["filter_length"]
        if array.shape[:2] != (length, 1) or array.shape[3] != leaf.config["nb_filter"]:  # before Keras 1.2
            array = array.transpose(2, 3, 1, 0)
        array = array[:, 0]
    elif leaf.config.get("dim_ordering") == "th":
        array = np.moveaxis(array, (0, 1), (-1, -2))
    if theano:
        array = np.flip(array, axis=tuple(range(array.ndim - 2)))
    return array.swapaxes(-1, -2) if leaf.class_name == "Deconvolution2D" else array


def write_weights(stored: Stored, tree: tuple[str, Any], unnamed: Sequence[str], path: Path) -> list[str]:
    """Write the weights of a model as Keras has them today.

    Parameters
    ----------
    stored : Stored
        The file of Keras 1.
    tree : (str, list)
        The model, and what it consists of.
    unnamed : sequence of str
        The names of models in it of which the description doesn't say the name in the file.
    path : Path
        The file to write.

    Returns
    -------
    list of str
        What was done to them.

    Raises
    ------
    ValueError
        If an array is missing, or none of the layers takes it.
    """
    with h5py.File(stored.file, "r") as file:
        theano = _distribute(file.get("model_weights", file), tree, unnamed)
    flipped = 0
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name, _ in tree[1]]
        for name, part in tree[1]:
            _write(group.create_group(name), list(_leaves(part)), theano)
        if theano:
            for leaf in _leaves(tree[1]):
                for part in leaf.inner or [leaf]:
                    flipped += part.class_name in _CONVOLUTIONS
                    _as_theano(part)
    return [f"{flipped} kernels that Theano flipped"] if flipped else []


def _as_theano(leaf: Leaf) -> None:
    """Take the layer that computes as on Theano, where that is something else."""
    pads = leaf.class_name.startswith(("MaxPooling", "AveragePooling")) or leaf.class_name in _OF_THEANO
    if leaf.class_name == "SReLU" or (pads and leaf.config.get("border_mode") == "same"):
        leaf.node["class_name"] += "OfTheano"


def _leaves(part: Any) -> Iterator[Leaf]:
    if isinstance(part, Leaf):
        yield part
    else:
        for _, entry in part:
            yield from _leaves(entry)


def _parts(tree: tuple[str, Any]) -> Iterator[tuple[str, Any]]:
    yield tree
    if isinstance(tree[1], list):
        for entry in tree[1]:
            yield from _parts(entry)


def _distribute(group: Any, tree: tuple[str, Any], unnamed: Sequence[str]) -> bool:
    """Give each layer its arrays, and return whether they are Theano's: TensorFlow ends names by ``:0``."""
    found, names_of_all = dict(_parts(tree)), []
    left = iter([(name, part) for name, part in tree[1] if name in unnamed])
    for name in _texts(group.attrs["layer_names"]):
        names = _texts(group[name].attrs["weight_names"])
        names_of_all += names
        part = found[name] if name in found else next(left, ("", None))[1]
        if not names:
            continue
        if part is None:
            raise ValueError(f"it holds weights of a layer {name!r} that isn't described")
        leaves = list(_leaves(part))
        slots = [(leaf, key) for leaf in leaves for key in leaf.parameters]
        slots.sort(key=lambda slot: not slot[0].is_trained(slot[1]))  # it is stable
        if len(slots) != len(names):
            raise ValueError(f"layer {name!r} has {len(names)} arrays of weights, and by its description {len(slots)}")
        for (leaf, key), place in zip(slots, names, strict=True):
            leaf.arrays[key] = np.asarray(group[name][place])
    return bool(names_of_all) and not any(name.endswith(":0") for name in names_of_all)


def _texts(values: Sequence[Any]) -> list[str]:
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]


def _write(group: Any, leaves: list[Leaf], theano: bool) -> None:
    slots = []
    for leaf in leaves:
        trained = leaf.config.get("trainable", True) is not False
        for name, array in (leaf.converted(theano) if leaf.arrays else {}).items():
            slots.append(
                (not trained or name.endswith(("moving_mean", "moving_variance")), f"{leaf.name}/{name}", array)
            )
    slots.sort(key=lambda slot: slot[0])
    group.attrs["weight_names"] = [name.encode() for _, name, _ in slots]
    for _, name, array in slots:
        group.create_dataset(name, data=array)
