"""The format of TensorFlow Lite."""

from __future__ import annotations

from pathlib import Path

from vizcnn.adapter.blackbox import Source

KIND, WHAT, NEEDS = "tflite", "a TensorFlow Lite model", "TensorFlow"


def matches(file: Path, head: bytes) -> bool:  # noqa: ARG001
    """Tell whether a file begins like one."""
    return head[4:8] == b"TFL3"


def open(file: Path, *, trusted: bool = False) -> Source:
    """Open such a file; see `vizcnn.adapter.runtimes`."""
    from vizcnn.adapter.runtimes.tflite_interpreter import open_tflite

    return open_tflite(file, trusted=trusted)
