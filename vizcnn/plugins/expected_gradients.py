"""Expected Gradients: Integrated Gradients from many images, on the average."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.adapter.changed import Change, Changed, Copies
from vizcnn.algorithms.changes import one_each
from vizcnn.algorithms.cost import gradients_by
from vizcnn.algorithms.paths import completeness
from vizcnn.algorithms.reduction import REDUCTION_ALIASES, Reduction, reduce_channels
from vizcnn.algorithms.sampling import check_count, check_tolerance, rounds, sampled, samples_used, share_of_map
from vizcnn.errors import OptionError
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score


@register(
    "expected_gradients",
    family="gradient",
    needs={"gradients"},
    aliases=REDUCTION_ALIASES,
    cost=gradients_by("num_samples"),
)
def expected_gradients(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    background: Any = "uniform",
    num_samples: int = 200,
    tolerance: float | None = None,
    reduce: Reduction = "sum",
    seed: int = 0,
) -> AttributionBatch:
    """Take the mean of Integrated Gradients from the images of a background set, one random point of a way at a time [1]_.

    What each pixel gives to the difference between the image's score and the background's mean one: red speaks for the class,
    blue against it. No single color is a baseline, so none is blind to what looks like it.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    background : path, image, array of shape (M, H, W, C), or a list, default "uniform"
        The images that the ways begin at: some dozens of what the model was trained on. "uniform": images of one color each,
        drawn between the image's lowest and highest value, where no background is at hand.
    num_samples : int, default 200
        How many points, each on another way; the images of the background take turns.
    tolerance : float, default None
        For each image, take no more points once `measures` "standard error" is this small a share of the map, as 0.1;
        `num_samples` is then the most that are taken. It is looked after 16, 24, 36, ... of them.
    reduce : {"max_abs", "sum", "none"}, default "sum"
        How the channels become one value; see `saliency`. Only sums add up.
    seed : int, default 0
        Seed of the points, and of the order of the background.

    Returns
    -------
    Attributions
        `values` (N, H, W), or (N, H, W, C) with reduce="none", in units of the score; `raw` (N, H, W, C): of each channel.
        `measures` "standard error" (N,), of several samples: how far the map would differ with other points, as a share of it;
        and "completeness gap" (N,): what all values add up to, less the score's difference from the background's mean. With a
        `tolerance` also "samples" (N,): how many points there were for each image.

    Raises
    ------
    OptionError
        If `num_samples` is not a positive whole number, `tolerance` is not positive, or the background's images aren't of the
        size of the inputs.
    InputError
        If the background can't be read.
    CapabilityError
        If the model has no gradients.

    Warnings
    --------
    The map is about the background as much as about the image: it tells what sets the image apart from those images. It is an
    estimate, and both of its numbers say how good a one; a gap that grows smaller with more samples is chance.

    Notes
    -----
    Captum calls it GradientShap, with 5 samples, and adds noise to the inputs; shap's GradientExplainer draws 200. Here the
    points of the ways are those of a scrambled Sobol sequence: of the first 64, say, there is one in each 64th of the way. That
    estimates the same mean with less chance in it; the standard error takes them for independent, and is rather too large.

    References
    ----------
    .. [1] Erion et al., "Improving performance of deep learning models with axiomatic attribution priors and expected gradients",
       Nature Machine Intelligence, 2021. arXiv:1906.10670

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> result = vz.expected_gradients(cnn, digits[3], background=digits, num_samples=100)
    >>> result.values.shape, sorted(result.measures)
    ((1, 28, 28), ['completeness gap', 'standard error'])
    """
    check_count("num_samples", num_samples)
    check_tolerance(tolerance)
    change, companions, starts = _ways(inputs, background, num_samples, seed)
    changed, counts = sampled(
        model.changed_gradients,
        inputs,
        score,
        change,
        companions=companions,
        tolerance=tolerance,
        error=lambda changed, counts, _: _share(*_moments(changed, counts), counts),
        stops=rounds(16, num_samples),
        sums={"mean": _plain, "squares": _squared},
    )
    mean, square = _moments(changed, counts)
    errors = {"standard error": _share(mean, square, counts)} if num_samples > 1 else {}
    first = _mean_scores(model, changed.score, starts, counts)
    gap, notes = completeness(mean, changed.scores - first, changed.scores, "more `num_samples` come closer")
    used, unsettled = samples_used(errors.get("standard error", np.full(len(inputs), np.inf)), tolerance, counts)
    return AttributionBatch.of(
        changed,
        reduce_channels(mean, reduce),
        raw=mean,
        signed=reduce != "max_abs",
        measures={"completeness gap": gap, **errors, **used},
        notes=[*notes, *unsettled],
    )


def _moments(changed: Changed, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean over the points, and that of the squares, (N, H, W, C)."""
    number = counts.astype(np.float32).reshape(-1, *[1] * (changed.sums["mean"].ndim - 1))
    return changed.sums["mean"] / number, changed.sums["squares"] / number


