"""The attention of a transformer, layer by layer, as an adapter returns it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from vizcnn.adapter.arrays import Array, Outputs
from vizcnn.errors import Note

AttentionFormula = Callable[[Any, Any, Any], Any]
"""Takes the array namespace, probabilities (N, heads, T, T) and the gradients of the scores by them, and returns an array of N
rows. It is known by what it equals: a function of a module, or a frozen dataclass with a ``__call__``."""


def probabilities(xp: Any, attention: Any, gradients: Any) -> Any:
    """Return the probabilities themselves: the formula that changes nothing."""
    del xp, gradients
    return attention


@dataclass(frozen=True)
class Attentions:
    """What was asked of each attention layer of a model, in the order of the run.

    Attributes
    ----------
    values : tuple of ndarray, shape (N, ...)
        What the formula made of each layer's probabilities and gradients.
    layers : tuple of str
        The layers' paths.
    read : ndarray of float32, shape (N, T)
        How much of each token the score reads after the last of them: equal parts of those that it depends on, the class token
        alone or all that are averaged. They add up to 1.
    grid : tuple of int
        Rows and columns of the patches that the tokens stand for.
    scores : ndarray, shape (N,)
        The scores.
    outputs : tuple of ndarray
        What the model returned on the same run.
    layer : str or None
        The layer that makes the tokens, by which the map is placed.
    per_block : bool
        Whether the gradient of each layer is that of the score as it is read after its own block.
    notes : tuple of Note
        What the reader of a picture made of it should know.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.adapter.attention import Attentions
    >>> read = np.array([[1, 0, 0, 0, 0]], np.float32)  # a class token and four patches
    >>> found = Attentions((), (), read, (2, 2), np.zeros(1), ())
    >>> found.num_extra, found.on_grid(np.array([[9, 1, 2, 3, 4]])).tolist()
    (1, [[[1, 2], [3, 4]]])
    """

    values: tuple[Array, ...]
    layers: tuple[str, ...]
    read: Array
    grid: tuple[int, ...]
    scores: Array
    outputs: Outputs
    layer: str | None = None
    per_block: bool = False
    notes: tuple[Note, ...] = ()

    @property
    def num_extra(self) -> int:
        """How many tokens come before those of the patches: class, distillation and register tokens."""
        return int(self.read.shape[1] - np.prod(self.grid))

    def on_grid(self, tokens: Array) -> Array:
        """Return what belongs to each token (N, T) as maps of the patches.

        Parameters
        ----------
        tokens : ndarray, shape (N, T)
            A number for each token.

        Returns
        -------
        ndarray, shape (N, rows, columns)

        Examples
        --------
        >>> import numpy as np
        >>> from vizcnn.adapter.attention import Attentions
        >>> found = Attentions((), (), np.full((1, 4), 0.25), (2, 2), np.zeros(1), ())
        >>> found.on_grid(np.array([[1, 2, 3, 4]])).tolist()
        [[[1, 2], [3, 4]]]
        """
        return tokens[:, self.num_extra :].reshape(len(tokens), *self.grid)


def reading(reached: Array, num_extra: int) -> Array:
    """Return how much of each token a score reads, of how far it depends on each.

    Parameters
    ----------
    reached : ndarray, shape (N, T)
        Not zero for tokens that it depends on.
    num_extra : int
        How many tokens come before those of the patches.

    Returns
    -------
    ndarray of float32, shape (N, T)
        Rows that add up to 1; of a score that depends on none, the first token's where that is no patch's, else equal parts.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.adapter.attention import reading
    >>> reading(np.array([[0.0, 2.0, 5.0], [0.0, 0.0, 0.0]]), num_extra=1).tolist()
    [[0.0, 0.5, 0.5], [1.0, 0.0, 0.0]]
    """
    reads = np.asarray(reached != 0, dtype=np.float32)
    nothing = ~reads.any(axis=1)
    reads[nothing, : 1 if num_extra else None] = 1
    return np.asarray(reads / reads.sum(axis=1, keepdims=True), dtype=np.float32)
