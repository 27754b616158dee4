"""What tf-keras-vis computes and what vizcnn computes, on the same models; and its maps as plugins of vizcnn."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from tf_keras_vis.gradcam import Gradcam
from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
from tf_keras_vis.layercam import Layercam
from tf_keras_vis.saliency import Saliency
from tf_keras_vis.scorecam import Scorecam
from tf_keras_vis.utils.model_modifiers import GuidedBackpropagation, ReplaceToLinear
from tf_keras_vis.utils.scores import BinaryScore, CategoricalScore, InactiveScore

import vizcnn as vz
from tests import models
from vizcnn import targets
from vizcnn.errors import LayerError, OptionError, TargetError, VizcnnWarning
from vizcnn.plugins import registry

METHODS = ("saliency", "smoothgrad", "gradcam", "gradcam++", "layercam", "scorecam")
CAMS = METHODS[2:]


def plugin(method: str, *args: Any, **options: Any) -> Any:
    return registry.get(f"tf-keras-vis/{method}").function(*args, **options)


def assert_same_maps(ours: Any, theirs: Any) -> None:
    """Equal within 1e-4 of the map's range, and not all one value."""
    theirs = np.asarray(theirs)
    span = float(np.ptp(theirs))
    assert np.asarray(ours).shape == theirs.shape
    assert span > 0
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * span)


# The models both are compared on --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Peer:
    model: Any
    adapter: Any
    linear: Any  # what tf-keras-vis makes of the model: its outputs are logits
    images: np.ndarray
    layers: tuple[str, ...]
    classes: list[int]


@cache
def plain_cnn() -> Peer:
    keras.utils.set_random_seed(3)
    x = keras.Input((20, 16, 3))
    y = layers.Conv2D(6, 3, activation="relu", name="first")(x)
    y = layers.Conv2D(8, 3, strides=2, activation="relu", name="second")(y)
    y = layers.Conv2D(8, 3, activation="relu", name="last")(y)
    y = layers.Dense(5, activation="softmax")(layers.Flatten()(y))
    return _peer(keras.Model(x, y), ("last", "second"), [4, 2])


@cache
def mobilenet() -> Peer:
    keras.utils.set_random_seed(3)
    model = keras.applications.MobileNet(alpha=0.25, weights=None, input_shape=(96, 96, 3))
    _randomize_batch_norm(model)
    return _peer(model, ("conv_pw_13_relu",), [7, 300])


@cache
def resnet50() -> Peer:
    keras.utils.set_random_seed(3)
    model = keras.applications.ResNet50(weights=None, input_shape=(64, 64, 3), classes=20)
    _randomize_batch_norm(model)
    return _peer(model, ("conv5_block3_out",), [6, 2])


def _peer(model: Any, layers: tuple[str, ...], classes: list[int]) -> Peer:
    images = models.images(2, model.input_shape[1:], seed=5)
    return Peer(model, vz.adapt(model), linear(model), images, layers, classes)


def linear(model: Any) -> Any:
    return Saliency(model, model_modifier=ReplaceToLinear()).model


def _randomize_batch_norm(model: Any) -> None:
    """Statistics as a trained model has them, so that values neither vanish nor explode on the way."""
    numbers = np.random.default_rng(7)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            size = layer.gamma.shape
            spread = [numbers.uniform(0.5, 1.5, size), numbers.normal(0, 0.3, size)]
            layer.set_weights([*spread, numbers.normal(0, 0.3, size), numbers.uniform(0.5, 1.5, size)])


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


# Where ours differs on purpose ----------------------------------------------------------------------------------------


def with_head(x: Any, maps: Any) -> Any:
    """Four times the mean of a single map is the logit of class 0; its negative that of class 1."""
    model = keras.Model(x, layers.Dense(2, name="logits")(layers.GlobalAveragePooling2D()(maps)))
    model.get_layer("logits").set_weights([np.float32([[4, -4]]), np.zeros(2, np.float32)])
    return model


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


def corner_model() -> Any:
    """4x4 pixels -> the means of their 2x2 quarters -> their mean is the logit of class 0."""
    x = keras.Input((4, 4, 1))
    mean = keras.initializers.Constant(0.25)
    quarters = layers.Conv2D(1, 2, strides=2, use_bias=False, kernel_initializer=mean, name="quarters")
    return with_head(x, quarters(x))


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


