"""What an architecture says of a model: its connections worked out by hand, its summary, its errors."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests import models
from vizcnn.adapter.base import LayerInfo, ModelAdapter
from vizcnn.errors import OptionError, ResultError, UnsupportedModelError
from vizcnn.plugins import registry


def edges(model: Any) -> set[tuple[str, str]]:
    return set(vz.architecture(model).connections)


def lines(summary: str) -> dict[str, str]:
    return {line.split()[0]: line for line in summary.splitlines() if line.strip()}


SKIP = {
    ("<image>", "conv1"),
    ("conv1", "conv2"),
    ("conv1", "add"),
    ("conv2", "add"),
    ("add", "out"),
    ("out", "pool"),
    ("pool", "predictions"),
    ("predictions", "<predictions>"),
}


# Connections ------------------------------------------------------------------------------------------------------------


def test_skip_connection_of_a_functional_model_is_an_edge_past_a_layer():
    assert edges(models.functional().model) == SKIP


def test_layers_of_a_sequential_model_are_a_chain():
    chain = ["<image>", "conv1", "conv2", "pool", "predictions", "<output>"]
    assert edges(models.sequential().model) == set(pairwise(chain))


def test_nested_model_gives_the_edges_of_its_inner_layers():
    inner = {"conv1", "conv2", "add", "out"}

    def inside(name: str) -> str:
        return f"base/{name}" if name in inner else name

    assert edges(models.nested().model) == {(inside(a), inside(b)) for a, b in SKIP}


def test_operations_between_layers_are_looked_through_in_a_subclassed_model():
    assert edges(models.subclassed_called().model) == {
        ("<input>", "conv1"),
        ("conv1", "same"),
        ("same", "conv2"),
        ("same", "relu"),
        ("conv2", "relu"),
        ("relu", "head"),
        ("head", "<output>"),
    }


def test_layer_that_computes_with_what_its_layers_made_comes_after_them():
    assert edges(models.layer_of_layers().model) == {
        ("<image>", "block/conv1"),
        ("block/conv1", "block/conv2"),
        ("block/conv1", "block"),
        ("block/conv2", "block"),
        ("block", "pool"),
        ("pool", "predictions"),
        ("predictions", "<output>"),
    }


def test_nodes_of_keras_ops_take_part():
    x = keras.Input((4, 4, 1), name="image")
    model = keras.Model(x, keras.ops.relu(layers.Conv2D(1, 1, name="conv")(x)))
    node = next(op.name for op in model.operations if type(op).__name__ == "Relu")
    assert ("conv", node) in edges(model)


def test_dropout_that_returns_what_it_was_given_is_told_from_the_layer_before_it():
    x = keras.Input((4,), name="image")
    hidden = layers.Dense(3, name="hidden")(x)
    dropped = layers.Dropout(0.5, name="dropout")(hidden)
    out = layers.Dense(1, name="out")(layers.Add(name="add")([hidden, dropped]))
    assert edges(keras.Model(x, out)) >= {("hidden", "dropout"), ("hidden", "add"), ("dropout", "add"), ("add", "out")}
    assert ("hidden", "out") not in edges(keras.Model(x, out))


def siamese() -> Any:
    left, right = keras.Input((8, 8, 1), name="left"), keras.Input((8, 8, 1), name="right")
    head = [layers.Conv2D(2, 3, name="conv"), layers.GlobalAveragePooling2D(name="pool")]
    twin = keras.Sequential(head, name="twin")
    return keras.Model([left, right], layers.Subtract(name="difference")([twin(left), twin(right)]))


def test_second_call_of_a_shared_layer_has_its_number():
    assert edges(siamese()) == {
        ("<left>", "twin/conv"),
        ("twin/conv", "twin/pool"),
        ("<right>", "twin/conv[1]"),
        ("twin/conv[1]", "twin/pool[1]"),
        ("twin/pool", "difference"),
        ("twin/pool[1]", "difference"),
        ("difference", "<difference>"),
    }


def test_activation_layer_inside_a_convolution_is_part_of_it():
    x = keras.Input((4, 4, 1), name="image")
    conv = layers.Conv2D(1, 1, activation=layers.ReLU(name="gate"), name="conv")
    model = keras.Model(x, layers.Flatten(name="flatten")(conv(x)))
    assert edges(model) == {("<image>", "conv"), ("conv", "flatten"), ("flatten", "<flatten>")}


def test_each_of_several_outputs_has_an_edge():
    x = keras.Input((4,), name="image")
    one, two = layers.Dense(1, name="one")(x), layers.Dense(2, name="two")(x)
    assert {("one", "<one>"), ("two", "<two>")} <= edges(keras.Model(x, [one, two]))


def test_connections_of_every_model_of_the_zoo_lead_from_its_input_to_its_output(built):
    adapter = vz.adapt(built.model)
    adapter.prepare((models.HEIGHT, models.WIDTH, models.CHANNELS))
    found = adapter.connections
    reached = {end for end in {a for a, _ in found} if end.startswith("<")}
    for a, b in found:
        if a in reached:
            reached.add(b)
    assert {info.path for info in adapter.layers if not info.is_container} - {"conv1/gate"} <= reached | {
        "block/conv1/gate"
    }
    assert any(end.startswith("<") for _, end in found)


def test_finding_connections_leaves_the_models_answers_as_they_were():
    model = models.nested().model
    x = models.images(2)
    before, calls = model.predict(x, verbose=0), {id(layer): layer.call for layer in model.layers}
    vz.architecture(model)
    np.testing.assert_array_equal(model.predict(x, verbose=0), before)
    assert all("call" not in vars(layer) for layer in model.layers), calls


class Chain(ModelAdapter):
    """An adapter of few words."""

    capabilities = frozenset({"outputs", "layers"})
    input_shape = (4, 4, 1)
    layers = (
        LayerInfo("conv", "Convolution", (None, 4, 4, 2), 20),
        LayerInfo("head", "Head", (None, 3), 9, is_container=True),
        LayerInfo("head/dense", "Linear", (None, 3), 9, depth=1),
    )
    output_shapes = {"output": (3,)}  # noqa: RUF012

    def output_activation(self, output: str) -> str | None:
        return "softmax"

    def outputs(self, inputs: np.ndarray) -> tuple[np.ndarray, ...]:
        raise NotImplementedError

    def scores(self, inputs: np.ndarray, target: Any = None) -> np.ndarray:
        raise NotImplementedError


def test_adapter_that_says_nothing_of_connections_has_its_layers_in_a_chain():
    chain = ["<input>", "conv", "head/dense", "<output>"]
    assert vz.architecture(Chain("plain")).connections == tuple(pairwise(chain))


# Summary ----------------------------------------------------------------------------------------------------------------


def test_summary_says_what_there_is_of_a_layer_and_what_feeds_it():
    row = lines(vz.architecture(models.functional().model).summary)["add"]
    assert row.split() == ["add", "Add", "6", "x", "5", "x", "4", "0", "conv1,", "conv2"]


def test_summary_gives_inputs_outputs_and_the_sum_of_parameters():
    text = vz.architecture(models.functional().model).summary
    assert text.splitlines()[:3] == [
        "model zoo",
        "input   image        6 x 5 x 3",
        "output  predictions  3          softmax",
    ]
    assert text.splitlines()[-1] == "275 parameters in 6 layers"


def test_summary_names_a_source_by_its_path_only_where_it_lies_elsewhere():
    rows = lines(vz.architecture(models.nested().model).summary)
    assert rows["base/add"].endswith("0  conv1, conv2")
    assert rows["base"].endswith("<image>")
    assert rows["pool"].endswith("base/out")


def test_depth_closes_nested_models_in_the_summary():
    text = vz.architecture(models.nested().model, depth=0).summary
    assert "base/" not in text
    assert lines(text)["pool"].endswith("  base")
    assert "4 nested layers not shown (depth 0)" in text


def test_second_call_of_a_closed_container_has_its_number():
    assert lines(vz.architecture(siamese(), depth=0).summary)["difference"].endswith("twin, twin[1]")


@pytest.mark.filterwarnings("ignore:.build\\(\\). was called")  # Keras, of the layer that is never used
def test_layer_that_takes_no_part_is_fed_by_nothing():
    class Spare(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.used = layers.Dense(2, name="used")
            self.spare = layers.Dense(2, name="spare")

        def call(self, x: Any) -> Any:
            return self.used(x)

    model = Spare()
    model(np.zeros((1, 3), np.float32))
    rows = lines(vz.architecture(model).summary)
    assert rows["spare"].endswith("nothing")
    assert rows["used"].endswith("<input>")


def test_shapes_of_a_subclassed_model_are_told_by_the_run():
    rows = lines(vz.architecture(models.subclassed_called().model).summary)
    assert "6 x 5 x 4" in rows["conv1"]


# Result -------------------------------------------------------------------------------------------------------------------


def test_architecture_is_a_registered_method_of_the_model_alone():
    plugin = registry.get("architecture")
    assert plugin.takes == ("model",)
    assert not plugin.explains


def test_dictionary_is_fit_for_json_and_whole():
    about = json.loads(json.dumps(vz.architecture(models.nested().model, depth=0).to_dict()))
    assert about["depth"] == 0
    assert ["base/conv1", "base/add"] in about["connections"]
    assert about["layers"][0]["path"] == "base"
    assert about["inputs"] == {"image": [6, 5, 3]}
    assert about["activations"] == {"predictions": "softmax"}


def test_repr_is_one_short_line():
    assert repr(vz.architecture(models.functional().model)) == "<Architecture of 'zoo', 6 layers, 275 parameters>"


@pytest.mark.parametrize("depth", [-1, 1.5, True, "all"])
def test_wrong_depth_is_rejected(depth):
    with pytest.raises(OptionError, match="`depth` must be 0 or a positive integer, or None for all; got"):
        vz.architecture(models.functional().model, depth=depth)


def test_model_that_was_never_called_is_rejected_with_the_remedy():
    with pytest.raises(UnsupportedModelError, match="call it once on a batch"):
        vz.architecture(models.subclassed().model)


def test_suffix_that_is_no_picture_is_rejected(tmp_path):
    with pytest.raises(ResultError, match=r"`path` must end in \.png or \.jpg"):
        vz.architecture(models.functional().model).save(tmp_path / "model.npz")
