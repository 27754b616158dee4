"""Our metrics beside those of each reference: as they are, or with the one thing set alike that differs on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
from scipy.ndimage import correlate1d

import vizcnn as vz
from tests.golden.cases.alike import adapter
from tests.golden.cases.case import Case, Ours
from tests.golden.metrics import (
    CORNERS,
    EXPLAINED,
    HIDDEN,
    OTHER_CLASSES,
    RADIUS,
    REGIONS,
    SIDE,
    maps,
    order_of_cells,
    shown_through,
    untrained,
)
from tests.golden.model import CLASSES, SIZE, given
from vizcnn.adapter.changed import Change
from vizcnn.adapter.keras.reinitialized import InitialWeights
from vizcnn.algorithms.imputation import imputed
from vizcnn.algorithms.ranks import map_similarity, rank_correlation
from vizcnn.measures import infidelity, max_sensitivity, mu_fidelity, random_logit, randomization, registry
from vizcnn.measures.metric import MetricBatch

WITHIN = 1e-3
"""How far apart two numbers may be."""


def measured(metric: str, of: np.ndarray | None = None, **options: Any) -> MetricBatch:
    """Return what a metric says of both maps."""
    found = registry.get(metric)
    model, images = adapter(), given().images
    asked = {"regions": REGIONS} if "regions" in found.asks else {}
    score = vz.targets.resolve(list(EXPLAINED), model, len(images))
    values = np.asarray(maps() if of is None else of, dtype=np.float32)
    return found.run(model, images, score, values, **asked, **{**found.options, **options})


def of_saliency(metric: str, **options: Any) -> Any:
    """Return saliency maps of both images with what a metric says of them that asks for others."""
    asked = ("saliency", {})
    given_images, classes = given().images, list(EXPLAINED)
    return vz.explain(adapter(), given_images, classes, methods=[asked], metrics=[(metric, options)])["saliency"]


def drawing(module: Any, **draws: Callable[..., Any]) -> AbstractContextManager[Any]:
    """Give a metric's module a NumPy whose generators draw what is given."""
    random = SimpleNamespace(default_rng=lambda seed: SimpleNamespace(**draws))
    return mock.patch.object(module, "np", SimpleNamespace(**{**vars(np), "random": random}))


# What differs, set alike ----------------------------------------------------------------------------------------------


def of_cells() -> np.ndarray:
    """Return mu-fidelity by the given choices of cells."""
    order = order_of_cells()
    with drawing(mu_fidelity, random=lambda size: order.argsort(axis=1)):
        return measured("mu_fidelity", num_samples=len(order), cells=4, share=0.25, baseline=0.0).values


def by_squares(*, in_units: bool, **options: Any) -> np.ndarray:
    """Return infidelity by the given squares, or what it is in squares of the score's units."""
    corners = iter(CORNERS.T)
    with drawing(infidelity, integers=lambda *bounds: next(corners)):
        found = measured("infidelity", num_samples=len(CORNERS), size=SIDE / SIZE, baseline=0.0, **options)
    return found.values * np.square(found.extras["drops"]).mean(axis=1) if in_units else found.values