# Their score objects --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("indices", "target"), [(2, 2), ([2], 2), ([4, 1], [4, 1])])
def test_a_categorical_score_means_its_classes(plain: Peer, indices: Any, target: Any) -> None:
    result = vz.saliency(plain.adapter, plain.images, CategoricalScore(indices))
    np.testing.assert_array_equal(result.raw, vz.saliency(plain.adapter, plain.images, target).raw)
    theirs = Saliency(plain.linear)(CategoricalScore(indices), plain.images, normalize_map=False)
    assert_same_maps(result.values, theirs)


def binary_model() -> Any:
    x = keras.Input((8, 8, 1))
    y = layers.Conv2D(3, 3, activation="tanh", name="conv")(x)
    return keras.Model(x, layers.Dense(1, activation="sigmoid")(layers.Flatten()(y)))


@pytest.mark.parametrize("values", [True, False, [True, False]])
def test_a_binary_score_means_a_side_of_the_sigmoid(values: Any) -> None:
    model, images = binary_model(), models.images(2, (8, 8, 1))
    result = vz.saliency(model, images, BinaryScore(values))
    theirs = Saliency(model, model_modifier=ReplaceToLinear())
    signed = theirs(BinaryScore(values), images, gradient_modifier=None, keepdims=True, normalize_map=False)
    assert_same_maps(result.raw, signed)
    assert_same_maps(plugin("saliency", model, images, BinaryScore(values)).raw, signed)
    assert result.classes == tuple(int(value) for value in np.broadcast_to(values, 2))


def two_output_model() -> Any:
    x = keras.Input((8, 8, 1))
    y = layers.Flatten()(layers.Conv2D(3, 3, activation="tanh", name="conv")(x))
    heads = [
        layers.Dense(3, activation="softmax", name="kind")(y),
        layers.Dense(2, activation="softmax", name="age")(y),
    ]
    return keras.Model(x, heads)


def test_an_inactive_score_leaves_an_output_out() -> None:
    model, images = two_output_model(), models.images(2, (8, 8, 1))
    scores = [InactiveScore(), CategoricalScore(1)]
    result = vz.saliency(model, images, scores)
    np.testing.assert_array_equal(result.raw, vz.saliency(model, images, targets.Class(1, "age")).raw)
    theirs = Saliency(model, model_modifier=ReplaceToLinear())(scores, images, normalize_map=False)
    assert_same_maps(result.values, theirs)
    assert_same_maps(plugin("saliency", model, images, scores).values, theirs)


# Their maps as plugins ------------------------------------------------------------------------------------------------


def direct_smoothgrad(model: Any, score: Any, image: np.ndarray) -> Any:
    np.random.seed(4)  # noqa: NPY002
    return Saliency(model)(score, image, smooth_samples=3, smooth_noise=0.1, normalize_map=False)


DIRECT: dict[str, tuple[dict[str, Any], Callable[..., Any]]] = {
    "saliency": ({}, lambda model, score, x: Saliency(model)(score, x, normalize_map=False)),
    "smoothgrad": ({"num_samples": 3, "noise": 0.1, "seed": 4}, direct_smoothgrad),
    "gradcam": ({}, lambda model, score, x: Gradcam(model)(score, x, normalize_cam=False)),
    "gradcam++": (
        {"layer": "first"},
        lambda model, score, x: GradcamPlusPlus(model)(score, x, penultimate_layer="first", normalize_cam=False),
    ),
    "layercam": (
        {"layer": "first"},
        lambda model, score, x: Layercam(model)(score, x, penultimate_layer="first", normalize_cam=False),
    ),
    "scorecam": ({}, lambda model, score, x: Scorecam(model)(score, x, normalize_cam=False)),
}


@pytest.mark.parametrize("method", METHODS)
def test_a_plugin_returns_what_tf_keras_vis_does(plain: Peer, method: str) -> None:
    options, direct = DIRECT[method]
    image = plain.images[:1]
    ours = plugin(method, plain.adapter, image, 2, **options)
    assert_same_maps(ours.values, direct(plain.linear, CategoricalScore(2), image))
    assert ours.layer == (options.get("layer", "last") if method in CAMS else None)


def test_max_channels_is_faster_score_cam(plain: Peer) -> None:
    image = plain.images[:1]
    theirs = Scorecam(plain.linear)(CategoricalScore(2), image, max_N=3, normalize_cam=False)
    assert_same_maps(plugin("scorecam", plain.adapter, image, 2, max_channels=3).values, theirs)


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_is_its_loop_and_none_is_the_predicted_class(plain: Peer, method: str) -> None:
    options = {"num_samples": 3} if method == "smoothgrad" else {}
    batch = plugin(method, plain.adapter, plain.images, **options)
    predicted = plain.model.predict(plain.images, verbose=0).argmax(axis=-1)
    for i, index in enumerate(predicted):
        alone = plugin(method, plain.adapter, plain.images[i : i + 1], int(index), **options)
        assert_same_maps(batch.raw[i : i + 1], alone.raw)
    assert batch.classes == tuple(predicted)


