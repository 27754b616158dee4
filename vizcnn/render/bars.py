"""Bars on matplotlib Axes: a row for each layer, and in it what share of its units is at fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from matplotlib.axes import Axes

from vizcnn.render.canvas import new_figure, save
from vizcnn.render.lettering import as_they_are, set_title
from vizcnn.render.panels import LONGEST
from vizcnn.text import short

_COLORS = ("#b2182b", "#ef8a62", "#67a9cf")
_BAR, _HEAD, _WIDTH = 0.24, 1.1, 6.4
"""Inches: what a row takes of the height, what title and axis take, and the width."""

_MOST = 60
"""Rows that are drawn; of more, those with the largest shares."""

_LETTERS = 60


@dataclass(frozen=True, eq=False)
class Bars:
    """Rows of stacked shares.

    Attributes
    ----------
    names : sequence of str
        What the rows are called.
    shares : mapping of str to ndarray, shape (rows,)
        Parts of each row, by what they are called.
    remarks : sequence of str
        What stands behind the names.
    title : str, default ""
        Above them.
    label : str, default ""
        What the shares are of.
    """

    names: Sequence[str]
    shares: Mapping[str, np.ndarray]
    remarks: Sequence[str]
    title: str = ""
    label: str = ""

    @property
    def shown(self) -> list[int]:
        """The rows that are drawn."""
        total = sum(self.shares.values(), start=np.zeros(len(self.names)))
        return sorted(np.argsort(-total, kind="stable")[:_MOST].tolist())


def plot_bars(bars: Bars, ax: Any = None, *, title: bool = True) -> Axes:
    """Draw rows of stacked shares.

    Parameters
    ----------
    bars : Bars
        What to draw.
    ax : Axes, default None
        Where to draw; None: a new pyplot figure.
    title : bool, default True
        Write what they are of above them.

    Returns
    -------
    Axes
        What was drawn on.
    """
    axis: Axes = ax if ax is not None else _new_axes(bars, pyplot=True)
    rows = bars.shown
    left = np.zeros(len(rows))
    for color, (name, shares) in zip(_COLORS, bars.shares.items(), strict=False):
        axis.barh(np.arange(len(rows)), shares[rows], left=left, color=color, label=name, height=0.7)
        left += shares[rows]
    axis.set_yticks(
        np.arange(len(rows)), [f"{short(bars.names[i], _LETTERS)} ({bars.remarks[i]})" for i in rows], fontsize=7
    )
    as_they_are(axis.get_yticklabels())
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.set_xlim(0, max(1.0, float(left.max(initial=0))))
    axis.set_xlabel(bars.label, fontsize=8)
    axis.tick_params(axis="x", labelsize=7)
    axis.grid(axis="x", color="0.9")
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    axis.legend(fontsize=7, loc="lower right")
    if title:
        set_title(axis, bars.title)
    return axis


def save_bars(bars: Bars, file: BinaryIO, suffix: str, **style: Any) -> None:
    """Write what `plot_bars` draws, on a figure that pyplot doesn't know.

    Parameters
    ----------
    bars : Bars
        What to draw.
    file : binary file
        Where to.
    suffix : str
        Kind of the picture, as ``.png``.
    **style
        As `plot_bars` takes them.
    """
    axis = _new_axes(bars, pyplot=False)
    plot_bars(bars, axis, **style)
    save(axis.figure, file, suffix, longest=LONGEST)  # type: ignore[arg-type]


def _new_axes(bars: Bars, *, pyplot: bool) -> Axes:
    return new_figure((_WIDTH, _HEAD + _BAR * max(len(bars.shown), 2)), pyplot=pyplot).add_subplot()
