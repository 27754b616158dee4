"""Infidelity: how far what a map gives to random squares is from what the score loses without them."""

from __future__ import annotations

from typing import Literal

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.baselines import Baseline, baselines
from vizcnn.algorithms.changes import hide_windows
from vizcnn.algorithms.sampling import check_count, check_share
from vizcnn.measures.metric import MetricBatch
from vizcnn.measures.register import register_metric
from vizcnn.targets.score import Score


@register_metric("infidelity", better="low", needs={"scores", "outputs"})
def infidelity(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    maps: np.ndarray,
    *,
    num_samples: int = 100,
    size: float = 0.2,
    scale: Literal["best", "own"] = "best",
    baseline: Baseline = "mean",
    seed: int = 0,
) -> MetricBatch:
    """Return the share of the score's drops, where random squares are hidden, that the map's sums don't explain [1]_.

    0 where a map says exactly what each square costs, 1 where it says no more than a blank one does.

    Parameters
    ----------
    model, inputs, score, maps : as in every metric
        See `vizcnn.register_metric`.
    num_samples : int, default 100
        How many squares.
    size : float, default 0.2
        Their side, as a share of the image's shortest side.
    scale : {"best", "own"}, default "best"
        Whether the map is first multiplied by the number, not below zero, by which it explains most, as a map whose units are not
        the score's has to be; or taken as it is.
    baseline : float, sequence of float, name, path or image, default "mean"
        What is seen in a hidden square; see `vizcnn.occlusion`. The blur is as wide as a tenth of the image.
    seed : int, default 0
        Seed of the squares and of the noise.

    Returns
    -------
    MetricBatch
        `values` (N,): the mean squared difference of sums and drops over the mean squared drop; from 0 to 1 by the best scale.
        `extras` "drops" and "sums" (N, num_samples), of which other statistics can be made. Undefined where the score is the
        same whatever is hidden.

    Raises
    ------
    OptionError
        If `num_samples` is not a positive whole number, `size` not one between 0 and 1, or the baseline is unknown.

    Warnings
    --------
    Hidden squares are unlike what the model has seen, and another baseline or size is another number. A sum over a square can't
    tell where in it the score is lost. Single large drops decide it: where one square holds all evidence, a map that only
    knows that one is nearly perfect.

    Notes
    -----
    The paper's number, as Captum's with ``normalize=True``, is in squares of the score's units: this one times the mean squared
    drop, where the best scale isn't below zero. Quantus hides one block after another until all is hidden, multiplies the map by
    what that changes of the image, and gives the mean square as well.

    References
    ----------
    .. [1] Yeh et al., "On the (In)fidelity and Sensitivity of Explanations", NeurIPS 2019. arXiv:1901.09392

    Examples
    --------
    >>> import vizcnn as vz
    >>> explained = vz.explain(vz.assets.digits_cnn(), vz.assets.digits()[3], methods="occlusion", metrics="infidelity")
    >>> 0 <= float(explained["occlusion"].measures["infidelity"][0]) < 1
    True
    """
    check_count("num_samples", num_samples)
    check_share("size", size)
    lengths = inputs.shape[1:-1]
    side = max(1, round(size * min(lengths)))
    generator = np.random.default_rng(seed)
    # Beyond the edges too, so that no pixel is hidden less often than another.
    starts = np.stack([generator.integers(1 - side, length, num_samples) for length in lengths], axis=1)
    windows = [[slice(int(start), int(start) + side) for start in corner] for corner in starts]
    change = hide_windows(windows, name="infidelity", remedy="Fewer `num_samples` take less.")
    fill = baselines(inputs, baseline, [length / 10 for length in lengths], seed=seed)
    changed = model.changed_scores(inputs, score, change, companions={"fill": fill})
    drops = (changed.scores[:, None] - changed.copy_scores).astype(np.float64)
    inside = [(slice(None), *(slice(max(0, axis.start), axis.stop) for axis in window)) for window in windows]
    axes = tuple(range(1, maps.ndim))
    sums = np.stack([maps[window].sum(axis=axes, dtype=np.float64) for window in inside], axis=1)
    explained = sums * (_best_scale(sums, drops) if scale == "best" else 1.0)
    total = np.square(drops).mean(axis=1)
    values = np.square(explained - drops).mean(axis=1) / np.where(total > 0, total, 1)
    undefined = {"the score is the same whatever is hidden": total == 0}
    return MetricBatch(values, {"drops": drops, "sums": sums}, undefined)


def _best_scale(sums: np.ndarray, drops: np.ndarray) -> np.ndarray:
    """Return by how much sums (N, K) are multiplied to come nearest to drops, (N, 1)."""
    size = np.square(sums).sum(axis=1, keepdims=True)
    best: np.ndarray = np.maximum((sums * drops).sum(axis=1, keepdims=True) / np.where(size > 0, size, 1), 0)
    return best
