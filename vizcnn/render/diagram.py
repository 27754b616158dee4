"""A model's architecture as a diagram on matplotlib Axes."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, get_args

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon, Rectangle
from matplotlib.path import Path
from matplotlib.textpath import TextToPath

from vizcnn.errors import OptionError, check_choice
from vizcnn.graph import INPUT, Box, Graph, build, fold
from vizcnn.render.layout import MARGIN, Point, Size, Spot, arrange, rounded
from vizcnn.render.lettering import save, write_text
from vizcnn.render.style import DPI, brightness
from vizcnn.summary import shape_text
from vizcnn.text import printable, short

if TYPE_CHECKING:
    from vizcnn.results import Architecture

Fold = Literal["auto", "always", "never"]
Engine = Literal["auto", "dot", "vizcnn"]

MANY = 24
"""Boxes from which on a diagram is folded."""

_LONGEST = 12000
_WIDTH = 10.0
_NAME, _SMALL, _TITLE = 7.5, 6.5, 10.0
_TEXT_WIDTH = 1.02
_LINE = 1.25 / 72
_LOOP = 0.1
_LINES = 3

_LINE_COLOR, _SKIP_COLOR, _TEXT_COLOR, _GRAY = "#5b6472", "#c2571a", "#1c2330", "#6d7683"
_FRAME_COLORS = ("#eef1f6", "#e2e7ef")

# What a layer does, by words in the name of its class; the first that fits.
_FAMILIES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("input", "#ffffff", ("Input",)),
    ("upsampling", "#1f9e89", ("DTranspose", "UpSampling", "Resizing", "PixelShuffle")),
    ("depthwise convolution", "#86bce8", ("Depthwise", "Separable")),
    ("convolution", "#3f7fc4", ("Conv",)),
    ("pooling", "#56b356", ("Pool", "Mean", "Max2D")),
    ("preprocessing", "#d9b98a", ("Rescaling", "Random", "CenterCrop", "MixUp", "CutMix")),
    ("normalization", "#b9a3d6", ("Normalization", "Norm")),
    ("dropout or noise", "#c9ced6", ("Dropout", "Noise", "Regularization")),
    ("merge", "#e4674f", ("Add", "Concat", "Multiply", "Average", "Maximum", "Minimum", "Subtract", "Dot", "Stack")),
    ("activation", "#f2d14e", ("Activation", "ReLU", "Relu", "ELU", "Softmax", "Sigmoid", "Silu", "Gelu", "Tanh", "Swish")),
    ("attention or recurrent", "#c774b2", ("Attention", "LSTM", "GRU", "RNN", "Bidirectional")),
    ("dense", "#f09a3e", ("Dense", "Embedding", "Matmul")),
    ("reshape or pad", "#a3adb8", ("Flatten", "Reshape", "Permute", "Padding", "Cropping", "GetItem", "Squeeze", "ExpandDims",
                                   "Transpose", "Repeat", "Split")),
)  # fmt: skip
_NESTED, _OTHER = ("nested model", "#7388a8"), ("other", "#8f8f8f")

_LETTERS = 120
"""Letters of a name from which on its middle is left out."""

_SHORT = {"BatchNormalization": "BN", "LayerNormalization": "LN", "ZeroPadding2D": "pad", "AveragePooling2D": "AvgPool",
          "GlobalAveragePooling2D": "GlobalAvgPool", "GlobalMaxPooling2D": "GlobalMaxPool", "MaxPooling2D": "MaxPool",
          "Concatenate": "Concat", "SpatialDropout2D": "Dropout",
          "DepthwiseConv2D": "DepthwiseConv", "SeparableConv2D": "SeparableConv"}  # fmt: skip


@dataclass(frozen=True)
class _Drawn:
    """A box and what stands below it: its front's width and height, how far it goes back, and lines of text."""

    box: Box
    width: float
    height: float
    back: float
    name: tuple[str, ...]
    text: tuple[str, ...]

    @property
    def size(self) -> Size:
        widths = [_text_width(line, _NAME, bold=True) for line in self.name]
        widths += [_text_width(line, _SMALL) for line in self.text]
        height = len(self.name) * _NAME * _LINE + len(self.text) * _SMALL * _LINE
        above = self.back + (_LOOP if self.box.has_paths else 0.0)
        return Size(self.width + self.back, self.height, above, max(widths, default=0.0), height)


