"""Dots with intervals on matplotlib Axes: a row for each of several, a column for each thing that was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from matplotlib.axes import Axes

from vizcnn.render.canvas import check_axes, new_figure, one_or_all, save
from vizcnn.render.lettering import as_they_are, set_title, write_text
from vizcnn.render.panels import LONGEST
from vizcnn.text import short

_COLOR, _MUTED = "#2166ac", "#8c8c8c"
_ROW, _HEAD, _COLUMN, _NAMES = 0.24, 1.2, 2.3, 1.6
"""Inches: what a row takes of the height, title and axis take, a column takes of the width, and the names of the rows."""

_LETTERS = 40


@dataclass(frozen=True, eq=False)
class Column:
    """What was measured of each row.

    Attributes
    ----------
    label : str
        What it is.
    values : sequence of float
        A number for each row; NaN: none.
    ends : sequence of (float, float)
        Ends of their intervals.
    is_doubtful : bool, default False
        Whether the rows' order is no more than chance; it says so.
    """

    label: str
    values: Sequence[float]
    ends: Sequence[tuple[float, float]]
    is_doubtful: bool = False


@dataclass(frozen=True, eq=False)
class Dots:
    """Rows of dots.

    Attributes
    ----------
    names : sequence of str
        What the rows are called, from above.
    columns : sequence of Column
        What was measured.
    muted : sequence of bool
        Which rows are there for comparison alone.
    title : str, default ""
        Above them.
    """

    names: Sequence[str]
    columns: Sequence[Column]
    muted: Sequence[bool]
    title: str = ""


def plot_dots(dots: Dots, ax: Any = None, *, title: bool = True) -> Any:
    """Draw rows of dots with their intervals.

    Parameters
    ----------
    dots : Dots
        What to draw.
    ax : sequence of Axes, default None
        One for each column; None: a new pyplot figure.
    title : bool, default True
        Write what they are of above the first column.

    Returns
    -------
    Axes or ndarray of Axes
        What was drawn on.
    """
    axes = _new_axes(dots, pyplot=True) if ax is None else check_axes(ax, len(dots.columns), "column")
    for at, (axis, column) in enumerate(zip(axes, dots.columns, strict=True)):
        _draw(axis, dots, column, named=at == 0)
    if title:
        set_title(axes[0], dots.title)
    return one_or_all(axes)


def save_dots(dots: Dots, file: BinaryIO, suffix: str, **style: Any) -> None:
    """Write what `plot_dots` draws, on a figure that pyplot doesn't know.

    Parameters
    ----------
    dots : Dots
        What to draw.
    file : binary file
        Where to.
    suffix : str
        Kind of the picture, as ``.png``.
    **style
        As `plot_dots` takes them.
    """
    axes = _new_axes(dots, pyplot=False)
    plot_dots(dots, axes, **style)
    save(axes[0].figure, file, suffix, longest=LONGEST)  # type: ignore[arg-type]


def _draw(axis: Axes, dots: Dots, column: Column, *, named: bool) -> None:
    rows, values = np.arange(len(dots.names)), np.asarray(column.values, dtype=float)
    ends = np.asarray(column.ends, dtype=float).reshape(-1, 2)
    for muted, color in ((False, _COLOR), (True, _MUTED)):
        some = (np.asarray(dots.muted) == muted) & np.isfinite(values)
        axis.hlines(rows[some], ends[some, 0], ends[some, 1], color=color, linewidth=1.5)
        axis.plot(values[some], rows[some], "D" if muted else "o", color=color, markersize=4.5, linestyle="none")
    for row in rows[~np.isfinite(values)]:
        write_text(
            axis, 0.5, row, "undefined", transform=axis.get_yaxis_transform(), ha="center", va="center", fontsize=7
        )
    axis.set_yticks(rows, [short(name, _LETTERS) for name in dots.names] if named else [""] * len(rows), fontsize=8)
    as_they_are(axis.get_yticklabels())
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.set_xlabel(column.label + ("\n(no difference)" if column.is_doubtful else ""), fontsize=8)
    as_they_are([axis.xaxis.label])
    axis.tick_params(axis="x", labelsize=7)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="both", color="0.92")
    axis.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axis.spines[side].set_visible(False)


def _new_axes(dots: Dots, *, pyplot: bool) -> list[Axes]:
    count = len(dots.columns)
    size = (_NAMES + _COLUMN * count, _HEAD + _ROW * max(len(dots.names), 2))
    return list(np.ravel(new_figure(size, pyplot=pyplot).subplots(1, count, squeeze=False)))