def _share(mean: np.ndarray, square: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the standard error of the mean as a share of it."""
    free = np.where(counts > 1, counts - 1, np.nan).reshape(-1, *[1] * (mean.ndim - 1))
    return share_of_map(np.sqrt(np.maximum(square - mean**2, 0) / free), mean)


class _Starts(NamedTuple):
    """Where the ways of an image begin: images, and which of them each way has, (n,)."""

    images: np.ndarray
    turns: np.ndarray

    def first(self, count: int) -> np.ndarray:
        """Return which images the first ways begin at, each once."""
        return np.unique(self.turns[:count])


def _ways(
    inputs: np.ndarray, background: Any, count: int, seed: int
) -> tuple[Change, dict[str, np.ndarray], list[_Starts]]:
    """Return the points of the ways, their companions, and for each image where they begin.

    A point doesn't depend on how many there are.
    """
    places, shades, order = (np.random.default_rng(one) for one in np.random.SeedSequence(seed).spawn(3))
    alphas = _spread(count, places)
    words = {"name": "expected gradients", "remedy": "Fewer `num_samples` take less."}
    if isinstance(background, str):
        colors = shades.random((count, inputs.shape[-1]), dtype=np.float32)
        axes = tuple(range(1, inputs.ndim))
        low, high = inputs.min(axis=axes), inputs.max(axis=axes)
        one_color = (count, *[1] * (inputs.ndim - 2), inputs.shape[-1])
        drawn = [(a + (b - a) * colors).reshape(one_color) for a, b in zip(low, high, strict=True)]
        starts = [_Starts(np.broadcast_to(one, (count, *inputs.shape[1:])), np.arange(count)) for one in drawn]
        numbers = lambda part: {"alpha": alphas[part], "shade": colors[part]}  # noqa: E731
        change = Change("from one color", count, numbers, _from_color, **words)
        return change, {"low": low, "high": high}, starts
    images = np.asarray(background, dtype=np.float32)
    if images.shape[1:] != inputs.shape[1:]:
        raise OptionError(
            f"`background` must be images of the size of the inputs, {inputs.shape[1:]}; got {images.shape[1:]}."
        )
    turns = np.concatenate([order.permutation(len(images)) for _ in range(-(-count // len(images)))])[:count]
    rows = lambda part: {"alpha": alphas[part], "start": images[turns[part]]}  # noqa: E731
    return Change("from a background", count, rows, _from_image, **words), {}, [_Starts(images, turns)] * len(inputs)


def _spread(count: int, generator: np.random.Generator) -> np.ndarray:
    """Return that many numbers between 0 and 1 that lie evenly, and so do the first ones of them."""
    from scipy.stats import qmc  # costs a while to import

    numbers = qmc.Sobol(1, rng=generator).random_base2((count - 1).bit_length())
    return np.asarray(numbers[:count, 0], dtype=np.float32)


def _from_image(xp: Any, images: Any, companions: Any, numbers: Any) -> Any:
    del companions
    return numbers["start"] + one_each(xp, numbers["alpha"], images) * (images - numbers["start"])


def _from_color(xp: Any, images: Any, companions: Any, numbers: Any) -> Any:
    start = _color(xp, images, companions, numbers)
    return start + one_each(xp, numbers["alpha"], images) * (images - start)


def _color(xp: Any, images: Any, companions: Any, numbers: Any) -> Any:
    low, high = (one_each(xp, companions[name], images) for name in ("low", "high"))
    shade = xp.reshape(numbers["shade"], (-1, *[1] * (len(images.shape) - 2), images.shape[-1]))
    return low + (high - low) * shade


def _plain(xp: Any, copies: Copies) -> Any:
    if "start" in copies.numbers:
        start = copies.numbers["start"]
    else:
        start = _color(xp, copies.originals, copies.companions, copies.numbers)
    return (copies.originals - start) * copies.gradients


def _squared(xp: Any, copies: Copies) -> Any:
    return _plain(xp, copies) ** 2


def _mean_scores(model: ModelAdapter, score: Score, starts: list[_Starts], counts: np.ndarray) -> np.ndarray:
    """Return the mean score of the images that the ways of each image begin at; of one class and the same images once."""
    known: dict[Any, float] = {}
    means = np.empty(len(starts), dtype=np.float32)
    for row, (start, count) in enumerate(zip(starts, counts, strict=True)):
        images, turns = start.images, start.first(int(count))
        key = (id(images), len(turns), *(param[row].tobytes() for param in score.params))
        if key not in known:
            size = model.batch_size_for(images.shape[1:])
            parts = (images[turns[at : at + size]] for at in range(0, len(turns), size))
            taken = [model.scores(part, score.take(np.full(len(part), row))) for part in parts]
            known[key] = float(np.concatenate(taken).mean(dtype=np.float64))
        means[row] = known[key]
    return means
