"""Our maps, and what differs between these and a reference's, set alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
from scipy import ndimage, sparse

import vizcnn as vz
from tests.golden.model import CLASSES, LAYER, SIZE, TARGETS, given, keras_model
from tests.golden.store import golden
from vizcnn.adapter.changed import Change
from vizcnn.algorithms import changes, paths
from vizcnn.algorithms.cam import first_component, ratio
from vizcnn.plugins import blur_ig, expected_gradients, hsic, rise, scorecam, smoothgrad, sobol, xrai
from vizcnn.plugins import lime as lime_plugin
from vizcnn.resample import linear_weights, resize


@cache
def adapter() -> Any:
    """Return the network, ready to be explained."""
    return vz.adapt(keras_model())


def explained(method: str, **options: Any) -> Any:
    """Return our result on both images."""
    return getattr(vz, method)(adapter(), given().images, list(TARGETS), **options)


def from_the_other(**options: Any) -> np.ndarray:
    """Return Integrated Gradients of each image from the other one."""
    images = given().images
    ways = [
        vz.integrated_gradients(adapter(), images[at : at + 1], label, baseline=images[1 - at], **options).raw
        for at, label in enumerate(TARGETS)
    ]
    return np.concatenate(ways)


def cells(maps: np.ndarray) -> np.ndarray:
    """Return maps whose 4 x 4 cells have one value each as (N, 4, 4)."""
    return maps[:, ::4, ::4]


def from_0_to_1(maps: np.ndarray) -> np.ndarray:
    """Bring each map to the range from 0 to 1."""
    low, high = maps.min(axis=(1, 2), keepdims=True), maps.max(axis=(1, 2), keepdims=True)
    return (maps - low) / (high - low)


def three(maps: np.ndarray) -> np.ndarray:
    """Give each of three channels the map."""
    return np.repeat(maps[..., None], 3, axis=-1)


@contextmanager
def given_noise() -> Iterator[None]:
    """Let SmoothGrad add the noise of the file."""
    noise, add_noise = given().noise, changes.add_noise

    def added(*args: Any, **words: Any) -> Change:
        return replace(add_noise(*args, **words), numbers=lambda part: {"noise": noise[part]})

    with mock.patch.object(smoothgrad, "add_noise", added):
        yield


def smoothed(statistic: str) -> np.ndarray:
    """Return SmoothGrad with the noise of the file."""
    with given_noise():
        return explained("smoothgrad", statistic=statistic, num_samples=len(given().noise)).raw


def means_of_points(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points of a way that count all alike, its ends too."""
    return np.linspace(0, 1, count), np.full(count, 1 / count)


def all_alike() -> np.ndarray:
    """Return Integrated Gradients, every point of the way counting alike."""
    with mock.patch.dict(paths._POINTS, gauss_legendre=means_of_points):
        return from_the_other()


def overlapping(image: np.ndarray, segments: Any) -> sparse.csr_array:
    """Return the regions that PAIR was handed."""
    masks = [given().segments == label for label in range(9)] + [given().sixths == label for label in range(6)]
    return sparse.csr_array(np.stack([mask.ravel() for mask in masks]).astype(float))


def regions() -> np.ndarray:
    """Return XRAI of the regions that PAIR was handed, by the points that it takes."""
    with (
        mock.patch.object(xrai, "_regions", overlapping),
        mock.patch.dict(paths._POINTS, gauss_legendre=means_of_points),
    ):
        return explained("xrai", num_steps=50).values


def regions_as_they_are() -> np.ndarray:
    """Return XRAI of the regions that PAIR was handed."""
    with mock.patch.object(xrai, "_regions", overlapping):
        return explained("xrai", num_steps=50).values


def black_beyond(length: int, sigma: float) -> np.ndarray:
    """Return the matrix that blurs an axis with zeros beyond its ends."""
    unit = np.eye(length, dtype=np.float32)
    return ndimage.gaussian_filter1d(unit, sigma, axis=0, mode="constant") if sigma > 0 else unit


def blurred() -> np.ndarray:
    """Return Blur IG by black borders and many steps."""
    with mock.patch.object(blur_ig, "_matrix", black_beyond):
        return explained("blur_ig", max_sigma=3, num_steps=400).raw


