"""A graph as a diagram on matplotlib Axes: boxes with their names below, arrows, frames around what is nested, a legend."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, get_args

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon, Rectangle
from matplotlib.path import Path

from vizcnn.errors import OptionError, check_choice
from vizcnn.render.canvas import new_figure, save
from vizcnn.render.diagram.boxes import Box, Graph
from vizcnn.render.diagram.families import FAMILIES, NESTED, OTHER, TEXT_COLOR, family, readable_on, shade, tint
from vizcnn.render.diagram.folding import fold as fold_graph
from vizcnn.render.diagram.labels import NAME, SMALL, text_width, texts_of
from vizcnn.render.diagram.layout import MARGIN, Point, Spot, arrange, rounded
from vizcnn.render.diagram.places import Size
from vizcnn.render.lettering import write_text

Fold = Literal["auto", "always", "never"]
Engine = Literal["auto", "dot", "vizcnn"]

MAX_BOXES = 24
"""Boxes from which on a diagram is folded."""

_LONGEST = 12000
_WIDTH = 10.0
_TITLE = 10.0
_LINE = 1.25 / 72
_LOOP = 0.1

_LINE_COLOR, _SKIP_COLOR, _GRAY = "#5b6472", "#c2571a", "#6d7683"
_FRAME_COLORS = ("#eef1f6", "#e2e7ef")


@dataclass(frozen=True)
class Drawn:
    """A box and what stands below it: its front's width and height, how far it goes back, and lines of text."""

    box: Box
    width: float
    height: float
    back: float
    name: tuple[str, ...]
    text: tuple[str, ...]

    @property
    def size(self) -> Size:
        """What it needs on the page."""
        widths = [text_width(line, NAME, bold=True) for line in self.name]
        widths += [text_width(line, SMALL) for line in self.text]
        height = len(self.name) * NAME * _LINE + len(self.text) * SMALL * _LINE
        above = self.back + (_LOOP if self.box.has_paths else 0.0)
        return Size(self.width + self.back, self.height, above, max(widths, default=0.0), height)


def plot_diagram(graph: Graph, ax: Any = None, *, heading: Sequence[str] = (), **style: Any) -> Axes:
    """Draw a graph.

    Parameters
    ----------
    graph : Graph
        What to draw.
    ax : Axes, default None
        Where to draw; None: a new pyplot figure.
    heading : sequence of str, default ()
        Lines above the diagram, the first of them large.
    **style
        `fold`, `width`, `engine`, `title` and `legend`, as `vizcnn.Architecture.plot` takes them.

    Returns
    -------
    Axes
    """
    diagram = Diagram(graph, heading, **style)
    if ax is None:
        return diagram.draw(_whole_figure(diagram.size, pyplot=True), 1.0)
    if not isinstance(ax, Axes):
        raise OptionError(f"`ax` must be one Axes; got {ax!r}.")
    extent = ax.get_window_extent()
    bounds = (extent.width / ax.figure.dpi, extent.height / ax.figure.dpi)
    if style.get("width") is None:
        widths = (4.0, 5.0, 6.5, 8.0, 10.0, 13.0, 17.0, 22.0, 30.0)
        diagrams = [Diagram(graph, heading, **{**style, "width": width}) for width in widths]
        diagram = max(diagrams, key=lambda one: round(one.fitting(bounds), 4))
    return diagram.draw(ax, min(1.0, diagram.fitting(bounds)))


def save_diagram(graph: Graph, file: BinaryIO, suffix: str, *, heading: Sequence[str] = (), **style: Any) -> None:
    """Write what `plot_diagram` draws, on a figure that pyplot doesn't know.

    Parameters
    ----------
    graph : Graph
        What to draw.
    file : binary file
        Where to.
    suffix : str
        Kind of the picture, as ``.png``.
    heading : sequence of str, default ()
        Lines above the diagram.
    **style
        As `plot_diagram` takes them.
    """
    diagram = Diagram(graph, heading, **style)
    axis = diagram.draw(_whole_figure(diagram.size, pyplot=False), 1.0)
    save(axis.figure, file, suffix, longest=_LONGEST)  # type: ignore[arg-type]


