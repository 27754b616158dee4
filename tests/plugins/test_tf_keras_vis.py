"""The plugins that call tf-keras-vis: they return what it does, of its score objects too, and keep to the rules of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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
from tf_keras_vis.utils.model_modifiers import ReplaceToLinear
from tf_keras_vis.utils.scores import BinaryScore, CategoricalScore, InactiveScore

import vizcnn as vz
from tests import models
from tests.peer import Peer, assert_same_maps, corner_model, plain_cnn, plugin
from vizcnn import targets
from vizcnn.errors import LayerError, OptionError, TargetError, VizcnnWarning

METHODS = ("saliency", "smoothgrad", "gradcam", "gradcam++", "layercam", "scorecam")
CAMS = METHODS[2:]


@pytest.fixture
def plain() -> Peer:
    return plain_cnn()


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
