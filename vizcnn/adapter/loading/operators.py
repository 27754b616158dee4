"""Keras's own operations in the description of a model: ``x / 255``, slices, `keras.ops.relu` and all others."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vizcnn.adapter.loading.nodes import Node

_HOMES = ("core", "einops", "image", "linalg", "math", "nn", "numpy")


@cache
def operations() -> Mapping[tuple[str, str], type]:
    """Return the classes of Keras's operations, by module and name; nothing else can be built by them."""
    import keras

    classes = {}
    modules = [f"keras.src.ops.{home}" for home in _HOMES]
    for module in [*modules, "keras.src.activations.activations", "keras.src.quantizers.quantizers"]:
        try:
            members = vars(importlib.import_module(module))
        except ModuleNotFoundError:  # not every Keras 3 has them all
            continue
        for name, member in members.items():
            is_operation = inspect.isclass(member) and issubclass(member, keras.Operation)
            if is_operation and not issubclass(member, keras.layers.Layer) and member.__module__ == module:
                classes[module, name] = member
    return classes


def operation_of(node: Node) -> tuple[str, str] | None:
    """Return module and name of the operation that a node calls on tensors; None where it is something else.

    An HDF5 file doesn't say the module, and some layers have an operation's name; a layer says whether it is trainable.
    """
    config, module, name = node.value["config"], node.value.get("module"), node.class_name
    if isinstance(module, str):
        return next((key for key in operations() if key == (module, name)), None) or _moved(module, name)
    if "inbound_nodes" not in node.value or not isinstance(config, Mapping) or "trainable" in config:
        return None
    return _named(name)


def is_operations_module(module: str) -> bool:
    """Tell whether a module is one of those that Keras's operations are in."""
    return module.startswith("keras.src.ops.")


def _moved(module: str, name: str) -> tuple[str, str] | None:
    return _named(name) if is_operations_module(module) else None


def _named(name: str) -> tuple[str, str] | None:
    return next((key for key in operations() if key[1] == name), None)


@dataclass(frozen=True)
class _WithTuples:
    """Makes an operation whose tuples JSON turned into lists, which not all of them take on every backend."""

    operation: Any

    def from_config(self, config: Mapping[str, Any]) -> Any:
        return self.operation.from_config({key: _as_tuple(value) for key, value in config.items()})


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value


def makers(nodes: Iterable[Node]) -> dict[str, Any]:
    """Return what makes the operations that have lists in their description, by the names that Keras asks for."""
    functions = {}
    for node in nodes:
        key, config = operation_of(node), node.value["config"]
        if (
            key is not None
            and isinstance(config, Mapping)
            and any(isinstance(value, list) for value in config.values())
        ):
            functions[str(node.value.get("registered_name") or node.class_name)] = _WithTuples(operations()[key])
    return functions
