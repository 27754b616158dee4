"""What a model says of an image while its pixels are hidden or shown in the order of a map, and of an image seen through one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.adapter.changed import Change, Changed, Copies
from vizcnn.algorithms.baselines import with_images
from vizcnn.errors import CapabilityError
from vizcnn.targets.score import Score, pick


def area_under(curve: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Return the area under curves, by trapezoids.

    Parameters
    ----------
    curve : ndarray, shape (N, K)
        The curves.
    shares : ndarray, shape (K,)
        Where their points lie.

    Returns
    -------
    ndarray, shape (N,)

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.curves import area_under
    >>> area_under(np.array([[1.0, 0.5, 0.0]]), np.array([0.0, 0.5, 1.0]))
    array([0.5])
    """
    means = (curve[:, 1:] + curve[:, :-1]) / 2
    area: np.ndarray = (means * np.diff(shares)).sum(axis=1)
    return area


def pixel_curve(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    maps: np.ndarray,
    fill: np.ndarray,
    num_steps: int,
    *,
    shown: bool = False,
    seed: int = 0,
    name: str = "",
) -> tuple[np.ndarray, np.ndarray]:
    """Hide pixels, or show them on a fill, the highest of a map first.

    Parameters
    ----------
    model : ModelAdapter
        The model.
    inputs : ndarray, shape (N, H, W, C)
        The images.
    score : Score
        What was explained, predicted classes settled.
    maps : ndarray, shape (N, H, W)
        The maps.
    fill : ndarray, shape (N, H, W, C) or (N, 1, 1, C)
        What is seen in place of hidden pixels.
    num_steps : int
        In how many equal steps.
    shown : bool, default False
        Whether the pixels are shown on the fill, and not hidden by it.
    seed : int, default 0
        Seed of the order among pixels of equal values.
    name : str, default ""
        What is done, for the progress bar.

    Returns
    -------
    (ndarray, shape (num_steps + 1,), ndarray, shape (N, num_steps + 1))
        The shares of pixels; and what the model says of the explained class: its probability where it gives one, else the score.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> from vizcnn.algorithms.curves import pixel_curve
    >>> model = vz.adapt(lambda inputs: inputs.sum(axis=(1, 2)), input_shape=(2, 2, 1))
    >>> image, ramp = np.arange(4.0).reshape(1, 2, 2, 1), np.arange(4.0).reshape(1, 2, 2)
    >>> score = vz.targets.Class(0).score(model, 1)
    >>> shares, curve = pixel_curve(model, image, score, ramp, np.zeros((1, 1, 1, 1)), 2)
    >>> shares.tolist(), curve.tolist()
    ([0.0, 0.5, 1.0], [[6.0, 1.0, 0.0]])
    """
    size = int(np.prod(maps.shape[1:]))
    counts = np.rint(np.linspace(0, size, num_steps + 1)).astype(np.int32)
    change = Change(
        "pixels shown" if shown else "pixels deleted",
        len(counts),
        lambda part: {"count": counts[part]},
        _shown if shown else _hidden,
        name=name,
        remedy="Fewer `num_steps` take less.",
    )
    companions = {"ranks": pixel_ranks(maps, seed), "fill": fill}
    return counts / size, said_of_copies(model, inputs, score, change, companions)[1]


