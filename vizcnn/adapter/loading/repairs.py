"""Small repairs of descriptions that other versions of Keras wrote, so that this one understands them.

A repair is a function of a node of the description, which it changes in place; it returns what it did, or None. They are tried
on every node, in the order in which they stand here. To add one, write it and decorate it with `repair`.
Long, because each of the many repairs is a function of its own, and they stand in the one order in which they are tried.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Collection
from functools import cache
from typing import Any

from vizcnn.adapter.loading import functions, training_only, wiring
from vizcnn.adapter.loading.nodes import Node, nodes
from vizcnn.adapter.loading.operators import operation_of

Repair = Callable[[Node], str | None]

_repairs: list[Repair] = []
_corrections: list[Repair] = []


def repair(function: Repair) -> Repair:
    """Register a repair."""
    _repairs.append(function)
    return function


def correction(function: Repair) -> Repair:
    """Register a repair of what this Keras reads without complaint in a file of Keras 2, but as something else than it was."""
    _corrections.append(function)
    return function


def repaired(
    config: dict[str, Any], version: str | None, *, needed: bool = True, known: Collection[str] = ()
) -> tuple[str, ...]:
    """Repair a description in place.

    Parameters
    ----------
    config : dict
        The description.
    version : str or None
        The version of Keras that wrote it.
    needed : bool, default True
        Do the repairs that Keras complains without; False: only those that it wouldn't miss.
    known : collection of str, default ()
        Names of the user's own classes, which are left as they are.

    Returns
    -------
    tuple of str
        What was done, each with how often.
    """
    done: Counter[str] = Counter()
    fixes = _repairs if needed else _corrections if is_keras_2(version) else []
    for fix in fixes:
        for node in list(nodes(config)):
            if node.class_name in known:
                continue
            try:
                what = fix(node)
            except (AttributeError, IndexError, KeyError, TypeError, ValueError):
                continue  # the description is of a form that nobody wrote: Keras says what is wrong with it
            if what:
                done[what] += 1
    return tuple(f"{what} ({count} times)" if count > 1 else what for what, count in done.items())


def is_keras_2(version: str | None) -> bool:
    """Tell whether a file comes from Keras 1 or 2; what says nothing is that old."""
    return not (version or "").startswith(("3", "Core"))


# Shapes of the description itself -------------------------------------------------------------------------------------------


@repair
def sequential_was_a_list(node: Node) -> str | None:
    """Read the configuration of a Sequential that is the list of its layers, as it was until Keras 2.2.3."""
    if node.class_name != "Sequential" or not isinstance(node.value["config"], list):
        return None
    name = node.value.get("name") or "sequential"
    node.value["config"] = {"name": name, "layers": node.value["config"]}
    return "a Sequential that was a bare list of layers"


@repair
def models_moved(node: Node) -> str | None:
    """Look for a class where it is now, whatever module it was written in."""
    module = node.value.get("module")
    if not isinstance(module, str) or node.class_name == "function" or module == "builtins" or operation_of(node):
        return None
    if (
        node.class_name in ("Functional", "Model")
        and module != "keras.src.models.functional"
        and module.startswith(_OLD)
    ):
        node.value["module"] = "keras.src.models.functional"
        node.value["class_name"] = "Functional"
    elif module.startswith(_OLD) and not _importable(module, node.class_name):
        home = home_of(node.class_name)
        if home is None:
            return None
        node.value["module"] = home
    else:
        return None
    return f"{module}, a module that is gone"


_OLD = ("keras.", "tf_keras.", "tensorflow.")


def _importable(module: str, name: str) -> bool:
    import keras

    parts = module.split(".")
    if parts[0] != "keras" or parts[1:2] == ["src"]:
        return False
    home: Any = keras
    for part in parts[1:]:
        home = getattr(home, part, None)
    return hasattr(home, name)


def home_of(name: str) -> str | None:
    """Return the part of Keras that has a class of that name."""
    import keras

    homes = ("layers", "initializers", "regularizers", "constraints", "dtype_policies", "activations")
    module = next((home for home in homes if hasattr(getattr(keras, home), name)), None)
    return f"keras.{module}" if module else "keras" if hasattr(keras, name) else None


@repair
def wrapped_layer_without_a_module(node: Node) -> str | None:
    """Say where the class of a layer inside another is, which Keras 2 left out until 2.12."""
    config = node.value["config"]
    inner = [config.get(key) for key in ("layer", "backward_layer")]
    bare = [layer for layer in inner if isinstance(layer, dict) and "module" not in layer and "config" in layer]
    known = [layer for layer in bare if home_of(str(layer.get("class_name"))) == "keras.layers"]
    for layer in known:
        layer["module"] = "keras.layers"
    return f"the layer in a {node.class_name}, without its module" if known else None


@repair
def policy_was_called_otherwise(node: Node) -> str | None:
    """Call a dtype policy by its name of today, without the loss scale that only training needs."""
    if node.class_name not in ("Policy", "PolicyV1"):
        return None
    name = node.value["config"].get("name", "float32")
    node.value.update(module="keras", class_name="DTypePolicy", config={"name": name}, registered_name=None)
    return "a dtype policy of Keras 2"


_RENAMED = {
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "Swish": "Activation",
    "SyncBatchNormalization": "BatchNormalization",
    "RandomHeight": "Identity",
    "RandomWidth": "Identity",
}


@repair
def layer_was_called_otherwise(node: Node) -> str | None:
    """Call a layer by its name of today."""
    now = _RENAMED.get(node.class_name)
    if now is None:
        return None
    before = node.class_name
    node.value["class_name"] = now
    if before == "Swish":
        node.value["config"]["activation"] = "silu"
    if now == "Identity":  # they change images in training alone
        node.value["config"] = {"name": node.value["config"]["name"]}
    return f"{before}, which is {now} now"


@repair
def layer_that_is_gone(node: Node) -> str | None:
    """Use our own in place of a layer that this Keras hasn't any more."""
    if node.class_name not in functions.GONE_LAYERS:
        return None
    if "module" in node.value:
        node.value.update(module=None, registered_name=node.class_name)
    return f"{node.class_name}, a layer that is gone"


