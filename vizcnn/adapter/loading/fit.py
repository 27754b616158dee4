"""Whether a model and the weights of its file fit: each array has its place, and each layer the inputs of its weights."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from vizcnn.adapter.loading.nodes import nodes
from vizcnn.adapter.loading.stored import Stored
from vizcnn.errors import ModelFileError


def check_fit(model: Any, stored: Stored, repairs: tuple[str, ...]) -> None:
    """Refuse a model that its weights don't fit.

    Keras makes sure that a whole file fits itself; of a description that was repaired, or that comes from another file, each
    array is compared.

    Parameters
    ----------
    model : keras.Model
        The model.
    stored : Stored
        What it was made of.
    repairs : tuple of str
        What was repaired in its description.

    Raises
    ------
    ModelFileError
        If an array of the file has no place in the model, a weight isn't from the file, or a layer is described as having other
        inputs than its weights are for.
    """
    why = next(_other_inputs(model), None)
    if why is None and (repairs or stored.architecture is not None):
        why = _other_weights(model, stored) or _other_places(model, stored)
    if why is not None:
        after = f"after repairs ({', '.join(repairs)}) " if repairs else ""
        raise ModelFileError(f"`model` file {stored.label!r} can't be loaded: {after}its weights don't fit, {why}.")


def check_weights(model: Any, stored: Stored) -> None:
    """Refuse a model whose weights aren't those of a file, all of them and no others.

    Parameters
    ----------
    model : keras.Model
        The model.
    stored : Stored
        The file.

    Raises
    ------
    ModelFileError
        If an array of the file has no place in the model, or a weight isn't from the file.
    """
    why = _other_weights(model, stored)
    if why is not None:
        raise ModelFileError(f"`model` file {stored.label!r} can't be loaded: its weights don't fit, {why}.")


def check_vocabularies(stored: Stored) -> None:
    """Refuse a model with a layer whose vocabulary isn't in the file.

    Parameters
    ----------
    stored : Stored
        The file.

    Raises
    ------
    ModelFileError
        If the vocabulary was found by `adapt`, which HDF5 files and files of weights alone don't keep.
    """
    kept = any(name.endswith(".txt") for name in stored.assets)
    for node in nodes(stored.config):
        config = node.value["config"]
        if kept or node.class_name not in _WITH_A_VOCABULARY or not isinstance(config, dict):
            continue
        if config.get("vocabulary") is None:
            raise ModelFileError(
                f"`model` file {stored.label!r} can't be loaded: layer {config.get('name')!r} has a vocabulary that it "
                f"learned by `adapt`, and the file doesn't hold it. Save the model as .keras."
            )


_WITH_A_VOCABULARY = ("IntegerLookup", "StringLookup", "TextVectorization")


def _other_weights(model: Any, stored: Stored) -> str | None:
    """Say which weights of the model aren't those of the file, all of them and no others."""
    in_file: Counter[tuple[Any, ...]] = Counter()
    paths: dict[tuple[Any, ...], str] = {}
    for path, array in stored.arrays():
        if _is_weight(array):
            in_file[_fingerprint(array)] += 1
            paths.setdefault(_fingerprint(array), f"{path} {array.shape}")
    in_model: Counter[tuple[Any, ...]] = Counter()
    for weight in model.weights:
        array = _array(weight)
        if _is_weight(array):
            in_model[_fingerprint(array)] += 1
            paths.setdefault(_fingerprint(array), f"{weight.path} {tuple(weight.shape)}")
    surplus = [paths[key] for key in in_file if key not in in_model]
    unset = [paths[key] for key, count in in_model.items() if count > in_file[key]]
    if not surplus and not unset:
        return None
    first = f"{surplus[0]!r} of the file has no place in the model" if surplus else f"{unset[0]!r} is not from the file"
    return f"{len(surplus)} of {len(in_file)} arrays are left over and {len(unset)} of the model's not set; {first}"


def _other_places(model: Any, stored: Stored) -> str | None:
    """Say which layer has weights that an HDF5 file lists under another one's name."""
    layers = {layer.name: layer for layer in model.layers}
    for name, arrays in stored.arrays_by_layer() if stored.form == "hdf5" else ():
        if name in layers and arrays and _fingerprints(arrays) != _fingerprints(map(_array, layers[name].weights)):
            return f"layer {name!r} has other weights than the file lists for it"
    return None


def _fingerprints(arrays: Iterable[np.ndarray]) -> Counter[tuple[Any, ...]]:
    return Counter(_fingerprint(array) for array in arrays if _is_weight(array))


def _array(weight: Any) -> np.ndarray:
    import keras

    return np.asarray(keras.ops.convert_to_numpy(weight.value if hasattr(weight, "value") else weight))


def _other_inputs(model: Any) -> Iterator[str]:
    """Say which layers take inputs of a size that the description leaves open, or gives as another."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _other_inputs(layer)
            continue
        try:
            tensors = keras.tree.flatten(layer.input)
        except (AttributeError, ValueError):  # it has none of its own, or several
            continue
        specs = [spec for spec in keras.tree.flatten(layer.input_spec) if spec is not None]
        for spec, tensor in zip(specs, tensors, strict=False):
            shape = tuple(tensor.shape)
            for axis, size in (spec.axes or {}).items():
                if size is not None and abs(int(axis)) <= len(shape) and shape[int(axis)] != size:
                    yield f"layer {layer.name!r} takes {size} on axis {axis} of inputs that are described as {shape}"


def _is_weight(array: np.ndarray) -> bool:
    """Tell weights from a count of steps or of samples."""
    return array.size > 1 or array.dtype.kind == "f"


def _fingerprint(array: np.ndarray) -> tuple[Any, ...]:
    plain = np.ascontiguousarray(array, dtype=np.float32)
    return plain.shape, hashlib.blake2b(plain.data if plain.size else b"").digest()
