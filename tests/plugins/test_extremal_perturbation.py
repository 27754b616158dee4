"""Extremal perturbations against a slow version by differences, on planted squares, and by what they promise."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import vizcnn as vz
from tests.models import images, linear_model
from tests.rounding import rounding
from vizcnn.algorithms.masks import SmoothMasks, in_order
from vizcnn.errors import CapabilityError, OptionError
from vizcnn.plugins import extremal_perturbation as module
from vizcnn.resample import blur

SHAPE = (9, 8, 2)

noted = pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")


@pytest.fixture(scope="module")
def cnn() -> Any:
    keras.utils.set_random_seed(3)
    stack = [
        keras.Input(SHAPE),
        layers.Conv2D(4, 3, activation="tanh"),
        layers.Flatten(),
        layers.Dense(3, activation="softmax"),
    ]
    return vz.adapt(keras.Sequential(stack))


def square(side: int = 20) -> tuple[Any, np.ndarray]:
    """Return a model whose score is the mean of a square, a tenth of the image, and that square."""
    inside = np.zeros((side, side), bool)
    inside[4:10, 11:18] = True
    weights = np.where(inside, 1 / inside.sum(), 0)
    return linear_model(weights.reshape(-1, 1), (side, side, 1), bias=3.0), inside


WHITE = np.ones((1, 20, 20, 1), np.float32)


# By hand --------------------------------------------------------------------------------------------------------------------


def slow(
    model: Any, image: np.ndarray, fill: np.ndarray, target: int, area: float, steps: int, sign: int
) -> np.ndarray:
    """Climb the paper's objective by differences between its values, one number of the mask after another."""
    makes = SmoothMasks(image.shape[:-1], 0.1)
    cells, step, count = np.ones(makes.cells), np.zeros(makes.cells), np.prod(makes.cells)
    whole, lowest = model.scores(np.stack([image, fill]), [target, target])
    rise = max(abs(float(whole - lowest)), 0.1 * abs(float(whole)))

    def seen(mask: np.ndarray) -> np.ndarray:
        return (mask if sign > 0 else 1 - mask)[..., None]

    def objective(cells: np.ndarray, wanted: np.ndarray, weight: float) -> np.ndarray:
        grids = makes.smooth(cells)[0]
        looks = [fill + seen(mask) * (image - fill) for mask in makes.enlarge(grids)]
        scores = model.scores(np.stack(looks).astype(np.float32), [target] * len(cells)).astype(np.float64)
        apart = np.square(grids - wanted).mean(axis=(1, 2))
        return count * (sign * scores / rise - weight * apart)

    for weight in np.geomspace(*module.WEIGHTS, steps):
        wanted = in_order(makes.smooth(cells[None])[0][0], area)
        each = np.eye(cells.size).reshape(-1, *cells.shape) * 3e-3
        slope = objective(cells + each, wanted, weight) - objective(cells - each, wanted, weight)
        step = module.MOMENTUM * step + module.RATE * (slope / 6e-3).reshape(cells.shape)
        cells = np.clip(cells + step, 0, 1)
    return makes.enlarge(makes.smooth(cells[None])[0])[0]


@noted
@pytest.mark.parametrize(("mode", "sign"), [("preserve", 1), ("delete", -1)])
def test_masks_climb_the_papers_objective(cnn: Any, mode: Any, sign: int) -> None:
    x, areas = images(2, SHAPE), [0.2, 0.5]
    result = vz.extremal_perturbation(cnn, x, [1, 2], area=areas, mode=mode, num_steps=3, smoothness=0.1, baseline=0.25)
    for image, target, raw in zip(x, [1, 2], result.raw, strict=True):
        for mask, area in zip(raw, areas, strict=True):
            expected = slow(cnn, image, np.full_like(image, 0.25), target, area, 3, sign)
            np.testing.assert_allclose(mask, expected, rtol=0, atol=0.01)
    assert np.ptp(result.raw) > 0.2
    np.testing.assert_allclose(result.values, result.raw.mean(axis=1), rtol=1e-6)