def plot_architecture(architecture: Architecture, ax: Any = None, **style: Any) -> Axes:
    """Draw a diagram; see `vizcnn.results.Architecture.plot`.

    Parameters
    ----------
    architecture : Architecture
        What to draw.
    ax : Axes, default None
        Where to draw; None: a new pyplot figure.
    **style
        As `Architecture.plot` takes them.

    Returns
    -------
    Axes
    """
    diagram = _Diagram(architecture, **style)
    if ax is None:
        import matplotlib.pyplot as plt

        figure = plt.figure(figsize=diagram.size)
        return diagram.draw(figure.add_axes((0.0, 0.0, 1.0, 1.0)), 1.0)
    if not isinstance(ax, Axes):
        raise OptionError(f"`ax` must be one Axes; got {ax!r}.")
    extent = ax.get_window_extent()
    bounds = (extent.width / ax.figure.dpi, extent.height / ax.figure.dpi)
    if style.get("width") is None:
        widths = (4.0, 5.0, 6.5, 8.0, 10.0, 13.0, 17.0, 22.0, 30.0)
        found = [_Diagram(architecture, **{**style, "width": width}) for width in widths]
        diagram = max(found, key=lambda one: round(one.fitting(bounds), 4))
    return diagram.draw(ax, min(1.0, diagram.fitting(bounds)))


def save_architecture(architecture: Architecture, file: BinaryIO, suffix: str, **style: Any) -> None:
    """Write what `plot_architecture` draws, on a figure that pyplot doesn't know.

    Parameters
    ----------
    architecture : Architecture
        What to draw.
    file : binary file
        Where to.
    suffix : str
        Kind of the picture, as ``.png``.
    **style
        As `Architecture.plot` takes them.
    """
    diagram = _Diagram(architecture, **style)
    figure = Figure(figsize=diagram.size)
    FigureCanvasAgg(figure)
    diagram.draw(figure.add_axes((0.0, 0.0, 1.0, 1.0)), 1.0)
    save(figure, file, suffix, min(DPI, _LONGEST / max(diagram.size)))


