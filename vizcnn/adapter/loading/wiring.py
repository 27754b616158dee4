"""How Keras 2 wrote down which layer is called on what: repairs of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from vizcnn.adapter.loading.nodes import Node


def functional(node: Node) -> bool:
    """Tell whether a node is a Functional model, whose layers say what they are called on."""
    config = node.value["config"]
    return isinstance(config, dict) and "output_layers" in config and isinstance(config.get("layers"), list)


def layer_name(layer: Mapping[str, Any]) -> str:
    """Return the name of a layer."""
    return str(layer.get("name") or layer["config"].get("name"))


# Names -------------------------------------------------------------------------------------------------------------------------


def names_with_slashes(node: Node) -> str | None:
    """Write names with "_" where they have "/", which this Keras keeps for paths; and whatever refers to them."""
    config = node.value["config"]
    if not isinstance(config, dict) or not isinstance(config.get("layers"), list):
        return None
    renamed = _without_slashes([layer_name(layer) for layer in config["layers"]])
    if functional(node):
        for reference in references(config):
            reference[0] = renamed.get(reference[0], reference[0])
    for layer in config["layers"]:
        _rename(layer, renamed.get(layer_name(layer)))
    if node.depth == 0:
        _rename(node.value, str(config.get("name")).replace("/", "_"))
    return f"'/' in the names of {len(renamed)} layers" if renamed else None


def _without_slashes(names: list[str]) -> dict[str, str]:
    used, renamed = set(names), {}
    for name in names:
        if "/" in name:
            now = name.replace("/", "_")
            while now in used:
                now += "_"
            used.add(now)
            renamed[name] = now
    return renamed


def _rename(layer: dict[str, Any], name: str | None) -> None:
    for place in (layer, layer["config"]):
        if name is not None and isinstance(place, dict) and isinstance(place.get("name"), str):
            place["name"] = name


# Calls -------------------------------------------------------------------------------------------------------------------------


def tensorflow_function(node: Node) -> str | None:
    """Read a TensorFlow function that was called on Keras tensors: its tensors are its inputs, the rest a part of itself."""
    config = node.value["config"]
    if node.class_name not in ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer") or not isinstance(config, dict):
        return None
    if node.class_name == "TensorFlowOpLayer":
        _read_operation(node.value)
    node.value.update(class_name="TFOpLambda", module=None, registered_name="TFOpLambda")
    return f"the TensorFlow function {node.value['config'].get('function')}"


_OPERATIONS = {
    "Abs": "abs", "Add": "add", "AddN": "add_n", "AddV2": "add", "Exp": "exp", "FloorDiv": "floordiv", "FloorMod": "floormod",
    "Identity": "identity", "Log": "log", "Maximum": "maximum", "Minimum": "minimum", "Mul": "multiply", "Neg": "negative",
    "Pow": "pow", "RealDiv": "truediv", "Relu": "relu", "Relu6": "relu6", "Round": "round", "Rsqrt": "rsqrt",
    "Sigmoid": "sigmoid", "Softmax": "softmax", "Sqrt": "sqrt", "Square": "square", "Sub": "subtract", "Tanh": "tanh",
}  # fmt: skip
"""TensorFlow's operations without settings, and the functions that make them; others are named in an error."""


def _read_operation(layer: dict[str, Any]) -> None:
    """Read an operation of TensorFlow's graph, as Keras of TensorFlow 2.0 to 2.3 wrote it, with its constants by their places."""
    config = layer["config"]
    operation = json.loads(config["node_def"]) if isinstance(config["node_def"], str) else config["node_def"]
    kind, constants = operation["op"], config["constants"]
    layer["config"] = {"name": layer_name(layer), "function": _OPERATIONS.get(kind, f"raw_ops.{kind}")}
    for place, call in enumerate(layer["inbound_nodes"]):
        tensors = iter(call)
        arguments = [
            ["_CONSTANT_VALUE", -1, constants[str(index)], {}] if str(index) in constants else next(tensors)
            for index in range(len(call) + len(constants))
        ]
        layer["inbound_nodes"][place] = arguments
    layer["config"]["spread"] = kind != "AddN"


