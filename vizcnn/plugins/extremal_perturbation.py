"""Extremal perturbations: of all smooth masks of an area, the one through which the score is highest, or without which lowest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.baselines import Baseline, baselines
from vizcnn.algorithms.cost import Cost
from vizcnn.algorithms.masks import SmoothMasks, in_order
from vizcnn.algorithms.sampling import check_count, check_share
from vizcnn.plugins.register import register
from vizcnn.progress import Clock, track
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score

RATE, MOMENTUM = 0.01, 0.9
"""How far the cells go with the gradient, and how much of the last step goes on in the next."""

WEIGHTS = (1.0, 100.0)
"""How much the area counts beside the score at the first step and at the last."""

_LEAST = 0.1
"""The least that scores are measured by, as a share of the score."""


@register(
    "extremal_perturbation",
    family="perturbation",
    needs={"gradients"},
    cost=lambda model, shape, options: Cost(2, int(options["num_steps"]) * len(_areas(options["area"]))),
)
def extremal_perturbation(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    area: float | Sequence[float] = (0.05, 0.1, 0.2),
    mode: Literal["preserve", "delete"] = "preserve",
    num_steps: int = 100,
    smoothness: float = 0.05,
    baseline: Baseline = "blur",
    seed: int = 0,
) -> AttributionBatch:
    """Find the smooth mask of a given area through which the score is highest, or without which it is lowest [1]_.

    Bright is what the model needs to see, of all places that together have no more than that area.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    area : float or sequence of float, default (0.05, 0.1, 0.2)
        Area of the mask, as a share of the image; of several there is a mask each.
    mode : {"preserve", "delete"}, default "preserve"
        Whether the score is made as high as possible of what is seen through the mask, or as low as possible of what is seen
        beside it.
    num_steps : int, default 100
        Steps of the optimization, one after another. The authors take 800.
    smoothness : float, default 0.05
        How slowly the mask changes: the standard deviation of its edges, as a share of the image's shorter side.
    baseline : float, sequence of float, name, path or image, default "blur"
        What is seen in place of the image where it is hidden, as `occlusion` takes it; "blur" is by a Gaussian a tenth as wide
        as the image.
    seed : int, default 0
        Seed of the noise.

    Returns
    -------
    Attributions
        `values` (N, H, W): the mask, 0 to 1; of several areas their mean. `raw` (N, areas, H, W): the mask of each. `extras`
        "scores" (N, areas): the score of the image seen through each mask, or beside it, and "areas" (N, areas): what each mask
        covers. `measures` "score lost" (N,): the score of the image less the mean of these; that is little where masks
        preserve, and much where they delete.

    Raises
    ------
    OptionError
        If an area or `smoothness` isn't between 0 and 1, `num_steps` is not a positive whole number, or the baseline is unknown.
    CapabilityError
        If the model has no gradients.

    Warnings
    --------
    The mask is the end of an optimization, which may get stuck at one of several: another `num_steps` or `area` may lead
    elsewhere, and what preserves the score needn't be what deletes it, so look at both. It has the area that was asked for
    whether or not the cause has: where the cause is smaller, the rest is chosen by what little it adds. Images seen through masks
    are unlike any that the model has seen.

    Notes
    -----
    ``num_steps`` gradients for each area, one after another; images and areas go through the model together. The defaults are
    about 300 runs of the model there and back for an image.

    As in the paper, the loss is the score and ``mean((sort(m) - r)**2)``, where r is 0 and, in the last share `area`, 1; its
    weight grows. Here the score counts as a share of its rise from the baseline, or of a tenth of it where that is more, so
    that its units don't matter; what is hidden
    is blended with the baseline, where the paper blurs the more the more is hidden; and images aren't mirrored now and then, so
    the result is the same each time.

    The area is that of the mask's order: as many places as were asked for are to be 1, and the others 0. A smooth mask can only
    come near that, its edges lying half inside and half beyond. So `extras` "areas", edges included, are about a tenth larger
    than asked, and more where the mask is in several pieces: four small squares at the default `smoothness` a fifth, one square
    a tenth. A smaller `smoothness` has narrower edges.

    References
    ----------
    .. [1] Fong, Patrick and Vedaldi, "Understanding Deep Networks via Extremal Perturbations and Smooth Masks", ICCV 2019.
       arXiv:1910.08485

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> result = vz.extremal_perturbation(cnn, digits[3], area=0.2, num_steps=50)
    >>> result.values.shape, result.extras["areas"].shape, bool(result.extras["scores"][0, 0] > 10)
    ((1, 28, 28), (1, 1), True)
    """
    areas = _areas(area)
    check_count("num_steps", num_steps)
    check_share("smoothness", smoothness)
    scores, outputs = model.scores_and_outputs(inputs, score)
    score = model.with_predicted_classes(inputs, score, outputs)
    fill = baselines(inputs, baseline, [length / 10 for length in inputs.shape[1:-1]], seed=seed)
    fill = np.broadcast_to(fill, inputs.shape).astype(np.float32)
    lowest = model.scores(fill, score)
    rows = np.repeat(np.arange(len(inputs)), len(areas))
    game = _Game(model, inputs[rows], fill[rows], score.take(rows), mode == "preserve")
    masks = _optimized(game, np.tile(areas, len(inputs)), _units(scores, lowest)[rows], num_steps, smoothness)
    shape = len(inputs), len(areas)
    reached = model.scores(game.images(masks), game.score).reshape(shape)
    raw = masks.reshape(*shape, *masks.shape[1:])
    return AttributionBatch(
        raw.mean(axis=1),
        raw=raw,
        scores=scores,
        outputs=outputs,
        measures={"score lost": scores - reached.mean(axis=1)},
        extras={"scores": reached, "areas": raw.mean(axis=tuple(range(2, raw.ndim)))},
    )


def _areas(area: Any) -> np.ndarray:
    several = list(area) if isinstance(area, list | tuple | np.ndarray) else [area]
    for one in several or [None]:
        check_share("area", one)
    return np.array(several, dtype=np.float64)


class _Game:
    """Rows of images and what they are hidden by, seen through masks."""

    def __init__(self, model: ModelAdapter, images: np.ndarray, fill: np.ndarray, score: Score, preserve: bool) -> None:
        self._model, self._fill, self._preserve, self.score = model, fill, preserve, score
        self._difference = images - fill
        self.size = images.shape[1:-1]

    def images(self, masks: np.ndarray) -> np.ndarray:
        """Return the images as they are seen through masks (R, H, W), or beside them."""
        seen = masks if self._preserve else 1 - masks
        return np.asarray(self._fill + seen[..., None].astype(np.float32) * self._difference)

    def gain(self, masks: np.ndarray) -> np.ndarray:
        """Return how what is to be made large grows with each pixel of the masks (R, H, W)."""
        gradients = self._model.gradients(self.images(masks), self.score).gradients
        # To see more and raise the score, and to hide more and lower it, are the same derivative.
        return np.asarray((gradients * self._difference).sum(axis=-1, dtype=np.float64))


def _optimized(game: _Game, areas: np.ndarray, units: np.ndarray, num_steps: int, smoothness: float) -> np.ndarray:
    """Return the masks (R, H, W) of some areas (R,), by gradient steps with momentum from masks that are 1 everywhere."""
    makes = SmoothMasks(game.size, smoothness)
    cells = np.ones((len(areas), *makes.cells))
    beside = (-1, *[1] * len(makes.cells))
    scale = cells[0].size / units.reshape(beside)
    weights = np.geomspace(*WEIGHTS, num_steps)
    step, clock = np.zeros_like(cells), Clock(num_steps)
    for weight in track(weights, num_steps, "extremal perturbation"):
        clock.tick(
            f"Extremal perturbation takes {num_steps:,} gradients one after another, of {len(areas):,} images",
            "Fewer `num_steps` take less, and so does one `area`.",
        )
        grids, back = makes.smooth(cells)
        wanted = np.stack([in_order(*pair) for pair in zip(grids, areas, strict=True)])
        gain = scale * makes.enlarge_back(game.gain(makes.enlarge(grids)))
        step = MOMENTUM * step + RATE * back(gain - 2 * weight * (grids - wanted))
        cells = np.clip(cells + step, 0, 1)
    masks = makes.enlarge(makes.smooth(cells)[0])
    return np.asarray(np.clip(masks, 0, 1), dtype=np.float32)


def _units(scores: np.ndarray, lowest: np.ndarray) -> np.ndarray:
    """Return what scores are measured by: their rise from the baseline, where it isn't small beside them."""
    size = np.maximum(np.abs(scores - lowest), _LEAST * np.abs(scores)).astype(np.float64)
    return np.asarray(np.where(size > 0, size, 1))
