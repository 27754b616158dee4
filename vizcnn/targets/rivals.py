"""A class against those that are nearest to it: what tells it from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from vizcnn.errors import TargetError
from vizcnn.targets.score import ForwardPass, Score, class_logits


def logits_of_all(score: Score) -> Score:
    """Return a score that is all logits of the output whose class is explained, (N, K), and not one of them.

    Parameters
    ----------
    score : Score
        That of a class.

    Returns
    -------
    Score

    Raises
    ------
    TargetError
        If no class is explained.

    Examples
    --------
    >>> import vizcnn as vz
    >>> from vizcnn.targets.rivals import logits_of_all
    >>> cnn = vz.assets.digits_cnn()
    >>> inputs = cnn.load_images(vz.assets.digits()[3]).inputs(slice(None))
    >>> cnn.scores(inputs, logits_of_all(vz.targets.Class("3").score(cnn, 1))).shape
    (1, 10)
    """
    if score.output is None or score.is_part or None in score.classes:
        raise TargetError("`target` must be a class, or none for the predicted one, to be told from other classes.")
    formula = partial(_all_logits, output=score.output)
    return replace(score, key=("all logits", score.output), formula=formula, params=(), choices=())


def against(score: Score, rivals: np.ndarray, weights: np.ndarray, alpha: float) -> Score:
    """Return the score of a class less a weighted mean of those of others.

    Parameters
    ----------
    score : Score
        That of a class, which is known for each sample.
    rivals : ndarray of int, shape (N, k)
        The other classes.
    weights : ndarray, shape (N, k)
        What each of them counts; those of a sample add up to 1.
    alpha : float
        How much of that mean is taken away.

    Returns
    -------
    Score

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> from vizcnn.targets.rivals import against
    >>> cnn = vz.assets.digits_cnn()
    >>> inputs = cnn.load_images(vz.assets.digits()[3]).inputs(slice(None))
    >>> three = vz.targets.Class("3").score(cnn, 1)
    >>> apart = cnn.scores(inputs, against(three, np.array([[5, 8]]), np.array([[0.75, 0.25]]), 1.0))
    >>> expected = cnn.scores(inputs, "3") - 0.75 * cnn.scores(inputs, "5") - 0.25 * cnn.scores(inputs, "8")
    >>> bool(np.allclose(apart, expected, atol=1e-4))
    True
    """
    classes = np.asarray(score.classes, dtype=np.int32)
    numbers = (np.asarray(rivals, dtype=np.int32), np.asarray(alpha * weights, dtype=np.float32))
    return replace(
        score,
        key=("against", score.output, rivals.shape[1]),
        formula=partial(_against, output=str(score.output)),
        params=(classes, *numbers),
        choices=(),
    )


def _all_logits(reading: ForwardPass, params: Sequence[Any], output: str) -> Any:
    del params
    values = class_logits(reading, output)
    axes = tuple(range(1, len(values.shape) - 1))
    return reading.xp.mean(values, axis=axes) if axes else values


def _against(reading: ForwardPass, params: Sequence[Any], output: str) -> Any:
    xp, (index, rivals, weights) = reading.xp, params
    values = _all_logits(reading, (), output)
    count = values.shape[-1]
    asked = xp.where(xp.equal(xp.expand_dims(index, -1), xp.arange(count, dtype="int32")), 1.0, 0.0)
    others = xp.where(xp.equal(xp.expand_dims(rivals, -1), xp.arange(count, dtype="int32")), 1.0, 0.0)
    return xp.sum(values * (asked - xp.sum(xp.expand_dims(weights, -1) * others, axis=1)), axis=-1)