def calls_as_keras_2_wrote_them(node: Node) -> str | None:
    """Write the calls that this Keras can't read as it writes them itself: tensors as keywords, constants, no list around one."""
    if not functional(node):
        return None
    layers = node.value["config"]["layers"]
    names = {layer_name(layer) for layer in layers}
    repair = None
    for layer in layers:
        calls = layer.get("inbound_nodes")
        for place, call in enumerate(calls if isinstance(calls, list) else ()):
            if not isinstance(call, list) or not call:
                continue
            if layer["class_name"] == "TFOpLambda":
                tensors: list[Any] = []
                arguments = _arguments(call, partial(_placeholder, names, tensors))
                if layer["config"].pop("spread", False) and isinstance(arguments["args"][0], list) and len(call) > 1:
                    arguments["args"] = arguments["args"][0]
                layer["config"]["arguments"] = arguments
                calls[place] = {"args": tensors, "kwargs": {}}
            elif not _is_plain(call, names) or (layer["class_name"] in _RECURRENT and len(call) > 1):
                calls[place] = _arguments(call, partial(_tensor, names))
                repair = "calls that hold tensors as keywords"
    return repair


_RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D", "Bidirectional")


def states_among_inputs(node: Node) -> str | None:
    """Give the first states of a recurrent layer as such; Keras 2 wrote them beside its input."""
    if node.class_name not in _RECURRENT:
        return None
    repair, built = None, node.value.get("build_config")
    calls = node.value.get("inbound_nodes")
    for call in calls if isinstance(calls, list) else ():
        first = call["args"][0] if isinstance(call, dict) and call.get("args") else None
        if isinstance(first, list) and len(first) > 1:
            call["args"][0] = first[0]
            call["kwargs"]["initial_state"] = first[1:]
            repair = f"{node.class_name} with its first states"
    if repair and built:
        built["input_shape"] = built["input_shape"][0]
    return repair


def _is_plain(call: list[Any], names: Collection[str]) -> bool:
    """Tell whether Keras reads a call: a list of tensors, with keywords that are none."""
    return all(
        _is_reference(entry, names) and not (len(entry) > 3 and _holds_a_tensor(entry[3], names)) for entry in call
    )


def _holds_a_tensor(value: Any, names: Collection[str]) -> bool:
    if _is_reference(value, names):
        return True
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return any(_holds_a_tensor(entry, names) for entry in inside)


def _is_reference(value: Any, names: Collection[str]) -> bool:
    """Tell whether this is [layer, call, output] or [layer, call, output, keywords]."""
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and value[0] in names
        and all(isinstance(number, int) and not isinstance(number, bool) for number in value[1:3])
    )


def _arguments(call: list[Any], written: Callable[[Any], Any]) -> dict[str, Any]:
    """Return the arguments of a call, its tensors and constants as `written` makes them.

    Keras 2 wrote the keywords beside each tensor of the first argument, and a list around it where it is one tensor; around the
    only one of a list too.
    """
    first = call[0] if len(call) == 1 and isinstance(call[0], list) else call
    keywords = next(_keywords(call), {})
    return {
        "args": [_mapped(first, written)],
        "kwargs": {key: _mapped(value, written) for key, value in keywords.items()},
    }


def _keywords(call: Any) -> Iterator[dict[str, Any]]:
    if isinstance(call, list) and len(call) == 4 and isinstance(call[0], str) and isinstance(call[3], dict):
        yield call[3]
    elif isinstance(call, list | dict):
        for entry in call.values() if isinstance(call, dict) else call:
            yield from _keywords(entry)


def _mapped(value: Any, written: Callable[[Any], Any]) -> Any:
    mapped = written(value)
    if mapped is not None:
        return mapped[0]
    if isinstance(value, list):
        return [_mapped(entry, written) for entry in value]
    if isinstance(value, dict):
        return {key: _mapped(entry, written) for key, entry in value.items()}
    return value