@repair
def layer_of_an_application(node: Node) -> str | None:
    """Find the layers that only architectures of `keras.applications` have."""
    name = functions.layer_of_applications(node.class_name)
    if name is None:
        return None
    node.value["class_name"] = name
    if "module" in node.value:
        node.value.update(module=None, registered_name=name)
    return f"{name} of keras.applications.{functions.LAYERS_OF_APPLICATIONS[name]}"


repair(wiring.names_with_slashes)
repair(wiring.tensorflow_function)
repair(wiring.calls_as_keras_2_wrote_them)
repair(wiring.states_among_inputs)


# Inputs ----------------------------------------------------------------------------------------------------------------------


@repair
def sequential_without_an_input(node: Node) -> str | None:
    """Give a Sequential an input layer, where its first layer or itself says the shape."""
    config = node.value["config"]
    if node.class_name != "Sequential" or not config.get("layers"):
        return None
    first = config["layers"][0]
    if first["class_name"] == "InputLayer" or not isinstance(first["config"], dict):
        return None
    shape = (
        first["config"].get("batch_input_shape")
        or first["config"].get("batch_shape")
        or config.get("build_input_shape")
    )
    shape = shape or (node.value.get("build_config") or {}).get("input_shape")
    if not isinstance(shape, list) or not all(size is None or isinstance(size, int) for size in shape):
        return None
    name = f"{first['config'].get('name', config.get('name', 'model'))}_input"
    layer: dict[str, Any] = {
        "class_name": "InputLayer",
        "config": {"batch_shape": shape, "dtype": "float32", "name": name},
    }
    if "module" in node.value:
        layer |= {"module": "keras.layers", "registered_name": None}
    config["layers"].insert(0, layer)
    return "a Sequential without an input layer"


@repair
def batch_input_shape(node: Node) -> str | None:
    """Call an input's shape batch_shape; Keras 2 had batch_input_shape, on any layer."""
    config = node.value["config"]
    if not isinstance(config, dict) or "batch_input_shape" not in config:
        return None
    shape = config.pop("batch_input_shape")
    if node.class_name == "InputLayer":
        config["batch_shape"] = shape
    return "batch_input_shape"


@repair
def fixed_batch(node: Node) -> str | None:
    """Let a nested model that was built for batches of one size take any: its weights are the same."""
    shape = node.value["config"].get("batch_shape") if isinstance(node.value["config"], dict) else None
    if (
        node.class_name != "InputLayer"
        or node.depth < 2
        or not isinstance(shape, list)
        or not shape
        or shape[0] is None
    ):
        return None
    node.value["config"]["batch_shape"] = [None, *shape[1:]]
    return "a nested model for batches of one size"


# Arguments -------------------------------------------------------------------------------------------------------------------


@repair
def axis_was_a_list(node: Node) -> str | None:
    """Read the axis of a batch normalization that is a list of one, as Keras 2 wrote it."""
    config = node.value["config"]
    axis = config.get("axis") if isinstance(config, dict) else None
    if not node.class_name.endswith("BatchNormalization") or not isinstance(axis, list) or len(axis) != 1:
        return None
    config["axis"] = axis[0]
    return "an axis that was a list"


