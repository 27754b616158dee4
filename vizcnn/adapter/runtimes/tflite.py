"""The format of TensorFlow Lite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vizcnn.adapter.base import ModelAdapter
from vizcnn.adapter.blackbox import BlackBoxAdapter

KIND, WHAT, NEEDS = "tflite", "a TensorFlow Lite model", "TensorFlow"
PACKAGES = ("tensorflow",)


def matches(file: Path, head: bytes) -> bool:  # noqa: ARG001
    """Tell whether a file begins like one."""
    return head[4:8] == b"TFL3"


def open(file: Path, name: str, *, trusted: bool = False, **settings: Any) -> ModelAdapter:
    """Open such a file; see `vizcnn.adapter.runtimes`."""
    from vizcnn.adapter.runtimes.tflite_interpreter import open_tflite

    return BlackBoxAdapter(open_tflite(file, trusted=trusted), name, **settings)