def _constant(value: Any) -> list[Any] | None:
    """Return a constant that stands in the place of a tensor, in a list."""
    is_one = isinstance(value, list) and len(value) in (3, 4) and value[0] == "_CONSTANT_VALUE"
    return [value[2]] if is_one else None


def _tensor(names: Collection[str], value: Any) -> list[Any] | None:
    """Return a tensor as this Keras writes it, in a list."""
    constant = _constant(value)
    if constant:
        return [{"class_name": "__numpy__", "config": {"value": constant[0], "dtype": "float32"}}]
    if not _is_reference(value, names):
        return None
    history = {"shape": [None], "dtype": "float32", "keras_history": value[:3]}
    return [{"class_name": "__keras_tensor__", "config": history}]


def _placeholder(names: Collection[str], tensors: list[Any], value: Any) -> list[Any] | None:
    """Return what stands for a tensor in `arguments`, in a list, and put the tensor among the others."""
    if not _is_reference(value, names):
        return _constant(value)
    tensors.extend(_tensor(names, value) or ())
    return [{_PLACE: len(tensors) - 1}]


_PLACE = "__tensor_of_the_call__"


def num_tensors(arguments: Any) -> int:
    """Return how many tensors the arguments of a TensorFlow function hold."""
    if isinstance(arguments, Mapping):
        return 1 if _PLACE in arguments else sum(map(num_tensors, arguments.values()))
    return sum(map(num_tensors, arguments)) if isinstance(arguments, list | tuple) else 0


def filled(arguments: Any, tensors: Sequence[Any]) -> Any:
    """Return the arguments of a TensorFlow function with its tensors in their places."""
    if isinstance(arguments, Mapping):
        if _PLACE in arguments:
            return tensors[arguments[_PLACE]]
        return {key: filled(value, tensors) for key, value in arguments.items()}
    return [filled(value, tensors) for value in arguments] if isinstance(arguments, list | tuple) else arguments


def outputs_that_were_a_list_of_one(node: Node) -> str | None:
    """Let a nested model hand on its output, rather than a list that holds it."""
    config = node.value["config"]
    if node.depth < 1 or not isinstance(config, dict) or "output_layers" not in config:
        return None
    repair = None
    for key in ("input_layers", "output_layers"):
        ends = config.get(key)
        if isinstance(ends, list) and len(ends) == 1 and isinstance(ends[0], list):
            config[key] = ends[0]
            repair = "a nested model that hands on a list of one"
    return repair


def calls_that_were_counted_otherwise(node: Node) -> str | None:
    """Take a reference to a call that isn't in the model for the one of the same rank among those that are.

    Keras 2 counted the call by which a nested model was built, and calls in other models.
    """
    config = node.value["config"]
    if not isinstance(config, dict) or "output_layers" not in config or not isinstance(config.get("layers"), list):
        return None
    calls = {
        layer.get("name") or layer["config"].get("name"): max(1, len(layer.get("inbound_nodes") or ()))
        for layer in config["layers"]
    }
    found_references = list(references(config))
    used: dict[str, set[int]] = {}
    for reference in found_references:
        used.setdefault(reference[0], set()).add(reference[1])
    repair = None
    for reference in found_references:
        name, index = reference[0], reference[1]
        if name in calls and max(used[name]) >= calls[name] and len(used[name]) <= calls[name]:
            reference[1] = sorted(used[name]).index(index)
            repair = "calls of layers that were counted otherwise"
    return repair


def references(config: dict[str, Any]) -> Iterator[list[Any]]:
    """Yield each [layer, call, output, ...] of a Functional model, as the list that it is."""
    stack = [layer.get("inbound_nodes") for layer in config["layers"]] + [
        config["output_layers"],
        config.get("input_layers"),
    ]
    while stack:
        value = stack.pop()
        if isinstance(value, list):
            if (
                len(value) >= 3
                and isinstance(value[0], str)
                and isinstance(value[1], int)
                and isinstance(value[2], int)
            ):
                yield value
            stack.extend(value)
        elif isinstance(value, dict):
            stack.extend(value.values())
