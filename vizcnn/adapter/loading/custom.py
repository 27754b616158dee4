"""Classes and functions that a model needs beside Keras's, or that make it, from a Python file of the user's."""

from __future__ import annotations

import os
import runpy
from pathlib import Path
from typing import Any

from vizcnn.errors import ModelFileError, OptionError, did_you_mean, listed


def read_custom_objects(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Run a Python file, and return the classes and functions that it defines or imports, by name.

    Parameters
    ----------
    path : path
        The file. It is the user's own, named by the user: nothing of a model's file decides what is run.

    Returns
    -------
    dict of str to object

    Raises
    ------
    ModelFileError
        If it can't be opened, fails, or defines nothing.
    """
    file = Path(path)
    namespace = _run(file, "custom_objects")
    objects = {name: value for name, value in namespace.items() if callable(value) and not name.startswith("__")}
    if not objects:
        raise ModelFileError(f"`custom_objects` file {str(file)!r} defines no class and no function.")
    return objects


def read_builder(text: str) -> Any:
    """Run a Python file, and return the function in it that makes a model; or the model.

    Parameters
    ----------
    text : str
        The file and the name in it, ``FILE.py:function``. It is the user's own, as that of `read_custom_objects`.

    Returns
    -------
    object

    Raises
    ------
    OptionError
        If it hasn't that form, or the file has nothing of that name.
    ModelFileError
        If the file can't be opened, or fails.
    """
    path, colon, name = text.rpartition(":")
    if not colon or not name.isidentifier() or not path:
        raise OptionError(f"`builder` must have the form FILE.py:function; got {text!r}.")
    namespace = _run(Path(path), "builder")
    if name not in namespace:
        names = [key for key, value in namespace.items() if callable(value) and not key.startswith("__")]
        raise OptionError(
            f"`builder` must name a function in {path!r}; got {name!r}.{did_you_mean(name, names)} It has {listed(names)}."
        )
    return namespace[name]


def _run(file: Path, option: str) -> dict[str, Any]:
    if not file.is_file():
        raise ModelFileError(f"`{option}` file {str(file)!r} doesn't exist.")
    try:
        return runpy.run_path(str(file), run_name=option)
    except (Exception, SystemExit) as error:
        raise ModelFileError(f"`{option}` file {str(file)!r} failed: {type(error).__name__}: {error}") from error
