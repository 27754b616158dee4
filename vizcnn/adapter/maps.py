"""What a layer returns, as a map (N, h, w, K): channels moved to the end, tokens put on their grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras

from vizcnn.adapter.taps import Call

Shape = Sequence[int | None]


class Layout:
    """How the outputs of one run of a model are maps.

    Parameters
    ----------
    calls : sequence of Call
        The layers' calls in that run.
    rank : int
        How many axes a map has: 2, or 1 in a model of signals and 3 in one of volumes.
    channels_first : bool
        Whether the model keeps channels before rows and columns.
    """

    def __init__(self, calls: Sequence[Call], *, rank: int, channels_first: bool) -> None:
        self._rank = rank
        self._channels_first = channels_first
        shapes = [getattr(call.output, "shape", ()) for call in calls]
        sizes = [self.size(shape) for shape in shapes if len(shape) == rank + 2]
        self._grids = list(dict.fromkeys(size for size in sizes if size is not None and 1 not in size))

    def size(self, shape: Shape) -> tuple[int | None, ...] | None:
        """Return rows and columns of an output; None where it is no map.

        Tokens (N, T, K), as a vision transformer has them, lie on the grid of an earlier map with as many positions; one token
        more is the class token, which comes first and is left out.
        """
        if len(shape) == self._rank + 2:
            return tuple(shape[2:] if self._channels_first else shape[1:-1])
        if len(shape) == 3 and shape[1] is not None:
            for grid in reversed(self._grids):
                if None not in grid and shape[1] - math.prod(grid) in (0, 1):  # type: ignore[arg-type]
                    return grid
        return None

    def of(self, tensor: Any) -> Any:
        """Return an output as a map (N, h, w, K), or as it is where it is none."""
        if len(tensor.shape) == self._rank + 2:
            return keras.ops.moveaxis(tensor, 1, -1) if self._channels_first else tensor
        grid = self.size(tensor.shape)
        if grid is None:
            return tensor
        tokens = tensor[:, tensor.shape[1] - math.prod(grid) :]  # type: ignore[arg-type]
        return keras.ops.reshape(tokens, (-1, *grid, tensor.shape[2]))


def before_last_attention(calls: Sequence[Call]) -> int | None:
    """Return the `id` of what went into the last attention: after it, only the class token may count for the score."""
    attentions = [call for call in calls if "Attention" in type(call.operation).__name__ and call.inputs]
    return id(attentions[-1].inputs[0]) if attentions else None
