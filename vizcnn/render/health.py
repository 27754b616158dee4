"""The health of filters on matplotlib Axes: a bar per layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from vizcnn.render.lettering import as_they_are, set_title
from vizcnn.render.panels import write
from vizcnn.text import short

if TYPE_CHECKING:
    from vizcnn.results.diagnosis import Diagnosis

_FAULTS = {"dead": "#b2182b", "saturated": "#ef8a62", "duplicate": "#67a9cf"}
_BAR, _HEAD, _WIDTH = 0.24, 1.1, 6.4
"""Inches: what a layer takes of the height, what title and axis take, and the width."""

_MOST = 60
_LETTERS = 60
"""Layers that are drawn; of more, those with the largest faults."""


def plot_diagnosis(result: Diagnosis, ax: Any = None, *, title: bool = True) -> Any:
    """Draw the share of dead, saturated and duplicate units of each layer; see `vizcnn.results.Diagnosis.plot`.

    Parameters
    ----------
    result : Diagnosis
        What to draw.
    ax : Axes, default None
        Where to draw; None: a new pyplot figure.
    title : bool, default True
        Write what was looked at above it.

    Returns
    -------
    Axes
        What was drawn on.
    """
    axis = ax if ax is not None else _new_axes(result, pyplot=True)
    shown = _shown(result)
    left = np.zeros(len(shown))
    for fault, colour in _FAULTS.items():
        share = getattr(result, fault)[shown] / result.units[shown]
        axis.barh(np.arange(len(shown)), share, left=left, color=colour, label=fault, height=0.7)
        left += share
    axis.set_yticks(np.arange(len(shown)), [_name(result, i) for i in shown], fontsize=7)
    as_they_are(axis.get_yticklabels())
    axis.set_ylim(len(shown) - 0.4, -0.6)
    axis.set_xlim(0, max(1.0, float(left.max(initial=0))))
    axis.set_xlabel("share of the layer's units", fontsize=8)
    axis.tick_params(axis="x", labelsize=7)
    axis.grid(axis="x", color="0.9")
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    axis.legend(fontsize=7, loc="lower right")
    if title:
        count = len(result.findings)
        set_title(axis, f"{result.model}, {result.images_seen} images\n{count or 'no'} finding{'s' * (count != 1)}")
    return axis


def save_diagnosis(result: Diagnosis, file: BinaryIO, suffix: str, *, title: bool = True) -> None:
    """Write what `plot_diagnosis` draws, on a figure that pyplot doesn't know.

    Parameters
    ----------
    result : Diagnosis
        What to draw.
    file : binary file
        Where to.
    suffix : str
        Kind of the picture, as ``.png``.
    title : bool, default True
        Write what was looked at above it.
    """
    axis = _new_axes(result, pyplot=False)
    plot_diagnosis(result, axis, title=title)
    write(axis, file, suffix, 1, 1)


def _shown(result: Diagnosis) -> np.ndarray:
    faults = (result.dead + result.saturated + result.duplicate) / result.units
    worst = np.argsort(-faults, kind="stable")[:_MOST]
    return np.sort(worst)


def _name(result: Diagnosis, index: int) -> str:
    path = result.layers[index]
    name = short(path, _LETTERS)
    constant = any(finding.kind == "constant" and finding.layer == path for finding in result.findings)
    return f"{name} ({result.units[index]}{', constant' if constant else ''})"


def _new_axes(result: Diagnosis, *, pyplot: bool) -> Axes:
    settings: Any = {"figsize": (_WIDTH, _HEAD + _BAR * max(len(_shown(result)), 2)), "layout": "constrained"}
    if pyplot:
        import matplotlib.pyplot as plt

        return plt.figure(**settings).add_subplot()
    figure = Figure(**settings)
    FigureCanvasAgg(figure)
    return figure.add_subplot()
