"""Files that a runtime runs: each is opened as a black box.

A format is a module with `KIND` (its name), `WHAT` (what to call such a file), `NEEDS` (the extra with the library that runs it),
`matches(file, head)` and `open(file, trusted=...)`, and its line in `RUNTIMES`. What runs a file is imported when one is opened.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vizcnn.adapter.blackbox import Source
from vizcnn.adapter.runtimes import onnx, saved_model, tflite
from vizcnn.errors import ModelFileError

RUNTIMES: tuple[Any, ...] = (saved_model, tflite, onnx)


def kind_by_runtime(file: Path, head: bytes) -> str | None:
    """Return the kind of a file, or of a folder with an empty head, that a runtime runs; None where none does."""
    return next((runtime.KIND for runtime in RUNTIMES if runtime.matches(file, head)), None)


def open_runtime(file: Path, kind: str, *, trusted: bool = False) -> Source:
    """Open a file that isn't Keras's, but that a runtime runs: as a black box.

    Returns
    -------
    Source

    Raises
    ------
    ModelFileError
        If it can't be run, or what runs it isn't installed.
    """
    runtime = next(runtime for runtime in RUNTIMES if kind == runtime.KIND)
    try:
        source: Source = runtime.open(file, trusted=trusted)
    except ImportError as error:
        raise ModelFileError(
            f"`model` file {str(file)!r} is {runtime.WHAT}, which requires {runtime.NEEDS}: pip install "
            f"'vizcnn[{runtime.NEEDS.lower()}]'."
        ) from error
    return source
