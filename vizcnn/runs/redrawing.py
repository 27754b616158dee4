"""An image of a run, explained once more."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from vizcnn.adapter import ModelAdapter, adapt, adapt_alone, adapt_weakly, as_adapter, is_keras_model
from vizcnn.adapter.settings import FILE_NAME
from vizcnn.errors import ModelFileError, ResultError, UnsupportedModelError, VizcnnError
from vizcnn.plugins import registry
from vizcnn.runs.adapting import arguments_of, check_found, known_of, says_all
from vizcnn.runs.images import as_given
from vizcnn.runs.manifest import Manifest, digest_of_files
from vizcnn.runs.open_source import reopened
from vizcnn.runs.source import entries_of, entry_of
from vizcnn.targets.classes import Class, Region
from vizcnn.targets.default import default_target
from vizcnn.targets.typed import read_target

if TYPE_CHECKING:
    from vizcnn.inputs import ImageSet
    from vizcnn.results import Attributions


def redrawn(about: Mapping[str, Any], method: str, row: Mapping[str, Any], model: Any) -> Attributions:
    """Explain an image as a run did.

    Parameters
    ----------
    about : mapping
        The manifest of the run.
    method : str
        The method.
    row : mapping
        What the run says of the image.
    model : path, keras.Model or ModelAdapter
        The model; None: the file that the run had.

    Returns
    -------
    Attributions

    Raises
    ------
    ResultError
        If the image couldn't be explained, isn't what it was, or the model isn't there.
    """
    if row["error"] is not None:
        raise ResultError(f"Image {row['path']!r} couldn't be read: {row['error']}")
    adapter = model_of(about, model)
    images = loaded(about, [row], adapter)
    plugin, _ = registry.parse(method)
    options = about["settings"]["methods"][method]
    explained: Attributions = plugin.function(adapter, images, target_of(asked_of(about, adapter), row), **options)
    return explained


def image_of(about: Mapping[str, Any], row: Mapping[str, Any]) -> Any:
    """Return an image of a run: what its source holds still, if that is what it was.

    Returns
    -------
    file or ndarray

    Raises
    ------
    ResultError
        If it isn't.
    """
    return images_of(about, [row])[0]


def images_of(about: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return images of a run, as `image_of` does each; an archive is gone through once for all.

    Returns
    -------
    list of file or ndarray
    """
    source = SourceAgain(about, [row["path"] for row in rows])
    return [as_given(source.read(row), row["path"]) for row in rows]


class SourceAgain:
    """What the source of a run holds still; an archive is gone through once.

    Parameters
    ----------
    about : mapping
        The manifest of the run.
    paths : collection of str
        The images that will be asked for.

    Raises
    ------
    InputError
        If it can't be opened again.
    """

    def __init__(self, about: Mapping[str, Any], paths: Collection[str]) -> None:
        self._source = reopened(about["source"])
        self._entries = entries_of(self._source, paths) if self._source.in_order else {}

    def read(self, row: Mapping[str, Any]) -> bytes | np.ndarray:
        """Return an image's file, or the image, if that is what it was.

        Parameters
        ----------
        row : mapping
            What the run says of the image.

        Returns
        -------
        bytes or ndarray

        Raises
        ------
        ResultError
            If it isn't.
        """
        data = self._source.read(self._entries.get(row["path"], entry_of(row["path"])))
        if isinstance(data, bytes) and hashlib.sha256(data).hexdigest() != row["sha256"]:
            raise ResultError(
                f"Image {row['path']!r} isn't what it was when the run was made: its file has another hash."
            )
        return data


def loaded(about: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], model: ModelAdapter) -> ImageSet:
    """Return images of a run as its model takes them, as `images_of` finds them.

    Returns
    -------
    ImageSet
    """
    return model.load_images(images_of(about, rows), tuple(about["settings"]["input_shape"]))


def model_of(about: Mapping[str, Any], model: Any, given: Mapping[str, Any] | None = None) -> ModelAdapter:
    """Return the adapter of a run's model, adapted as the run had it.

    ``vizcnn.toml`` beside it is asked for what the manifest can't give back, or, of an older run, doesn't say. The weights of a
    model that is given for a file are compared where the manifest says them and they can be read.

    Parameters
    ----------
    about : mapping
        The manifest of the run.
    model : path, keras.Model or ModelAdapter
        The model; None: the file that the run had.
    given : mapping, default None
        Arguments of `vizcnn.adapt` that hold in place of what the run says, and beside it.

    Returns
    -------
    ModelAdapter

    Raises
    ------
    ResultError
        If it isn't given, and was no file, or one that is gone; if it isn't what it was, or was adapted in another way; or if
        its manifest doesn't say all that it was adapted by.
    """
    known, settings, given = about["model"], about["settings"], given or {}
    file = known.get("file")
    if model is None:
        if file is None or not Path(file).exists():
            raise ResultError(f"The model of the run, {known['name']!r}, isn't there. Give it: `model`.")
        model = file
    adapter = model if isinstance(model, ModelAdapter) else _as_the_run_had_it(about, model, given)
    adapter.prepare(tuple(settings["input_shape"]))
    is_object = not isinstance(model, str | os.PathLike)  # of a file the hash was compared
    now = known_of(adapter, is_file=file is not None, with_weights=is_object)
    del now["versions"], now["model"]["name"]  # it may be another machine, and a function has more than one name
    now["settings"] = {name: said for name, said in now["settings"].items() if name not in given}
    if "labels" in given:
        del now["classes"]
    other = Manifest(dict(about)).difference(now)
    if other is not None:
        raise ResultError(f"`model` must be that of the run; it has another {other}. Give the one it was.")
    return adapter


