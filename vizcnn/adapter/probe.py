"""Images that are none, shown to a model to see what its one number can be."""

from __future__ import annotations

import numpy as np


def extremes(sample_shape: tuple[int, ...], count: int = 8) -> np.ndarray:
    """Return noise from dim to blinding, (N, ...): a logit or a regression hardly stays within 0..1 on it and its negative."""
    noise = np.random.default_rng(0).uniform(0, 1, (count, *sample_shape))
    noise *= np.geomspace(0.1, 255, count).reshape(-1, *(1,) * len(sample_shape))
    return noise.astype(np.float32)


def is_within(values: np.ndarray) -> bool:
    """Tell whether all numbers are from 0 to 1, as probabilities are; those that are none don't count."""
    return bool(np.all(np.isnan(values) | ((values >= 0) & (values <= 1))))


def read_as_probability(model: str, output: str) -> str:
    """Return the note that one number was taken for a probability."""
    return (
        f"Model {model!r}: output {output!r} is one number that was within 0 to 1 on all that the model was shown: it is read as "
        f"the probability of the second of two classes, and its score is the logit of that."
    )
