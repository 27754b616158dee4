"""Weights alone, into the model that a function of the user's makes: a `builder`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vizcnn.adapter.loading.contents import WEIGHTS
from vizcnn.adapter.loading.fit import check_weights
from vizcnn.adapter.loading.hdf5 import inspect_hdf5
from vizcnn.adapter.loading.stored import Stored
from vizcnn.adapter.loading.weight_order import weights_by_name
from vizcnn.errors import ModelFileError, OptionError


def load_into(file: Path, kind: str, builder: Callable[[], Any] | Any) -> tuple[Any, str]:
    """Load the weights of a file into a model.

    Parameters
    ----------
    file : Path
        The file: weights alone, or a whole model, whose description isn't read.
    kind : {"keras", "hdf5"}
        What it is.
    builder : callable or keras.Model
        Makes the model, without arguments; or the model itself, which gets the weights.

    Returns
    -------
    (keras.Model, str)
        The model, and what it was made of.

    Raises
    ------
    OptionError
        If `builder` makes no model that has its weights.
    ModelFileError
        If the file is damaged, or an array in it has no place in the model, or a weight of the model isn't in it.
    """
    inside = inspect_hdf5(file, WEIGHTS if kind == "keras" else None)
    model = _built(builder)
    stored = Stored(file, {}, kind, inside.version, size=inside.size)
    by_order = "layer_names" in inside.names or "model_weights" in inside.groups
    suffix = ".keras" if kind == "keras" else ".h5" if by_order else ".weights.h5"
    with tempfile.TemporaryDirectory() as folder, weights_by_name():
        link = Path(folder) / f"named{suffix}"
        link.symlink_to(file.resolve())
        try:
            model.load_weights(link)
        except Exception as error:  # Keras raises what its layers raise, which is anything
            reason = " ".join(str(error).split())[:300]
            raise ModelFileError(
                f"`model` file {str(file)!r} can't be loaded: its weights don't fit the model that `builder` makes: {reason}"
            ) from error
    check_weights(model, stored)
    name = getattr(builder, "__name__", type(builder).__name__)
    return model, f"weights of {'a .keras archive' if kind == 'keras' else 'an HDF5 file'}, in the model of {name!r}"


def _built(builder: Any) -> Any:
    import keras

    if isinstance(builder, keras.Model):
        model = builder
    elif callable(builder):
        try:
            model = builder()
        except Exception as error:
            raise OptionError(f"`builder` must make a model; it failed: {type(error).__name__}: {error}") from error
    else:
        raise OptionError(f"`builder` must be a function that makes a model, or a model; got {builder!r}.")
    if not isinstance(model, keras.Model):
        raise OptionError(
            f"`builder` must make a Keras model; it returned {type(model).__module__}.{type(model).__qualname__}."
        )
    if not model.built or not model.weights:
        raise OptionError(
            f"`builder` must make a model that has its weights; {model.name!r} has none yet. Call it once on a batch in the "
            f"builder, or give it an Input."
        )
    return model
