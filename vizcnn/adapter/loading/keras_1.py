"""Files of Keras 1.0 to 1.2: its names of layers and arguments, and its weights, written as Keras writes them today.

What only training needs (initializers, regularizers, constraints) isn't taken along: the weights are in the file.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vizcnn.adapter.loading.keras_1_weights import Leaf, write_weights
from vizcnn.adapter.loading.nodes import nodes
from vizcnn.adapter.loading.stored import Stored


def of_keras_1(stored: Stored, folder: Path) -> tuple[Stored, str] | None:
    """Write a file of Keras 1 as one of today, in a folder; None where it is no such file."""
    if stored.form != "hdf5" or not _is_keras_1(stored):
        return None
    reader = _Reader(stored.config)
    config, tree = reader.model(stored.config)
    path = folder / "of_keras_1.h5"
    done = write_weights(stored, tree, reader.unnamed, path)
    new = dataclasses.replace(stored, file=path, architecture=None, config=config, origin=stored.label)
    return new, ", ".join(["a description of Keras 1", *done])


def _is_keras_1(stored: Stored) -> bool:
    """Tell it by the version, which the first ones didn't write, or by arguments that only Keras 1 had."""
    if stored.version is not None:
        return stored.version.startswith("1.")
    configs = [node.value["config"] for node in nodes(stored.config)]
    return any(isinstance(config, dict) and not _OWN.isdisjoint(config) for config in configs)


_OWN = frozenset(
    {"nb_filter", "border_mode", "dim_ordering", "W_regularizer", "inner_init", "pool_length", "W_constraint"}
)

_CLASSES = {
    "Convolution1D": "Conv1D", "AtrousConvolution1D": "Conv1D", "Convolution2D": "Conv2D", "AtrousConvolution2D": "Conv2D",
    "Convolution3D": "Conv3D", "SeparableConvolution2D": "SeparableConv2D", "Deconvolution2D": "Deconvolution2D",
    "TimeDistributedDense": "Dense", "Model": "Functional",
}  # fmt: skip

_RENAMED = {
    "nb_filter": "filters", "filter_length": "kernel_size", "border_mode": "padding", "subsample": "strides",
    "subsample_length": "strides", "stride": "strides", "bias": "use_bias", "p": "rate", "sigma": "stddev", "length": "size",
    "pool_length": "pool_size", "atrous_rate": "dilation_rate", "inner_activation": "recurrent_activation",
    "dropout_W": "dropout", "dropout_U": "recurrent_dropout", "output_dim": "units", "input_dtype": "dtype",
}  # fmt: skip

_TRAINING = frozenset({
    "init", "inner_init", "forget_bias_init", "alpha_init", "beta_init", "gamma_init", "t_left_init", "a_left_init",
    "t_right_init", "a_right_init", "W_regularizer", "U_regularizer", "b_regularizer", "activity_regularizer",
    "gamma_regularizer", "beta_regularizer", "depthwise_regularizer", "pointwise_regularizer", "W_constraint", "b_constraint",
    "depthwise_constraint", "pointwise_constraint", "weights", "consume_less", "input_length", "cache_enabled",
})  # fmt: skip
"""Arguments on which no output depends."""

_MODES = {"sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum", "concat": "Concatenate", "dot": "Dot",
          "cos": "Cosine"}  # fmt: skip

_IN_SPACE = ("Conv", "SeparableConv", "Deconvolution", "LocallyConnected", "MaxPooling", "AveragePooling", "GlobalMaxPooling",
             "GlobalAveragePooling", "UpSampling", "ZeroPadding", "Cropping", "SpatialDropout", "ConvLSTM")  # fmt: skip
"""Layers that know which axis holds the channels, if they have two or three of space."""

Tree = tuple[str, "Leaf | list[Any]"]
"""The name of a layer or model, and the layer, or what the model consists of."""