def _as_the_run_had_it(about: Mapping[str, Any], model: Any, given: Mapping[str, Any]) -> ModelAdapter:
    classes = [] if "labels" in given else about["classes"]
    said = json.dumps([{**about["settings"], **dict.fromkeys(given)}, classes], sort_keys=True)
    if not isinstance(model, str | os.PathLike):
        if is_keras_model(model) and not given:
            return _of_network(model, said)
        return _adapted(as_adapter, adapt, model, said, given)
    if not Path(model).exists():
        return as_adapter(model)  # which says so
    return _of_path(os.path.abspath(model), about["model"], said, given)


def _of_network(model: Any, said: str) -> ModelAdapter:
    """Return the adapter of a Keras model as a run had it; the last one is kept as long as the model is."""
    known, adapter = _of_networks.get(model, (None, None))
    if adapter is None or known != said:
        adapter = _adapted(as_adapter, adapt_weakly, model, said, {})
        _of_networks[model] = said, adapter
    return adapter


_of_networks: WeakKeyDictionary[Any, tuple[str, ModelAdapter]] = WeakKeyDictionary()
"""Models to what a run says of how they were adapted, and their adapters so, with what is compiled for them."""


def _of_path(path: str, known: Mapping[str, Any], said: str, given: Mapping[str, Any]) -> ModelAdapter:
    digest = digest_of_files(Path(path))
    if known.get("file") is not None and known.get("sha256") not in (None, digest):
        file = "its file" if path == os.path.abspath(known["file"]) else repr(path)
        raise ResultError(
            f"The model of the run, {known['file']!r}, isn't what it was: {file} has another hash. Give the one it was: `model`."
        )
    settings = Path(path).parent / FILE_NAME
    beside = digest_of_files(settings) if settings.exists() else None
    return _of_file(path, beside, said, given) if given else _kept(path, digest, beside, said)


@lru_cache(maxsize=2)
def _kept(path: str, digest: str, beside: str | None, said: str) -> ModelAdapter:
    """Return the adapter of a file as a run had it; the last ones are kept, with what is compiled for them."""
    del digest  # another one for another file of this name
    return _of_file(path, beside, said, {})


def _of_file(path: str, beside: str | None, said: str, given: Mapping[str, Any]) -> ModelAdapter:
    by = adapt_alone if says_all(json.loads(said)[0]) else adapt
    try:
        return _adapted(as_adapter if beside is None or by is adapt else by, by, path, said, given)
    except (ModelFileError, UnsupportedModelError) as error:
        raise ResultError(
            f"The model of the run can't be opened by what its manifest says: {error} If the run had more, give the model with "
            f"it, which takes Python: `model=vizcnn.adapt(...)`."
        ) from error


def _adapted(
    bare: Callable[[Any], ModelAdapter],
    by: Callable[..., ModelAdapter],
    model: Any,
    said: str,
    given: Mapping[str, Any],
) -> ModelAdapter:
    """Adapt a model as the settings and classes of a run say it, and by what is given; by itself where both say nothing."""
    settings, classes = json.loads(said)
    arguments = {**arguments_of(settings), **given}
    try:
        adapter = by(model, **arguments) if arguments else bare(model)
        adapter.prepare(tuple(settings["input_shape"]))
        if classes and list(adapter.head(adapter.output_name(None)).names) != classes:
            adapter = by(model, labels=classes, **arguments)
    except VizcnnError:
        check_found(settings, None)
        raise
    check_found(settings, adapter)
    return adapter


def asked_of(about: Mapping[str, Any], model: ModelAdapter) -> Any:
    """Return what a run was to explain, as a target.

    Returns
    -------
    any target

    Raises
    ------
    ResultError, TargetError
        If its manifest doesn't say, or the model has no such thing.
    """
    target = about["settings"]["target"]
    if isinstance(target, Mapping) and isinstance(target.get("object"), str):
        raise ResultError(f"What the run explained, {target['object']}, can't be read from its manifest.")
    if target is not None and not isinstance(target, str):
        return target
    model.prepare(tuple(about["settings"]["input_shape"]))
    if target is not None:
        read = read_target(target, model)
        for path, digest in (about["settings"].get("target_files") or {}).items():
            if not Path(path).exists() or digest_of_files(Path(path)) != digest:
                raise ResultError(
                    f"What the run explained, {target!r}, isn't what it was: {path!r} is gone, or was changed."
                )
        return read
    default = default_target(model)
    return None if default == Class() else default


def target_of(asked: Any, row: Mapping[str, Any]) -> Any:
    """Return what was explained of an image: what `asked_of` returned, and of a class the one that its row names.

    Returns
    -------
    any target
    """
    if row["target_class"] is None or row["target_class"] != row["target_class"]:
        return asked
    index = int(row["target_class"])
    if isinstance(asked, Class | Region):
        return replace(asked, index=index)
    return dict.fromkeys(asked, index) if isinstance(asked, Mapping) else index
