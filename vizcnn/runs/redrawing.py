"""An image of a run, explained once more."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vizcnn.adapter import adapt, as_adapter
from vizcnn.adapter.preprocessing import resolve_preprocess
from vizcnn.errors import OptionError, ResultError
from vizcnn.plugins import registry
from vizcnn.runs.images import as_given
from vizcnn.runs.manifest import digest_of_files
from vizcnn.runs.open_source import reopened
from vizcnn.runs.source import Entry

if TYPE_CHECKING:
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
    explained: Attributions = plugin.function(adapter, image, target_of(about, row), **options)
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
    data = reopened(about["source"]).read(Entry(row["path"]))
    if isinstance(data, bytes) and hashlib.sha256(data).hexdigest() != row["sha256"]:
        raise ResultError(f"Image {row['path']!r} isn't what it was when the run was made: its file has another hash.")
    return as_given(data, row["path"])


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
    if model is None:
        model, sha256 = (about["model"].get(name) for name in ("file", "sha256"))
        if model is None or not Path(model).exists():
            raise ResultError(f"The model of the run, {about['model']['name']!r}, isn't there. Give it: `model`.")
        if sha256 is not None and digest_of_files(Path(model)) != sha256:
            raise ResultError(
                f"The model of the run, {model!r}, isn't what it was: its file has another hash. Give the one it was: `model`."
            )
    if not isinstance(model, str | os.PathLike):
        return as_adapter(model)
    settings = about["settings"]
    preprocess, decoding = settings.get("preprocess"), settings.get("decoding")
    try:
        resolve_preprocess(preprocess, may_run=False)  # a file of Python that a manifest names isn't run
    except OptionError:
        decoding = decoding or preprocess
    if decoding is not None:
        raise ResultError(
            f"The images of the run were read by {decoding!r}, which its manifest can't give back. Give the model with it: "
            "`model=vizcnn.adapt(...)`."
        )
    file = os.path.abspath(model)
    return _of_file(file, os.stat(file).st_mtime_ns, preprocess, tuple(about["classes"]))


@lru_cache(maxsize=2)
def _of_file(file: str, changed: int, preprocess: str | None, classes: tuple[str, ...]) -> Any:
    """Return the adapter of a file as a run had it; the last ones are kept, with what is compiled for them."""
    del changed  # another one for another file of this name
    adapter = as_adapter(file) if preprocess is None else adapt(file, preprocess=preprocess)
    if classes and adapter.head(adapter.output_name(None)).names != classes:
        adapter = adapt(file, preprocess=preprocess, labels=classes)
    return adapter


def target_of(about: Mapping[str, Any], row: Mapping[str, Any]) -> Any:
    """Return what was explained of an image."""
    if row["target_class"] is not None and row["target_class"] == row["target_class"]:
        return int(row["target_class"])
    target = about["settings"]["target"]
    if isinstance(target, dict):
        raise ResultError(f"What the run explained, {target['object']}, can't be read from its manifest.")
    return target
