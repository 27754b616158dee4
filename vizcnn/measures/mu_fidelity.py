"""mu-Fidelity: whether the parts that a map sums up to more for cost more of the score when they are hidden."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.algorithms.baselines import Baseline, baselines
from vizcnn.algorithms.ranks import rank_correlation
from vizcnn.algorithms.sampling import check_count, check_share
from vizcnn.algorithms.segments import segment, show_segments
from vizcnn.measures.metric import MetricBatch
from vizcnn.measures.register import register_metric
from vizcnn.targets.score import Score


@register_metric("mu_fidelity", better="high", needs={"scores", "outputs"})
def mu_fidelity(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    maps: np.ndarray,
    *,
    num_samples: int = 200,
    cells: int = 9,
    share: float = 0.2,
    baseline: Baseline = "mean",
    seed: int = 0,
) -> MetricBatch:
    """Return the rank correlation of what random cells are worth by the map with what the score loses without them [1]_.

    High where the map's sums say which parts the score needs more than others.

    Parameters
    ----------
    model, inputs, score, maps : as in every metric
        See `vizcnn.register_metric`.
    num_samples : int, default 200
        How many random choices of cells.
    cells : int, default 9
        Cells along each axis.
    share : float, default 0.2
        Share of the cells that are hidden at a time.
    baseline : float, sequence of float, name, path or image, default "mean"
        What is seen in their place; see `vizcnn.occlusion`. The blur is as wide as a tenth of the image.
    seed : int, default 0
        Seed of the choices and of the noise.

    Returns
    -------
    MetricBatch
        `values` (N,): Spearman's correlation, from -1 to 1; 0 where the map or the score is the same for all choices.

    Raises
    ------
    OptionError
        If `num_samples` or `cells` is not a positive whole number, `share` not one between 0 and 1, or the baseline is unknown.

    Warnings
    --------
    It ranks sums over cells, so a map may be wrong inside each of them. Hidden cells are unlike what the model has seen, and
    another baseline is another number. An unsigned map is held to a signed score.

    Notes
    -----
    Xplique does the same with the baseline 0. Quantus's faithfulness correlation is Pearson's, of 100 choices of 224 pixels.

    References
    ----------
    .. [1] Bhatt, Weller and Moura, "Evaluating and Aggregating Feature-based Model Explanations", IJCAI 2020. arXiv:2005.00631

    Examples
    --------
    >>> import vizcnn as vz
    >>> explained = vz.explain(
    ...     vz.assets.digits_cnn(), vz.assets.digits()[3], methods="occlusion", metrics="mu_fidelity"
    ... )
    >>> bool(explained["occlusion"].measures["mu_fidelity"][0] > 0.5)
    True
    """
    check_count("num_samples", num_samples, 2)
    check_count("cells", cells)
    check_share("share", share)
    labels = segment(inputs, "grid", cells ** (inputs.ndim - 2))
    number = int(labels.max()) + 1
    generator = np.random.default_rng(seed)
    hidden = generator.random((num_samples, number)).argsort(axis=1) < max(1, round(share * number))
    change, companions = show_segments(
        labels,
        lambda _, part: ~hidden[part],
        num_samples,
        name="mu-fidelity",
        remedy="Fewer `num_samples` take less.",
    )
    sigma = [length / 10 for length in inputs.shape[1:-1]]
    companions["fill"] = baselines(inputs, baseline, sigma, seed=seed)
    changed = model.changed_scores(inputs, score, change, companions=companions)
    drops = changed.scores[:, None] - changed.copy_scores
    worth = np.stack(
        [np.bincount(label.ravel(), each.ravel(), number) for label, each in zip(labels, maps, strict=True)]
    )
    pairs = zip(worth @ hidden.T, drops, strict=True)
    return MetricBatch(np.array([rank_correlation(*pair) for pair in pairs], dtype=np.float32))
