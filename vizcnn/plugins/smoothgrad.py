"""SmoothGrad: what is left of the gradient when noise on the image is averaged out, and how it varies meanwhile."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.adapter.changed import Changed, Copies
from vizcnn.algorithms.changes import add_noise
from vizcnn.algorithms.cost import gradients_by
from vizcnn.algorithms.reduction import REDUCTION_ALIASES, Reduction, reduce_channels
from vizcnn.algorithms.sampling import check_count, check_tolerance, rounds, sampled, samples_used, share_of_map
from vizcnn.errors import OptionError
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score

_ROUNDING = 1e-6
"""Share of a mean square that the difference to a square of the mean may come to by rounding alone."""

Rule = Literal["vanilla", "guided", "relu", "deconv", "rectified"]


@register(
    "smoothgrad", family="gradient", needs={"gradients"}, aliases=REDUCTION_ALIASES, cost=gradients_by("num_samples")
)
def smoothgrad(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    statistic: Literal["mean", "variance", "square"] = "mean",
    num_samples: int = 25,
    tolerance: float | None = None,
    noise: float = 0.15,
    rule: Rule = "vanilla",
    reduce: Reduction = "max_abs",
    seed: int = 0,
) -> AttributionBatch:
    """Take the mean of the gradients by noisy copies of the image [1]_.

    The gradient without most of its grain: bright where the score would move with a pixel in all of an image's neighborhood.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    statistic : {"mean", "variance", "square"}, default "mean"
        What is taken of the gradients: their mean (SmoothGrad); their variance (VarGrad [2]_), that of the drawn ones, divided by
        their number; or the mean of their squares (SquareGrad [3]_).
    num_samples : int, default 25
        How many noisy copies. They come in pairs whose noise differs in its sign alone.
    tolerance : float, default None
        For each image, take no more copies once `measures` "standard error" is this small a share of the map, as 0.1;
        `num_samples` is then the most that are taken. It is looked after 16, 24, 36, ... of them. Not of the variance.
    noise : float, default 0.15
        Standard deviation of the Gaussian noise, as a share of the image's range, its highest value less its lowest.
    rule : {"vanilla", "guided", "relu"}, default "vanilla"
        What ReLU does to the gradient; see `saliency`.
    reduce : {"max_abs", "sum", "none"}, default "max_abs"
        How the channels become one value; see `saliency`.
    seed : int, default 0
        Seed of the noise, which is the same for all images.

    Returns
    -------
    Attributions
        `values` (N, H, W), or (N, H, W, C) with reduce="none": change of the score per unit of input, or its square. `raw`
        (N, H, W, C): the same of each channel. `measures` "standard error" (N,), of several copies and not of their variance:
        how far the map would differ with other noise, as a share of the map (the root mean square of the standard errors of all
        its values, by that of the values). It takes the copies for independent; as they come in pairs, it is rather too large.
        With a `tolerance` also "samples" (N,): how many copies there were of each image.

    Raises
    ------
    OptionError
        If `num_samples` is not a positive whole number, `noise` is negative, or `tolerance` is not positive, or is one of the
        variance.
    RuleError
        If a rule other than "vanilla" finds no ReLU in the model.
    CapabilityError
        If the model has no gradients.

    Warnings
    --------
    A smooth map isn't a truer one: the noise hides what is fine in the image from the model too, and how much is right depends
    on the model and its inputs. Variance and square have no sign; they are large where the gradient is unsteady, which need not
    be where the score comes from.

    Notes
    -----
    The references measure noise differently: PAIR's, as here, as a share of the image's range; Captum's and Xplique's in units of
    the input. Xplique divides the variance by one less than the number of copies.

    References
    ----------
    .. [1] Smilkov et al., "SmoothGrad: removing noise by adding noise", 2017. arXiv:1706.03825
    .. [2] Adebayo et al., "Local Explanation Methods for Deep Neural Networks Lack Sensitivity to Parameter Values", 2018.
       arXiv:1810.03307
    .. [3] Hooker et al., "A Benchmark for Interpretability Methods in Deep Neural Networks", NeurIPS 2019. arXiv:1806.10758

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> result = vz.smoothgrad(cnn, digits[3], num_samples=10)
    >>> result.values.shape, result.raw.shape, result.measures["standard error"].round(1)
    ((1, 28, 28), (1, 28, 28, 1), array([0.3], dtype=float32))
    """
    _check(num_samples, noise)
    check_tolerance(tolerance)
    if tolerance is not None and statistic == "variance":
        raise OptionError(f"`tolerance` must be None for the variance, whose error isn't known; got {tolerance!r}.")
    axes = tuple(range(1, inputs.ndim))
    moment = _squared if statistic == "square" else _plain
    changed, counts = sampled(
        model.changed_gradients,
        inputs,
        score,
        add_noise(num_samples, inputs.shape[1:], seed=seed, name="smoothgrad", remedy="Fewer `num_samples` take less."),
        companions={"scale": noise * np.ptp(inputs, axis=axes)},
        tolerance=tolerance,
        error=lambda changed, counts, _: _share(*_moments(changed, counts), counts),
        stops=rounds(16, num_samples),
        sums={"values": moment, "squares": _SQUARES[moment]},
        rule=rule,
    )
    mean, variance = _moments(changed, counts)
    values = variance if statistic == "variance" else mean
    known = statistic != "variance" and num_samples > 1
    errors = {"standard error": _share(mean, variance, counts)} if known else {}
    used, notes = samples_used(errors.get("standard error", np.full(len(inputs), np.inf)), tolerance, counts)
    return AttributionBatch.of(
        changed,
        reduce_channels(values, reduce),
        raw=values,
        signed=statistic == "mean" and reduce != "max_abs",
        measures={**errors, **used},
        notes=notes,
    )


def _moments(changed: Changed, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance over the copies, (N, H, W, C)."""
    mean, square = (changed.sums[name] / _beside(counts, changed.sums[name]) for name in ("values", "squares"))
    variance = square - mean**2
    variance[variance < _ROUNDING * square] = 0
    return mean, variance


def _share(mean: np.ndarray, variance: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the standard error of the mean as a share of it."""
    return share_of_map(np.sqrt(variance / _beside(np.where(counts > 1, counts - 1, np.nan), variance)), mean)


def _beside(counts: np.ndarray, values: np.ndarray) -> np.ndarray:
    return counts.astype(np.float32).reshape(-1, *[1] * (values.ndim - 1))


def _check(num_samples: Any, noise: Any) -> None:
    check_count("num_samples", num_samples)
    if isinstance(noise, bool) or not isinstance(noise, int | float | np.number) or not 0 <= noise < np.inf:
        raise OptionError(
            f"`noise` must be a number that is not negative, a share of the image's range; got {noise!r}."
        )


def _plain(xp: Any, copies: Copies) -> Any:
    del xp
    return copies.gradients


def _squared(xp: Any, copies: Copies) -> Any:
    return xp.square(copies.gradients)


def _to_the_fourth(xp: Any, copies: Copies) -> Any:
    return xp.square(xp.square(copies.gradients))


_SQUARES = {_plain: _squared, _squared: _to_the_fourth}
"""The square of each formula."""
