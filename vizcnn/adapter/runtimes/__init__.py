"""Files that a runtime runs: SavedModels, whose graph can be looked into, and black boxes.

A format is a module with `KIND` (its name), `WHAT` (what to call such a file), `NEEDS` (the extra with the library that runs it),
`PACKAGES` (what that library is installed as), `matches(file, head)` and `open(file, name, trusted=..., **settings)`, and its
line in `RUNTIMES`. What runs a file is imported when one is opened.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vizcnn.adapter.base import ModelAdapter
from vizcnn.adapter.runtimes import onnx, saved_model, tflite
from vizcnn.errors import ModelFileError

RUNTIMES: tuple[Any, ...] = (saved_model, tflite, onnx)


def kind_by_runtime(file: Path, head: bytes) -> str | None:
    """Return the kind of a file, or of a folder with an empty head, that a runtime runs; None where none does."""
    return next((runtime.KIND for runtime in RUNTIMES if runtime.matches(file, head)), None)


def adapt_runtime(file: Path, kind: str, name: str, *, trusted: bool = False, **settings: Any) -> ModelAdapter:
    """Adapt a file that isn't Keras's, but that a runtime runs.

    Parameters
    ----------
    file : Path
        The file, or the folder of a SavedModel.
    kind : str
        As `kind_by_runtime` returns it.
    name : str
        What to call the model.
    trusted : bool, default False
        Run operations that reach outside of the model, too.
    **settings
        As `vizcnn.adapt` takes them; `fixed_inputs` of a SavedModel.

    Returns
    -------
    ModelAdapter

    Raises
    ------
    ModelFileError
        If it can't be run, or what runs it isn't installed.
    """
    runtime = next(runtime for runtime in RUNTIMES if kind == runtime.KIND)
    try:
        adapter: ModelAdapter = runtime.open(file, name, trusted=trusted, **settings)
    except ImportError as error:
        raise ModelFileError(
            f"`model` file {str(file)!r} is {runtime.WHAT}, which requires {runtime.NEEDS}: pip install "
            f"'vizcnn[{runtime.NEEDS.lower()}]'."
        ) from error
    adapter.packages = runtime.PACKAGES
    return adapter
