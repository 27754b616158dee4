"""Where the cells of a layer's map lie in the input, found from what single rows and columns of it depend on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vizcnn.adapter.arrays import Array

STRAIGHT = 0.95
"""Share of the variance (R squared) that a straight line has to explain for a map's axis to run along one of the input's."""

_FLAT = 0.2
"""Share of an axis's length up to which centers that follow no line are taken to stay where they are."""

_NEAR = 0.2
"""Share of what a row or column depends on that has to lie about its center; less, and it looks at several places at once."""


_ALL = 0.8
"""Share of the positions that any row of cells looks at, from which on all of them look at the same."""


@dataclass(frozen=True)
class Along:
    """How one axis of a map runs along one axis of the input.

    Attributes
    ----------
    axis : int
        The axis of the input, from 0 on, without batch and channels.
    start : float
        Where the first cell begins, in pixels from the input's edge.
    step : float
        Pixels from one cell to the next; below zero where the map runs backwards.
    count : int
        How many cells.

    Examples
    --------
    >>> from vizcnn.adapter.placement import Along
    >>> Along(axis=0, start=40.0, step=8.0, count=10).ends
    (40.0, 120.0)
    """

    axis: int
    start: float
    step: float
    count: int

    @property
    def ends(self) -> tuple[float, float]:
        """Where the cells begin and end, the lower number first."""
        end = self.start + self.step * self.count
        return min(self.start, end), max(self.start, end)