class _Diagram:
    """A diagram, laid out in inches."""

    def __init__(
        self,
        architecture: Architecture,
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
        self.graph = folded(architecture, fold)
        self.drawn = {key: _drawn(box) for key, box in self.graph.boxes.items()}
        sizes = {key: one.size for key, one in self.drawn.items()}
        use_dot = {"auto": None, "dot": True, "vizcnn": False}[engine]
        self.layout = arrange(self.graph, sizes, width or _WIDTH, use_dot=use_dot)
        self._title = _title(architecture) if title else ()
        self._entries = self._legend_entries() if legend else []
        self._top = MARGIN + sum(size * _LINE for _, size in self._title) + (0.08 if title else 0.0)
        least = max((_text_width(text, size) for text, size in self._title), default=0.0) + 2 * MARGIN
        self.width = max(self.layout.width, min(least, width or _WIDTH), 3.0)
        self._legend_spots, bottom = self._place_legend(self._top + self.layout.height)
        self.size = (self.width, bottom + MARGIN)

    def fitting(self, bounds: Sequence[float]) -> float:
        """Return the scale at which the diagram fills a width and height in inches."""
        return float(min(bounds[0] / self.size[0], bounds[1] / self.size[1]))

    def draw(self, ax: Axes, scale: float) -> Axes:
        ax.set_axis_off()
        ax.set(xlim=(0, self.size[0]), ylim=(self.size[1], 0), aspect="equal")
        self._ax, self._scale = ax, scale
        y = MARGIN
        for i, (text, size) in enumerate(self._title):
            self._text(MARGIN, y, text, size, bold=i == 0, color=_GRAY if i else _TEXT_COLOR, align="left", gid="title")
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

    def _draw_box(self, key: str, one: _Drawn, spot: Spot) -> None:
        left, bottom = spot.left, spot.bottom + self._top
        right, top, back = left + one.width, bottom - one.height, one.back
        color = family(one.box)[1]
        edge = _shade(color, 0.55)
        line: dict[str, Any] = {"edgecolor": edge, "linewidth": 0.8 * self._scale, "zorder": 4, "joinstyle": "round"}
        if back:
            lid = [(left, top), (left + back, top - back), (right + back, top - back), (right, top)]
            side = [(right, top), (right + back, top - back), (right + back, bottom - back), (right, bottom)]
            self._ax.add_patch(Polygon(lid, facecolor=_tint(color, 0.45), **line))
            self._ax.add_patch(Polygon(side, facecolor=_shade(color, 0.8), **line))
        front = Rectangle((left, top), one.width, one.height, facecolor=color, **line)
        front.set_gid(f"box:{key}")
        self._ax.add_patch(front)
        if one.box.repeats > 1:
            badge = f"× {one.box.repeats}"
            size = _NAME + 0.5
            fits = one.width > _text_width(badge, size, bold=True) + 0.04 and one.height > 0.16
            x, y = (left + right) / 2, (top + bottom) / 2
            self._text(x, y if fits else top - back - 0.03, badge, size, bold=True, valign="center" if fits else "bottom",
                       color=_on(color) if fits else _TEXT_COLOR, gid=f"times:{key}")  # fmt: skip
        if one.box.has_paths:
            self._draw_loop(left, right + back, top - back, (top + bottom) / 2)
        middle, y = (spot.left + spot.right) / 2, spot.text_top + self._top
        for text in one.name:
            self._text(middle, y, text, _NAME, bold=True, gid=f"name:{key}")
            y += _NAME * _LINE
        for text in one.text:
            self._text(middle, y, text, _SMALL, color=_GRAY, gid=f"text:{key}")
            y += _SMALL * _LINE

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
        self._text(frame.left + 0.06, frame.top + self._top + 0.04, name, _SMALL + 0.5, bold=True, color=_GRAY, align="left",
                   gid=f"container:{frame.path}")  # fmt: skip

    def _text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        *,
        bold: bool = False,
        color: str = _TEXT_COLOR,
        align: str = "center",
        valign: str = "top",
        gid: str = "",
    ) -> None:
        drawn = write_text(self._ax, x, y, text, fontsize=size * self._scale, fontweight="bold" if bold else "normal",
                           color=color, ha=align, va=valign, zorder=5, clip_on=True)  # fmt: skip
        drawn.set_gid(gid)

    # Legend -----------------------------------------------------------------------------------------------------------

    def _legend_entries(self) -> list[tuple[str, str]]:
        found = dict.fromkeys(family(one.box) for one in self.drawn.values())
        entries = [(name, color) for name, color, _ in _FAMILIES if (name, color) in found]
        entries += [entry for entry in (_NESTED, _OTHER) if entry in found]
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
            width = _text_width(text, _SMALL) + (0.38 if color else 0.0)
            if x > MARGIN and x + width > self.width - MARGIN:
                x, y = MARGIN, y + 0.2
            spots.append((x, y, text, color))
            x += width
        return spots, y + 0.14

    def _draw_legend(self) -> None:
        for x, y, text, color in self._legend_spots:
            if not color:
                self._text(x, y + 0.01, text, _SMALL, color=_GRAY, align="left", gid="caption")
                continue
            if color == "skip":
                path = _path([(x, y + 0.11), (x, y + 0.04), (x + 0.18, y + 0.04), (x + 0.18, y + 0.11)], 0.05)
            elif color == "loop":
                path = _path([(x, y + 0.12), (x, y + 0.01), (x + 0.18, y + 0.01), (x + 0.18, y + 0.12)], 0.05)
                self._ax.add_patch(Rectangle((x + 0.05, y + 0.05), 0.08, 0.07, facecolor=_OTHER[1]))
            if color in ("skip", "loop"):
                self._ax.add_patch(PathPatch(path, fill=False, edgecolor=_SKIP_COLOR, linewidth=1.2 * self._scale))
            else:
                swatch = Rectangle((x, y + 0.01), 0.18, 0.1, facecolor=color, edgecolor=_shade(color, 0.55))
                swatch.set(linewidth=0.7 * self._scale, gid=f"legend:{text}")
                self._ax.add_patch(swatch)
            self._text(x + 0.23, y + 0.01, text, _SMALL, align="left", gid="legend")


def folded(architecture: Architecture, how: Fold) -> Graph:
    """Return the boxes and arrows that are drawn of a model."""
    graph = build(architecture.layers, architecture.connections, architecture.inputs, architecture.depth)
    return graph if how == "never" else fold(graph, MANY if how == "auto" else None)


def family(box: Box) -> tuple[str, str]:
    """Return what a box does, in words, and its colour."""
    if box.kind == INPUT:
        return _FAMILIES[0][:2]
    if box.is_closed:
        return _NESTED
    kind = "Rescaling" if box.kind == "Normalization" else box.kind
    for name, color, words in _FAMILIES[1:]:
        if any(word in kind for word in words):
            return name, color
    return _OTHER


def _title(architecture: Architecture) -> tuple[tuple[str, float], ...]:
    count = len(architecture.layers)
    inputs = " and ".join(shape_text(shape, " × ") for shape in architecture.inputs.values()) or "?"
    outputs = " and ".join(shape_text(shape, " × ") for shape in architecture.outputs.values())
    about = f"{inputs} in, {outputs} out; {architecture.num_params:,} parameters in {count} layers"
    return (architecture.model, _TITLE), (about, _SMALL + 1)


