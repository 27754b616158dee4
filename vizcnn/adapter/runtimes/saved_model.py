"""The format of TensorFlow's SavedModels, which are folders."""

from __future__ import annotations

from pathlib import Path

from vizcnn.adapter.blackbox import Source

KIND, WHAT, NEEDS = "savedmodel", "a TensorFlow SavedModel", "TensorFlow"


def matches(file: Path, head: bytes) -> bool:
    """Tell whether this is the folder of one."""
    return not head and (file / "saved_model.pb").exists()


def open(file: Path, *, trusted: bool = False) -> Source:
    """Open such a file; see `vizcnn.adapter.runtimes`."""
    from vizcnn.adapter.runtimes.saved_model_session import open_saved_model

    return open_saved_model(file, trusted=trusted)
