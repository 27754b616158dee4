"""ROAD: what becomes of the probability when the pixels that a map calls important, or unimportant, are filled in from others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.adapter.changed import Change
from vizcnn.algorithms.curves import said_of_copies
from vizcnn.algorithms.imputation import imputed_orders
from vizcnn.algorithms.sampling import check_not_negative, check_share
from vizcnn.measures.metric import MetricBatch
from vizcnn.measures.register import register_metric
from vizcnn.targets.score import Score


@register_metric("road", better="high", needs={"scores", "outputs", "images"})
def road(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    maps: np.ndarray,
    *,
    order: Literal["combined", "morf", "lerf"] = "combined",
    shares: Sequence[float] = (0.2, 0.4, 0.6, 0.8),
    noise: float = 0.01,
    seed: int = 0,
) -> MetricBatch:
    """Return how much more the probability falls without a map's highest pixels than without its lowest [1]_.

    Pixels are not hidden, but filled in from those around them, so that the images are nearer to what the model has seen, and
    the edge of what was taken tells less. 0 is a map in an order of chance; below it, the map is worse than that.

    Parameters
    ----------
    model, inputs, score, maps : as in every metric
        See `vizcnn.register_metric`.
    order : {"combined", "morf", "lerf"}, default "combined"
        Half of the sum of the two others; how far the probability falls without the most relevant pixels ("morf", most relevant
        first); how far it rises, most often below zero, without the least relevant ones ("lerf").
    shares : sequence of float, default (0.2, 0.4, 0.6, 0.8)
        Shares of the pixels that are filled in; the number is the mean over them.
    noise : float, default 0.01
        Standard deviation of what is added to filled pixels, as a share of the image's range.
    seed : int, default 0
        Seed of the noise, and of the order among pixels of equal values.

    Returns
    -------
    MetricBatch
        `values` (N,): from -1 to 1 where the model gives the explained class a probability, else in the units of the score.
        `extras` "morf" and "lerf" (N, shares): what the model says of each.

    Raises
    ------
    OptionError
        If a share isn't a number between 0 and 1, or the noise is negative.

    Warnings
    --------
    What is filled in is smooth: an image of which most is filled in is a blur, and what the model says of that is part of the
    number. A coarse map takes large parts, of which little can be filled in; a scattered one takes single pixels, which come back
    nearly as they were, so it looks harmless both ways. A map that is the same everywhere is in an order of chance.

    Notes
    -----
    The equations are solved to a thousandth of the image's range. Quantus gives the accuracy over a dataset for each share, where
    this is the probability of one image. In pytorch-grad-cam the noise is in the units of the inputs, and its number of the most
    relevant pixels is the change, so that a fall is below zero.

    References
    ----------
    .. [1] Rong et al., "A Consistent and Efficient Evaluation Strategy for Attribution Methods", ICML 2022. arXiv:2202.00449

    Examples
    --------
    >>> import vizcnn as vz
    >>> explained = vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[3], methods="occlusion", metrics="road")
    >>> bool(explained["occlusion"].measures["road"][0] > 0)
    True
    """
    for share in shares:
        check_share("shares", share)
    check_not_negative("noise", noise)
    filled = imputed_orders(inputs, maps, np.asarray(shares, dtype=np.float64), noise=noise, seed=seed)
    asked = {"morf": filled[:1], "lerf": filled[1:]}.get(order, filled)
    copies = np.concatenate(asked, axis=1)
    change = Change(
        "filled in", copies.shape[1], lambda part: {"which": np.arange(part.start, part.stop)}, _filled, name="road",
        remedy="Fewer `shares` take less.",
    )  # fmt: skip
    before, after = said_of_copies(model, inputs, score, change, {"filled": copies})
    curves = dict(
        zip(("morf", "lerf") if order == "combined" else (order,), np.split(after, len(asked), axis=1), strict=True)
    )
    gains = [(curve.mean(axis=1) - before) * (1 if name == "lerf" else -1) for name, curve in curves.items()]
    return MetricBatch(np.mean(gains, axis=0), curves)


def _filled(xp: Any, images: Any, companions: Any, numbers: Any) -> Any:
    del xp, images
    return companions.entries("filled", numbers["which"])
