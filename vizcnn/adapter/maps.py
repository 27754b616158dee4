"""What a layer returns, as a map (N, h, w, K): channels moved to the end, tokens put on their grid."""

from __future__ import annotations

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
    channels_first : bool
        Whether the model keeps channels before rows and columns.
    """

    def __init__(self, calls: Sequence[Call], *, channels_first: bool) -> None:
        self._channels_first = channels_first
        sizes = [self.size(call.output.shape) for call in calls if len(getattr(call.output, "shape", ())) == 4]
        self._grids = list(dict.fromkeys(size for size in sizes if size is not None and 1 not in size))

    def size(self, shape: Shape) -> tuple[int | None, int | None] | None:
        """Return rows and columns of an output; None where it is no map.

        Tokens (N, T, K), as a vision transformer has them, lie on the grid of an earlier map with as many positions; one token
        more is the class token, which comes first and is left out.
        """
        if len(shape) == 4:
            rows, columns = (shape[2], shape[3]) if self._channels_first else (shape[1], shape[2])
            return rows, columns
        if len(shape) == 3 and shape[1] is not None:
            for rows, columns in reversed(self._grids):
                if rows is not None and columns is not None and shape[1] - rows * columns in (0, 1):
                    return rows, columns
        return None

    def of(self, tensor: Any) -> Any:
        """Return an output as a map (N, h, w, K), or as it is where it is none."""
        if len(tensor.shape) == 4:
            return keras.ops.transpose(tensor, (0, 2, 3, 1)) if self._channels_first else tensor
        size = self.size(tensor.shape)
        if size is None:
            return tensor
        rows, columns = size
        tokens = tensor[:, tensor.shape[1] - rows * columns :]  # type: ignore[operator]
        return keras.ops.reshape(tokens, (-1, rows, columns, tensor.shape[2]))


def before_last_attention(calls: Sequence[Call]) -> int | None:
    """Return the `id` of what went into the last attention: after it, only the class token may count for the score."""
    attentions = [call for call in calls if "Attention" in type(call.operation).__name__ and call.inputs]
    return id(attentions[-1].inputs[0]) if attentions else None