def drawn_segments(module: Any, shown: np.ndarray) -> Any:
    """Give a method's module a NumPy whose generators draw that those segments are shown."""
    drawn = SimpleNamespace(random=lambda size: np.where(shown, 0.25, 0.75))
    random = SimpleNamespace(default_rng=lambda seed: drawn)
    return mock.patch.object(module, "np", SimpleNamespace(**{**vars(np), "random": random}))


def lime(baseline: Any, measure: str = "") -> np.ndarray:
    """Return LIME of the nine segments, by the samples that lime drew."""
    shown, segments = golden("lime").arrays["its samples"], given().segments.astype(int)
    with drawn_segments(lime_plugin, shown):
        result = explained("lime", segments=segments, num_samples=len(shown), baseline=baseline)
    if measure:
        return result.measures[measure]
    return np.stack([[each[segments == label][0] for label in range(9)] for each in result.values])


def hidden_segments(width: Callable[[np.ndarray], float] | None) -> np.ndarray:
    """Return HSIC of 4 x 4 cells by the masks of the file; `width` is what the width of the scores' kernel is made of."""
    alike = hsic._alike

    def by_width(scores: np.ndarray) -> np.ndarray:
        kernel = np.exp(-(((scores[:, None] - scores) / width(scores)) ** 2) / 2)
        rows = kernel.mean(axis=0)
        return kernel - rows - rows[:, None] + rows.mean()

    shown = given().shown
    with drawn_segments(hsic, shown), mock.patch.object(hsic, "_alike", by_width if width else alike):
        result = explained("hsic", num_segments=16, num_samples=len(shown), baseline=0.0)
    return cells(result.values)


def dimmed() -> np.ndarray:
    """Return Sobol's indices of 4 x 4 cells by the points of the file."""
    points = given().points
    with mock.patch.object(sobol, "_points", return_value=points):
        return cells(explained("sobol", num_segments=16, num_samples=points.shape[1], baseline=0.0).values)


def masked() -> np.ndarray:
    """Return RISE by the grids of the file, all shifted alike."""
    grids, shift = given().grids.astype(np.float32), given().shift.astype(np.float32)
    mask_by_grids = changes.mask_by_grids

    def made(*args: Any, **words: Any) -> Change:
        numbers = lambda part: {"grid": grids[part], "shift": np.repeat(shift, len(grids[part]), axis=0)}  # noqa: E731
        return replace(mask_by_grids(*args, **words), numbers=numbers)

    with mock.patch.object(rise, "mask_by_grids", made):
        return explained("rise", num_samples=len(grids), cells=4, baseline=0.0).raw


