"""An image of a run, explained once more."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vizcnn.adapter import adapt, as_adapter
from vizcnn.adapter.preprocessing import resolve_preprocess
from vizcnn.errors import OptionError, ResultError
from vizcnn.inputs import Decoding, Preprocess
from vizcnn.plugins import registry
from vizcnn.runs.images import as_given
from vizcnn.runs.manifest import digest_of_files
from vizcnn.runs.open_source import reopened
from vizcnn.runs.source import Entry, entries_of
from vizcnn.targets.classes import Class, Region
from vizcnn.targets.default import default_target
from vizcnn.targets.typed import read_target

if TYPE_CHECKING:
    from vizcnn.adapter import ModelAdapter
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
    image = image_of(about, row)
    adapter = model_of(about, model)
    plugin, _ = registry.parse(method)
    options = about["settings"]["methods"][method]
    explained: Attributions = plugin.function(adapter, image, target_of(asked_of(about, adapter), row), **options)
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
    source = reopened(about["source"])
    entries = entries_of(source, [row["path"] for row in rows])
    images = []
    for row in rows:
        data = source.read(entries.get(row["path"], Entry(row["path"])))
        if isinstance(data, bytes) and hashlib.sha256(data).hexdigest() != row["sha256"]:
            raise ResultError(
                f"Image {row['path']!r} isn't what it was when the run was made: its file has another hash."
            )
        images.append(as_given(data, row["path"]))
    return images


def model_of(about: Mapping[str, Any], model: Any) -> Any:
    """Return the adapter of a run's model, that of a file with the run's preprocessing and labels.

    Returns
    -------
    ModelAdapter

    Raises
    ------
    ResultError
        If it isn't given, and was no file, or one that is gone, or has changed; or if its manifest doesn't say all that the file
        was read with.
    """
    known = about["model"]
    file = known.get("file")
    if model is None:
        if file is None or not Path(file).exists():
            raise ResultError(f"The model of the run, {known['name']!r}, isn't there. Give it: `model`.")
        model = file
    if not isinstance(model, str | os.PathLike) or not Path(model).exists():
        return as_adapter(model)  # which says that there is no such file
    path, digest = os.path.abspath(model), digest_of_files(Path(model))
    if file is not None and path == os.path.abspath(file) and known.get("sha256") not in (None, digest):
        raise ResultError(
            f"The model of the run, {file!r}, isn't what it was: its file has another hash. Give the one it was: `model`."
        )
    return _of_file(path, digest, *_read_by(about["settings"]), tuple(about["classes"]))


def _read_by(settings: Mapping[str, Any]) -> tuple[Preprocess | None, Decoding | None]:
    """Return what images were read by; a file of Python that a manifest names isn't run."""
    preprocess, decoding = settings.get("preprocess"), settings.get("decoding")
    for said in (preprocess, decoding):
        if isinstance(said, Mapping) and "object" in said:
            raise _unreadable(said["object"])
    try:
        return resolve_preprocess(preprocess, may_run=False), None if decoding is None else Decoding(**decoding)
    except OptionError as error:
        raise _unreadable(preprocess) from error


def _unreadable(what: Any) -> ResultError:
    return ResultError(
        f"The images of the run were read by {what!r}, which its manifest can't give back. Give the model with it, which takes "
        "Python: `model=vizcnn.adapt(...)`."
    )


@lru_cache(maxsize=2)
def _of_file(
    path: str, digest: str, preprocess: Preprocess | None, decoding: Decoding | None, classes: tuple[str, ...]
) -> Any:
    """Return the adapter of a file as a run had it; the last ones are kept, with what is compiled for them."""
    del digest  # another one for another file of this name
    is_bare = preprocess is None and decoding is None
    adapter = as_adapter(path) if is_bare else adapt(path, preprocess=preprocess, decoding=decoding)
    if classes and adapter.head(adapter.output_name(None)).names != classes:
        adapter = adapt(path, preprocess=preprocess, decoding=decoding, labels=classes)
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
        return read_target(target, model)
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
