"""A path to a model, or an error that says what is wrong with that file. What a file holds decides, not its name."""

from __future__ import annotations

import copy
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vizcnn.adapter.loading import functions
from vizcnn.adapter.loading.applications import download, load_application
from vizcnn.adapter.loading.building import limited_weights
from vizcnn.adapter.loading.contents import kind_of
from vizcnn.adapter.loading.description import check, strip_compile_config
from vizcnn.adapter.loading.earlier import rewritten
from vizcnn.adapter.loading.fit import check_fit, check_vocabularies
from vizcnn.adapter.loading.lambdas import read_lambdas
from vizcnn.adapter.loading.locating import locate
from vizcnn.adapter.loading.nodes import nodes
from vizcnn.adapter.loading.operators import makers
from vizcnn.adapter.loading.repairs import repaired
from vizcnn.adapter.loading.stored import Stored, read_stored
from vizcnn.adapter.loading.tfjs import read_tfjs
from vizcnn.adapter.loading.training_only import without_strangers
from vizcnn.adapter.loading.weight_order import weights_by_name
from vizcnn.errors import ModelFileError

__all__ = ["Loaded", "download", "kind_of", "load_application", "load_model"]


KERAS_KINDS = ("keras", "hdf5", "tfjs")
"""Kinds of files that become Keras models."""


@dataclass(frozen=True)
class Loaded:
    """A model from a file.

    Attributes
    ----------
    model : keras.Model
        The model.
    kind : str
        What the file is: "keras", "hdf5" or "tfjs".
    version : str or None
        The Keras that wrote it.
    repairs : tuple of str
        What had to be repaired in its description; () where it was read as it is.
    loss : default None
        What it was trained by, as Keras serializes it, where the file says so.
    notes : tuple of str, default ()
        What the readers of its pictures should know of how it was read.
    """

    model: Any
    kind: str
    version: str | None
    repairs: tuple[str, ...]
    loss: Any = None
    notes: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """What the file is, and who wrote it."""
        if self.kind == "tfjs":
            return f"a TensorFlow.js model{f', made by Keras {self.version}' if self.version else ''}"
        form = {"keras": "a .keras archive", "hdf5": "an HDF5 file"}[self.kind]
        return f"{form}, written by {f'Keras {self.version}' if self.version else 'a Keras before 2.0'}"


def load_model(
    path: str | os.PathLike[str],
    *,
    custom_objects: Mapping[str, Any] | None = None,
    trusted: bool = False,
    architecture: str | os.PathLike[str] | None = None,
) -> Loaded:
    """Load a Keras model, whatever version of Keras wrote it.

    Where this Keras doesn't understand a description, it is repaired, and the model is proved: each array of weights that the
    file holds has its place in the model, and each weight of the model comes from the file.

    Parameters
    ----------
    path : path
        A ``.keras`` file or an HDF5 file, under any name; or the folder or the model.json of a TensorFlow.js layers model.
    custom_objects : mapping, default None
        Names to classes or functions of the model's own.
    trusted : bool, default False
        Run Python code that is stored in the file.
    architecture : path, default None
        The JSON file that describes the model, for a file of weights alone. None: one of the same name beside it.

    Returns
    -------
    Loaded

    Raises
    ------
    ModelFileError
        If it can't be read as a model; the text says why and what to do.
    """
    file = Path(path)
    kind = kind_of(file)
    if kind not in KERAS_KINDS:
        raise ModelFileError(f"`model` {str(file)!r} is a model of another framework ({kind}); vizcnn.adapt runs it.")
    try:
        with tempfile.TemporaryDirectory() as folder:
            described = None if architecture is None else Path(architecture)
            stored = read_tfjs(file, Path(folder)) if kind == "tfjs" else read_stored(file, kind, described)
            return _load(stored, kind, Path(folder), custom_objects, trusted=trusted)
    except ModelFileError:
        raise
    except RecursionError as error:
        raise ModelFileError(
            f"`model` file {str(file)!r} can't be loaded: its description is nested too deeply."
        ) from error
    except MemoryError as error:
        raise ModelFileError(
            f"`model` file {str(file)!r} can't be loaded: it requires more memory than there is."
        ) from error
    except Exception as error:  # zipfile and h5py raise any kind for a file that is damaged
        reason = _first_line(str(error)) or type(error).__name__
        raise ModelFileError(f"`model` file {str(file)!r} can't be loaded: it is damaged ({reason}).") from error