@correction
def hard_sigmoid_was_another(node: Node) -> str | None:
    """Take hard_sigmoid for clip(0.2 x + 0.5, 0, 1), which it was in Keras 2; now it is clip(x / 6 + 0.5, 0, 1)."""
    config, repair = node.value["config"], None
    if not isinstance(config, dict):
        return None
    for key in ("activation", "recurrent_activation"):
        if config.get(key) == "hard_sigmoid":
            name = "hard_sigmoid_of_keras_2"
            config[key] = {"module": "builtins", "class_name": "function", "config": name, "registered_name": name}
            repair = "hard_sigmoid, which was another function in Keras 2"
    return repair


_ANY = object()

_OBSOLETE_ARGUMENTS: dict[str, Any] = {
    "groups": (1,),
    "ragged": (False,),
    "sparse": (False,),
    "optional": (False,),
    "implementation": _ANY,
    "fused": _ANY,
    "renorm": (False,),
    "renorm_clipping": _ANY,
    "renorm_momentum": _ANY,
    "virtual_batch_size": (),
    "adjustment": (),
    "time_major": (False,),
    "input_dtype": _ANY,
    "input_shape": _ANY,
    "input_dim": _ANY,
    "batch_size": _ANY,
    "autocast": _ANY,
    "kernel_initializer": _ANY,
    "kernel_regularizer": _ANY,
    "kernel_constraint": _ANY,
    "noise_shape": (),
    "keepdims": (False,),
    "synchronized": (False,),
    "quantization_config": (),
    "query_shape": _ANY,
    "key_shape": _ANY,
    "value_shape": _ANY,
    "softmax_robust_masking": _ANY,
    "trainable": _ANY,
    "lora_rank": (),
}
"""Arguments that came or went, and the values by which they change nothing; None never does."""


@repair
def argument_that_came_or_went(node: Node) -> str | None:
    """Leave out an argument that this version doesn't know, where its value changes nothing.

    Of layers that only augment images while training, any.
    """
    config = node.value["config"]
    accepted = _accepted(node.class_name)
    if accepted is None or not isinstance(config, dict):
        return None
    left_out = [
        key
        for key, value in config.items()
        if key not in accepted and (_is_obsolete(key, value) or node.class_name.startswith("Random"))
    ]
    for key in left_out:
        del config[key]
    return f"{node.class_name}({', '.join(left_out)})" if left_out else None


def _is_obsolete(key: str, value: Any) -> bool:
    values = _OBSOLETE_ARGUMENTS.get(key, ())
    return value is None or values is _ANY or value in values


@cache
def _accepted(class_name: str) -> frozenset[str] | None:
    """Return the arguments that a layer takes; None where it isn't one of Keras's."""
    import keras

    layer = getattr(keras.layers, class_name, None)
    if not inspect.isclass(layer):
        return None
    names: set[str] = set()
    for part in layer.__mro__:
        init = vars(part).get("__init__")
        if init is None or part is keras.layers.Layer.__mro__[-1]:
            continue
        parameters = inspect.signature(init).parameters.values()
        names |= {p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    popped = {"LeakyReLU": {"alpha"}, "BatchNormalization": {"beta_initializer"}}
    return frozenset(names | popped.get(class_name, set()))


@repair
def slope_was_called_otherwise(node: Node) -> str | None:
    """Call the slope of a LeakyReLU by its name of today."""
    config = node.value["config"]
    if node.class_name != "LeakyReLU" or not isinstance(config, dict) or "alpha" not in config:
        return None
    config["negative_slope"] = float(config.pop("alpha"))
    return "LeakyReLU(alpha)"


@repair
def word_that_names_a_function(node: Node) -> str | None:
    """Leave out the default score_mode "dot", which Keras takes for its function `dot` in an HDF5 file."""
    config = node.value["config"]
    if node.class_name != "Attention" or not isinstance(config, dict) or config.get("score_mode") != "dot":
        return None
    del config["score_mode"]
    return "Attention(score_mode)"


@repair
def attention_was_built_otherwise(node: Node) -> str | None:
    """Let attention be built when it is called: Keras 2 noted the shape of its query only."""
    if node.class_name != "MultiHeadAttention" or "input_shape" not in (node.value.get("build_config") or {}):
        return None
    del node.value["build_config"]
    return "MultiHeadAttention that was built otherwise"


repair(training_only.arguments_for_training)


# Connections -----------------------------------------------------------------------------------------------------------------


repair(wiring.outputs_that_were_a_list_of_one)
repair(wiring.calls_that_were_counted_otherwise)