def _whole_figure(size: tuple[float, float], *, pyplot: bool) -> Axes:
    return new_figure(size, pyplot=pyplot, layout=None).add_axes((0.0, 0.0, 1.0, 1.0))


class Diagram:
    """A diagram, laid out in inches."""

    def __init__(
        self,
        graph: Graph,
        heading: Sequence[str],
        *,
        fold: Fold = "auto",
        width: float | None = None,
        engine: Engine = "auto",
        title: bool = True,
        legend: bool = True,
    ) -> None:
        check_choice("fold", fold, get_args(Fold))
        check_choice("engine", engine, get_args(Engine))
        if width is not None and not (math.isfinite(width) and width > 0):
            raise OptionError(f"`width` must be a positive number of inches; got {width!r}.")
        if engine == "dot" and shutil.which("dot") is None:
            raise OptionError(
                "`engine` 'dot' needs Graphviz, whose program dot is not on the PATH. Install it, or leave `engine` out."
            )
        self.graph = graph if fold == "never" else fold_graph(graph, MAX_BOXES if fold == "auto" else None)
        self.drawn = {key: _drawn(box) for key, box in self.graph.boxes.items()}
        sizes = {key: one.size for key, one in self.drawn.items()}
        use_dot = {"auto": None, "dot": True, "vizcnn": False}[engine]
        self.layout = arrange(self.graph, sizes, width or _WIDTH, use_dot=use_dot)
        sizes_of_lines = [_TITLE, *[SMALL + 1] * len(heading)]
        self._title = list(zip(heading, sizes_of_lines, strict=False)) if title else []
        self._entries = self._legend_entries() if legend else []
        self._top = MARGIN + sum(size * _LINE for _, size in self._title) + (0.08 if self._title else 0.0)
        least = max((text_width(text, size) for text, size in self._title), default=0.0) + 2 * MARGIN
        self.width = max(self.layout.width, min(least, width or _WIDTH), 3.0)
        self._legend_spots, bottom = self._place_legend(self._top + self.layout.height)
        self.size = (self.width, bottom + MARGIN)

    def fitting(self, bounds: Sequence[float]) -> float:
        """Return the scale at which the diagram fills a width and height in inches."""
        return float(min(bounds[0] / self.size[0], bounds[1] / self.size[1]))

    def draw(self, ax: Axes, scale: float) -> Axes:
        """Draw it on Axes, its lines and letters at a scale."""
        ax.set_axis_off()
        ax.set(xlim=(0, self.size[0]), ylim=(self.size[1], 0), aspect="equal")
        self._ax, self._scale = ax, scale
        y = MARGIN
        for i, (text, size) in enumerate(self._title):
            self._text(MARGIN, y, text, size, bold=i == 0, color=_GRAY if i else TEXT_COLOR, align="left", gid="title")
            y += size * _LINE
        for frame in sorted(self.layout.frames, key=lambda frame: frame.depth):
            self._draw_frame(frame)
        for edge, route in self.layout.routes.items():
            self._draw_edge(edge, route.points, route.is_skip)
        for key, one in self.drawn.items():
            self._draw_box(key, one, self.layout.spots[key])
        self._draw_legend()
        return ax

    # Parts ----------------------------------------------------------------------------------------------------------

    def _draw_box(self, key: str, one: Drawn, spot: Spot) -> None:
        left, bottom = spot.left, spot.bottom + self._top
        right, top, back = left + one.width, bottom - one.height, one.back
        color = family(one.box)[1]
        edge = shade(color, 0.55)
        line: dict[str, Any] = {"edgecolor": edge, "linewidth": 0.8 * self._scale, "zorder": 4, "joinstyle": "round"}
        if back:
            lid = [(left, top), (left + back, top - back), (right + back, top - back), (right, top)]
            side = [(right, top), (right + back, top - back), (right + back, bottom - back), (right, bottom)]
            self._ax.add_patch(Polygon(lid, facecolor=tint(color, 0.45), **line))
            self._ax.add_patch(Polygon(side, facecolor=shade(color, 0.8), **line))
        front = Rectangle((left, top), one.width, one.height, facecolor=color, **line)
        front.set_gid(f"box:{key}")
        self._ax.add_patch(front)
        if one.box.repeats > 1:
            badge = f"× {one.box.repeats}"
            size = NAME + 0.5
            fits = one.width > text_width(badge, size, bold=True) + 0.04 and one.height > 0.16
            x, y = (left + right) / 2, (top + bottom) / 2
            self._text(x, y if fits else top - back - 0.03, badge, size, bold=True, valign="center" if fits else "bottom",
                       color=readable_on(color) if fits else TEXT_COLOR, gid=f"times:{key}")  # fmt: skip
        if one.box.has_paths:
            self._draw_loop(left, right + back, top - back, (top + bottom) / 2)
        middle, y = (spot.left + spot.right) / 2, spot.text_top + self._top
        for text in one.name:
            self._text(middle, y, text, NAME, bold=True, gid=f"name:{key}")
            y += NAME * _LINE
        for text in one.text:
            self._text(middle, y, text, SMALL, color=_GRAY, gid=f"text:{key}")
            y += SMALL * _LINE

    def _draw_loop(self, left: float, right: float, top: float, axis: float) -> None:
        """Draw the sign of a block that has more than one way through it: a way around."""
        left, right, top = left - 0.09, right + 0.06, top - 0.06
        path = _path([(left, axis), (left, top), (right, top), (right, axis)], 0.06)
        patch = PathPatch(path, fill=False, edgecolor=_SKIP_COLOR, linewidth=1.0 * self._scale, zorder=3.5)
        self._ax.add_patch(patch)

    def _draw_edge(self, edge: tuple[str, str], points: list[Point], is_skip: bool) -> None:
        points = [(x, y + self._top) for x, y in points]
        color = _SKIP_COLOR if is_skip else _LINE_COLOR
        (x0, y0), (x1, y1) = points[-2:]
        length = max(math.hypot(x1 - x0, y1 - y0), 1e-9)
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        head = min(0.075, 0.8 * length)
        base = (x1 - ux * head, y1 - uy * head)
        patch = PathPatch(
            _path([*points[:-1], base]), fill=False, edgecolor=color, linewidth=1.0 * self._scale, zorder=2
        )
        patch.set_gid(f"edge:{edge[0]}:{edge[1]}")
        self._ax.add_patch(patch)
        wing = head * 0.42
        tip = [(x1, y1), (base[0] - uy * wing, base[1] + ux * wing), (base[0] + uy * wing, base[1] - ux * wing)]
        self._ax.add_patch(Polygon(tip, facecolor=color, edgecolor="none", zorder=4.5))

    def _draw_frame(self, frame: Any) -> None:
        patch = FancyBboxPatch(
            (frame.left, frame.top + self._top),
            frame.right - frame.left,
            frame.bottom - frame.top,
            boxstyle="round,pad=0,rounding_size=0.08",
            facecolor=_FRAME_COLORS[frame.depth % 2],
            edgecolor="#c3cbd8",
            linewidth=0.7 * self._scale,
            zorder=0.5 + 0.01 * frame.depth,
        )
        patch.set_gid(f"frame:{frame.path}")
        self._ax.add_patch(patch)
        name = ("… " if frame.continued else "") + frame.path.rsplit("/", 1)[-1]
        self._text(frame.left + 0.06, frame.top + self._top + 0.04, name, SMALL + 0.5, bold=True, color=_GRAY, align="left",
                   gid=f"container:{frame.path}")  # fmt: skip

    def _text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        *,
        bold: bool = False,
        color: str = TEXT_COLOR,
        align: str = "center",
        valign: str = "top",
        gid: str = "",
    ) -> None:
        label = write_text(self._ax, x, y, text, fontsize=size * self._scale, fontweight="bold" if bold else "normal",
                           color=color, ha=align, va=valign, zorder=5, clip_on=True)  # fmt: skip
        label.set_gid(gid)

    # Legend -----------------------------------------------------------------------------------------------------------

    def _legend_entries(self) -> list[tuple[str, str]]:
        families = dict.fromkeys(family(one.box) for one in self.drawn.values())
        entries = [(name, color) for name, color, _ in FAMILIES if (name, color) in families]
        entries += [entry for entry in (NESTED, OTHER) if entry in families]
        if any(route.is_skip for route in self.layout.routes.values()):
            entries.append(("skip connection", "skip"))
        if any(one.box.has_paths for one in self.drawn.values()):
            entries.append(("block of parallel paths", "loop"))
        return entries

    def _place_legend(self, y: float) -> tuple[list[tuple[float, float, str, str]], float]:
        spots: list[tuple[float, float, str, str]] = []
        if not self._entries:
            return spots, y
        x = MARGIN
        caption = "height: rows of the output, width: channels, both on log scales"
        for text, color in [*self._entries, (caption, "")]:
            width = text_width(text, SMALL) + (0.38 if color else 0.0)
            if x > MARGIN and x + width > self.width - MARGIN:
                x, y = MARGIN, y + 0.2
            spots.append((x, y, text, color))
            x += width
        return spots, y + 0.14

    def _draw_legend(self) -> None:
        for x, y, text, color in self._legend_spots:
            if not color:
                self._text(x, y + 0.01, text, SMALL, color=_GRAY, align="left", gid="caption")
                continue
            if color == "skip":
                path = _path([(x, y + 0.11), (x, y + 0.04), (x + 0.18, y + 0.04), (x + 0.18, y + 0.11)], 0.05)
            elif color == "loop":
                path = _path([(x, y + 0.12), (x, y + 0.01), (x + 0.18, y + 0.01), (x + 0.18, y + 0.12)], 0.05)
                self._ax.add_patch(Rectangle((x + 0.05, y + 0.05), 0.08, 0.07, facecolor=OTHER[1]))
            if color in ("skip", "loop"):
                self._ax.add_patch(PathPatch(path, fill=False, edgecolor=_SKIP_COLOR, linewidth=1.2 * self._scale))
            else:
                swatch = Rectangle((x, y + 0.01), 0.18, 0.1, facecolor=color, edgecolor=shade(color, 0.55))
                swatch.set(linewidth=0.7 * self._scale, gid=f"legend:{text}")
                self._ax.add_patch(swatch)
            self._text(x + 0.23, y + 0.01, text, SMALL, align="left", gid="legend")


def _drawn(box: Box) -> Drawn:
    rows, channels = _rows_and_channels(box.shape)
    columns = box.shape[-2] if box.shape is not None and len(box.shape) > 2 else 1
    height = 0.13 + 0.095 * math.log2(rows)
    width = 0.09 + 0.062 * math.log2(channels)
    back = 0.0 if columns == 1 else 0.02 + 0.014 * math.log2(columns or 64)
    return Drawn(box, width, height, back, *texts_of(box))


def _rows_and_channels(shape: Sequence[int | None] | None) -> tuple[int, int]:
    if shape is None:
        return 8, 8
    if not shape:
        return 1, 1
    rows = shape[0] if len(shape) > 1 else 1
    return max(1, 64 if rows is None else rows), max(1, 64 if shape[-1] is None else shape[-1])


def _path(points: Sequence[Point], radius: float = 0.09) -> Path:
    """Return a way with round corners."""
    vertices, codes = [points[0]], [Path.MOVETO]
    for start, corner, end in rounded(points, radius):
        vertices += [start, corner, end]
        codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
    return Path([*vertices, points[-1]], [*codes, Path.LINETO])
