"""The one door to a model: everything else in vizcnn asks a `ModelAdapter` and gets NumPy arrays back."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vizcnn.adapter.attention import Attentions
from vizcnn.adapter.base import BiasTerms, FullGradients, Gradients, ModelAdapter
from vizcnn.adapter.layers import LAST_SPATIAL, LayerInfo
from vizcnn.adapter.predictions import Prediction
from vizcnn.adapter.recent import RecentAdapters
from vizcnn.aliases import old_keyword
from vizcnn.errors import OptionError, UnsupportedModelError

if TYPE_CHECKING:
    from vizcnn.adapter.keras import KerasAdapter
    from vizcnn.adapter.loading.packed import Opened
    from vizcnn.inputs import Decoding

__all__ = [
    "LAST_SPATIAL",
    "Attentions",
    "BiasTerms",
    "FullGradients",
    "Gradients",
    "KerasAdapter",
    "LayerInfo",
    "ModelAdapter",
    "Prediction",
    "adapt",
    "as_adapter",
]


def adapt(
    model: Any,
    *,
    preprocess: Any = None,
    labels: Any = None,
    batch_size: int | None = None,
    image_size: tuple[int, int] | None = None,
    decoding: Decoding | None = None,
    num_runs: int | None = None,
    custom_objects: Mapping[str, Any] | None = None,
    safe_mode: bool = True,
    trusted: bool = False,
    architecture: str | os.PathLike[str] | None = None,
    builder: Any = None,
    input_shape: Sequence[int | None] | None = None,
    fixed_inputs: Mapping[str | int, Any] | None = None,
    token_grid: tuple[int, int] | None = None,
    input_layer: Any = None,
    fixed: Mapping[str | int, Any] | None = None,
) -> ModelAdapter:
    """Adapt a model, so that every method of vizcnn can look into it.

    Adapting is optional (each method takes a bare model or a path too) but it is where preprocessing and labels are said
    once, and what was compiled for a model lives as long as its adapter.

    Parameters
    ----------
    model : keras.Model, path, function, or ModelAdapter
        The trained model, or the file that holds it: ``.keras`` or HDF5, a TensorFlow.js layers model (its folder or model.json),
        or a zip archive of one of them, whose file of labels is read too. The folder of a TensorFlow SavedModel is looked into
        by its operations. A TensorFlow Lite or an ONNX file, or any function from a batch of inputs (N, H, W, C) to predictions,
        is a black box: methods that need only scores work on it. An adapter is returned as it is. Of a file, what ``vizcnn.toml``
        beside it says is used for the arguments that are left out, and a note says so.
    preprocess : vizcnn.Preprocess, callable or str, default None
        What happens to pictures before the model sees them. A function turns one image's pixels (H, W, C), float32 in 0..255,
        into the model's input of the same shape; a Keras layer does too. Text is the short form of `vizcnn.Preprocess`, such as
        "crop 256, bgr, / 127.5 - 1", a scaling ("0..1", "-1..1", "imagenet", "none"), or a module of `keras.applications`
        ("mobilenet", "resnet50", ...). None: pictures are stretched to the model's size, and pixels go in as they are, which is
        right for a model that scales its inputs itself.
    labels : sequence, mapping or path, default None
        The classes' names, by index: a list, a mapping from index to name or from name to index (`class_indices`), or a file
        (one name a line, or JSON).
    batch_size : int, default None
        How many samples go through the model at once. None: picked from the model's size.
    image_size : (int, int), default None
        Height and width that images are brought to where the model leaves them open. None: the first image's own size.
    decoding : vizcnn.inputs.Decoding, default None
        How image files are read, where a file leaves a choice (orientation, transparency, pages). None: as Keras's loaders do.
    num_runs : int, default None
        Over how many runs each answer of a model that draws random numbers (dropout that stays on, noise, sampling) is averaged.
        None: one. A Keras model that draws none runs once in any case; nobody's seeds are changed. Of a black box it is what it
        returns that is averaged, whether it draws any or not.
    custom_objects : mapping, default None
        Names to classes or functions that the file of a model refers to.
    safe_mode : bool, default True
        Refuse the file of a model that holds Python code; False: run that code.
    trusted : bool, default False
        The same by another word: True is `safe_mode=False`.
    architecture : path, default None
        The JSON file that describes the model, where `model` is a file of weights alone. None: one of the same name beside it.
    builder : callable or keras.Model, default None
        Makes the model whose weights `model` is a file of: a function without arguments; or the model itself, which gets them.
        Every array of the file must have its place. Of a file of a whole model only the weights are taken.
    input_shape : tuple of int, default None
        Shape (H, W, C) of an input, where `model` is a function: (T, C) of signals, (D, H, W, C) of volumes. None: that of the
        images.
    fixed_inputs : mapping, default None
        For a model of several inputs: names or positions of all but the one that is explained, to the values that they are held
        at: an array of one sample, or the file of an image.
    token_grid : (int, int), default None
        Rows and columns of patches that a transformer's tokens stand for. None: those of an earlier map, or of square patches.
    input_layer : str or Layer, default None
        The layer whose output is explained in place of the model's input: a spectrogram that the model makes itself, or any map.
        Images are given as the model takes them; results and pictures have the shape of that output, and only layers behind it.
        For Functional and Sequential models. None: the input.
    fixed : mapping, default None
        Old name of `fixed_inputs`.

    Returns
    -------
    ModelAdapter
        A `KerasAdapter` for a Keras model or the file of one, a `vizcnn.adapter.blackbox.BlackBoxAdapter` for the others: that
        of a SavedModel answers for gradients and layers, too.

    Raises
    ------
    ModelFileError
        If the file can't be read as a model.
    UnsupportedModelError
        If `model` is none of these.
    OptionError
        If an argument has another type, or no meaning for a model of that sort.

    Examples
    --------
    >>> import keras, vizcnn as vz
    >>> model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(2)])
    >>> vz.adapt(model, labels=["cat", "dog"]).labels
    ('cat', 'dog')
    """
    adapter: ModelAdapter
    fixed_inputs = old_keyword("fixed", fixed, "fixed_inputs", fixed_inputs)
    runs_code = trusted or not safe_mode
    settings: dict[str, Any] = {
        "preprocess": preprocess,
        "labels": labels,
        "batch_size": batch_size,
        "image_size": image_size,
        "num_runs": num_runs,
        "decoding": decoding,
        "token_grid": token_grid,
    }
    special = {
        "custom_objects": custom_objects,
        "safe_mode": None if safe_mode else False,
        "trusted": trusted or None,
        "architecture": architecture,
        "builder": builder,
        "input_shape": input_shape,
        "fixed_inputs": fixed_inputs or None,
        "input_layer": input_layer,
    }
    if isinstance(model, ModelAdapter):
        _refuse(special, "an adapter")
        if any(value is not None for value in settings.values()):
            raise UnsupportedModelError(
                "`model` is adapted already, and keeps the settings it was adapted with; give `preprocess`, `labels`, "
                "`batch_size`, `image_size`, `num_runs`, `decoding` and `token_grid` to `vizcnn.adapt` together with the bare "
                "model."
            )
        return model
    if isinstance(model, str | os.PathLike):
        from vizcnn.adapter.settings import read_settings

        stored = read_settings(Path(model), trusted=runs_code)
        note = stored.note({**settings, **special})
        settings, special = ({**given, **stored.only(given)} for given in (settings, special))
        adapter = _adapt_path(model, special, settings, trusted=runs_code)
        if note:
            adapter.add_note(note, "settings", quiet=True)
        return adapter
    if _is_function(model):
        _refuse(special, "a function", "input_shape")
        from vizcnn.adapter.blackbox import adapt_function

        return adapt_function(model, input_shape, **settings)
    _check_keras(model)
    _refuse(special, "a Keras model", "fixed_inputs", "input_layer")
    return _adapt_keras(model, special, settings)


def adapt_alone(path: str | os.PathLike[str], **given: Any) -> ModelAdapter:
    """Adapt the model of a file by what is given alone: whatever ``vizcnn.toml`` beside it says isn't asked.

    Parameters
    ----------
    path : path
        The file.
    **given : object
        Arguments of `adapt`.

    Returns
    -------
    ModelAdapter
    """
    settings, special = ({name: given.get(name) for name in names} for names in (_SETTINGS, _MEANT_FOR))
    return _adapt_path(path, special, settings, trusted=bool(given.get("trusted")))


def is_keras_model(model: Any) -> bool:
    """Tell whether this is a model of the Keras that vizcnn uses.

    Returns
    -------
    bool
    """
    return bool(_of_keras().is_keras_model(model))


def adapt_weakly(model: Any, **given: Any) -> ModelAdapter:
    """Adapt a Keras model, which doesn't live on for its adapter: for who keeps adapters by their models.

    Parameters
    ----------
    model : keras.Model
        The model.
    **given : object
        Arguments of `adapt` that have a meaning for it.

    Returns
    -------
    ModelAdapter
    """
    settings, special = ({name: given.get(name) for name in names} for names in (_SETTINGS, _MEANT_FOR))
    return _adapt_keras(model, special, {**settings, "keep_alive": False})


def _adapt_path(
    path: str | os.PathLike[str], special: Mapping[str, Any], settings: dict[str, Any], *, trusted: bool
) -> ModelAdapter:
    from vizcnn.adapter.loading.packed import opened

    with opened(Path(os.fspath(path))) as file:
        settings["name"] = os.path.basename(os.path.normpath(os.fspath(path)))
        if settings["labels"] is None:
            settings["labels"] = file.labels
        return _adapt_file(file, special, settings, trusted=trusted)


def _adapt_keras(model: Any, special: Mapping[str, Any], settings: Mapping[str, Any]) -> ModelAdapter:
    """Adapt a Keras model, or what lies behind a layer of it."""
    of_keras, fixed_inputs, layer = _of_keras(), special["fixed_inputs"], special["input_layer"]
    adapter: ModelAdapter = (
        of_keras.KerasAdapter(model, fixed_inputs=fixed_inputs, **settings)
        if layer is None
        else of_keras.InnerInputAdapter(model, layer, fixed_inputs=fixed_inputs, **settings)
    )
    return adapter


def _adapt_file(file: Opened, special: Mapping[str, Any], settings: dict[str, Any], *, trusted: bool) -> ModelAdapter:
    """Adapt the model of a file, with those of the arguments of `adapt` that have a meaning for it."""
    from vizcnn.adapter.loading import KERAS_KINDS, load_model

    adapter: ModelAdapter
    if special["builder"] is not None and file.kind in ("keras", "hdf5"):
        from vizcnn.adapter.loading.built import load_into

        _refuse(special, "a model that `builder` makes", "builder", "fixed_inputs", "input_layer")
        model, source = load_into(file.path, file.kind, special["builder"])
        adapter = _adapt_keras(model, special, {"source": source, **settings})
    elif file.kind in KERAS_KINDS:
        meant = ("custom_objects", "safe_mode", "trusted", "architecture", "fixed_inputs", "input_layer")
        _refuse(special, "the file of a Keras model", *meant)
        _of_keras()
        loaded = load_model(
            file.path,
            custom_objects=special["custom_objects"],
            trusted=trusted,
            architecture=special["architecture"],
        )
        facts = {"source": loaded.source, "repairs": loaded.repairs, "loss": loaded.loss}
        adapter = _adapt_keras(loaded.model, special, {**facts, **settings})
        for note in loaded.notes:
            adapter.add_note(note, "sampling", quiet=True)
    else:
        from vizcnn.adapter.runtimes import adapt_runtime

        graph = ("fixed_inputs",) if file.kind == "savedmodel" else ()
        _refuse(special, f"the file of {file.kind} that `model` is", "safe_mode", "trusted", *graph)
        if special["fixed_inputs"] is not None:
            settings["fixed_inputs"] = special["fixed_inputs"]
        adapter = adapt_runtime(file.path, file.kind, trusted=trusted, **settings)
    if file.is_packed:
        adapter.source += ", in a zip archive"
    if file.labels is not None and adapter.labels == file.labels:
        adapter.add_note(
            f"The classes' names are those of {file.labels_file!r} beside the model.", "labels", quiet=True
        )
    return adapter


def as_adapter(model: Any) -> ModelAdapter:
    """Return the adapter that a method's `model` means: the same one each time.

    That of a bare Keras model lives as long as the model. Of files the last few are kept, for as long as a file isn't changed.
    """
    if isinstance(model, ModelAdapter):
        return model
    if isinstance(model, str | os.PathLike):
        return _of_files.of(model, adapt)
    if _is_function(model):
        return adapt(model)
    _check_keras(model)
    adapter: ModelAdapter = _of_keras().implicit_adapter(model)
    return adapter


_of_files = RecentAdapters()

_SETTINGS = ("preprocess", "labels", "batch_size", "image_size", "num_runs", "decoding", "token_grid")
"""Arguments of `adapt` that have a meaning for all models."""

_MEANT_FOR = {
    "custom_objects": "the file of a Keras model that refers to classes of its own",
    "safe_mode": "a file",
    "trusted": "a file",
    "builder": "a file of weights, HDF5 or .keras",
    "architecture": "a file that holds the weights of a Keras model alone",
    "input_shape": "a function",
    "fixed_inputs": "a Keras model or a SavedModel of several inputs",
    "input_layer": "a Keras model",
}


def _refuse(arguments: Mapping[str, Any], what: str, *meant: str) -> None:
    """Refuse arguments of `adapt` that would be ignored."""
    for name, value in arguments.items():
        if value is not None and name not in meant:
            raise OptionError(f"`{name}` must be left out for {what}; got {value!r}. It is for {_MEANT_FOR[name]}.")


def _is_function(model: Any) -> bool:
    """Tell whether this is a function, or an object that is called as one; a layer or a class isn't a model."""
    return callable(model) and not isinstance(model, type) and not _of_keras().is_keras_layer(model)


def _of_keras() -> Any:
    """Return `vizcnn.adapter.keras`, with which Keras is imported, and what Keras runs on."""
    try:
        return importlib.import_module("vizcnn.adapter.keras")
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in ("tensorflow", "jax", "torch"):
            raise
        raise UnsupportedModelError(
            f"Keras is set to run on {missing}, which isn't installed: pip install 'vizcnn[{missing}]', or set "
            f"KERAS_BACKEND to one that is (tensorflow, jax, torch) before Keras is imported."
        ) from error


def _check_keras(model: Any) -> None:
    if not is_keras_model(model):
        raise UnsupportedModelError(
            f"`model` must be a Keras 3 model, the path of one, or an adapter; got {type(model).__module__}."
            f"{type(model).__qualname__}. A tf_keras (Keras 2) model has to be saved and opened by its path."
        )


def __getattr__(name: str) -> Any:
    if name == "KerasAdapter":
        return _of_keras().KerasAdapter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
