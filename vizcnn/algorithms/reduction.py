"""From the values of several channels to one value for each place."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from vizcnn.errors import check_choice

Reduction = Literal["max_abs", "sum", "none"]
"""The largest magnitude, the sum with its sign, or the channels as they are."""

REDUCTION_ALIASES = {("reduce", "signed"): "sum"}
"""Old names, for `vizcnn.register`."""


def reduce_channels(values: np.ndarray, how: Reduction) -> np.ndarray:
    """Make one value of all channels of a place.

    Parameters
    ----------
    values : ndarray, shape (..., C)
        Values of each channel.
    how : {"max_abs", "sum", "none"}
        The largest magnitude; the sum, with its sign; or nothing: the values as they are.

    Returns
    -------
    ndarray, shape (...) or (..., C)

    Raises
    ------
    OptionError
        If `how` is something else.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.reduction import reduce_channels
    >>> gradient = np.array([[1.0, -3.0], [2.0, 2.0]])
    >>> reduce_channels(gradient, "max_abs"), reduce_channels(gradient, "sum")
    (array([3., 2.]), array([-2.,  4.]))
    """
    check_choice("reduce", how, get_args(Reduction))
    if how == "none":
        return values
    # Channel by channel: NumPy is many times slower over an axis of three.
    first, *others = (values[..., channel] for channel in range(values.shape[-1]))
    reduced = np.asarray(np.abs(first) if how == "max_abs" else first.copy())
    for channel in others:
        if how == "sum":
            np.add(reduced, channel, out=reduced)
        else:
            np.maximum(reduced, np.abs(channel), out=reduced)
    return reduced


def one_per_place(values: np.ndarray, ndim: int) -> np.ndarray:
    """Return a map as it is drawn: with `ndim` axes of places, and of channels beyond them the signed sum."""
    return reduce_channels(values, "sum") if values.ndim > ndim else values