def _load(
    stored: Stored, kind: str, folder: Path, custom_objects: Mapping[str, Any] | None, *, trusted: bool
) -> Loaded:
    objects = dict(custom_objects or {})
    stored, rewrites = rewritten(stored, folder)
    return _build(stored, kind, rewrites, objects, folder, trusted=trusted)


def _build(
    stored: Stored, kind: str, rewrites: tuple[str, ...], objects: dict[str, Any], folder: Path, *, trusted: bool
) -> Loaded:
    stripped = strip_compile_config(stored.config)
    known = {*objects, *_registered()}
    config = copy.deepcopy(stored.config)
    repairs = rewrites + without_strangers(config, known)
    lambdas = [] if trusted else list(read_lambdas(config, stored.version, objects))
    check(config, known, stored.label, trusted=trusted, lambdas=lambdas)
    check_vocabularies(stored)
    repairs += tuple(one.replace() for one in lambdas)
    draws = tuple(note for one in lambdas for note in one.notes)
    repairs += repaired(config, stored.version, needed=False, known=objects)
    repairs += locate(config, stored.form, objects)
    operations = makers(nodes(config))
    if not repairs:
        try:
            whole = stored.write(folder, stored.config) if stripped else _named(stored, folder)
            with limited_weights(stored.size):
                model = _keras_loads(whole, {**operations, **objects}, trusted=trusted)
        except Exception as error:  # Keras raises what its layers' constructors raise, which is anything
            if isinstance(error, MemoryError):
                raise
            first = error
        else:
            check_fit(model, stored, ())
            return Loaded(model, kind, stored.version, (), stored.loss)
    else:
        first = None
    repairs += repaired(config, stored.version, known=objects)
    if first is not None and not repairs:
        raise ModelFileError(f"`model` file {stored.label!r} can't be loaded: {_reason(first)}") from first
    try:
        whole = stored.write(folder, config)
        with limited_weights(stored.size):
            model = _keras_loads(whole, {**functions.custom_objects(), **operations, **objects}, trusted=trusted)
    except Exception as error:
        raise ModelFileError(
            f"`model` file {stored.label!r} can't be loaded, even after repairs ({', '.join(repairs)}): {_reason(error)}"
        ) from error
    check_fit(model, stored, repairs)
    return Loaded(model, kind, stored.version, repairs, stored.loss, draws)


def _named(stored: Stored, folder: Path) -> Path:
    """Return the file under a name by which Keras knows what it is."""
    if stored.architecture is not None:
        return stored.write(folder, stored.config)
    suffix = ".keras" if stored.form == "keras" else ".h5"
    if stored.file.suffix == suffix:
        return stored.file
    link = folder / f"named{suffix}"
    link.symlink_to(stored.file.resolve())
    return link


def _keras_loads(file: Path, objects: Mapping[str, Any], *, trusted: bool) -> Any:
    import keras

    from vizcnn.adapter.keras.state import finalize

    # In scope, too: layers that make copies of what they wrap don't hand custom_objects on.
    with weights_by_name(), keras.saving.custom_object_scope(dict(objects)):
        model = keras.saving.load_model(file, custom_objects=dict(objects), compile=False, safe_mode=not trusted)
    finalize(model)
    return model


def _registered() -> set[str]:
    import keras

    return set(keras.saving.get_custom_objects())


def _reason(error: Exception) -> str:
    text = str(error).strip()
    if isinstance(error, OSError):
        return f"it is damaged or truncated ({_first_line(text)})."
    cause = text.rpartition("Exception encountered: ")[2]  # Keras wraps it in as many layers as the model has
    cause = _WRAPPED.sub(r"\1", cause.rpartition("Error encountered:")[2].strip())
    return f"Keras says {type(error).__name__}: {_first_line(cause)}."


_WRAPPED = re.compile(r"^Exception encountered when calling .*?\n\n\x1b\[1m(.*?)\x1b\[0m.*", re.DOTALL)


def _first_line(text: str) -> str:
    line = re.split(r"\n|\. ", text.strip())[0] if text else "nothing more"
    return line[:200].rstrip(".")
