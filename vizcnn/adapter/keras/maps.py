"""What a layer returns, as a map (N, h, w, K): channels moved to the end, tokens put on their grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras

from vizcnn.adapter.keras.calls import Call
from vizcnn.adapter.layers import is_map
from vizcnn.errors import Note

Shape = Sequence[int | None]

MOST_EXTRA = 16
"""Tokens beside those of the patches that a transformer may have."""


class Layout:
    """How the outputs of one run of a model are maps.

    Parameters
    ----------
    calls : sequence of Call
        The layers' calls in that run.
    rank : int
        How many axes a map has: 2, or 1 in a model of signals and 3 in one of volumes or video.
    channels_first : bool
        Whether the model keeps channels before rows and columns.
    size : tuple of int, default ()
        The input's size, without channels: tokens may lie on a grid of its patches.
    attends : bool, default False
        Whether the model goes through attention, for which tokens of other kinds (class, registers) may be added.
    token_grid : tuple of int, default None
        The grid that tokens lie on, where that was said.
    """

    def __init__(
        self,
        calls: Sequence[Call],
        *,
        rank: int,
        channels_first: bool,
        size: tuple[int, ...] = (),
        attends: bool = False,
        token_grid: tuple[int, ...] | None = None,
    ) -> None:
        self._rank = rank
        self._channels_first = channels_first
        self._size = tuple(size) if len(size) == rank else ()
        self._token_grid = token_grid
        self._most_extra = MOST_EXTRA if attends else 1
        self._grids: list[tuple[int | None, ...]] = []
        shapes = [getattr(call.output, "shape", ()) for call in calls]
        sizes = [self.size(shape) for shape in shapes if len(shape) == rank + 2]
        self._grids = list(dict.fromkeys(size for size in sizes if size is not None and 1 not in size))

    def size(self, shape: Shape) -> tuple[int | None, ...] | None:
        """Return rows and columns of an output; None where it is no map.

        Tokens (N, T, K), as a vision transformer has them, lie on the grid of an earlier map with as many positions, or on one
        of the input's patches; those that are left (class, distillation, registers) come first and are left out.
        """
        if is_map(shape, self._rank):
            return tuple(shape[2:] if self._channels_first else shape[1:-1])
        if len(shape) != 3 or shape[1] is None:
            return None
        if self._token_grid is not None:
            return self._token_grid if 0 <= self.extra(shape, self._token_grid) <= MOST_EXTRA else None
        grids = [grid for grid in reversed(self._grids) if None not in grid]
        patches = self._patches() if self._most_extra > 1 else [g for g in self._patches() if not self.extra(shape, g)]
        # More than the class token is left out of tokens alone: a single channel is an attention over channels.
        most = self._most_extra if shape[2] != 1 else 1
        fitting = [grid for grid in (*grids, *patches) if 0 <= self.extra(shape, grid) <= most]
        return min(fitting, key=lambda grid: self.extra(shape, grid), default=None)

    def _patches(self) -> list[tuple[int, ...]]:
        """Return the grids of square patches that the input may be cut into."""
        if self._rank != 2 or not self._size:
            return []
        edges = [
            edge for edge in range(2, min(self._size) // 2 + 1) if all(length % edge == 0 for length in self._size)
        ]
        return [tuple(length // edge for length in self._size) for edge in edges]

    @staticmethod
    def extra(shape: Shape, grid: Sequence[int | None]) -> int:
        """Return how many tokens there are beside those of a grid."""
        return int(shape[1] or 0) - math.prod(int(length or 0) for length in grid)

    def is_tokens(self, shape: Shape) -> bool:
        """Tell whether an output is a row of tokens that lie on a grid."""
        return self._rank != 1 and len(shape) == 3 and self.size(shape) is not None

    def has_rows_and_columns(self, size: Sequence[int | None] | None) -> bool:
        """Tell whether a map has more than one row and column, as far as the input has."""
        return bool(size) and sum(length == 1 for length in size or ()) <= sum(length == 1 for length in self._size)

    def notes(self, layer: str, shape: Shape) -> tuple[Note, ...]:
        """Say which tokens are left out, where that is more than the class token."""
        grid = self.size(shape) if len(shape) == 3 and self._rank != 1 else None
        extra = self.extra(shape, grid) if grid else 0
        if grid is None or extra < 2:
            return ()
        text = (
            f"Layer {layer!r} has {shape[1]} tokens: the first {extra} (class, distillation or register tokens) are left out, "
            f"and the others are taken to lie on a grid of {grid[0]}x{grid[1]} patches. If that is wrong, give the `token_grid` "
            f"(vizcnn.adapt, or --token-grid)."
        )
        return (Note(text, "tokens"),)

    def of(self, tensor: Any) -> Any:
        """Return an output as a map (N, h, w, K), or as it is where it is none."""
        if is_map(tensor.shape, self._rank):
            return keras.ops.moveaxis(tensor, 1, -1) if self._channels_first else tensor
        grid = self.size(tensor.shape)
        if grid is None:
            return tensor
        tokens = tensor[:, tensor.shape[1] - math.prod(grid) :]  # type: ignore[arg-type]
        return keras.ops.reshape(tokens, (-1, *grid, tensor.shape[2]))

    def channels(self, shape: Shape) -> int | None:
        """Return how many channels a map has; None where it is none."""
        if self.size(shape) is None:
            return None
        return shape[1] if self._channels_first and is_map(shape, self._rank) else shape[-1]

    def back(self, values: Any, tensor: Any) -> Any:
        """Return a map as the output that it would be `of`; tokens that have no place in a map are those of `tensor`."""
        if is_map(tensor.shape, self._rank):
            return keras.ops.moveaxis(values, -1, 1) if self._channels_first else values
        grid = self.size(tensor.shape)
        if grid is None:
            return values
        extra = self.extra(tensor.shape, grid)
        tokens = keras.ops.reshape(values, (-1, tensor.shape[1] - extra, tensor.shape[2]))
        return keras.ops.concatenate([tensor[:, :extra], tokens], axis=1) if extra else tokens
