"""Classes and functions that a model needs beside Keras's, from a Python file of the user's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from vizcnn.errors import OptionError
from vizcnn.inputs.python_file import run_file


def read_custom_objects(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Run a Python file, and return the classes and functions that it defines or imports, by name.

    Parameters
    ----------
    path : path
        The file; see `vizcnn.inputs.python_file.run_file`.

    Returns
    -------
    dict of str to object

    Raises
    ------
    OptionError
        If it can't be opened, fails, or defines nothing.
    """
    objects = run_file(Path(path), "custom_objects")
    if not objects:
        raise OptionError(f"`custom_objects` file {os.fspath(path)!r} defines no class and no function.")
    return objects
