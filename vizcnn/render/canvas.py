"""Figures and Axes: made, checked, and written."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure

from vizcnn.errors import OptionError
from vizcnn.render import lettering
from vizcnn.render.style import DPI


def new_figure(size: tuple[float, float] | None = None, *, pyplot: bool, layout: str | None = "constrained") -> Figure:
    """Make a figure; one of pyplot's, or one that pyplot doesn't know and nobody has to close.

    Parameters
    ----------
    size : (float, float), default None
        Width and height in inches; None: matplotlib's own.
    pyplot : bool
        Whether it is one of pyplot's.
    layout : str or None, default "constrained"
        How matplotlib places its Axes.

    Returns
    -------
    Figure
    """
    if pyplot:
        import matplotlib.pyplot as plt

        return plt.figure(figsize=size, layout=layout)
    figure = Figure(figsize=size, layout=layout)  # type: ignore[arg-type]
    _Canvas(figure)
    return figure


_thread = threading.local()


class _Canvas(FigureCanvasAgg):
    """An Agg canvas that remembers how numbers of color bars are set; matplotlib's sets those of each figure anew."""

    def get_renderer(self) -> RendererAgg:
        renderer: RendererAgg = super().get_renderer()  # type: ignore[no-untyped-call]  # matplotlib's
        if not hasattr(_thread, "formulas"):  # fonts, which it keeps, are those of a thread
            _thread.formulas = renderer.mathtext_parser
        renderer.mathtext_parser = _thread.formulas
        return renderer


def save(figure: Figure, file: BinaryIO, suffix: str, *, longest: int | None = None) -> None:
    """Write a figure, with fewer dots per inch where it would have more than `longest` pixels, height or width."""
    dpi: float = DPI if longest is None else min(DPI, longest / max(figure.get_size_inches()))
    lettering.save(figure, file, suffix, dpi)


def check_axes(ax: Any, count: int, what: str, remedy: str = "") -> list[Axes]:
    """Return the Axes that were given as a list of `count`.

    Parameters
    ----------
    ax : Axes or sequence of Axes
        What was given.
    count : int
        How many there must be.
    what : str
        What each is for, in a word.
    remedy : str, default ""
        What may be done about another number.

    Returns
    -------
    list of Axes

    Raises
    ------
    OptionError
        If they are of another number, or no Axes.
    """
    axes = [ax] if isinstance(ax, Axes) else list(np.ravel(np.array(ax, dtype=object)))
    if len(axes) != count or not all(isinstance(axis, Axes) for axis in axes):
        raise OptionError(
            f"`ax` must be one Axes per {what}, {count} in all; got {_counted(axes)}.{remedy and f' {remedy}'}"
        )
    return axes


def _counted(axes: Sequence[Any]) -> str:
    return f"{len(axes)} Axes" if all(isinstance(axis, Axes) for axis in axes) else repr(axes)


def one_or_all(axes: Sequence[Axes]) -> Any:
    """Return what `plot` returns: an Axes, or an array of several."""
    return axes[0] if len(axes) == 1 else np.array(axes)


def hide_ticks(axis: Axes) -> None:
    """Take the ticks away."""
    axis.set_xticks([])
    axis.set_yticks([])
