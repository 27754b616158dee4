"""What tf-keras-vis computes and what vizcnn computes, on the same models."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from tf_keras_vis.gradcam import Gradcam
from tf_keras_vis.saliency import Saliency
from tf_keras_vis.utils.model_modifiers import GuidedBackpropagation, ReplaceToLinear
from tf_keras_vis.utils.scores import CategoricalScore

import vizcnn as vz
from tests import models
from tests.peer import Peer, assert_same_maps, corner_model, linear, mobilenet, plain_cnn, plugin, resnet50, with_head
from vizcnn.errors import VizcnnWarning


@pytest.fixture(
    params=[plain_cnn, mobilenet, pytest.param(resnet50, marks=pytest.mark.slow)], ids=lambda build: build.__name__
)
def peer(request: Any) -> Peer:
    built: Peer = request.param()
    return built


@pytest.fixture
def plain() -> Peer:
    return plain_cnn()


def with_relu6_as_activation(model: Any) -> Any:
    """The same model with each ReLU layer as an Activation layer, the only place where tf-keras-vis looks."""

    def clone(layer: Any) -> Any:
        if isinstance(layer, layers.ReLU):
            return layers.Activation(keras.activations.relu6, name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    twin = keras.models.clone_model(model, clone_function=clone)
    twin.set_weights(model.get_weights())
    return twin


# Ours equals theirs ---------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")
def test_vanilla_saliency_equals_tf_keras_vis(peer: Peer) -> None:
    theirs = Saliency(peer.linear)(CategoricalScore(peer.classes), peer.images, normalize_map=False)
    assert_same_maps(vz.saliency(peer.adapter, peer.images, peer.classes).values, theirs)


@pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")
def test_guided_saliency_equals_tf_keras_vis(peer: Peer) -> None:
    guided = GuidedBackpropagation([keras.activations.relu, keras.activations.relu6])
    visualize = Saliency(with_relu6_as_activation(peer.linear), model_modifier=guided, clone=False)
    theirs = visualize(CategoricalScore(peer.classes), peer.images, normalize_map=False)
    assert_same_maps(vz.saliency(peer.adapter, peer.images, peer.classes, rule="guided").values, theirs)


def test_mobilenet_has_no_unit_above_the_cap_that_the_two_treat_differently() -> None:
    peer = mobilenet()
    relus = [info.path for info in peer.adapter.layers if info.kind == "ReLU"]
    assert len(relus) == 27
    assert max(values.max() for values in peer.adapter.activations(peer.images, relus).values()) < 6


@pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")
def test_gradcam_before_upsampling_equals_tf_keras_vis(peer: Peer) -> None:
    for layer in peer.layers:
        options = {"penultimate_layer": layer, "seek_penultimate_conv_layer": False, "expand_cam": False}
        theirs = Gradcam(peer.linear)(CategoricalScore(peer.classes), peer.images, normalize_cam=False, **options)
        ours = vz.gradcam(peer.adapter, peer.images, peer.classes, layer=layer)
        assert_same_maps(np.maximum(ours.raw, 0), theirs)


def test_signed_and_guided_gradcam_equal_tf_keras_vis(plain: Peer) -> None:
    options = {"penultimate_layer": "first", "expand_cam": False, "normalize_cam": False, "activation_modifier": None}
    for rule, modifiers in (("vanilla", []), ("guided", [GuidedBackpropagation()])):
        visualize = Gradcam(plain.model, model_modifier=[*modifiers, ReplaceToLinear()])
        theirs = visualize(CategoricalScore([2]), plain.images, **options)
        assert theirs.min() < 0
        assert_same_maps(vz.gradcam(plain.adapter, plain.images, 2, layer="first", rule=rule).raw, theirs)


@pytest.fixture(scope="module")
def imagenet(test_data: Any) -> Peer:
    from skimage import data, transform

    photograph = data.chelsea()[:, 75:375]
    pixels = transform.resize(photograph, (224, 224), preserve_range=True).astype(np.float32)
    model = keras.models.load_model(test_data / "mobilenet_025_224_imagenet.keras")
    return Peer(model, vz.adapt(model), linear(model), (pixels / 127.5 - 1)[None], ("conv_pw_13_relu",), [281])


def test_imagenet_mobilenet_is_explained_as_tf_keras_vis_does(imagenet: Peer) -> None:
    score, image = CategoricalScore([281]), imagenet.images
    saliency = Saliency(imagenet.linear)(score, image, normalize_map=False)
    assert_same_maps(vz.saliency(imagenet.adapter, image, 281).values, saliency)
    visualize = Gradcam(imagenet.linear)
    options = {"penultimate_layer": "conv_pw_13_relu", "seek_penultimate_conv_layer": False, "expand_cam": False}
    ours = vz.gradcam(imagenet.adapter, image, 281)
    assert ours.layer == "conv_pw_13_relu"
    assert_same_maps(np.maximum(ours.raw, 0), visualize(score, image, normalize_cam=False, **options))


def capped(relu: Any) -> Any:
    """One pixel a sample: x -> 1x1 convolution by 1 -> ReLU with a cap of 6 -> the logits (y, -y)."""
    x = keras.Input((2, 2, 1))
    y = layers.Conv2D(1, 1, use_bias=False, kernel_initializer="ones", name="conv")(x)
    return with_head(x, relu(y))


PIXELS = np.array([[[[-1.0], [3.0]], [[5.0], [7.0]]]], dtype=np.float32)


def test_pitfall_5_guided_reaches_relu_layers_which_tf_keras_vis_skips() -> None:
    model = capped(layers.ReLU(max_value=6.0))
    theirs = Saliency(model, model_modifier=GuidedBackpropagation())
    options = {"gradient_modifier": None, "keepdims": True, "normalize_map": False}
    expected_of_vanilla = [[0, -1], [-1, 0]]
    np.testing.assert_array_equal(theirs(CategoricalScore(1), PIXELS, **options)[0, ..., 0], expected_of_vanilla)
    with pytest.warns(VizcnnWarning, match="zero everywhere"):
        guided = vz.saliency(model, PIXELS, 1, rule="guided", reduce="sum")
    np.testing.assert_array_equal(guided.values[0], [[0, 0], [0, 0]])


def test_pitfall_5_guided_stops_above_the_cap_of_relu6_where_tf_keras_vis_goes_on() -> None:
    model = capped(layers.Activation(keras.activations.relu6))
    theirs = Saliency(model, model_modifier=GuidedBackpropagation([keras.activations.relu6]))
    np.testing.assert_array_equal(theirs(CategoricalScore(0), PIXELS, normalize_map=False)[0], [[0, 1], [1, 1]])
    ours = vz.saliency(model, PIXELS, 0, rule="guided")
    np.testing.assert_array_equal(ours.values[0], [[0, 1], [1, 0]])


def test_pitfall_10_upsampling_has_half_pixel_centers_where_tf_keras_vis_stretches_to_the_corners() -> None:
    image = np.zeros((1, 4, 4, 1), np.float32)
    image[0, 2:, 2:] = 1
    theirs = Gradcam(corner_model())(CategoricalScore(0), image, normalize_cam=False)
    np.testing.assert_allclose(theirs[0], np.outer([0, 1 / 3, 2 / 3, 1], [0, 1 / 3, 2 / 3, 1]), atol=1e-6)
    ours = vz.gradcam(corner_model(), image, 0, layer="quarters")
    np.testing.assert_allclose(ours.values[0], np.outer([0, 0.25, 0.75, 1], [0, 0.25, 0.75, 1]), atol=1e-6)


def test_gradcam_takes_the_last_map_of_mobilenet_where_tf_keras_vis_takes_the_1x1_head() -> None:
    peer = mobilenet()
    assert vz.gradcam(peer.adapter, peer.images).layer == "conv_pw_13_relu"
    with pytest.warns(VizcnnWarning, match="one value everywhere|zero everywhere"):
        theirs = plugin("gradcam", peer.adapter, peer.images, 7)
    assert theirs.layer == "conv_preds"
    assert theirs.raw.shape == (2, 1, 1)
    direct_map = Gradcam(peer.linear)(CategoricalScore(7), peer.images, expand_cam=False, normalize_cam=False)
    np.testing.assert_allclose(np.maximum(theirs.raw, 0), direct_map, rtol=1e-4)


def test_pitfall_24_sequential_models_fail_in_tf_keras_vis_and_work_through_the_plugin() -> None:
    plain = keras.Sequential([keras.Input((4, 4, 1)), layers.Flatten(), layers.Dense(2, activation="softmax")])
    with pytest.raises(AttributeError, match="output_names"):
        Saliency(plain, model_modifier=ReplaceToLinear())
    built = models.sequential()
    expected = models.reference(models.images(), 1, skip=False).by_input
    assert_same_maps(plugin("saliency", built.model, models.images(), 1).raw, expected)