@cache
def zoo(kind: str) -> tuple[Any, str]:
    built = models.ZOO[kind]()
    return vz.adapt(built.model), built.last


@pytest.mark.parametrize("method", METHODS)
def test_a_nested_sequential_model_gives_the_map_of_its_functional_twin(method: str) -> None:
    maps = []
    for adapter, last in (zoo("functional"), zoo("nested_in_sequential_never_called")):
        options = {"layer": last} if method in CAMS else {"num_samples": 2} if method == "smoothgrad" else {}
        maps.append(plugin(method, adapter, models.images(1), 1, **options).raw)
    assert_same_maps(maps[1], maps[0])


WAYS = ("functional_of_a_dict", "nested_in_sequential_never_called", "nested_twice", "operations", "subclassed", "wrapped",
        "layer_of_layers")  # fmt: skip
"""Ways to put a network together in which its layers are found differently."""


@pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")
@pytest.mark.parametrize("way", WAYS)
def test_the_layer_of_gradcam_plugins_means_what_it_means_in_ours(way: str) -> None:
    built = models.ZOO[way]()
    expected = models.reference(models.images(), 2, skip=built.skip)
    theirs = plugin("gradcam", built.model, models.images(), 2, layer=built.first)
    assert_same_maps(theirs.raw, (expected.by_first.mean(axis=(1, 2), keepdims=True) * expected.first).sum(axis=-1))


def test_the_users_model_is_as_it_was(plain: Peer) -> None:
    model = plain.model
    config, weights, held = model.get_config(), model.get_weights(), [set(vars(layer)) for layer in model.layers]
    before = model.predict(plain.images, verbose=0)
    for method in METHODS:
        plugin(method, plain.adapter, plain.images)
    np.testing.assert_array_equal(model.predict(plain.images, verbose=0), before)
    assert model.get_config() == config
    assert [set(vars(layer)) for layer in model.layers] == held
    for now, then in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(now, then)


def test_new_weights_are_seen_without_a_new_trace() -> None:
    built, images = models.functional(), models.images(1)
    adapter = vz.adapt(built.model)

    def maps() -> list[np.ndarray]:
        ours = [vz.saliency(adapter, images, 0), vz.gradcam(adapter, images, 0)]
        return [
            result.raw
            for result in (
                *ours,
                plugin("saliency", adapter, images, 0),
                plugin("gradcam", adapter, images, 0, layer="out"),
            )
        ]

    before, traces = maps(), adapter.num_traces
    built.model.set_weights([2 * weight for weight in built.model.get_weights()])
    after = maps()
    assert_same_maps(after[2], after[0])
    assert_same_maps(after[3], after[1])
    assert np.abs(after[2] - before[2]).max() > np.abs(before[2]).max()
    assert adapter.num_traces == traces


def test_smoothgrad_follows_its_options_and_leaves_numpys_generator_alone(plain: Peer) -> None:
    image = plain.images[:1]
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first = plugin("smoothgrad", plain.adapter, image, 2, num_samples=2, noise=0.1, seed=1).raw
    again = plugin("smoothgrad", plain.adapter, image, 2, num_samples=2, noise=0.1, seed=1).raw
    other = plugin("smoothgrad", plain.adapter, image, 2, num_samples=2, noise=0.1, seed=2).raw
    still = plugin("smoothgrad", plain.adapter, image, 2, num_samples=2, noise=0).raw
    np.testing.assert_array_equal(again, first)
    assert np.abs(other - first).max() > 0.01 * first.max()
    assert_same_maps(still, np.abs(vz.saliency(plain.adapter, image, 2).raw))
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_two_threads_get_the_smoothgrad_that_each_gets_alone(plain: Peer) -> None:
    def run(seed: int) -> np.ndarray:
        raw: np.ndarray = plugin("smoothgrad", plain.adapter, plain.images, 2, num_samples=5, seed=seed).raw
        return raw

    alone = [run(0), run(1)]
    with ThreadPoolExecutor(2) as pool:
        np.testing.assert_array_equal(list(pool.map(run, (0, 1))), alone)


def test_pitfall_3_score_cam_tells_the_sides_of_a_sigmoid_apart() -> None:
    keras.utils.set_random_seed(0)
    model, image = binary_model(), models.images(1, (8, 8, 1))
    sides = [plugin("scorecam", model, image, side).raw for side in (0, 1)]
    assert np.abs(sides[1] - sides[0]).max() > 0.01 * np.abs(sides[0]).max()


