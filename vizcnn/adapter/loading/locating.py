"""What a description doesn't say of its parts, and Keras needs to read them as what they are."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from vizcnn.adapter.loading.nodes import Node, nodes
from vizcnn.adapter.loading.operators import operation_of


def locate(config: dict[str, Any], form: str, known: Collection[str]) -> tuple[str, ...]:
    """Say in a description where its operations are, so that Keras finds them; and what HDF5 files lose otherwise, an axis.

    Parameters
    ----------
    config : dict
        The description, changed in place.
    form : {"keras", "hdf5"}
        The form of the file.
    known : collection of str
        Names of the user's own classes, which are left as they are.

    Returns
    -------
    tuple of str
        What was done.
    """
    done: dict[str, None] = {}
    for node in nodes(config):
        if node.class_name in known or not isinstance(node.value["config"], dict):
            continue
        operation = operation_of(node)
        if operation is not None:
            if operation[0] != node.value.get("module"):
                # By a name of its own: Keras looks up names first, and some are those of layers too.
                node.value.update(module=operation[0], registered_name=".".join(operation))
                done["operations whose module wasn't said"] = None
            if form == "hdf5" and node.class_name == "GetItem":
                _spell_out_ellipses(node)
        elif form == "hdf5" and "module" not in node.value and _loses_axis(node):
            node.value.update(module="keras.layers", registered_name=None)
            done["an axis that Keras drops in HDF5 files"] = None
    return tuple(done)


def _loses_axis(node: Node) -> bool:
    """Tell whether a layer has an axis that isn't one number: Keras takes such a description without it."""
    import keras

    axis = node.value["config"].get("axis", 0)
    is_one = isinstance(axis, int) or (isinstance(axis, list) and len(axis) == 1)
    return not is_one and hasattr(keras.layers, node.class_name)


def _spell_out_ellipses(node: Node) -> None:
    """Write the dots of ``x[..., 0]`` as slices: Keras's reader of HDF5 files makes of them what it can't read itself."""
    for call in node.value["inbound_nodes"]:
        args = call.get("args") if isinstance(call, dict) else None
        if not isinstance(args, list) or len(args) != 2 or not isinstance(args[0], dict):
            continue
        key = args[1] if isinstance(args[1], list) else [args[1]]
        if any(map(_is_ellipsis, key)):
            rank = len(args[0]["config"]["shape"])
            num_axes = sum(part is not None and not _is_ellipsis(part) for part in key)
            dots = [{"class_name": "__slice__", "config": {"start": None, "stop": None, "step": None}}] * (
                rank - num_axes
            )
            args[1] = [part for entry in key for part in (dots if _is_ellipsis(entry) else [entry])]


def _is_ellipsis(part: Any) -> bool:
    return isinstance(part, dict) and part.get("class_name") == "__ellipsis__"
