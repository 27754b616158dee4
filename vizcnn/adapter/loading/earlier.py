"""Files that are laid out as no Keras of today reads them: the same description and weights, laid out as it does."""

from __future__ import annotations

import dataclasses
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py

from vizcnn.adapter.loading.contents import WEIGHTS
from vizcnn.adapter.loading.keras_1 import of_keras_1
from vizcnn.adapter.loading.stored import Stored

Rewrite = Callable[[Stored, Path], "tuple[Stored, str] | None"]


def rewritten(stored: Stored, folder: Path) -> tuple[Stored, tuple[str, ...]]:
    """Lay out a file as today's Keras does, where it isn't.

    Parameters
    ----------
    stored : Stored
        The file.
    folder : Path
        Where files may be written.

    Returns
    -------
    (Stored, tuple of str)
        The model, in files of its own where something had to be written, and what was done.
    """
    done = []
    for rewrite in (of_keras_1, of_keras_core, with_slashes):
        result = rewrite(stored, folder)
        if result is not None:
            stored, what = result
            done.append(what)
    return stored, tuple(done)


def of_keras_core(stored: Stored, _folder: Path) -> tuple[Stored, str] | None:
    """Read Keras Core, as Keras 3 was called before it was released, as Keras."""
    config = _renamed_modules(stored.config)
    if config == stored.config:
        return None
    version = f"Core {stored.version}" if stored.version else "Core"
    return dataclasses.replace(stored, config=config, version=version), "Keras Core, which is Keras 3 now"


_CORE = "keras_core"


def _renamed_modules(value: Any) -> Any:
    if isinstance(value, list):
        return [_renamed_modules(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    renamed = {key: _renamed_modules(entry) for key, entry in value.items()}
    module = value.get("module")
    if isinstance(module, str) and module.partition(".")[0] == _CORE:
        renamed["module"] = _module_of_today(module)
    registered = value.get("registered_name")
    if isinstance(registered, str) and registered.startswith(f"{_CORE}>"):
        renamed["registered_name"] = registered.partition(">")[2]
    return renamed


def _module_of_today(module: str) -> str:
    part = next((part for part in module.split(".")[1:] if part != "src"), "")
    if part in _PUBLIC:
        return f"keras.{part}"
    return module.replace(_CORE, "keras", 1).replace(".src.operations", ".src.ops", 1)


_PUBLIC = ("layers", "initializers", "regularizers", "constraints", "activations")
"""Parts of Keras whose classes and functions are found there, whatever the module that they were written in."""


def with_slashes(stored: Stored, folder: Path) -> tuple[Stored, str] | None:
    r"""Read the paths ``layers\conv2d`` of weights, as Keras 2 wrote them on Windows, as ``layers/conv2d``."""
    if stored.form != "keras" or not any("\\" in group for group in stored.groups):
        return None
    weights = folder / "slashes.weights.h5"
    if stored.architecture is None:
        with zipfile.ZipFile(stored.file) as archive, archive.open(WEIGHTS) as source, weights.open("wb") as target:
            shutil.copyfileobj(source, target)
    else:
        shutil.copyfile(stored.file, weights)
    with h5py.File(weights, "a") as file:
        for name in sorted(filter(lambda name: "\\" in name, file), key=len):  # what holds others comes first
            file.move(name, name.replace("\\", "/"))
    path = weights
    if stored.architecture is None:
        path = folder / "slashes.keras"
        with zipfile.ZipFile(stored.file) as before, zipfile.ZipFile(path, "w") as after:
            for name in before.namelist():
                if name != WEIGHTS:
                    after.writestr(name, before.read(name))
            after.write(weights, WEIGHTS)
    return dataclasses.replace(stored, file=path, origin=stored.label), "paths with the backslashes of Windows"
