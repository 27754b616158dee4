"""What the methods of transformers make of attention: what of it is kept, and how it is followed from layer to layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from vizcnn.adapter import Attentions
from vizcnn.errors import Note, OptionError

Fusion = Literal["mean", "max", "min"]


@dataclass(frozen=True)
class FusedHeads:
    """The heads' attention as one: (N, heads, T, T) to (N, T, T).

    Attributes
    ----------
    fusion : {"mean", "max", "min"}
        How.
    """

    fusion: Fusion

    def __call__(self, xp: Any, attention: Any, gradients: Any) -> Any:
        """Return it."""
        del gradients
        return getattr(xp, self.fusion)(attention, axis=1)


def positive_relevance(xp: Any, attention: Any, gradients: Any) -> Any:
    """Return the mean over the heads of the positive part of attention times gradient: (N, T, T)."""
    return xp.mean(xp.maximum(attention * gradients, 0), axis=1)


def positive_gradients(xp: Any, attention: Any, gradients: Any) -> Any:
    """Return the mean over heads and tokens that look of the positive part of the gradient, for each token looked at: (N, T)."""
    del attention
    return xp.mean(xp.maximum(gradients, 0), axis=(1, 2))


def rolled_out(layers: Sequence[np.ndarray]) -> np.ndarray:
    """Follow attention through the layers of a transformer, half of each token going by the skip connection.

    Parameters
    ----------
    layers : sequence of ndarray, shape (N, T, T)
        Of each layer how much a token looks at each, in the order of the run.

    Returns
    -------
    ndarray of float64, shape (N, T, T)
        How much of each token at the end comes from each at the start; the rows add up to 1.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.attention import rolled_out
    >>> rolled_out([np.array([[[0.0, 1.0], [0.0, 1.0]]])]).tolist()
    [[[0.5, 0.5], [0.0, 1.0]]]
    """
    one = np.eye(layers[0].shape[-1])
    followed = np.broadcast_to(one, layers[0].shape)
    for attention in layers:
        mixed = attention.astype(np.float64) + one
        followed = (mixed / mixed.sum(axis=-1, keepdims=True)) @ followed
    return followed


def without_least(attention: np.ndarray, ratio: float) -> np.ndarray:
    """Set the lowest share of each image's attention (N, T, T) to zero.

    Parameters
    ----------
    attention : ndarray, shape (N, T, T)
        The attention.
    ratio : float
        Which share of the T * T numbers.

    Returns
    -------
    ndarray, shape (N, T, T)

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.attention import without_least
    >>> without_least(np.array([[[0.9, 0.1], [0.4, 0.6]]]), 0.5).tolist()
    [[[0.9, 0.0], [0.0, 0.6]]]
    """
    rows = attention.reshape(len(attention), -1).copy()
    count = int(rows.shape[1] * ratio)
    if count:
        np.put_along_axis(rows, np.argsort(rows, axis=1, kind="stable")[:, :count], 0, axis=1)
    return rows.reshape(attention.shape)


def from_layer(values: Sequence[np.ndarray], start_layer: int) -> Sequence[np.ndarray]:
    """Return what belongs to the layers from one on.

    Parameters
    ----------
    values : sequence of ndarray
        One for each attention layer.
    start_layer : int
        The first that counts; of those from the end, below zero.

    Returns
    -------
    sequence of ndarray

    Raises
    ------
    OptionError
        If there is no such layer.
    """
    count = len(values)
    if (
        isinstance(start_layer, bool)
        or not isinstance(start_layer, int | np.integer)
        or not -count <= start_layer < count
    ):
        raise OptionError(
            f"`start_layer` must be a whole number from {-count} to {count - 1}, as the model has {count} attention "
            f"layer{'s' * (count != 1)}; got {start_layer!r}."
        )
    return values[start_layer:]


def seen(found: Attentions, followed: np.ndarray) -> np.ndarray:
    """Return the maps of what the score sees at the start, of what each token at the end comes from.

    Parameters
    ----------
    found : Attentions
        Which tokens the score reads, and where the patches lie.
    followed : ndarray, shape (N, T, T)
        What each token comes from.

    Returns
    -------
    ndarray of float32, shape (N, rows, columns)
    """
    return found.on_grid(np.einsum("nt,nts->ns", found.read, followed)).astype(np.float32)


def few_patches(grid: tuple[int, ...]) -> tuple[Note, ...]:
    """Return a note where the tokens have one row or one column."""
    if len(grid) < 2 or 1 not in grid:
        return ()
    text = f"The tokens lie on {'x'.join(map(str, grid))} patches, so the map says little of where."
    return (Note(text, "coarse"),)