def _drawn(box: Box) -> _Drawn:
    rows, channels = _rows_and_channels(box.shape)
    columns = box.shape[-2] if box.shape is not None and len(box.shape) > 2 else 1
    height = 0.13 + 0.095 * math.log2(rows)
    width = 0.09 + 0.062 * math.log2(channels)
    back = 0.0 if columns == 1 else 0.02 + 0.014 * math.log2(columns or 64)
    return _Drawn(box, width, height, back, *_texts(box))


def _rows_and_channels(shape: Sequence[int | None] | None) -> tuple[int, int]:
    if shape is None:
        return 8, 8
    if not shape:
        return 1, 1
    rows = shape[0] if len(shape) > 1 else 1
    return max(1, 64 if rows is None else rows), max(1, 64 if shape[-1] is None else shape[-1])


def _texts(box: Box) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if box.ends:
        name = [*_wrapped(box.ends[0] + " …", bold=True), *_wrapped(box.ends[1], bold=True)]
    else:
        name = _wrapped(box.name, bold=True)
    if box.kind == INPUT:
        text = ["input"]
    elif box.is_closed and box.repeats == 1:
        layers = sum(box.contents.values())
        text = [*_wrapped(box.kind), f"{layers} layers", *_parameters(box)]
    elif box.is_block:
        text = _wrapped(_contents(box), limit=4)
    else:
        text = _wrapped(" + ".join(_short(part) for part in box.parts))
    return tuple(name), (*text, shape_text(box.shape, " × "))


def _contents(box: Box) -> str:
    """Say what is in a block: in each, where all that it repeats hold the same."""
    same = box.repeats > 1 and all(count % box.repeats == 0 for count in box.contents.values())
    counts = {kind: count // box.repeats if same else count for kind, count in box.contents.items()}
    # A no-break space holds a number and what it counts together.
    words = [f"{count}\u00a0{_short(kind)}" for kind, count in sorted(counts.items(), key=lambda item: -item[1])]
    return ("each " if same else "") + ", ".join([*words[:5], *(["…"] if len(words) > 5 else [])])


def _parameters(box: Box) -> list[str]:
    return [f"{_short_number(box.num_params)} parameters"] if box.num_params else []


def _short(part: str) -> str:
    kind, comma, activation = part.partition(", ")
    return _SHORT.get(kind, kind) + comma + activation


def _short_number(count: int) -> str:
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g} {letter}"
    return str(count)


def _wrapped(text: str, *, bold: bool = False, limit: int = _LINES) -> list[str]:
    """Break a text where words or parts of a name end, so that it stays within a column; what is too long ends in dots."""
    size = _NAME if bold else _SMALL
    text = short(printable(text), _LETTERS)
    pieces: list[str] = []
    word = ""
    for letter in text:
        word += letter
        if letter in " _-/":
            pieces.append(word)
            word = ""
    lines = [""]
    for piece in [*pieces, word]:
        rest = piece
        if lines[-1] and _text_width((lines[-1] + rest).rstrip(), size, bold=bold) > _TEXT_WIDTH:
            lines.append("")
        while _text_width(rest.rstrip(), size, bold=bold) > _TEXT_WIDTH:
            fitting = next(
                n for n in range(len(rest), 0, -1) if n == 1 or _text_width(rest[:n], size, bold=bold) <= _TEXT_WIDTH
            )
            lines[-1], rest = rest[:fitting], rest[fitting:]
            lines.append("")
        lines[-1] += rest
    lines = [line.strip() for line in lines if line.strip()]
    return lines if len(lines) <= limit else [*lines[: limit - 1], lines[limit - 1][:-1] + "…"]


@lru_cache(maxsize=4096)
def _text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width of a text in inches."""
    if not text:
        return 0.0
    font = FontProperties(size=size, weight="bold" if bold else "normal")
    width, _, _ = TextToPath().get_text_width_height_descent(printable(text), font, ismath=False)
    return float(width) / 72


def _path(points: Sequence[Point], radius: float = 0.09) -> Path:
    """Return a way with round corners."""
    vertices, codes = [points[0]], [Path.MOVETO]
    for start, corner, end in rounded(points, radius):
        vertices += [start, corner, end]
        codes += [Path.LINETO, Path.CURVE3, Path.CURVE3]
    return Path([*vertices, points[-1]], [*codes, Path.LINETO])


def _shade(color: str, share: float) -> str:
    red, green, blue = np.array(to_rgb(color)) * share
    return to_hex((red, green, blue))


def _tint(color: str, share: float) -> str:
    red, green, blue = 1 - (1 - np.array(to_rgb(color))) * (1 - share)
    return to_hex((red, green, blue))


def _on(color: str) -> str:
    """Return black or white, whichever can be read on a colour."""
    return "#ffffff" if brightness(color) < 0.6 else _TEXT_COLOR
