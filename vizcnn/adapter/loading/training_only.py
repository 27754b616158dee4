"""Parts of a description that only training needs: initializers, regularizers and constraints, on which no output depends."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator
from typing import Any

from vizcnn.adapter.loading.allowed import objects_called, why_not_class
from vizcnn.adapter.loading.nodes import Node, nodes

_KINDS = ("initializer", "regularizer", "constraint")


def without_strangers(config: dict[str, Any], known: Collection[str]) -> tuple[str, ...]:
    """Leave out, in place, initializers, regularizers and constraints that are the author's own: nothing is built or run of them.

    The file holds the weights that they made.

    Parameters
    ----------
    config : dict
        The description.
    known : collection of str
        Names of classes and functions that the user passed.

    Returns
    -------
    tuple of str
        What was left out.
    """
    done: dict[str, None] = {}
    for node in list(nodes(config)):
        for key, kind, value in _parts(node):
            name = _name(value)
            if name is not None and name not in known and not _is_keras(name, kind):
                node.value["config"][key] = None
                done[f"{kind} {name!r}, which only training needs"] = None
    return tuple(done)


def arguments_for_training(node: Node) -> str | None:
    """Leave out arguments that initializers, regularizers and constraints of this Keras don't take, or all of such a part."""
    done = []
    for key, kind, value in _parts(node):
        name = _name(value)
        if name is None or _builds(value, kind):
            continue
        if isinstance(value, dict):
            _prune(value)
        if not _builds(value, kind):
            node.value["config"][key] = None
        done.append(name)
    return f"{', '.join(sorted(set(done)))} with arguments that only training needs" if done else None


def _parts(node: Node) -> Iterator[tuple[str, str, Any]]:
    """Yield key, kind and value of each such part of a layer."""
    config = node.value["config"]
    for key, value in list(config.items()) if isinstance(config, dict) else ():
        kind = next(
            (kind for kind in _KINDS if isinstance(key, str) and (key == kind or key.endswith(f"_{kind}"))), None
        )
        if kind is not None:
            yield key, kind, value


def _name(value: Any) -> str | None:
    """Return the name of a part's class or function; None where there is none."""
    if isinstance(value, dict) and isinstance(value.get("class_name"), str):
        name = value["config"] if value["class_name"] == "function" else value["class_name"]
        return name if isinstance(name, str) else str(value["class_name"])
    return value if isinstance(value, str) else None


def _is_keras(name: str, kind: str) -> bool:
    import keras

    return hasattr(getattr(keras, f"{kind}s"), name)


def _prune(value: dict[str, Any]) -> None:
    import keras

    for found in objects_called(value["class_name"], value.get("module")):
        if isinstance(value.get("config"), dict) and inspect.isclass(found) and why_not_class(found) is None:
            accepted = inspect.signature(found.__init__).parameters
            value["config"] = {key: entry for key, entry in value["config"].items() if key in accepted}
            if issubclass(found, keras.Initializer) and value["config"].get("distribution") == "normal":
                value["config"]["distribution"] = "truncated_normal"  # its name in Keras 2


def _builds(value: Any, kind: str) -> bool:
    """Tell whether Keras makes an object of a part; its classes compute, and no more (`allowed`)."""
    import keras

    try:
        getattr(keras, f"{kind}s").get(value)
    except Exception:  # noqa: BLE001 - what a constructor raises, which is anything
        return False
    return True
