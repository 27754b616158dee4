"""Which positions of the input the cells of a layer's map depend on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vizcnn.adapter.arrays import Array


@dataclass(frozen=True, eq=False)
class Reach:
    """The positions of the input that each cell of a layer's map depends on, along each axis.

    Attributes
    ----------
    low, high : tuple of ndarray, shape (cells,)
        For each axis of the map the first and the last position that a cell depends on.
    extent : tuple of int
        How many positions a cell sees along each axis where neither the input's edges nor those of a map on the way cut
        anything off: the receptive field as it is told in papers.
    stride : tuple of float
        How many positions of the input lie between two neighboring cells, along each axis.
    size : tuple of int
        The input's size, without channels.
    is_exact : bool
        Whether it follows from the layers' arithmetic; or else it was measured by gradients, and may be too small where units
        were dead.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.adapter.reach import Reach
    >>> first, last = np.array([0, 1, 3]), np.array([1, 3, 4])  # a window of 3 with stride 2, padded by 1
    >>> reach = Reach((first,) * 2, (last,) * 2, (3, 3), (2.0, 2.0), (5, 5), is_exact=True)
    >>> reach.grid, reach.box((0, 1)), reach.sees_all
    ((3, 3), ((0, 2), (1, 4)), False)
    >>> reach.centers[0].tolist()
    [0.0, 2.0, 4.0]
    """

    low: tuple[Array, ...]
    high: tuple[Array, ...]
    extent: tuple[int, ...]
    stride: tuple[float, ...]
    size: tuple[int, ...]
    is_exact: bool

    @property
    def grid(self) -> tuple[int, ...]:
        """How many cells the map has along each axis."""
        return tuple(map(len, self.low))

    @property
    def sees_all(self) -> bool:
        """Whether every cell depends on the whole input."""
        axes = zip(self.low, self.high, self.size, strict=True)
        return all(bool((low == 0).all() and (high == length - 1).all()) for low, high, length in axes)

    @property
    def centers(self) -> tuple[Array, ...]:
        """Where the cells look, along each axis: the middle of what they see before the input's edges cut it, in positions.

        Where every cell's field is cut, as of one larger than the input, they are taken to lie evenly over the input.
        """
        centers = []
        for low, high, extent, stride, size in zip(
            self.low, self.high, self.extent, self.stride, self.size, strict=True
        ):
            cells = np.arange(len(low))
            whole = np.flatnonzero(high - low + 1 == extent)
            if len(whole):
                middle = whole[len(whole) // 2]
                centers.append((low[middle] + high[middle]) / 2 + (cells - middle) * stride)
            else:
                centers.append((cells + 0.5) * size / len(low) - 0.5)
        return tuple(centers)

    def box(self, cell: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
        """Return what a cell sees.

        Parameters
        ----------
        cell : tuple of int
            Its index along each axis of the map.

        Returns
        -------
        tuple of (int, int)
            For each axis the first position, and the one behind the last.
        """
        return tuple((int(low[at]), int(high[at]) + 1) for at, low, high in zip(cell, self.low, self.high, strict=True))

    @classmethod
    def measured(
        cls, indices: list[Array], depends: list[Array], grid: tuple[int, ...], size: tuple[int, ...]
    ) -> Reach:
        r"""Make it of what some rows, columns (...) of cells depend on.

        Parameters
        ----------
        indices : list of ndarray
            For each axis the cells that were looked at, the first and the last among them.
        depends : list of ndarray, shape (indices, \\*size)
            How much they depend on each position.
        grid, size : tuple of int
            The map's size and the input's.

        Returns
        -------
        Reach
            Cells between two of them lie between what those see; of cells that depend on nothing nobody knows, and they are taken
            to lie so too.
        """
        lows, highs, strides = [], [], []
        for axis, (at, values, cells) in enumerate(zip(indices, depends, grid, strict=True)):
            others = tuple(other + 1 for other in range(len(size)) if other != axis)
            seen = np.asarray((values > 0).any(axis=others))
            some = seen.any(axis=1)
            first, last = seen.argmax(axis=1)[some], size[axis] - 1 - seen[:, ::-1].argmax(axis=1)[some]
            lows.append(np.floor(np.interp(np.arange(cells), at[some], first)).astype(int))
            highs.append(np.ceil(np.interp(np.arange(cells), at[some], last)).astype(int))
            strides.append(size[axis] / cells)
        extent = tuple(int((high - low).max()) + 1 for low, high in zip(lows, highs, strict=True))
        return cls(tuple(lows), tuple(highs), extent, tuple(strides), size, is_exact=False)