def between(at: int, points: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return Expected Gradients of one image by the points that shap drew."""
    background, count = given().background, len(points)
    rows = lambda part: {"alpha": points[part], "start": background[starts[part].astype(int)]}  # noqa: E731
    change = Change("from a background", count, rows, expected_gradients._from_image)
    starts_of = expected_gradients._Starts(background, starts.astype(int))
    with mock.patch.object(expected_gradients, "_ways", return_value=(change, {}, [starts_of])):
        images = given().images[at : at + 1]
        return vz.expected_gradients(adapter(), images, TARGETS[at], background=background, num_samples=count).raw


def from_a_background() -> np.ndarray:
    """Return Expected Gradients of both images by the points that shap drew."""
    arrays = golden("shap").arrays
    points, starts = (arrays[f"GradientExplainer, its {name}"] for name in ("points", "starts"))
    return np.concatenate([between(at, points[at], starts[at]) for at in range(2)])


def corners_aligned(model: Any, path: str, maps: np.ndarray, inputs: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Enlarge a layer's maps so that the centers of the outer cells come to lie on those of the outer pixels."""
    count = maps.shape[1]
    return maps, [linear_weights(np.linspace(0, count - 1, SIZE), count)] * 2


def seen_through() -> np.ndarray:
    """Return Score-CAM with corners aligned."""
    with mock.patch.object(scorecam, "_masks", corners_aligned):
        return explained("scorecam", layer=LAYER, baseline=0.0).raw


@cache
def maps_and_gradients() -> Any:
    """Return the layer's feature maps and their gradients."""
    model = adapter()
    inputs = model.load_images(given().images).inputs(slice(None))
    score = vz.targets.resolve(list(TARGETS), model, len(inputs))
    return model.gradients(inputs, score, of=LAYER)


def centered(values: np.ndarray) -> np.ndarray:
    """Return the first component of maps without their means, of the sign that the reference happens to have."""
    return first_component(values - values.mean(axis=(1, 2), keepdims=True))


def with_sign_of(maps: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Turn each map so that it goes with another."""
    signs = [np.sign((a * b).sum()) for a, b in zip(maps, theirs, strict=True)]
    return maps * np.reshape(signs, (-1, 1, 1))


def shares_above() -> np.ndarray:
    """Return the feature maps, weighed by the share of their places that are far above the mean."""
    maps = maps_and_gradients().values
    limit = maps.mean(axis=(1, 2), keepdims=True) + 2 * maps.std(axis=(1, 2), keepdims=True)
    return ((maps > limit).mean(axis=(1, 2), keepdims=True) * maps).sum(axis=-1)


def plus_plus_of_means() -> np.ndarray:
    """Return the positive part of Grad-CAM++ with means in the place of both sums."""
    grads = maps_and_gradients()
    maps, squares = grads.values, grads.gradients**2
    mean = maps.mean(axis=(1, 2), keepdims=True)
    shares = ratio(squares, 2 * squares + mean * squares * grads.gradients)
    weights = (shares * np.maximum(grads.gradients, 0)).mean(axis=(1, 2), keepdims=True)
    return np.maximum((weights * maps).sum(axis=-1), 0)


def through_probabilities() -> np.ndarray:
    """Return Finer-CAM with the gradient that goes through the rivals' probabilities."""
    maps = explained("finercam", layer=LAYER).raw.copy()
    images, rivals = given().images, explained("finercam", layer=LAYER).extras["rivals"]
    each = np.stack([vz.gradcam(adapter(), images, label, layer=LAYER).raw for label in range(CLASSES)], axis=1)
    logits = np.stack([vz.gradcam(adapter(), images, label, layer=LAYER).scores for label in range(CLASSES)], axis=1)
    for at, label in enumerate(TARGETS):
        others = rivals[at].astype(int)
        shares = np.exp(logits[at, others] - logits[at, others].max())
        shares /= shares.sum()
        ahead = logits[at, label] - logits[at, others]
        maps[at] += np.tensordot(shares * (ahead - (shares * ahead).sum()), each[at, others], 1)
    return maps


def to_nearest() -> np.ndarray:
    """Return Guided Grad-CAM with the map enlarged by the nearest value."""
    cam = np.maximum(explained("gradcam", layer=LAYER).raw, 0)
    return explained("saliency", rule="guided").raw * cam.repeat(2, 1).repeat(2, 2)[..., None]


def covers(patch: int, stride: int) -> np.ndarray:
    """Return how many windows cover each pixel."""
    count = np.zeros((SIZE, SIZE))
    for row in range(0, SIZE - patch + 1, stride):
        for column in range(0, SIZE - patch + 1, stride):
            count[row : row + patch, column : column + patch] += 1
    return count


def shapley(maps: np.ndarray) -> np.ndarray:
    """Return the value of each of the six segments."""
    return np.stack([[each[given().sixths == label][0] for label in range(6)] for each in maps])


def owen() -> np.ndarray:
    """Return the Owen values of 4 x 4 cells, all of them halved."""
    result = explained("partition_shap", smallest_side=4, num_samples=2000, baseline=0.0)
    return cells(result.values) * 16


def each_channel_alike() -> np.ndarray:
    """Return FullGrad with every channel of the input and of the layers brought to 0..1 by itself."""
    model, images = adapter(), given().images
    inputs = model.load_images(images).inputs(slice(None))
    score = vz.targets.resolve(list(TARGETS), model, len(inputs))
    parts = [model.gradients(inputs, score).gradients * inputs]
    parts += [
        model.gradients(inputs, score, of=f"conv{number}").gradients * given().weights[2 * number - 1]
        for number in (1, 2, 3)
    ]
    total = np.zeros(images.shape[:3])
    for part in map(np.abs, parts):
        for channel in np.moveaxis(part, -1, 0):
            total += np.stack([resize(one, (SIZE, SIZE)) for one in from_0_to_1(channel)])
    return total
