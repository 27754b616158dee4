"""An image of a run, explained once more."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vizcnn.adapter import as_adapter
from vizcnn.errors import ResultError
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
    """Return the adapter of a run's model.

    Returns
    -------
    ModelAdapter

    Raises
    ------
    ResultError
        If it isn't given, and was no file, or one that is gone, or has changed.
    """
    if model is not None:
        return as_adapter(model)
    file, sha256 = (about["model"].get(name) for name in ("file", "sha256"))
    if file is None or not Path(file).exists():
        raise ResultError(f"The model of the run, {about['model']['name']!r}, isn't there. Give it: `model`.")
    if sha256 is not None and digest_of_files(Path(file)) != sha256:
        raise ResultError(
            f"The model of the run, {file!r}, isn't what it was: its file has another hash. Give the one it was: `model`."
        )
    return as_adapter(file)


def target_of(about: Mapping[str, Any], row: Mapping[str, Any]) -> Any:
    """Return what was explained of an image."""
    if row["target_class"] is not None and row["target_class"] == row["target_class"]:
        return int(row["target_class"])
    target = about["settings"]["target"]
    if isinstance(target, dict):
        raise ResultError(f"What the run explained, {target['object']}, can't be read from its manifest.")
    return target