@dataclass(frozen=True)
class Placement:
    """Where a layer's map lies in the input.

    Attributes
    ----------
    axes : tuple of Along or None
        One for each axis of the map; None for an axis that runs along none of the input's, as the frequencies of a spectrogram.
        Empty where the map can't be laid over the input at all.
    size : tuple of int
        The input's size, without channels.
    is_known : bool, default True
        False where it can't be measured, so that the map is stretched over the whole input for want of better.

    Examples
    --------
    >>> from vizcnn.adapter.placement import Placement
    >>> Placement((), (8, 8)).is_possible
    False
    """

    axes: tuple[Along | None, ...]
    size: tuple[int, ...]
    is_known: bool = True

    @classmethod
    def unknown(cls, grid: Sequence[int], size: Sequence[int]) -> Placement:
        """Return what is taken where nothing could be measured.

        Parameters
        ----------
        grid : sequence of int
            The map's size.
        size : sequence of int
            The input's size; with as many axes the map is taken to lie over the whole of it, or else nowhere.

        Returns
        -------
        Placement

        Examples
        --------
        >>> from vizcnn.adapter.placement import Placement
        >>> Placement.unknown((4,), (16,)).axes[0].ends
        (0.0, 16.0)
        """
        if len(grid) != len(size):
            return cls((), tuple(size))
        pairs = enumerate(zip(size, grid, strict=True))
        return cls(tuple(Along(axis, 0.0, a / b, b) for axis, (a, b) in pairs), tuple(size), is_known=False)

    @classmethod
    def on_every_frame(cls, grid: Sequence[int], size: Sequence[int]) -> Placement:
        """Return where a map of rows and columns lies that is the same on every frame of its video.

        Parameters
        ----------
        grid : (int, int)
            The map's size.
        size : (int, int, int)
            The input's size: frames, rows and columns.

        Returns
        -------
        Placement

        Examples
        --------
        >>> from vizcnn.adapter.placement import Placement
        >>> Placement.on_every_frame((4, 4), (20, 64, 64)).note("pool")
        "The map of layer 'pool' has rows and columns alone, so it is the same on every frame or slice of the input."
        """
        return cls(
            tuple(Along(axis, 0.0, size[axis] / count, count) for axis, count in enumerate(grid, 1)), tuple(size)
        )

    @property
    def is_possible(self) -> bool:
        """Whether the map can be laid over the input."""
        return bool(self.axes)

    def is_plain(self, slack: float = 0.0) -> bool:
        """Tell whether stretching the map over the whole input puts every cell where it belongs, to half a cell.

        Parameters
        ----------
        slack : float, default 0.0
            What else the first and the last cell may be off by, as a share of the input's length.

        Returns
        -------
        bool
        """
        if len(self.axes) != len(self.size):
            return False
        for axis, (along, length) in enumerate(zip(self.axes, self.size, strict=True)):
            if along is None or along.axis != axis or along.step <= 0:
                return False
            cell = length / along.count
            first = along.start + along.step / 2 - cell / 2
            last = along.start + along.step * (along.count - 0.5) - (length - cell / 2)
            if max(abs(first), abs(last)) > cell / 2 + slack * length:
                return False
        return True

    def note(self, layer: str) -> str:
        """Say where the map lies, in whole sentences.

        Parameters
        ----------
        layer : str
            The layer.

        Returns
        -------
        str
        """
        if not self.is_known:
            return (
                f"Where the map of layer {layer!r} lies in the input can't be measured, as something before it rounds or casts "
                f"its gradient away: it is stretched over the whole input, and wrong where the model crops, pads or turns its "
                f"inputs."
            )
        if not self.is_possible:
            return (
                f"The map of layer {layer!r} can't be laid over the input, whose positions its axes don't follow: it is shown "
                f"alone, at the layer's own size."
            )
        everywhere = self._same_on_every_frame(layer)
        if everywhere and self._frame().is_plain():
            return everywhere
        words = _WORDS[len(self.size)]
        parts = []
        for axis, along in enumerate(self.axes):
            if along is None:
                parts.append(f"axis {axis + 1} of the layer follows none of the input's, and the mean over it is shown")
                continue
            low, high = along.ends
            whole = self.size[along.axis]
            first, last = max(0, round(low)), min(whole, round(high)) - 1
            turned = axis != along.axis and len(self.axes) == len(self.size)
            how = f", along axis {axis + 1} of the layer" if turned else ""
            how += ", backwards" if along.step < 0 else ""
            parts.append(f"{words[along.axis]} {first} to {last} of 0 to {whole - 1}{how}")
        where = f"The map of layer {layer!r} lies where the layer looks, not over the whole input: {'; '.join(parts)}."
        return f"{where} {everywhere}".strip()

    def _same_on_every_frame(self, layer: str) -> str:
        if len(self.size) != 3 or self.size[0] == 1 or any(along is None or along.axis == 0 for along in self.axes):
            return ""
        return f"The map of layer {layer!r} has rows and columns alone, so it is the same on every frame or slice of the input."

    def _frame(self) -> Placement:
        """Return where the map lies on one frame."""
        return Placement(tuple(replace(along, axis=along.axis - 1) for along in self.axes if along), self.size[1:])


_WORDS = {1: ("samples",), 2: ("rows", "columns"), 3: ("slices", "rows", "columns")}


def bands(count: int, most: int) -> list[int]:
    """Return which of `count` rows or columns are looked at, evenly spread, the first and the last among them."""
    return sorted(set(np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()))


