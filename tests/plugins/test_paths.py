"""Methods that follow a way to the image, each against a loop over the way, and by what they add up to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image
from scipy.stats import qmc

import vizcnn as vz
from tests.models import images, linear_model
from tests.rounding import rounding
from vizcnn.errors import InputError, OptionError
from vizcnn.resample import blur

SHAPE = (7, 8, 2)

noted = pytest.mark.filterwarnings("ignore::vizcnn.errors.VizcnnWarning")


@pytest.fixture(scope="module")
def cnn() -> Any:
    keras.utils.set_random_seed(3)
    stack = [
        keras.Input(SHAPE),
        layers.Conv2D(4, 3, activation="tanh"),
        layers.Conv2D(4, 3, activation="softplus"),
        layers.Flatten(),
        layers.Dense(3, activation="softmax"),
    ]
    return vz.adapt(keras.Sequential(stack))


@pytest.fixture(scope="module")
def linear() -> tuple[Any, np.ndarray]:
    weights = images(1, (24, 2), seed=4)[0]
    return linear_model(weights, (3, 4, 2), bias=2.0), weights[:, 1].reshape(3, 4, 2)


def rounded(expected: np.ndarray) -> dict[str, float]:
    return {"rtol": 0, "atol": 2e-4 * float(np.abs(expected).max())}


# Expected Gradients -------------------------------------------------------------------------------------------------------


def test_expected_gradients_of_one_background_image_are_integrated_gradients(cnn: Any) -> None:
    x, start = images(2, SHAPE), images(1, SHAPE, seed=9)
    expected = vz.integrated_gradients(cnn, x, [1, 2], baseline=start[0])
    result = vz.expected_gradients(cnn, x, [1, 2], background=start, num_samples=400)
    np.testing.assert_allclose(result.raw, expected.raw, rtol=0, atol=0.01 * np.abs(expected.raw).max())
    np.testing.assert_allclose(result.measures["completeness gap"], 0, atol=0.02)


@noted
def test_expected_gradients_are_the_mean_over_the_drawn_points(cnn: Any) -> None:
    x, background = images(2, SHAPE), images(5, SHAPE, seed=9)
    result = vz.expected_gradients(cnn, x, [1, 2], background=background, num_samples=7, seed=3)
    places, _, order = map(np.random.default_rng, np.random.SeedSequence(3).spawn(3))
    alphas = qmc.Sobol(1, rng=places).random_base2(3)[:7, 0]
    turns = np.concatenate([order.permutation(5), order.permutation(5)])[:7]
    for image, target, raw, error in zip(x, [1, 2], result.raw, result.measures["standard error"], strict=True):
        rows = []
        for alpha, start in zip(alphas, background[turns], strict=True):
            point = start + np.float32(alpha) * (image - start)
            rows.append((image - start) * cnn.gradients(point[None], target).gradients[0])
        terms = np.array(rows, dtype=np.float64)
        np.testing.assert_allclose(raw, terms.mean(axis=0), **rounded(terms))
        errors = terms.std(axis=0, ddof=1) / np.sqrt(7)
        assert error == pytest.approx(np.sqrt((errors**2).sum() / (terms.mean(axis=0) ** 2).sum()), rel=1e-2)


@pytest.mark.parametrize("background", ["uniform", "images"])
def test_expected_gradients_of_a_linear_model_are_weight_times_difference_from_the_mean(
    linear: Any, background: str
) -> None:
    (model, weights), x, others = linear, images(2, (3, 4, 2)), images(5, (3, 4, 2), seed=8)
    given = others if background == "images" else "uniform"
    result = vz.expected_gradients(model, x, 1, background=given, num_samples=10, reduce="none")
    np.testing.assert_allclose(result.measures["completeness gap"], 0, atol=1e-4)
    if background == "images":  # ten samples: each of the five twice
        np.testing.assert_allclose(result.values, weights * (x - others.mean(axis=0)), **rounding(25))


@noted
def test_background_is_read_and_preprocessed_as_images_are(tmp_path: Path) -> None:
    cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    for number, digit in enumerate(digits[:3]):
        Image.open(digit).save(tmp_path / f"{number}.png")
    by_folder = vz.expected_gradients(cnn, digits[3], background=tmp_path, num_samples=6)
    by_files = vz.expected_gradients(cnn, digits[3], background=list(digits[:3]), num_samples=6)
    np.testing.assert_allclose(by_folder.values, by_files.values, rtol=1e-5)
    assert by_folder.options["background"] == str(tmp_path)
    assert by_files.options["background"] == [str(digit) for digit in digits[:3]]
    saved = tmp_path / "result.npz"
    by_folder.save(saved)
    assert vz.load_result(saved).options["background"] == str(tmp_path)


def test_bad_backgrounds_are_refused(cnn: Any) -> None:
    with pytest.raises(InputError, match="nowhere"):
        vz.expected_gradients(cnn, images(1, SHAPE), background="nowhere")
    with pytest.raises(OptionError, match="`num_samples` must be a positive whole number"):
        vz.expected_gradients(cnn, images(1, SHAPE), num_samples=0)


# Blur Integrated Gradients --------------------------------------------------------------------------------------------------


@noted
def test_blur_ig_is_the_sum_over_the_way_by_trapezoids(cnn: Any) -> None:
    x, steps = images(2, SHAPE), 6
    result = vz.blur_ig(cnn, x, [1, 2], num_steps=steps, max_sigma=2.0)
    for image, target, raw in zip(x, [1, 2], result.raw, strict=True):
        sigmas = [2.0 * (1 - step / steps) ** 2 for step in range(steps)]
        way = [*(blur(blur(image, (sigma, 1e-9)), (1e-9, sigma)) for sigma in sigmas), image]
        gradients = [cnn.gradients(point[None], target).gradients[0].astype(np.float64) for point in way]
        expected = sum((way[at + 1] - way[at]) * (gradients[at] + gradients[at + 1]) / 2 for at in range(steps))
        np.testing.assert_allclose(raw, expected, **rounded(np.asarray(expected)))


def test_blur_ig_adds_up_to_the_rise_from_the_blurred_image(cnn: Any) -> None:
    result = vz.blur_ig(cnn, images(3, SHAPE), 1)
    assert np.abs(result.measures["completeness gap"]).max() < 2e-3
    assert np.abs(result.values).max() > 0


@noted
def test_blur_ig_of_an_even_image_is_zero(cnn: Any) -> None:
    result = vz.blur_ig(cnn, np.full((1, *SHAPE), 0.4, np.float32), 1, num_steps=5)
    np.testing.assert_allclose(result.values, 0, atol=1e-5)


def test_blur_ig_of_a_linear_model_is_weight_times_what_the_blur_takes(linear: Any) -> None:
    (model, weights), x = linear, images(1, (3, 4, 2))
    result = vz.blur_ig(model, x, 1, num_steps=3, max_sigma=1.0, reduce="none")
    blurred = blur(blur(x[0], (1.0, 1e-9)), (1e-9, 1.0))
    np.testing.assert_allclose(result.values[0], weights * (x[0] - blurred), rtol=0, atol=1e-5)


# Guided Integrated Gradients --------------------------------------------------------------------------------------------------


def guided_way(
    gradient: Any, start: np.ndarray, end: np.ndarray, steps: int, fraction: float, reach: float
) -> np.ndarray:
    """Follow the paper's algorithm value by value."""
    now, total = start.astype(np.float64).ravel(), np.zeros(start.size)
    first, last = start.astype(np.float64).ravel(), end.astype(np.float64).ravel()
    whole = np.abs(last - first).sum()
    for step in range(steps):
        alpha = (step + 1) / steps
        slope = gradient(now.reshape(start.shape).astype(np.float32)).ravel()
        low, high = max(alpha - reach, 0), min(alpha + reach, 1)
        before = now.copy()
        for i in range(now.size):
            if first[i] != last[i] and (now[i] - first[i]) / (last[i] - first[i]) < low:
                now[i] = first[i] + low * (last[i] - first[i])
        limit = first + high * (last - first)
        size = [np.inf if now[i] == limit[i] else abs(slope[i]) for i in range(now.size)]
        while np.abs(last - now).sum() - whole * (1 - alpha) > 1e-9 * whole and min(size) < np.inf:
            threshold = sorted(size)[int(fraction * (len(size) - 1))]
            chosen = [i for i in range(now.size) if size[i] <= threshold and size[i] < np.inf]
            missing = np.abs(last - now).sum() - whole * (1 - alpha)
            possible = sum(abs(limit[i] - now[i]) for i in chosen)
            share = min(1.0, missing / possible) if possible else 1.0
            for i in chosen:
                now[i] += share * (limit[i] - now[i])
                size[i] = np.inf
            if share < 1:
                break
        total += (now - before) * slope
    return total.reshape(start.shape)


