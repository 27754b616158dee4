"""How the model of a run was adapted: as its manifest says it, and a model adapted so again."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vizcnn.adapter.preprocessing import resolve_preprocess
from vizcnn.errors import OptionError, ResultError
from vizcnn.inputs import Decoding, Preprocess
from vizcnn.inputs.steps import Function
from vizcnn.runs.manifest import digest_of_files, digest_of_weights, plain, versions
from vizcnn.targets import Similarity

if TYPE_CHECKING:
    from vizcnn.adapter import ModelAdapter

_MOST_NUMBERS = 1000
"""Numbers of a fixed input that a manifest gives back; of a larger one it has a hash."""


def known_of(model: ModelAdapter, *, is_file: bool, with_weights: bool = True) -> dict[str, Any]:
    """Return what a manifest says of a model, made ready for its images.

    Parameters
    ----------
    model : ModelAdapter
        The model.
    is_file : bool
        Whether it is known by the hash of its file; else it is by that of its weights.
    with_weights : bool, default True
        Whether the hash of the weights of a file is taken too, which tells whether an object is the same.

    Returns
    -------
    dict
        "model", "settings", "versions" and "classes".
    """
    known: dict[str, Any] = {"name": model.name}
    if with_weights or not is_file:
        weights = digest_of_weights(getattr(model.image_model, "model", None))
        if not is_file:
            known["sha256"] = weights
        elif weights is not None:
            known["weights"] = weights
    return {
        "model": known,
        "settings": settings_of(model),
        "versions": versions(model),
        "classes": list(model.head(model.output_name(None)).names),
    }


def settings_of(model: ModelAdapter) -> dict[str, Any]:
    """Return by which arguments of `vizcnn.adapt` a model was adapted, those that move numbers; None: as without it.

    Its labels are its classes, and the size of its images is that of its inputs, but for a model that is explained from a layer
    on.

    Returns
    -------
    dict
        As JSON takes it.
    """
    whole = model.image_model
    size = None if whole is model else whole.image_size
    return {
        "preprocess": _plain_preprocess(whole.preprocess),
        "decoding": None if whole.decoding is None else dataclasses.asdict(whole.decoding),
        "image_size": None if size is None else [int(length) for length in size],
        "num_runs": None if model.num_runs == 1 else int(model.num_runs),
        "token_grid": None if model.token_grid is None else list(model.token_grid),
        "fixed_inputs": {str(name): _plain_values(value) for name, value in model.fixed_inputs.items()} or None,
        "input_layer": getattr(model, "input_layer", None),
    }


def arguments_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `vizcnn.adapt` that the settings of a run mean, those that were given and can be given back.

    No code is run.

    Returns
    -------
    dict
    """
    return _read(settings)[0]


def _read(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the arguments of `vizcnn.adapt`, and what is said of those that a manifest can't give back."""
    arguments: dict[str, Any] = {}
    lost: dict[str, str] = {}
    for name, said in ((name, settings.get(name)) for name in _READERS):
        values = (said, *said.values()) if isinstance(said, Mapping) else ()
        objects = [value["object"] for value in values if isinstance(value, Mapping) and "object" in value]
        if objects:
            lost[name] = objects[0]
        elif said is not None:
            try:
                arguments[name] = _READERS[name](said)
            except OptionError:
                lost[name] = said
    return arguments, lost


def says_all(settings: Mapping[str, Any]) -> bool:
    """Tell whether a manifest knows all settings, and gives them back; else ``vizcnn.toml`` may know the others.

    Returns
    -------
    bool
    """
    return not _read(settings)[1] and all(name in settings for name in _READERS)


def check_found(settings: Mapping[str, Any], model: ModelAdapter | None) -> None:
    """Make sure that a model was adapted by what the manifest of a run can't give back.

    Parameters
    ----------
    settings : mapping
        The settings of the run.
    model : ModelAdapter or None
        The model; None: it couldn't be adapted.

    Raises
    ------
    ResultError
        If it wasn't.
    """
    found = {} if model is None else settings_of(model)
    for name, what in _read(settings)[1].items():
        if found.get(name) != settings[name]:
            raise ResultError(
                f"The images of the run were explained with `{name}` {what!r}, which its manifest can't give back. Give the "
                "model with it, which takes Python: `model=vizcnn.adapt(...)`."
            )


def files_of(target: Any) -> dict[str, str]:
    """Return the files that a target reads, with their hashes: what they hold is a part of it.

    Returns
    -------
    dict of str to str
    """
    return {path: digest_of_files(Path(path)) for path in sorted(set(_paths(target)))}


def _paths(target: Any) -> Iterator[str]:
    if isinstance(target, Similarity):
        if isinstance(target.reference, str | os.PathLike):
            yield os.fspath(target.reference)
    elif dataclasses.is_dataclass(target):
        for field in dataclasses.fields(target):
            yield from _paths(getattr(target, field.name))
    elif isinstance(target, list | tuple):
        for one in target:
            yield from _paths(one)
    elif isinstance(target, Mapping):
        yield from _paths([*target.values()])


def _plain_preprocess(preprocess: Preprocess | None) -> Any:
    """Return the text that means a preprocessing; what a function is called means nothing, be it the name of another one."""
    if preprocess is None:
        return None
    has_function = any(isinstance(step, Function) for step in preprocess.steps)
    return {"object": str(preprocess)} if has_function else str(preprocess)


def _plain_values(values: np.ndarray) -> Any:
    return values.tolist() if values.size <= _MOST_NUMBERS else plain(values)


_READERS: dict[str, Any] = {
    "preprocess": lambda said: resolve_preprocess(said, may_run=False),
    "decoding": lambda said: Decoding(**said),
    "image_size": tuple,
    "num_runs": int,
    "token_grid": tuple,
    "fixed_inputs": lambda said: {
        int(name) if name.isdecimal() else name: np.asarray(values, np.float32) for name, values in said.items()
    },
    "input_layer": str,
}
"""Settings of a run to what reads them."""