def fit(measured: Sequence[tuple[Sequence[int], Array]], grid: Sequence[int], size: Sequence[int]) -> Placement:
    r"""Find where a map lies.

    Parameters
    ----------
    measured : sequence of (sequence of int, ndarray)
        For each axis of the map: indices along it, and for each how much the cells there depend on each position of the input,
        (indices, \\*size).
    grid : sequence of int
        The map's size.
    size : sequence of int
        The input's size.

    Returns
    -------
    Placement
        With `axes` empty where the map can't be placed.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.adapter.placement import fit
    >>> rows = np.eye(8)[4:].repeat(2, axis=1)  # four cells, each looks at two pixels of the second half
    >>> (along,) = fit([([0, 1, 2, 3], rows)], (4,), (16,)).axes
    >>> along.axis, round(along.start), round(along.step), along.count
    (0, 8, 2, 4)
    """
    size = tuple(size)
    axes: list[Along | None] = []
    for axis, ((indices, depends), count) in enumerate(zip(measured, grid, strict=True)):
        if count == 1:
            # One cell tells no direction: it stands for the whole of its own axis, where the input has that one.
            own = axis < len(size) and len(grid) == len(size)
            axes.append(Along(axis, 0.0, float(size[axis]), 1) if own else None)
            continue
        lines = [_along(np.asarray(indices), depends, a, count) for a in range(len(size))]
        if any(isinstance(one, str) for one in lines):
            return Placement((), size)
        runs = [one for one in lines if isinstance(one, Along)]
        if len(runs) > 1:
            return Placement((), size)
        axes.append(runs[0] if runs else None)
    axes = _with_single_cells(axes, grid, size)
    used = sorted(along.axis for along in axes if along is not None)
    # The frames of video, or a volume's slices, may be gone from a map: it is then the same on all of them.
    gone = {0} if len(size) == 3 and len(grid) == 2 else set()
    needed = [axis for axis, length in enumerate(size) if (length > 1 and axis not in gone) or axis in used]
    return Placement(tuple(axes) if used == needed else (), size)


def _with_single_cells(axes: Sequence[Along | None], grid: Sequence[int], size: Sequence[int]) -> list[Along | None]:
    """Let axes of one cell have the axes of the input that are left."""
    used = {along.axis for along, count in zip(axes, grid, strict=True) if along is not None and count > 1}
    free = [axis for axis in range(len(size)) if axis not in used]
    settled: list[Along | None] = []
    for along, count in zip(axes, grid, strict=True):
        if count == 1:
            along = Along(free[0], 0.0, float(size[free.pop(0)]), 1) if free else None
        settled.append(along)
    return settled


def _along(indices: Array, depends: Array, axis: int, count: int) -> Along | str | None:
    """Return how rows of cells run along an axis of the input; None where they don't, and "unclear"."""
    others = tuple(a for a in range(1, depends.ndim) if a != axis + 1)
    weights = depends.sum(axis=others).astype(np.float64)
    length = weights.shape[1]
    if length == 1:
        return None
    # What all cells look at alike (by attention, squeeze and excitation) says nothing of where each lies.
    common = np.median(weights, axis=0) if len(indices) > 2 else weights.min(axis=0)
    own = np.maximum(weights - common, 0)
    total = own.sum(axis=1)
    if own.sum() < 0.02 * weights.sum():
        return None
    sees = total > 0.1 * np.median(total[total > 0])  # cells of a padded border look at nothing
    if sees.sum() < 2:
        return None
    indices, own, total = indices[sees], own[sees], total[sees]
    places = np.arange(length) + 0.5
    centers = own @ places / total
    inner = slice(1, -1) if len(indices) > 4 else slice(None)  # the outer ones may be cut off by the input's edge
    step, first = np.polyfit(indices[inner], centers[inner], 1)
    line = first + step * indices
    spread = float(((centers[inner] - centers[inner].mean()) ** 2).sum())
    off = float(((centers[inner] - line[inner]) ** 2).sum())
    straight = spread > 0 and 1 - off / spread >= STRAIGHT
    near = np.abs(places[None] - line[:, None]) <= max(1.0, 1.5 * abs(step))
    if straight and (own * near).sum() >= _NEAR * own.sum():
        return Along(axis, float(first - step / 2), float(step), count)
    return None if np.ptp(centers) <= _FLAT * length or _sees_all(weights) else "unclear"


def _sees_all(weights: Array) -> bool:
    """Tell whether all rows of cells look at much the same positions, as the frequencies of a spectrogram do."""
    typical = np.nanmedian(np.where(weights > 0, weights, np.nan), axis=1, keepdims=True)
    some = weights > 0.05 * typical
    return bool(some.sum() > _ALL * len(weights) * some.any(axis=0).sum())
