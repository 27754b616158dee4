"""Activation maximization: known optima, rising scores, and the same image for the same seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

import vizcnn as vz
from tests import framework
from tests.models import linear_model
from tests.rounding import rounding
from vizcnn.errors import OptionError, TargetError
from vizcnn.targets import Channel, Neuron, WeightedSum
from vizcnn.transforms import NONE, Diversity, Norm, TotalVariation, Transforms

RANGE = {"input_range": (-1.0, 1.0)}


@pytest.fixture(scope="module")
def cnn() -> Any:
    keras.utils.set_random_seed(2)
    return vz.adapt(
        keras.Sequential(
            [
                keras.Input((12, 10, 1)),
                layers.Conv2D(4, 3, activation="relu", name="conv"),
                layers.Flatten(),
                layers.Dense(3, activation="softmax"),
            ]
        ),
        preprocess="-1..1",
        labels=["a", "b", "c"],
    )


@pytest.mark.parametrize("parametrization", ["pixel", "fourier"])
def test_optimum_of_a_linear_model_is_white_where_the_weight_is_positive(parametrization: Any) -> None:
    weights = np.random.default_rng(0).choice([-1.0, 1.0], (30, 1)).astype(np.float32)
    result = vz.activation_maximization(
        linear_model(weights, (5, 6, 1)), 0, parametrization=parametrization, transforms=NONE, regularizers=(), **RANGE
    )
    np.testing.assert_allclose(result.values[0].ravel(), weights.ravel() > 0, atol=0.05)
    np.testing.assert_allclose(result.scores, 30.0, rtol=0.05)  # each pixel ends at its own sign, in inputs of -1..1


def test_score_rises_and_each_image_is_taken_for_its_class(cnn: Any) -> None:
    result = vz.activation_maximization(cnn, steps=60)
    assert (result.history[-10:].mean(axis=0) > result.history[:1].mean(axis=0) + 0.9).all()
    assert [p.label for p in result.predictions] == list(result.target) == ["a", "b", "c"]


def test_same_seed_gives_the_same_image_and_another_another(cnn: Any) -> None:
    first, again, other = (vz.activation_maximization(cnn, 1, steps=10, seed=s).values for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01


def test_scores_are_those_of_the_image_as_it_is(cnn: Any) -> None:
    result = vz.activation_maximization(cnn, ["b"], steps=10)
    np.testing.assert_allclose(result.scores, cnn.scores(result.values * 2 - 1, "b"), rtol=1e-4)


def test_an_image_alone_equals_the_image_in_a_batch_without_transforms() -> None:
    weights = np.random.default_rng(0).normal(size=(16, 2)).astype(np.float32)
    model = linear_model(weights, (4, 4, 1))
    options = {"transforms": NONE, "regularizers": (), "steps": 300, **RANGE}
    both = vz.activation_maximization(model, [0, 1], **options)
    alone = vz.activation_maximization(model, 1, **options)
    np.testing.assert_allclose(both.values[1] > 0.5, alone.values[0] > 0.5)


@pytest.mark.parametrize(
    ("target", "options", "name"),
    [
        (2, {"layer": "conv"}, "conv, channel 2"),
        (Channel("conv", 2), {}, "conv, channel 2"),
        (Neuron("conv", (3, 4, 1)), {}, "conv, unit 3, 4, 1"),
        (WeightedSum((0, 1), (1.0, 0.5)), {}, "a + 0.5×b"),
    ],
)
def test_channels_units_and_mixes_rise_too(cnn: Any, target: Any, options: Any, name: str) -> None:
    result = vz.activation_maximization(cnn, target, steps=40, transforms=NONE, **options)
    assert result.history[-1, 0] > result.history[0, 0] + 0.1
    assert result.target == (name,)


def test_several_channels_of_a_layer_get_an_image_each(cnn: Any) -> None:
    result = vz.activation_maximization(cnn, [0, 3], layer="conv", steps=20, transforms=NONE)
    assert result.target == ("conv, channel 0", "conv, channel 3")
    for index, channel in enumerate((0, 3)):
        alone = cnn.scores(result.values[index : index + 1] * 2 - 1, Channel("conv", channel))
        np.testing.assert_allclose(result.scores[index], alone[0], rtol=1e-4)


def test_diversity_makes_images_of_one_target_differ(cnn: Any) -> None:
    def likeness(weight: float) -> float:
        images = vz.activation_maximization(
            cnn, 0, num_images=3, steps=60, regularizers=[Diversity(weight)], transforms=NONE
        ).values
        return float(np.corrcoef(images.reshape(3, -1))[np.triu_indices(3, 1)].mean())

    assert likeness(100.0) < likeness(0.0) - 0.1


def test_total_variation_smooths(cnn: Any) -> None:
    rough, smooth = (
        vz.activation_maximization(cnn, 0, steps=60, regularizers=[TotalVariation(w)], transforms=NONE,
                                   parametrization="pixel").values
        for w in (0.0, 1000.0)
    )  # fmt: skip
    assert np.abs(np.diff(smooth, axis=1)).mean() < 0.5 * np.abs(np.diff(rough, axis=1)).mean()


def test_norm_keeps_values_from_their_ends(cnn: Any) -> None:
    free, bound = (
        vz.activation_maximization(cnn, 0, steps=60, regularizers=[Norm(2.0, w)], transforms=NONE).values
        for w in (0.0, 1000.0)
    )
    assert np.abs(bound - 0.5).mean() < 0.5 * np.abs(free - 0.5).mean()


def test_regularizers_equal_their_formulas() -> None:
    images = np.random.default_rng(0).uniform(0, 1, (2, 3, 4, 1)).astype(np.float32)
    down, across = np.abs(np.diff(images, axis=1)), np.abs(np.diff(images, axis=2))
    expected = 2 * (down.mean(axis=(1, 2, 3)) + across.mean(axis=(1, 2, 3)))
    np.testing.assert_allclose(TotalVariation(2.0)(np, images), expected, **rounding(12, 12))
    np.testing.assert_allclose(
        Norm(3.0)(np, images), (np.abs(2 * images - 1) ** 3).mean(axis=(1, 2, 3)), **rounding(12, 3)
    )
    flat = images.reshape(2, -1)
    likeness = np.corrcoef(flat)[0, 1]
    np.testing.assert_allclose(Diversity()(np, images), (1 + likeness) / 2, rtol=1e-4)


def test_transforms_move_the_image_by_what_they_drew() -> None:
    generator = np.random.default_rng(0)
    matrices = Transforms(jitter=3, scale=(1.0, 1.0), rotate=0).matrices(generator, 100, (8, 8))
    np.testing.assert_allclose(matrices[:, [0, 1, 3, 4]], [[1, 0, 0, 1]] * 100)
    assert np.abs(matrices[:, [2, 5]]).max() <= 3
    assert np.abs(matrices[:, [2, 5]]).max() > 2
    np.testing.assert_allclose(NONE.matrices(generator, 1, (8, 8)), [[1, 0, 0, 0, 1, 0, 0, 0]])


def test_rotation_and_scale_keep_the_center() -> None:
    matrix = Transforms(jitter=0, scale=(2.0, 2.0), rotate=30).matrices(np.random.default_rng(0), 1, (9, 9))[0]
    np.testing.assert_allclose(
        [matrix[0] * 4 + matrix[1] * 4 + matrix[2], matrix[3] * 4 + matrix[4] * 4 + matrix[5]], 4
    )
    np.testing.assert_allclose(np.hypot(matrix[0], matrix[1]), 0.5, rtol=1e-6)


@framework.needs_tensorflow
def test_tf_keras_vis_modifiers_and_regularizers_are_accepted(cnn: Any) -> None:
    from tf_keras_vis.activation_maximization.input_modifiers import Jitter, Rotate2D, Scale
    from tf_keras_vis.activation_maximization.regularizers import Norm as TheirNorm
    from tf_keras_vis.activation_maximization.regularizers import TotalVariation2D

    result = vz.activation_maximization(
        cnn, 0, steps=30, transforms=[Jitter(jitter=2), Scale(), Rotate2D(degree=3.0)],
        regularizers=[TotalVariation2D(weight=0.1), TheirNorm(weight=0.1, p=2)],
    )  # fmt: skip
    assert result.history[-1, 0] > result.history[0, 0] + 0.1


def test_another_optimizer_is_used_and_left_as_it_was(cnn: Any) -> None:
    optimizer = keras.optimizers.SGD(0.5)
    own = vz.activation_maximization(cnn, 0, steps=10, optimizer=optimizer).values
    adam = vz.activation_maximization(cnn, 0, steps=10).values
    assert np.abs(own - adam).max() > 0.01
    assert int(optimizer.iterations) == 0


def test_another_class_needs_no_new_tracing(cnn: Any) -> None:
    vz.activation_maximization(cnn, 0, steps=2)
    before = cnn.num_traces
    vz.activation_maximization(cnn, 2, steps=3, seed=5)
    assert cnn.num_traces == before


def test_frames_end_with_the_result_and_make_an_animation(cnn: Any, tmp_path: Path) -> None:
    result = vz.activation_maximization(cnn, [0, 1], steps=12, frames=4)
    assert result.frames.shape == (4, 2, 12, 10, 1)
    np.testing.assert_array_equal(result.frames[-1], result.values)
    with Image.open(result.save_animation(tmp_path / "rise.gif")) as animation:
        assert animation.n_frames == 4


def test_color_models_and_their_preprocessing_are_served() -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6, 6, 3)), layers.Flatten(), layers.Dense(2)])
    adapter = vz.adapt(model, preprocess="resnet50")  # BGR, the mean taken out
    result = vz.activation_maximization(adapter, 1, steps=40, transforms=NONE)
    np.testing.assert_allclose(result.scores, adapter.scores(adapter.preprocess(result.values * 255), 1), rtol=1e-4)
    assert result.history[-1, 0] > result.history[0, 0]


@pytest.mark.filterwarnings("ignore:__array__")  # Keras, reading its optimizer's learning rate
def test_unknown_range_is_said(cnn: Any) -> None:
    model = linear_model(np.ones((4, 1)), (2, 2, 1))
    with pytest.warns(vz.errors.VizcnnWarning, match="the image was made for 0 to 1"):
        result = vz.activation_maximization(model, 0, steps=1)
    assert "doesn't say what range" in result.notes[0]


def test_weights_and_predictions_are_the_same_afterwards(cnn: Any) -> None:
    image = np.zeros((1, 12, 10, 1), np.float32)
    before = cnn.model.predict(image, verbose=0)
    vz.activation_maximization(cnn, 0, steps=5)
    np.testing.assert_array_equal(cnn.model.predict(image, verbose=0), before)


@pytest.mark.parametrize(
    ("target", "options", "error", "text"),
    [
        (3, {}, TargetError, "from 0 to 2"),
        ([0, None], {}, TargetError, "`target` must name classes"),
        ([], {}, TargetError, "`target` must name classes"),
        (4, {"layer": "conv"}, TargetError, "`channel` must be a whole number from 0 to 3"),
        ("a", {"layer": "conv"}, TargetError, "`target` must be channels of layer 'conv'"),
        (0, {"steps": 0}, OptionError, "`steps` and `num_images` must be positive"),
        (0, {"parametrization": "cosine"}, OptionError, "`parametrization` must be one of 'fourier', 'pixel'"),
        (0, {"size": (5, 5)}, OptionError, "`size` must be the 12x10"),
        (0, {"input_range": (1.0, 0.0)}, OptionError, "`input_range` must be (lowest, highest)"),
    ],
)
def test_wrong_calls_are_rejected(cnn: Any, target: Any, options: Any, error: Any, text: str) -> None:
    with pytest.raises(error) as caught:
        vz.activation_maximization(cnn, target, **{"steps": 1, **options})
    assert text in str(caught.value)


def test_wrong_transforms_are_rejected() -> None:
    with pytest.raises(OptionError, match="jitter, rotate and pad of 0 or more"):
        Transforms(jitter=-1)
    with pytest.raises(OptionError, match="scale must be"):
        Transforms(scale=(0.0, 1.0))


def test_channel_whose_relu_is_dead_at_the_start_is_woken_up() -> None:
    model = keras.Sequential(
        [
            keras.Input((3, 3, 1)),
            layers.Conv2D(2, 3, activation="relu", name="conv"),
            layers.Conv2D(1, 1, activation="relu", name="last"),
        ]
    )
    # At mid-gray both channels are below zero: -0.6, of which only the first can rise above it.
    kernel = np.full((3, 3, 1, 2), 0.2, np.float32)
    kernel[..., 1] = 0.0
    model.get_layer("conv").set_weights([kernel, np.array([-1.5, -1.5], np.float32)])
    model.get_layer("last").set_weights([np.ones((1, 1, 2, 1), np.float32), np.zeros(1, np.float32)])
    result = vz.activation_maximization(
        vz.adapt(model, preprocess="0..1"),
        0,
        layer="conv",
        steps=100,
        parametrization="pixel",
        transforms=NONE,
        regularizers=[],
    )
    assert result.history[0, 0] == 0
    assert result.scores[0] > 0.25  # the most there is: 9 * 0.2 - 1.5 = 0.3
