"""Layers are listed and found by path, name or object; kernels are read off them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests.models import CONV1, Fixed, conv, convolve, functional, images, nested, nested_twice, operations
from tests.rounding import assert_same_sums
from vizcnn.adapter import LayerInfo


def _paths(adapter: Any) -> list[str]:
    return [info.path for info in adapter.layers]


def test_layers_are_listed_with_those_that_hold_them() -> None:
    paths = _paths(vz.adapt(nested_twice().model))
    assert paths == ["outer", "outer/base", "outer/base/conv1", "outer/base/conv2", "outer/base/add", "outer/base/out",
                     "outer/same", "pool", "predictions"]  # fmt: skip


def test_layer_says_what_it_is() -> None:
    adapter = vz.adapt(nested().model)
    assert adapter.layer("base/conv1") == LayerInfo(
        path="base/conv1",
        kind="Conv2D",
        output_shape=(None, 6, 5, 4),
        num_params=3 * 3 * 3 * 4 + 4,
        depth=1,
        is_container=False,
        activation="relu",
    )
    base = adapter.layer("base")
    assert (base.kind, base.is_container, base.num_params, base.name) == ("Functional", True, 112 + 148, "base")
    assert (adapter.layer("predictions").activation, adapter.layer("base/conv2").activation) == ("softmax", None)


def test_only_maps_are_spatial() -> None:
    adapter = vz.adapt(nested().model)
    assert [info.path for info in adapter.layers if not info.is_spatial] == ["pool", "predictions"]
    assert not LayerInfo("pooled", "GlobalAveragePooling2D", (None, 1, 1, 8), 0).is_spatial


def test_operations_of_keras_are_layers_too() -> None:
    kinds = [info.kind for info in vz.adapt(operations().model).layers]
    assert kinds == ["Conv2D", "Relu", "Conv2D", "Add", "Relu", "Mean", "Dense", "Softmax"]


def test_shapes_of_a_model_without_input_are_known_after_a_run() -> None:
    adapter = vz.adapt(keras.Sequential([layers.Conv2D(4, 3, name="conv"), layers.Flatten(), layers.Dense(2)]))
    adapter.outputs(np.zeros((1, 6, 5, 3), np.float32))
    assert adapter.layer("conv").output_shape == (None, 4, 3, 4)


@pytest.mark.parametrize("given", ["base/conv2", "conv2"])
def test_unique_name_is_enough(given: str) -> None:
    assert vz.adapt(nested().model).layer(given).path == "base/conv2"


def test_keras_layer_is_found_by_itself() -> None:
    model = nested().model
    adapter = vz.adapt(model)
    assert adapter.layer(model.get_layer("base").get_layer("conv2")).path == "base/conv2"
    assert adapter.layer(adapter.layer("conv2")).path == "base/conv2"


def test_keras_layer_of_another_model_is_rejected() -> None:
    with pytest.raises(vz.errors.LayerError, match="`layer` must be a layer's path or name; got <Conv2D name=conv1"):
        vz.adapt(functional().model).layer(layers.Conv2D(1, 1, name="conv1"))


def test_name_of_several_layers_asks_for_a_path() -> None:
    x = keras.Input((4, 4, 1))
    part = [keras.Sequential([layers.Conv2D(1, 1, name="conv")], name=name) for name in ("left", "right")]
    adapter = vz.adapt(keras.Model(x, part[0](x) + part[1](x), name="two"))
    message = "`layer` 'conv' is the name of 2 layers of model 'two'; give the path of one: 'left/conv', 'right/conv'"
    with pytest.raises(vz.errors.LayerError, match=message):
        adapter.layer("conv")


def test_unknown_layer_offers_a_close_name_and_the_maps() -> None:
    with pytest.raises(
        vz.errors.LayerError,
        match=r"`layer` must name a layer of model 'zoo'; got 'conv9'\. Did you mean 'conv[12]'\? Layers with feature maps: "
        r"'conv1', 'conv2', 'add', 'out'\.",
    ):
        vz.adapt(functional().model).layer("conv9")


def test_layer_that_is_not_a_name_is_rejected() -> None:
    with pytest.raises(vz.errors.LayerError, match="`layer` must be a layer's path or name; got 3"):
        vz.adapt(functional().model).layer(3)


def test_layers_of_one_name_have_paths_of_their_own() -> None:
    class Twins(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="twins")
            self.a, self.b = layers.Dense(2, name="dense"), layers.Dense(3, name="dense")
            self.flat = layers.Flatten(name="flat")

        def call(self, x: Any) -> Any:
            return self.b(self.a(self.flat(x)))

    adapter = vz.adapt(Twins())
    adapter.outputs(np.zeros((1, 2, 2, 1), np.float32))
    assert sorted(_paths(adapter)) == ["dense", "dense~2", "flat"]
    found = adapter.activations(images(1, (2, 2, 1)), ["dense", "dense~2"])
    assert [found[path].shape for path in ("dense", "dense~2")] == [(1, 2), (1, 3)]


# A layer that is called twice ----------------------------------------------------------------------------------------------


def _shared() -> Any:
    """x -> conv -> conv again -> sum of both maps' means."""
    twice = conv("conv", (CONV1[0][:, :, :, :3], CONV1[1][:3]))
    x = keras.Input((6, 5, 3))
    first = twice(x)
    both = layers.Concatenate(name="both")([first, twice(first)])
    return keras.Model(x, layers.GlobalAveragePooling2D(name="pool")(both), name="shared")


