"""Occlusion against a loop that hides and predicts, and against what can be worked out by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import pytest
from keras import layers
from skimage import data

import vizcnn as vz
from tests.models import images, linear_model
from tests.rounding import rounding
from vizcnn.algorithms.ranks import rank_correlation
from vizcnn.errors import OptionError


@pytest.fixture(scope="module")
def cnn() -> Any:
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((7, 10, 2)),
            layers.Conv2D(4, 3, activation="tanh"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    return vz.adapt(model)


CLOSE = rounding(18, 160, size=4)
"""The convolution and the dense layer of this network; a drop is the difference of two of its scores."""


def slow(cnn: Any, image: np.ndarray, target: int, patch: tuple[int, int], stride: tuple[int, int], fill: float) -> Any:
    """Hide, predict, and share the drop among the pixels that were hidden: one window at a time."""
    height, width = image.shape[:2]
    logit = cnn.scores(image[None], target)[0]
    total, cover, classes, top = np.zeros((height, width)), np.zeros((height, width)), [], 0
    while True:
        row, left = [], 0
        while True:
            hidden = image.copy()
            hidden[top : top + patch[0], left : left + patch[1]] = fill
            total[top : top + patch[0], left : left + patch[1]] += logit - cnn.scores(hidden[None], target)[0]
            cover[top : top + patch[0], left : left + patch[1]] += 1
            row.append(int(cnn.outputs(hidden[None])[0].argmax()))
            if left + patch[1] >= width:
                break
            left += stride[1]
        classes.append(row)
        if top + patch[0] >= height:
            return total / cover, np.array(classes)
        top += stride[0]


@pytest.mark.parametrize(("patch", "stride"), [((3, 3), (2, 2)), ((2, 4), (1, 3)), ((6, 9), (1, 1)), ((4, 3), (3, 2))])
def test_occlusion_equals_a_loop_that_hides_and_predicts(cnn: Any, patch: Any, stride: Any) -> None:
    image = images(1, (7, 10, 2))
    expected, classes = slow(cnn, image[0], 1, patch, stride, 0.25)
    result = vz.occlusion(cnn, image, 1, patch_size=patch, stride=stride, baseline=0.25)
    np.testing.assert_allclose(result.values[0], expected, **CLOSE)
    np.testing.assert_array_equal(result.class_map[0], classes)


def test_drop_of_a_linear_model_is_the_sum_of_weight_times_change() -> None:
    model = linear_model(np.arange(8, dtype=np.float32)[:, None] * [[1.0, -1.0]], (2, 4, 1))
    image = np.ones((1, 2, 4, 1), np.float32)
    result = vz.occlusion(model, image, 0, patch_size=(1, 2), stride=(1, 2), baseline=0.0)
    np.testing.assert_allclose(result.values[0], [[1, 1, 5, 5], [9, 9, 13, 13]], atol=1e-5)
    np.testing.assert_allclose(result.raw[0], [[1, 5], [9, 13]], atol=1e-5)


def test_pitfall_13_every_pixel_is_covered_where_the_stride_does_not_divide_the_image() -> None:
    model = linear_model(np.ones((35, 1), np.float32), (5, 7, 1))
    result = vz.occlusion(model, np.ones((1, 5, 7, 1), np.float32), 0, patch_size=3, stride=3, baseline=0.0)
    assert (result.values[0] > 0).all()
    np.testing.assert_allclose(result.raw[0], [[9, 9, 3], [6, 6, 2]], atol=1e-5)


def test_pitfall_13_overlaps_are_divided_by_their_coverage() -> None:
    weights = np.zeros((9, 1), np.float32)
    weights[4] = 6.0  # the middle pixel of 3x3, which each of the four windows hides
    model = linear_model(weights, (3, 3, 1))
    with pytest.warns(vz.errors.VizcnnWarning, match="one value everywhere"):
        result = vz.occlusion(model, np.ones((1, 3, 3, 1), np.float32), 0, patch_size=2, stride=1, baseline=0.0)
    np.testing.assert_allclose(result.values[0], np.full((3, 3), 6.0), atol=1e-5)


def test_hiding_nothing_changes_nothing(cnn: Any) -> None:
    image = images(1, (7, 10, 2))
    image[:, 2:4] = 0.5
    result = vz.occlusion(cnn, image, 0, patch_size=(1, 10), stride=1, baseline=0.5)
    np.testing.assert_allclose(result.values[0, 2:4], 0, **CLOSE)
    assert np.abs(result.values[0, [0, 1, 4, 5, 6]]).min() > 1e-3


def test_mean_baseline_is_the_mean_color_of_the_image(cnn: Any) -> None:
    image = images(1, (7, 10, 2))
    named = vz.occlusion(cnn, image, 0, patch_size=3, baseline="mean")
    given = vz.occlusion(cnn, image, 0, patch_size=3, baseline=image[0].mean(axis=(0, 1)).tolist())
    np.testing.assert_allclose(named.values, given.values, **CLOSE)


def test_blur_baseline_hides_an_edge_and_leaves_flat_parts_as_they_are() -> None:
    model = linear_model(np.ones((40, 1), np.float32), (2, 20, 1))
    image = np.zeros((1, 2, 20, 1), np.float32)
    image[:, :, 10:] = 1.0
    result = vz.occlusion(model, image, 0, patch_size=(2, 1), stride=1, baseline="blur")
    np.testing.assert_allclose(result.values[0, :, [0, 1, 18, 19]], 0, **rounding(40, size=20))
    assert result.values[0, 0, 9] < -0.1  # what was black becomes brighter
    assert result.values[0, 0, 10] > 0.1


def test_noise_is_repeated_by_its_seed_and_changed_by_another(cnn: Any) -> None:
    image = images(1, (7, 10, 2))
    first, again, other = (
        vz.occlusion(cnn, image, 0, patch_size=3, baseline="noise", seed=seed).values for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_predicted_class_stays_the_explained_one_while_the_prediction_changes(cnn: Any) -> None:
    image = images(1, (7, 10, 2))
    predicted = int(cnn.outputs(image)[0].argmax())
    unnamed, named = (vz.occlusion(cnn, image, target, patch_size=5, baseline=0.0) for target in (None, predicted))
    np.testing.assert_array_equal(unnamed.values, named.values)


def test_a_batch_is_its_loop(cnn: Any) -> None:
    batch = images(3, (7, 10, 2))
    together = vz.occlusion(cnn, batch, [0, 1, 2], patch_size=3)
    for index in range(3):
        alone = vz.occlusion(cnn, batch[index : index + 1], index, patch_size=3)
        np.testing.assert_allclose(together.values[index], alone.values[0], **CLOSE)


def test_patch_defaults_to_a_fifth_and_stride_to_half_of_it() -> None:
    model = linear_model(images(1, (16 * 32, 1))[0], (16, 32, 1))
    result = vz.occlusion(model, np.ones((1, 16, 32, 1), np.float32), 0, baseline=0.0)
    assert result.raw.shape == (1, 14, 10)  # patches of 3x6, a step of 1x3


# Some positions only ---------------------------------------------------------------------------------------------------------


def test_all_positions_are_those_without_refine(cnn: Any) -> None:
    batch = images(2, (7, 10, 2))
    whole = vz.occlusion(cnn, batch, [0, 1], patch_size=3, stride=1)
    refined = vz.occlusion(cnn, batch, [0, 1], patch_size=3, stride=1, refine=1)
    np.testing.assert_allclose(refined.values, whole.values, **CLOSE)
    np.testing.assert_allclose(refined.raw, whole.raw, **CLOSE)
    assert refined.measures["runs"].tolist() == [1, 1]
    assert refined.class_map is None


@pytest.mark.parametrize("share", [0.1, 0.4, 0.77])
def test_no_more_positions_are_run_than_is_asked_and_those_have_their_drops(cnn: Any, share: float) -> None:
    image = images(1, (7, 10, 2))
    whole = vz.occlusion(cnn, image, 0, patch_size=2, stride=1).raw[0]
    result = vz.occlusion(cnn, image, 0, patch_size=2, stride=1, refine=share)
    right = np.isclose(result.raw[0], whole, **CLOSE)
    assert result.measures["runs"][0] == np.float32(int(share * 54) / 54)
    assert right.sum() >= int(share * 54)
    assert right[::8, ::8].all()


def test_position_that_moves_the_score_is_found_between_those_of_the_lattice() -> None:
    weights = np.zeros((32, 32), np.float32)
    weights[18:22, 10:15] = 1
    model = linear_model(weights.reshape(-1, 1), (32, 32, 1))
    image = np.ones((1, 32, 32, 1), np.float32)
    whole, some = (
        vz.occlusion(model, image, 0, patch_size=4, stride=1, baseline=0.0, refine=refine) for refine in (None, 0.4)
    )
    assert np.corrcoef(whole.values.ravel(), some.values.ravel())[0, 1] > 0.99
    assert weights.ravel()[some.values.argmax()] == 1


@pytest.mark.parametrize("shape", [(40, 2), (8, 9, 10, 1)])
def test_signals_and_volumes_of_black_boxes_are_refined_too(shape: tuple[int, ...]) -> None:
    weights = np.zeros(shape, np.float32)
    weights[:4] = 1
    box = vz.adapt(lambda x: x.reshape(len(x), -1) @ weights.reshape(-1, 1), input_shape=shape)
    options = {"patch_size": 4, "stride": 1, "baseline": 0.0}
    whole, some = (vz.occlusion(box, np.ones((1, *shape)), 0, refine=refine, **options) for refine in (None, 0.4))
    assert some.measures["runs"][0] <= 0.4
    assert np.corrcoef(whole.values.ravel(), some.values.ravel())[0, 1] > 0.97


def test_images_refined_together_are_each_as_alone_and_traced_once(cnn: Any) -> None:
    batch = images(3, (7, 10, 2))
    together = vz.occlusion(cnn, batch, [0, 1, 2], patch_size=2, refine=0.5)
    traces = cnn.num_traces
    for index in range(3):
        alone = vz.occlusion(cnn, batch[index : index + 1], index, patch_size=2, refine=0.5)
        np.testing.assert_allclose(together.values[index], alone.values[0], **CLOSE)
    vz.occlusion(cnn, batch, 0, patch_size=2, refine=0.3)
    assert cnn.num_traces == traces


def test_blank_map_is_safe_where_some_positions_are_run() -> None:
    model = linear_model(np.zeros((48, 1)), (6, 8, 1), bias=3.0)
    with pytest.warns(vz.errors.VizcnnWarning, match="zero"):
        result = vz.occlusion(model, images(1, (6, 8, 1)), 0, patch_size=2, refine=0.4)
    assert not result.values.any()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Occlusion takes:vizcnn.errors.VizcnnWarning")
def test_maps_of_photographs_rank_as_those_of_all_runs(test_data: Path) -> None:
    model = vz.adapt(test_data / "mobilenet_025_224_imagenet.keras", preprocess="mobilenet")
    for photograph in (data.chelsea(), data.coffee(), data.rocket()):
        short = min(photograph.shape[:2])
        top, left = ((size - short) // 2 for size in photograph.shape[:2])
        square = cv2.resize(
            photograph[top : top + short, left : left + short], (224, 224), interpolation=cv2.INTER_AREA
        )
        whole, some = (vz.occlusion(model, square, patch_size=8, refine=refine) for refine in (None, 0.4))
        assert some.measures["runs"][0] <= 0.4
        assert rank_correlation(whole.values, some.values) >= 0.95


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"patch_size": 8}, "`patch_size` must not be larger than the image, 7x10; got 8x8"),
        ({"patch_size": 0}, "`patch_size` must be a positive whole number, or two; got 0"),
        ({"patch_size": (1, 2, 3)}, "`patch_size` must be a positive whole number, or two"),
        ({"stride": 0}, "`stride` must be a positive whole number, or two; got 0"),
        ({"patch_size": 2, "stride": 3}, "`stride` must not be larger than the patch"),
        (
            {"baseline": "gray"},
            "`baseline` must be a number, one per channel, or one of 'mean', 'blur', 'noise', 'black', 'white'; got 'gray'",
        ),
        ({"refine": 0}, "`refine` must be a number between 0 and 1; got 0"),
        ({"refine": 1.5}, "`refine` must be a number between 0 and 1; got 1.5"),
        ({"baseline": (1.0, 2.0, 3.0)}, "`baseline` must be one number or one for each of 2 channels"),
        ({"baseline": float("nan")}, "`baseline` must be one number or one for each of 2 channels"),
    ],
)
def test_wrong_options_are_rejected(cnn: Any, options: Any, text: str) -> None:
    with pytest.raises(OptionError) as error:
        vz.occlusion(cnn, images(1, (7, 10, 2)), 0, **options)
    assert text in str(error.value)