# What they promise --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["preserve", "delete"])
def test_mask_of_the_squares_area_is_the_square(mode: Any) -> None:
    model, inside = square()
    result = vz.extremal_perturbation(model, WHITE, 0, area=float(inside.mean()), mode=mode, baseline=0.0)
    mask = result.values[0]
    assert mask[inside].mean() > 0.75
    assert mask[~inside].mean() < 0.03
    lost = result.measures["score lost"][0]
    assert (lost < 0.25) if mode == "preserve" else (lost > 0.75)
    assert not result.signed


def test_masks_have_the_areas_that_were_asked_for_and_larger_ones_keep_more() -> None:
    model, inside = square()
    areas = [0.03, 0.06, 0.1, 0.3]
    result = vz.extremal_perturbation(model, WHITE, 0, area=areas, baseline=0.0)
    np.testing.assert_allclose(result.extras["areas"][0], areas, atol=0.04)
    np.testing.assert_allclose(result.extras["areas"][0], result.raw[0].mean(axis=(1, 2)), rtol=1e-5)
    kept = result.extras["scores"][0] - 3
    assert (np.diff(kept) > -0.02).all()
    assert kept[0] < 0.5 < 0.8 < kept[-1]
    assert result.measures["score lost"][0] == pytest.approx(1 - kept.mean(), abs=1e-4)
    for mask, score in zip(result.raw[0], kept, strict=True):
        assert mask[inside].mean() == pytest.approx(score, abs=1e-4)


def test_edges_make_the_mask_larger_than_asked_and_those_of_several_pieces_more() -> None:
    covered = []
    for side, corners in ((12, [(12, 12)]), (6, [(3, 3), (3, 31), (31, 3), (31, 31)])):
        inside = np.zeros((40, 40), bool)
        for top, left in corners:
            inside[top : top + side, left : left + side] = True
        model = linear_model(np.where(inside, 1 / inside.sum(), 0).reshape(-1, 1), (40, 40, 1))
        for smoothness in (0.025, 0.05):
            options = {"area": float(inside.mean()), "baseline": 0.0, "smoothness": smoothness}
            result = vz.extremal_perturbation(model, np.ones((1, 40, 40, 1), np.float32), 0, **options)
            covered.append(float(result.extras["areas"][0, 0] / inside.mean()))
    fine_one, one, fine_four, four = covered
    assert 1 < one < 1.15 < four < 1.3
    assert max(fine_one, fine_four) < one


def test_symmetric_model_and_image_have_a_symmetric_mask() -> None:
    weights = np.zeros((16, 16))
    weights[5:11, [2, 3, 12, 13]] = 1
    model = linear_model(weights.reshape(-1, 1), (16, 16, 1))
    mask = vz.extremal_perturbation(model, np.ones((1, 16, 16, 1), np.float32), 0, area=0.1, baseline=0.0).values[0]
    assert np.abs(mask - mask[:, ::-1]).max() < 0.05
    assert mask[weights > 0].mean() > 3 * mask[weights == 0].mean()


def test_score_in_other_units_has_the_same_masks() -> None:
    inside = square()[1]
    small, large = (linear_model((np.where(inside, scale, 0)).reshape(-1, 1), (20, 20, 1)) for scale in (1 / 64, 16.0))
    ours, theirs = (vz.extremal_perturbation(m, WHITE, 0, num_steps=20, baseline=0.0) for m in (small, large))
    np.testing.assert_allclose(ours.values, theirs.values, atol=1e-3)


@noted
def test_same_call_has_the_same_masks_and_a_batch_is_its_loop(cnn: Any) -> None:
    x = images(3, SHAPE)
    first, again = (vz.extremal_perturbation(cnn, x, 1, num_steps=10) for _ in range(2))
    np.testing.assert_array_equal(first.raw, again.raw)
    for at in range(3):
        alone = vz.extremal_perturbation(cnn, x[at : at + 1], 1, num_steps=10)
        np.testing.assert_allclose(alone.raw[0], first.raw[at], atol=1e-3)


@noted
def test_other_counts_trace_nothing_anew(cnn: Any) -> None:
    vz.extremal_perturbation(cnn, images(1, SHAPE), 1, num_steps=2)
    traces = cnn.num_traces
    vz.extremal_perturbation(cnn, images(3, SHAPE), 2, num_steps=5, area=0.3)
    assert cnn.num_traces == traces


