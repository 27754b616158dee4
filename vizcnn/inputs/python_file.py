"""Functions from Python files that the user names: such a file is run."""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vizcnn.errors import OptionError, did_you_mean, listed

_NAMED = re.compile(r"(?P<file>.+\.py):(?P<name>\w+)", re.DOTALL)


def names_function(text: str) -> bool:
    """Tell whether a text has the form FILE.py:function."""
    return _NAMED.fullmatch(text) is not None


def run_file(file: Path, argument: str) -> dict[str, Any]:
    """Run a Python file, and return what it defines and imports that can be called, by name.

    Parameters
    ----------
    file : Path
        The file. It is the user's own, named by the user: nothing of a model's file decides what is run.
    argument : str
        What to call it in messages.

    Returns
    -------
    dict of str to object

    Raises
    ------
    OptionError
        If it can't be opened, or fails.
    """
    if not file.is_file():
        raise OptionError(f"`{argument}` file {str(file)!r} doesn't exist.")
    try:
        namespace = runpy.run_path(str(file), run_name=file.stem)
    except (Exception, SystemExit) as error:
        raise OptionError(f"`{argument}` file {str(file)!r} failed: {type(error).__name__}: {error}") from error
    return {name: value for name, value in namespace.items() if callable(value) and not name.startswith("__")}


def read_function(text: str, argument: str) -> Callable[..., Any]:
    """Run a Python file, and return one of its functions.

    Parameters
    ----------
    text : str
        FILE.py:function; see `run_file`.
    argument : str
        What to call it in messages.

    Returns
    -------
    callable

    Raises
    ------
    OptionError
        If there is no such file or function, or the file fails.
    """
    match = _NAMED.fullmatch(text)
    if match is None:
        raise OptionError(f"`{argument}` must have the form FILE.py:function; got {text!r}.")
    file, name = Path(match["file"]), match["name"]
    functions = run_file(file, argument)
    if name not in functions:
        raise OptionError(
            f"`{argument}` file {str(file)!r} must define a function {name!r}; it defines {listed(functions) or 'none'}."
            f"{did_you_mean(name, functions)}"
        )
    function: Callable[..., Any] = functions[name]
    return function