def test_second_call_of_a_layer_has_its_own_output() -> None:
    weights = (CONV1[0][:, :, :, :3], CONV1[1][:3])
    x, adapter = images(2), vz.adapt(_shared())
    found = adapter.activations(x, ["conv", "conv[1]"])
    np.testing.assert_allclose(found["conv"], convolve(x, *weights), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found["conv[1]"], convolve(convolve(x, *weights), *weights), rtol=1e-4, atol=1e-5)


def test_second_call_of_a_layer_has_its_own_gradient() -> None:
    adapter = vz.adapt(_shared())
    taken = adapter.gradients(images(1), 4, of="conv[1]")  # output 4 is the mean of channel 1 of the second call
    expected = np.zeros((1, 6, 5, 3))
    expected[..., 1] = 1 / 30
    assert_same_sums(taken.gradients, expected, 30)
    assert taken.layer == "conv[1]"


def test_first_call_gets_the_gradient_of_both_ways() -> None:
    x, adapter = images(1), vz.adapt(_shared())
    direct = adapter.gradients(x, 1, of="conv[0]").gradients  # output 1 is the mean of channel 1 of the first call
    through = adapter.gradients(x, 4, of="conv").gradients
    assert_same_sums(direct[0, 2, 2], [0, 1 / 30, 0], 30)
    inside = CONV1[0][:, :, :, 1].sum(axis=(0, 1)) / 30  # away from the border every weight is met
    assert_same_sums(through[0, 2, 2], inside, 27, 30, size=0.5)


def test_call_that_does_not_happen_is_named() -> None:
    with pytest.raises(
        vz.errors.LayerError, match=r"`layer` 'conv\[2\]' can't be read: layer 'conv' .*is called 2 times"
    ):
        vz.adapt(_shared()).activations(images(1), ["conv[2]"])


@pytest.mark.filterwarnings("ignore:`build..` was called on layer 'unused'")
def test_layer_that_a_run_does_not_reach_is_named() -> None:
    class Unused(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="unused")
            self.used, self.spare = layers.Flatten(name="used"), layers.Flatten(name="spare")

        def call(self, x: Any) -> Any:
            return self.used(x)

    with pytest.raises(vz.errors.LayerError, match=r"`layer` 'spare' can't be read: layer 'spare' .*is not called"):
        vz.adapt(Unused()).activations(np.zeros((1, 2, 2, 1), np.float32), ["spare"])


def test_layer_behind_the_score_is_named() -> None:
    adapter = vz.adapt(functional().model)
    with pytest.raises(
        vz.errors.LayerError, match="score doesn't depend on layer 'predictions' of model 'zoo'; name one before"
    ):
        adapter.gradients(images(1), vz.targets.Channel("conv1", 0), of="predictions")


# Kernels ------------------------------------------------------------------------------------------------------------------


def test_kernels_are_the_weights_of_a_convolution() -> None:
    np.testing.assert_array_equal(vz.adapt(nested().model).kernels("base/conv1"), CONV1[0])


def test_kernels_of_a_separable_convolution_are_its_depthwise_part() -> None:
    depthwise = np.arange(18, dtype=np.float32).reshape(3, 3, 2, 1)
    layer = layers.SeparableConv2D(4, 3, depthwise_initializer=Fixed(depthwise), name="separable")
    adapter = vz.adapt(keras.Sequential([keras.Input((5, 5, 2)), layer]))
    np.testing.assert_array_equal(adapter.kernels("separable"), depthwise)


def test_kernels_of_another_layer_are_refused_with_those_that_have_some() -> None:
    with pytest.raises(
        vz.errors.LayerError,
        match=r"'base/out' is a Activation, which has no kernels\. Layers that do: 'base/conv1', 'base/conv2'\.",
    ):
        vz.adapt(nested().model).kernels("out")


class Stem(layers.Conv2D):
    """A layer of the user's whose name says nothing."""


class AddNoise(layers.Layer):
    """A layer of the user's that derives from nothing but a layer."""

    def call(self, x: Any) -> Any:
        return x


def test_role_is_told_by_keras_s_class_and_by_the_name_where_there_is_none() -> None:
    inputs = keras.Input((8, 8, 3))
    x = Stem(4, 3, name="stem")(layers.Rescaling(1 / 255, name="scale")(inputs))
    x = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(x))
    x = layers.Add(name="add")([x, layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)])
    x = layers.Conv2DTranspose(2, 3, name="transposed")(layers.MaxPooling2D(name="pool")(x))
    x = layers.Dense(2, name="dense")(
        layers.Flatten(name="flat")(AddNoise(name="noise")(keras.Sequential([layers.Dense(2)], name="inner")(x)))
    )
    adapter = vz.adapt(keras.Model(inputs, layers.Softmax(name="softmax")(x)))
    roles = {info.path: info.role for info in adapter.layers if info.depth == 0}
    assert roles == {
        "scale": "preprocessing",
        "stem": "convolution",
        "norm": "normalization",
        "relu": "activation",
        "depthwise": "depthwise convolution",
        "add": "addition",
        "pool": "pooling",
        "transposed": "transposed convolution",
        "inner": "container",
        "noise": "dropout",
        "flat": "reshape",
        "dense": "dense",
        "softmax": "softmax",
    }  # fmt: skip


def test_layer_that_an_older_adapter_or_file_describes_has_the_role_of_its_kind() -> None:
    assert LayerInfo("a", "MultiHeadAttention", None, 0).role == "attention"
    assert LayerInfo("b", "Mine", None, 0).role == "other"
    assert LayerInfo("c", "Convolution", None, 0, role="pooling").role == "pooling"