BLOCKS = (np.arange(SIZE)[:, None] // SIDE * (SIZE // SIDE) + np.arange(SIZE) // SIDE).astype(np.int32)
"""Which block of 4 x 4 each pixel lies in, numbered row by row."""


def block_after_block(windows: Any, **words: str) -> Change:
    """Hide blocks, each beside those before it."""
    count = len(windows)
    rows = lambda part: {"block": np.arange(count, dtype=np.int32)[part]}  # noqa: E731

    def hidden(xp: Any, images: Any, companions: Any, numbers: Any) -> Any:
        last = xp.reshape(numbers["block"], (-1, 1, 1, 1))
        return xp.where(xp.less_equal(BLOCKS[None, :, :, None], last), companions["fill"], images)

    return Change("block after block", count, rows, hidden, **words)


def by_blocks() -> np.ndarray:
    """Return infidelity in units, of what more and more blocks cost, by the map times what they change of the image."""
    count = SIZE // SIDE
    corners = iter(np.mgrid[:count, :count].reshape(2, -1) * SIDE)
    options = {"num_samples": count**2, "size": SIDE / SIZE, "baseline": 0.0}
    with (
        drawing(infidelity, integers=lambda *bounds: next(corners)),
        mock.patch.object(infidelity, "hide_windows", block_after_block),
    ):
        found = measured("infidelity", maps() * given().images.sum(axis=-1), **options)
    sums = np.cumsum(found.extras["sums"], axis=1)
    return np.square(sums - found.extras["drops"]).mean(axis=1)


def noisy(count: int) -> Any:
    """Return saliency maps with max-sensitivity by the first of the given noises."""
    noise = iter(np.clip(given().noise, -1, 1))
    with drawing(max_sensitivity, uniform=lambda *args: next(noise)):
        return of_saliency("max_sensitivity", num_samples=count, radius=RADIUS)


def distance() -> np.ndarray:
    """Return how far the map moves by the first noise, in its own units."""
    result = noisy(1)
    return result.measures[next(iter(result.measures))] * np.linalg.norm(result.values, axis=(1, 2))


def another_class(similarity: Callable[..., np.ndarray] = map_similarity) -> np.ndarray:
    """Return how alike the saliency maps of two classes are."""
    further = {(other - label) % CLASSES for other, label in zip(OTHER_CLASSES, EXPLAINED, strict=True)}
    (number,) = further
    with (
        drawing(random_logit, integers=lambda *bounds: number),
        mock.patch.object(random_logit, "map_similarity", similarity),
    ):
        return of_saliency("random_logit").measures["random_logit"]


def structure(maps: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return SSIM of maps and others: Gaussian windows of 11 x 11, only those that lie within the map."""
    places = np.arange(-5, 6)
    window = np.exp(-np.square(places / 1.5) / 2)
    inside = (slice(None), slice(5, -5), slice(5, -5))

    def mean(values: np.ndarray) -> np.ndarray:
        for axis in (1, 2):
            values = correlate1d(values, window / window.sum(), axis=axis)
        return values[inside]

    a, b = maps.astype(np.float64), others.astype(np.float64)
    both = np.concatenate([a, b], axis=1)
    low, high = ((share * np.ptp(both, axis=(1, 2), keepdims=True)) ** 2 for share in (0.01, 0.03))
    product = mean(a) * mean(b)
    luminance = (2 * product + low) / (mean(a) ** 2 + mean(b) ** 2 + low)
    shared, apart = mean(a * b) - product, mean(a * a + b * b) - mean(a) ** 2 - mean(b) ** 2
    return (luminance * (2 * shared + high) / (apart + high)).mean(axis=(1, 2))


def signed(maps: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return Spearman's correlation of magnitudes with its sign."""
    return np.array([rank_correlation(*map(np.abs, pair)) for pair in zip(maps, others, strict=True)])


def before_training(order: str = "all", similarity: Callable[..., np.ndarray] = map_similarity) -> np.ndarray:
    """Return how alike the saliency maps are when the given weights stand for those before the training; layer by layer."""

    def drawn(self: InitialWeights, seed: int) -> list[np.ndarray]:
        del seed
        return [untrained(weight.variable.numpy()) for weight in self._weights]

    with (
        mock.patch.object(InitialWeights, "_draw", drawn),
        mock.patch.object(randomization, "map_similarity", similarity),
    ):
        result = of_saliency("randomization", order=order, seed=99)
    (name,) = result.measures
    return result.measures[name] if order == "all" else result.extras[f"{name} curve"]


def as_a_mask(metric: str) -> np.ndarray:
    """Return a metric of images that are seen through the magnitude of their maps, from its lowest value on."""
    size = np.abs(maps())
    return measured(metric, size - size.min(axis=(1, 2), keepdims=True)).values


# The cases ------------------------------------------------------------------------------------------------------------


def _values(metric: str, of: np.ndarray | None = None, **options: Any) -> Ours:
    return lambda: measured(metric, of, **options).values


def _captum() -> Iterator[Case]:
    for normalize, scale in ((False, "own"), (True, "best")):
        yield Case(
            f"infidelity:scale={scale}",
            "captum",
            f"infidelity, normalize={normalize}",
            partial(by_squares, in_units=True, scale=scale),
            "it is in squares of the score's units",
            partial(by_squares, in_units=False, scale=scale),
            WITHIN,
        )
    yield Case("max_sensitivity", "captum", "sensitivity_max", lambda: _only(noisy(len(given().noise))), within=WITHIN)


def _only(result: Any) -> np.ndarray:
    (numbers,) = result.measures.values()
    return numbers


def _grad_cam() -> Iterator[Case]:
    quarters = {"shares": (0.25, 0.5, 0.75), "noise": 0.0}
    case = partial(Case, package="grad-cam", within=WITHIN)
    yield case("road", name="ROADCombined", ours=_values("road", **quarters))
    fall = _values("road", order="morf", **quarters)
    yield case(
        "road:order=morf",
        name="ROADMostRelevantFirstAverage",
        ours=lambda: -fall(),
        differs="it is the change, so a fall is below zero",
        plain=fall,
    )
    yield case("road:order=lerf", name="ROADLeastRelevantFirstAverage", ours=_values("road", order="lerf", **quarters))
    drop = _values("average_drop")
    yield case(
        "average_drop",
        name="DropInConfidence",
        ours=lambda: drop() * _probabilities(),
        differs="it isn't divided by the probability",
        plain=drop,
    )
    yield case("increase", name="IncreaseInConfidence", ours=_values("increase", shown_through()))


def _probabilities() -> np.ndarray:
    return adapter().outputs(given().images)[0][np.arange(2), list(EXPLAINED)]


def _xplique() -> Iterator[Case]:
    case = partial(Case, package="xplique", within=WITHIN)
    for metric, name in (("deletion", "Deletion"), ("insertion", "Insertion")):
        yield case(metric, name=name, ours=_values(metric, num_steps=16, baseline=0.0))
    yield case("mu_fidelity", name="MuFidelity", ours=of_cells)
    for metric, name in (("average_drop", "AverageDropMetric"), ("average_gain", "AverageGainMetric")):
        yield case(
            metric,
            name=name,
            ours=partial(as_a_mask, metric),
            differs="it sees through the map's magnitude, from its lowest value on, not through its positive part",
            plain=_values(metric),
        )
    yield case("increase", name="AverageIncreaseMetric", ours=partial(as_a_mask, "increase"))
    for metric, name in (("complexity", "Complexity"), ("sparseness", "Sparseness")):
        yield case(metric, name=name, ours=_values(metric))
    yield case(
        "max_sensitivity:num_samples=1",
        name="AverageStability",
        ours=distance,
        differs="it is the mean distance, in the map's units; its own noise only adds",
        plain=lambda: _only(noisy(1)),
    )
    yield case(
        "random_logit",
        name="RandomLogitMetric",
        ours=partial(another_class, structure),
        differs="it compares by SSIM",
        plain=another_class,
    )
    yield case("randomization", name="ModelRandomizationMetric", ours=before_training)


def _quantus() -> Iterator[Case]:
    case = partial(Case, package="quantus", within=WITHIN)
    size = np.abs(maps())
    yield case("sparseness", name="Sparseness", ours=_values("sparseness"))
    yield case("complexity", name="Complexity", ours=_values("complexity"))
    yield case("pointing_game:margin=0", name="PointingGame", ours=_values("pointing_game", margin=0.0))
    yield case("relevance_mass", name="RelevanceMassAccuracy", ours=_values("relevance_mass", size))
    yield case("relevance_rank", name="RelevanceRankAccuracy", ours=_values("relevance_rank"))
    yield case(
        "road",
        name="noisy_linear_imputation",
        ours=lambda: np.stack([imputed(each, HIDDEN) for each in given().images]),
    )
    yield case("max_sensitivity", name="MaxSensitivity", ours=lambda: _only(noisy(len(given().noise))))
    yield case(
        "infidelity",
        name="Infidelity",
        ours=by_blocks,
        differs="it hides block after block until all is hidden, and takes the map times what that changes of the image",
        plain=partial(by_squares, in_units=True, scale="own"),
    )
    yield case("random_logit", name="RandomLogit", ours=another_class)
    yield case("randomization:order=top_down", name="MPRT, top_down", ours=partial(before_training, "top_down"))
    upwards = partial(before_training, "bottom_up")
    yield case(
        "randomization:order=bottom_up",
        name="MPRT, bottom_up",
        ours=partial(upwards, signed),
        differs="it keeps the correlation's sign",
        plain=upwards,
    )


METRICS = tuple(case for cases in (_captum, _grad_cam, _xplique, _quantus) for case in cases())
"""All cases of metrics."""