@pytest.mark.parametrize("fraction", [0.25, 0.9])
@noted
def test_guided_ig_is_the_papers_way(cnn: Any, fraction: float) -> None:
    x = images(2, SHAPE)
    result = vz.guided_ig(cnn, x, [1, 2], num_steps=8, fraction=fraction, max_distance=0.1)
    for image, target, raw in zip(x, [1, 2], result.raw, strict=True):
        expected = guided_way(
            lambda point, target=target: cnn.gradients(point[None], target).gradients[0],
            np.zeros_like(image), image, 8, fraction, 0.1,
        )  # fmt: skip
        np.testing.assert_allclose(raw, expected, rtol=0, atol=0.02 * np.abs(expected).max())


@noted
def test_guided_ig_without_room_is_the_straight_way(cnn: Any) -> None:
    x = images(2, SHAPE)
    result = vz.guided_ig(cnn, x, 1, num_steps=20, max_distance=0)
    points = [cnn.gradients(x * np.float32(step / 20), 1).gradients for step in range(20)]
    np.testing.assert_allclose(result.raw, x * np.mean(points, axis=0), **rounded(result.raw))


def test_guided_ig_of_a_linear_model_is_weight_times_difference(linear: Any) -> None:
    (model, weights), x = linear, images(2, (3, 4, 2))
    for steps in (3, 5):
        result = vz.guided_ig(model, x, 1, num_steps=steps, baseline=0.25, reduce="none")
        np.testing.assert_allclose(result.values, weights * (x - 0.25), **rounding(25))
        np.testing.assert_allclose(result.measures["completeness gap"], 0, atol=1e-4)