class _Reader:
    """Writes the parts of a description anew; those that don't say where their channels are go by those that do."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        said = Counter(
            node.value["config"].get("dim_ordering") for node in nodes(config) if isinstance(node.value["config"], dict)
        )
        self.ordering = "th" if said["th"] > said["tf"] else "tf"
        self.unnamed: list[str] = []

    def model(self, node: Mapping[str, Any]) -> tuple[dict[str, Any], Tree]:
        """Return a model anew, with what it consists of."""
        if node["class_name"] == "Sequential":
            layers = node["config"] if isinstance(node["config"], list) else node["config"]["layers"]
            known = node["config"].get("name") if isinstance(node["config"], dict) else None
            name = str(node.get("name") or known or self._new_name())
            if layers[0]["class_name"] == "Merge" and layers[0]["config"].get("layers"):
                return self._branches(name, layers)
            made = [self.layer(layer) for layer in layers]
            config: dict[str, Any] = {"name": name, "layers": [layer for layer, _ in made]}
            new = {"class_name": "Sequential", "config": config}
        else:
            made = [self.layer(layer) for layer in node["config"]["layers"]]
            name = str(node["config"].get("name") or node.get("name") or "model")
            config = {**node["config"], "name": name, "layers": [layer for layer, _ in made]}
            new = {"class_name": "Functional", "config": config}
        new |= {key: node[key] for key in ("inbound_nodes",) if key in node} | {"name": name}
        return new, (name, [tree for _, tree in made])

    def _new_name(self) -> str:
        """Return a name for a Sequential in another, of which the name isn't written down."""
        self.unnamed.append(f"sequential_of_keras_1_{len(self.unnamed)}")
        return self.unnamed[-1]

    def layer(self, node: Mapping[str, Any]) -> tuple[dict[str, Any], Tree]:
        """Return a layer anew, or a model."""
        if node["class_name"] in ("Sequential", "Model"):
            return self.model(node)
        before = dict(node["config"])
        name = str(before.get("name") or node.get("name") or node["class_name"].lower())
        inner: list[Any] = []
        if "layer" in before:  # of a wrapper
            new, (_, part) = self.layer(before.pop("layer"))
            new |= {"module": "keras.layers", "registered_name": None}
            inner = part if isinstance(part, list) else [("", part)]
            after = {**before, "layer": new}
            class_name = node["class_name"]
        else:
            class_name, after = self._arguments(node["class_name"], before)
        made = {**node, "class_name": class_name, "config": {**after, "name": name}}
        return made, (name, Leaf(name, node["class_name"], node["config"], made, inner=[leaf for _, leaf in inner]))

    def _arguments(self, class_name: str, before: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return class and arguments of today."""
        if class_name == "Merge":
            return _merge(before)
        if class_name == "BatchNormalization" and before.get("mode", 0) == 1:
            return "BatchNormalizationPerSample", {"epsilon": before.get("epsilon", 1e-6)}
        now = _CLASSES.get(class_name, class_name)
        after = {key: value for key, value in before.items() if key not in _TRAINING and key not in _SHAPES}
        if now == "Embedding":
            after = {key: value for key, value in after.items() if key != "dropout"}
        else:
            after.pop("input_dim", None)
            after = {_RENAMED.get(key, key): value for key, value in after.items()}
        sizes = [before[key] for key in _SHAPES if key in before]
        if sizes:
            after["kernel_size"] = sizes
        ordering = after.pop("dim_ordering", self.ordering)
        if now[-2:] in ("2D", "3D") and now.startswith(_IN_SPACE):
            after["data_format"] = "channels_first" if ordering == "th" else "channels_last"
        if now == "Flatten":
            after["data_format"] = "channels_last"  # what lies in memory stays in its order
        if now == "BatchNormalization" and not after.get(
            "mode"
        ):  # what stays, by the batch's own statistics, is refused
            after.pop("mode", None)
        if now in ("ZeroPadding2D", "Cropping2D"):
            key = "padding" if now == "ZeroPadding2D" else "cropping"
            after[key] = _sides(after[key])
        if now == "GRU":
            after["reset_after"] = False
        if now == "InputLayer":
            after.setdefault("dtype", "float32")
        return now, after

    def _branches(self, name: str, layers: list[Any]) -> tuple[dict[str, Any], Tree]:
        """Return a Sequential that begins by joining several models as the Functional model that it is."""
        merge, *rest = layers
        made, trees, inputs, joined = [], [], [], []
        for branch in merge["config"]["layers"]:
            new, tree = self.layer(branch)
            new["name"] = tree[0]
            shapes = list(_input_shapes(branch))
            places: list[Any] = []
            for shape in shapes:
                place = f"{new['name']}_input" + (f"_{len(places)}" if len(shapes) > 1 else "")
                made.append({"class_name": "InputLayer", "name": place, "inbound_nodes": [],
                             "config": {"batch_input_shape": shape, "dtype": "float32", "name": place}})  # fmt: skip
                places.append([place, 0, 0])
            new["inbound_nodes"] = [places]
            inputs += places
            made.append(new)
            trees.append(tree)
            joined.append([new["name"], 0, 0])
        for node in (
            {**merge, "config": {key: value for key, value in merge["config"].items() if key != "layers"}},
            *rest,
        ):
            new, tree = self.layer(node)
            new |= {"inbound_nodes": [joined], "name": tree[0]}
            made.append(new)
            trees.append(tree)
            joined = [[new["name"], 0, 0]]
        config = {"name": name, "layers": made, "input_layers": inputs, "output_layers": joined}
        return {"class_name": "Functional", "config": config, "name": name}, (name, trees)


_SHAPES = ("nb_row", "nb_col", "kernel_dim1", "kernel_dim2", "kernel_dim3")
"""Arguments that are the sizes of a kernel, one each."""


def _merge(before: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    mode = before.get("mode", "sum")
    if before.get("mode_type", "raw") != "raw":  # Python code
        return "Lambda", {
            "function": mode,
            "function_type": before["mode_type"],
            "arguments": before.get("arguments", {}),
            "output_shape": before.get("output_shape"),
            "output_shape_type": before.get("output_shape_type"),
        }
    axes = before.get("dot_axes", -1)
    options: dict[str, Any] = {"axis": before.get("concat_axis", -1)} if mode == "concat" else {}
    if mode in ("dot", "cos"):
        options = {"axes": axes}
    return _MODES.get(mode, f"Merge(mode={mode!r})"), {
        **options,
        "trainable": True,
    }  # as layers have, and operations don't


def _sides(value: Any) -> Any:
    """Return what is added to or cut off rows and columns: [[top, bottom], [left, right]]."""
    if isinstance(value, Mapping):
        return [
            [value.get("top_pad", 0), value.get("bottom_pad", 0)],
            [value.get("left_pad", 0), value.get("right_pad", 0)],
        ]
    return [value[:2], value[2:]] if len(value) == 4 else value


def _input_shapes(node: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the shape of each input of a model or layer."""
    config = node["config"]
    if node["class_name"] == "Sequential":
        layers = config if isinstance(config, list) else config["layers"]
        first = layers[0]
        inside = first["config"].get("layers") if first["class_name"] == "Merge" else None
        for branch in inside or [first]:
            yield from _input_shapes(branch)
    elif node["class_name"] == "Model":
        found = {layer["name"]: layer for layer in config["layers"]}
        for place in config["input_layers"]:
            yield from _input_shapes(found[place[0]])
    else:
        yield config["batch_input_shape"]
