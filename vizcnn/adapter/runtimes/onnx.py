"""The format of ONNX."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from vizcnn.adapter.base import ModelAdapter
from vizcnn.adapter.blackbox import BlackBoxAdapter

KIND, WHAT, NEEDS = "onnx", "an ONNX model", "ONNX"
PACKAGES = ("onnxruntime",)


def matches(file: Path, head: bytes) -> bool:  # noqa: ARG001
    """Tell whether a file begins like ONNX's protocol buffer: the format's version, then who wrote it or the graph."""
    return bool(re.match(rb"\x08[\x01-\x20][\x12\x1a:B]", head))


def open(file: Path, name: str, *, trusted: bool = False, **settings: Any) -> ModelAdapter:
    """Open such a file; see `vizcnn.adapter.runtimes`."""
    from vizcnn.adapter.runtimes.onnx_session import open_onnx

    return BlackBoxAdapter(open_onnx(file, trusted=trusted), name, **settings)