def test_guided_ig_adds_up_with_many_steps(cnn: Any) -> None:
    result = vz.guided_ig(cnn, images(2, SHAPE), 1, num_steps=200)
    assert np.abs(result.measures["completeness gap"]).max() < 0.02 * np.abs(result.scores).max()


def test_bad_shares_are_refused(cnn: Any) -> None:
    for options in ({"fraction": 0}, {"max_distance": -0.1}, {"max_distance": 2}):
        with pytest.raises(OptionError, match="must be a number between 0 and 1"):
            vz.guided_ig(cnn, images(1, SHAPE), **options)


# Baselines that are images ------------------------------------------------------------------------------------------------------


def test_black_and_white_are_pixels_that_are_preprocessed() -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6, 6, 3)), layers.Flatten(), layers.Dense(2)])
    adapter = vz.adapt(model, preprocess="tf")  # 0..255 to -1..1
    pixels = np.random.default_rng(0).integers(0, 256, (1, 6, 6, 3), dtype=np.uint8)
    for name, value in (("black", -1.0), ("white", 1.0)):
        named, given = (vz.integrated_gradients(adapter, pixels, 1, baseline=b) for b in (name, value))
        np.testing.assert_array_equal(named.values, given.values)
        assert named.options["baseline"] == name
    both = vz.integrated_gradients(adapter, pixels, 1, baseline=["black", "white"])
    each = [vz.integrated_gradients(adapter, pixels, 1, baseline=b).raw for b in ("black", "white")]
    np.testing.assert_allclose(both.raw, np.mean(each, axis=0), rtol=1e-6)
    assert both.options["baseline"] == ["black", "white"]
    np.testing.assert_allclose(both.measures["completeness gap"], 0, atol=1e-3)


@noted
def test_image_is_a_baseline_for_every_method(tmp_path: Path) -> None:
    cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    pixels = np.asarray(Image.open(digits[5]))
    for method, options in (
        ("occlusion", {}),
        ("rise", {"num_samples": 20}),
        ("integrated_gradients", {"num_steps": 4}),
    ):
        by_path = getattr(vz, method)(cnn, digits[3], baseline=str(digits[5]), **options)
        by_array = getattr(vz, method)(cnn, digits[3], baseline=pixels, **options)
        np.testing.assert_array_equal(by_path.values, by_array.values)
        assert by_array.options["baseline"] == "an image"
        assert by_path.options["baseline"] == str(digits[5])
    with pytest.raises(InputError):
        vz.occlusion(cnn, digits[3], baseline=str(tmp_path / "missing.png"))
    with pytest.raises(OptionError, match="`baseline` must be one image; got 2"):
        vz.occlusion(cnn, digits[3], baseline=np.stack([pixels, pixels]))


@noted
def test_ways_trace_once_whatever_the_number_of_steps_and_images(cnn: Any) -> None:
    background = images(4, SHAPE, seed=9)
    calls = (
        lambda count, n: vz.blur_ig(cnn, images(n, SHAPE), 1, num_steps=count),
        lambda count, n: vz.expected_gradients(cnn, images(n, SHAPE), 1, background=background, num_samples=20 * count),
        lambda count, n: vz.guided_ig(cnn, images(n, SHAPE), 1, num_steps=20 * count),
    )
    for call in calls:
        call(4, 1)
        traces = cnn.num_traces
        call(7, 3)
        assert cnn.num_traces == traces


def test_methods_with_images_as_options_have_short_names_and_stay_apart() -> None:
    cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    dark, light = np.zeros((28, 28), np.uint8), np.full((28, 28), 200, np.uint8)
    few = {"num_samples": 4}
    asked = [
        ("occlusion", {"baseline": dark}),
        ("occlusion", {"baseline": light}),
        ("expected_gradients", {"background": digits[:2], **few}),
        ("expected_gradients", {"background": digits[2:4], **few}),
        ("expected_gradients", {"background": digits[2:4], **few}),
        ("occlusion", {"baseline": digits[0]}),
    ]
    with pytest.warns(vz.errors.VizcnnWarning, match="adds up to something else"):
        results = vz.explain(cnn, digits[3], methods=asked).results
    assert list(results) == [
        "occlusion:baseline=an array",
        "occlusion:baseline=an array (2)",
        "expected_gradients:background=2 images,num_samples=4",
        "expected_gradients:background=2 images,num_samples=4 (2)",
        "occlusion:baseline=digit_0.png",
    ]
    assert (results["occlusion:baseline=an array"].values != results["occlusion:baseline=an array (2)"].values).any()
