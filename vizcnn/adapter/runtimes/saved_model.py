"""The format of TensorFlow's SavedModels, which are folders."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from vizcnn.adapter.base import ModelAdapter
from vizcnn.adapter.fixed_values import held_values
from vizcnn.adapter.preprocessing import resolve_preprocess

KIND, WHAT, NEEDS = "savedmodel", "a TensorFlow SavedModel", "TensorFlow"
PACKAGES = ("tensorflow",)


def matches(file: Path, head: bytes) -> bool:
    """Tell whether this is the folder of one."""
    return not head and (file / "saved_model.pb").exists()


def open(file: Path, name: str, *, trusted: bool = False, fixed_inputs: Any = None, **settings: Any) -> ModelAdapter:
    """Open such a file; see `vizcnn.adapter.runtimes`."""
    from vizcnn.adapter.runtimes.graph_adapter import GraphAdapter
    from vizcnn.adapter.runtimes.saved_model_session import open_saved_model

    fixed = None
    if fixed_inputs is not None:
        preprocess, decoding = resolve_preprocess(settings.get("preprocess")), settings.get("decoding")
        fixed = partial(held_values, fixed_inputs, preprocess=preprocess, decoding=decoding)
    source = open_saved_model(file, trusted=trusted, fixed=fixed)
    adapter = GraphAdapter(source, name, **settings)
    adapter.fixed_inputs = source.held
    return adapter