def said_of_copies(
    model: ModelAdapter, inputs: np.ndarray, score: Score, change: Change, companions: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return what the model says of the explained class, on the images and on changed copies of them.

    Parameters
    ----------
    model, inputs, score : as in every metric
        See `vizcnn.register_metric`.
    change : Change
        How the copies are made.
    companions : dict of ndarray
        What it needs.

    Returns
    -------
    (ndarray, shape (N,), ndarray, shape (N, count))
        The probability of the class where the model gives one, else the score.
    """
    output = model.output_name(score.output)
    of_classes = model.head(output).is_classes and all(index is not None and index >= 0 for index in score.classes)
    if of_classes:
        companions = {**companions, "class": np.array(score.classes, dtype=np.int32)}
    each = {"value": _ClassValue(output)} if of_classes else {}
    changed: Changed = model.changed_scores(inputs, score, change, companions=companions, each=each)
    if of_classes:
        _, values, is_probability = model.class_outputs(changed.outputs, output)
        if is_probability:
            classes = np.array(score.classes)[:, None]
            return np.take_along_axis(np.asarray(values), classes, axis=1)[:, 0], changed.each["value"]
    return changed.scores, changed.copy_scores


def seen_through_map(
    model: ModelAdapter, inputs: np.ndarray, score: Score, maps: np.ndarray, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the probability of the explained class on the images, and on the images times their maps.

    Parameters
    ----------
    model, inputs, score, maps : as in every metric
        See `vizcnn.register_metric`. The maps are cut at 0 and divided by their largest values; one that has none hides all.
        What is hidden is black: 0 in pixels, preprocessed as the image was.
    name : str
        What asks, for the error.

    Returns
    -------
    (ndarray, shape (N,), ndarray, shape (N,))

    Raises
    ------
    CapabilityError
        If the model gives the explained class no probability.
    """
    output = model.output_name(score.output)
    if not model.head(output).is_classes or any(index is None or index < 0 for index in score.classes):
        raise CapabilityError(
            f"Metric {name!r} needs a class whose probability the model gives; {score.names[0]!r} is none."
        )
    positive = np.maximum(maps, 0)
    most = positive.max(axis=tuple(range(1, maps.ndim)), keepdims=True)
    black = with_images({"baseline": "black"}, model, inputs.shape[1:])["baseline"]
    change = Change("seen through one map", 1, lambda part: {"of": np.zeros(1, np.int32)}, _through, name=name)
    companions = {
        "map": positive / np.where(most > 0, most, 1),
        "fill": np.broadcast_to(black, inputs.shape).astype(np.float32),
    }
    before, after = said_of_copies(model, inputs, score, change, companions)
    return before, after[:, 0]


def _through(xp: Any, images: Any, companions: Any, numbers: Any) -> Any:
    del xp, numbers
    fill = companions["fill"]
    return fill + companions["map"][..., None] * (images - fill)


def pixel_ranks(maps: np.ndarray, seed: int) -> np.ndarray:
    """Return the place of each pixel in the order in which they are taken; chance orders those of equal values.

    Parameters
    ----------
    maps : ndarray, shape (N, H, W)
        The maps; the highest values come first.
    seed : int
        Seed of that chance.

    Returns
    -------
    ndarray of int32, shape (N, H, W)

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.curves import pixel_ranks
    >>> pixel_ranks(np.array([[[0.5, 2.0, -1.0]]]), 0).tolist()
    [[[1, 0, 2]]]
    """
    ranks = np.empty((len(maps), maps[0].size), dtype=np.int32)
    shuffled = np.argsort(np.random.default_rng(seed).random(maps[0].size))
    for row, values in zip(ranks, maps, strict=True):
        order = shuffled[np.argsort(-values.ravel()[shuffled], kind="stable")]
        row[order] = np.arange(len(row), dtype=np.int32)
    return ranks.reshape(maps.shape)


def _taken(xp: Any, companions: Any, numbers: Any) -> Any:
    """Tell which pixels are among the first."""
    ranks = companions["ranks"]
    return xp.less(ranks, xp.reshape(numbers["count"], (-1, *[1] * (len(ranks.shape) - 1))))[..., None]


def _hidden(xp: Any, images: Any, companions: Any, numbers: Any) -> Any:
    return xp.where(_taken(xp, companions, numbers), companions["fill"], images)


def _shown(xp: Any, images: Any, companions: Any, numbers: Any) -> Any:
    return xp.where(_taken(xp, companions, numbers), images, companions["fill"])


@dataclass(frozen=True)
class _ClassValue:
    """The formula of what the model says of the explained class."""

    output: str

    def __call__(self, xp: Any, copies: Copies) -> Any:
        index = copies.companions["class"]
        return pick(xp, copies.class_outputs(self.output), index, index)