def test_score_cam_draws_no_progress_bar(plain: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    plugin("scorecam", plain.adapter, plain.images[:1])
    assert capsys.readouterr().out == ""


def test_pitfall_11_the_overflow_of_grad_cam_plus_plus_is_said() -> None:
    model, image = corner_model(), models.images(1, (4, 4, 1))
    model.get_layer("logits").bias.assign([100.0, 0.0])
    with pytest.warns(VizcnnWarning) as said:
        plugin("gradcam++", model, image, 0)
    assert "multiplies by the exponential of the score, which overflows (highest score 100" in str(said[0].message)


def test_a_layer_that_the_score_ignores_gives_a_blank_map_and_says_so() -> None:
    x = keras.Input((8, 8, 1))
    used, unused = (layers.Flatten()(layers.Conv2D(2, 3, name=name)(x)) for name in ("used", "unused"))
    model = keras.Model(x, [layers.Dense(2, name="a")(used), layers.Dense(2, name="b")(unused)])
    with pytest.warns(VizcnnWarning, match="zero everywhere"):
        result = plugin("gradcam", model, models.images(1, (8, 8, 1)), layer="unused")
    np.testing.assert_array_equal(result.raw, 0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "target", [targets.Channel("first", 0), targets.Contrast(0, 1), targets.Function(lambda outputs: outputs[:, 0])]
)
def test_a_target_that_is_no_class_is_rejected(plain: Peer, method: str, target: Any) -> None:
    with pytest.raises(TargetError, match="isn't a class, and tf-keras-vis explains classes here"):
        plugin(method, plain.adapter, plain.images, target)


@pytest.mark.parametrize("method", CAMS)
def test_a_layer_without_rows_and_columns_is_rejected(plain: Peer, method: str) -> None:
    with pytest.raises(LayerError, match=r"'flatten\w*' has no spatial map, its output has shape \(\d+,\)"):
        plugin(method, plain.adapter, plain.images, layer=plain.model.layers[-2].name)


@pytest.mark.parametrize("method", CAMS)
def test_a_model_without_a_convolution_is_rejected(method: str) -> None:
    model = models.linear_model(np.ones((4, 2)), (2, 2, 1))
    with pytest.raises(LayerError, match="has no convolution for tf-keras-vis to take; name a `layer`"):
        plugin(method, model, models.images(1, (2, 2, 1)))


@pytest.mark.parametrize(
    ("method", "options", "message"),
    [
        ("smoothgrad", {"num_samples": 0}, "`num_samples` must be a whole number from 1 on; got 0"),
        ("smoothgrad", {"noise": -1.0}, "`noise` must be a number from 0 on; got -1.0"),
        ("smoothgrad", {"seed": "x"}, r"`seed` must be a whole number; got 'x'"),
        ("scorecam", {"max_channels": 9}, "`max_channels` must be a whole number from 1 to 8, or None; got 9"),
    ],
)
def test_an_option_out_of_range_is_rejected(plain: Peer, method: str, options: Any, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        plugin(method, plain.adapter, plain.images, **options)


def test_the_methods_are_listed_without_loading_tensorflow() -> None:
    code = "import sys, vizcnn; print(*vizcnn.methods()); print('tensorflow' in sys.modules, 'tf_keras_vis' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names, loaded = done.stdout.splitlines()
    assert {f"tf-keras-vis/{method}" for method in METHODS} <= set(names.split())
    assert loaded == "False False"


SURVIVE = """
import sys, numpy as np, vizcnn as vz
from vizcnn.plugins import registry
cnn = vz.adapt(sys.argv[1])
images = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 1)).astype("float32")
for method in ("saliency", "gradcam"):
    for _ in range(2):
        result = registry.get("tf-keras-vis/" + method).function(cnn, images, 3)
    assert np.isfinite(result.values).all() and result.values.max() > 0
ours = vz.gradcam(cnn, images, 3, layer="conv2d_7").raw
assert np.abs(ours - result.raw).max() < 1e-4 * np.ptp(ours)
print("survived")
"""


@pytest.mark.slow
def test_pitfall_23_the_process_survives_the_model_that_ends_it_in_eager_mode(test_data: Any) -> None:
    path = str(test_data / "wild" / "emotion_mini_xception_keras209.hdf5")
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([sys.executable, "-c", SURVIVE, path], capture_output=True, text=True, env=environment)
    assert done.stdout == "survived\n", done.stderr
