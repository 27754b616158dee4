"""Classes and functions that a model needs beside Keras's, from a Python file of the user's."""

from __future__ import annotations

import os
import runpy
from pathlib import Path
from typing import Any

from vizcnn.errors import ModelFileError


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
    if not file.is_file():
        raise ModelFileError(f"`custom_objects` file {str(file)!r} doesn't exist.")
    try:
        namespace = runpy.run_path(str(file), run_name="custom_objects")
    except (Exception, SystemExit) as error:
        raise ModelFileError(f"`custom_objects` file {str(file)!r} failed: {type(error).__name__}: {error}") from error
    objects = {name: value for name, value in namespace.items() if callable(value) and not name.startswith("__")}
    if not objects:
        raise ModelFileError(f"`custom_objects` file {str(file)!r} defines no class and no function.")
    return objects