@noted
@pytest.mark.parametrize("layer", [layers.Conv1D, layers.Conv2D, layers.Conv3D])
def test_signals_and_volumes_have_masks_too(layer: Any) -> None:
    keras.utils.set_random_seed(0)
    shape = (*[8] * (layer(1, 1).rank), 2)
    stack = [keras.Input(shape), layer(3, 3, activation="relu"), layers.Flatten(), layers.Dense(2)]
    result = vz.extremal_perturbation(keras.Sequential(stack), images(2, shape), 0, num_steps=5, area=0.3)
    assert result.values.shape == (2, *shape[:-1])
    assert np.ptp(result.values) > 0


# Options ----------------------------------------------------------------------------------------------------------------------


@noted
def test_smoothness_makes_masks_smoother() -> None:
    model, _ = square()
    rough, smooth = (
        vz.extremal_perturbation(model, WHITE, 0, area=0.1, baseline=0.0, smoothness=s).values[0] for s in (0.03, 0.2)
    )
    assert np.abs(np.diff(smooth)).max() < 0.7 * np.abs(np.diff(rough)).max()


@noted
@pytest.mark.parametrize("baseline", [0.25, "mean", "blur", "noise"])
def test_scores_are_those_of_the_image_blended_with_the_baseline(cnn: Any, baseline: Any) -> None:
    x = images(1, SHAPE)
    result = vz.extremal_perturbation(cnn, x, 1, area=[0.3], mode="delete", num_steps=3, baseline=baseline, seed=4)
    noise = np.random.default_rng(4).uniform(x.min(), x.max(), SHAPE)
    fill = {
        0.25: 0.25,
        "mean": x[0].mean(axis=(0, 1)),
        "blur": blur(x[0], (0.9, 0.8)),
        "noise": noise,
    }[baseline]
    mask = result.raw[0, 0, ..., None]
    expected = cnn.scores((mask * fill + (1 - mask) * x[0])[None].astype(np.float32), 1)
    np.testing.assert_allclose(result.extras["scores"][0], expected, **rounding(18, 168, size=2))


@noted
def test_image_that_is_its_baseline_has_an_even_mask(cnn: Any) -> None:
    result = vz.extremal_perturbation(cnn, np.full((1, *SHAPE), 0.3, np.float32), 1, area=0.2, baseline=0.3)
    assert np.ptp(result.values) < 1e-6
    assert result.measures["score lost"] == pytest.approx(0, abs=1e-5)
    assert abs(result.values.mean() - 0.2) < 0.05


def test_long_runs_are_told_before(cnn: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vizcnn.progress.MIN_ANNOUNCED_SECONDS", 0.0)
    text = r"Extremal perturbation takes 4 gradients one after another, of 6 images, about"
    with pytest.warns(vz.errors.VizcnnWarning, match=text):
        vz.extremal_perturbation(cnn, images(2, SHAPE), 1, num_steps=4)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"area": 0}, r"`area` must be a number between 0 and 1; got 0\."),
        ({"area": [0.1, 1.5]}, r"`area` must be a number between 0 and 1; got 1\.5\."),
        ({"area": []}, r"`area` must be a number between 0 and 1; got None\."),
        ({"num_steps": 0}, r"`num_steps` must be a positive whole number; got 0\."),
        ({"smoothness": 1.0}, r"`smoothness` must be a number between 0 and 1; got 1\.0\."),
        ({"mode": "hide"}, r"`mode` must be one of 'preserve', 'delete'; got 'hide'"),
        ({"baseline": "grey"}, r"`baseline` must be a number, one per channel, or one of .*; got 'grey'\."),
    ],
)
def test_bad_options_are_refused(cnn: Any, options: Any, text: str) -> None:
    with pytest.raises(OptionError, match=text):
        vz.extremal_perturbation(cnn, images(1, SHAPE), **options)


def test_black_box_is_refused() -> None:
    box = vz.adapt(lambda x: x.reshape(len(x), -1)[:, :3], input_shape=SHAPE)
    with pytest.raises(CapabilityError, match="gradients"):
        vz.extremal_perturbation(box, images(1, SHAPE))
