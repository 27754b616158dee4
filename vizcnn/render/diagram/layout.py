"""Where the boxes of a diagram stand, and where its arrows run: columns from left to right, in lines as text is.

Lengths are inches, y grows downwards. Arrows have ways of their own, between the columns, above the boxes of a line and
between the lines, so that none runs through a box or its text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from vizcnn.render.diagram.boxes import Graph
from vizcnn.render.diagram.places import Size, dot_places, find_columns, find_rows

GAP, TRACK, LABEL, MARGIN = 0.3, 0.12, 0.2, 0.15
_ROW_GAP, _LINE_GAP = 0.14, 0.18
_TURN = 0.09

Point = tuple[float, float]


@dataclass
class Spot:
    """Where a box stands: its column, its row, the line of the page, its edges in inches, and how low arrows come in."""

    column: int
    row: int
    line: int = 0
    left: float = 0.0
    right: float = 0.0
    top: float = 0.0
    bottom: float = 0.0
    text_top: float = 0.0
    axis: float = 0.0


@dataclass(frozen=True)
class Frame:
    """A container's boxes on one line: its path, how deep it lies, its edges in inches, and whether it began on a line before."""

    path: str
    depth: int
    left: float
    top: float
    right: float
    bottom: float
    continued: bool


@dataclass
class Route:
    """The way of an arrow: its corners, and whether it passes by boxes on the way."""

    points: list[Point]
    is_skip: bool = False


@dataclass
class Layout:
    """A whole diagram, in inches."""

    spots: dict[str, Spot]
    routes: dict[tuple[str, str], Route] = field(default_factory=dict)
    frames: list[Frame] = field(default_factory=list)
    width: float = 0.0
    height: float = 0.0


def arrange(graph: Graph, sizes: Mapping[str, Size], max_width: float, *, use_dot: bool | None = None) -> Layout:
    """Lay a graph out within a width.

    Parameters
    ----------
    graph : Graph
        What is drawn.
    sizes : mapping
        What each box needs.
    max_width : float
        Inches; lines break where they would be wider.
    use_dot : bool, default None
        Let Graphviz decide on columns and rows; None: where it is installed and boxes stand beside each other.

    Returns
    -------
    Layout
    """
    columns = find_columns(graph)
    order: Mapping[str, float] = {}
    branches = len(set(columns.values())) < len(columns)
    if use_dot or (use_dot is None and branches):
        columns, order = dot_places(graph, sizes) or (columns, order)
    rows = find_rows(graph, columns, order)
    layout = Layout({key: Spot(columns[key], rows[key]) for key in graph.boxes})
    _Page(graph, sizes, layout, max_width).draw()
    return layout


class _Tracks:
    """Parallel ways: each takes the first one that is free along its whole length."""

    def __init__(self) -> None:
        self._used: list[list[tuple[float, float]]] = []

    def take(self, start: float, end: float) -> int:
        low, high = min(start, end), max(start, end)
        for i, track in enumerate(self._used):
            if all(high < a or b < low for a, b in track):
                track.append((low, high))
                return i
        self._used.append([(low, high)])
        return len(self._used) - 1

    def __len__(self) -> int:
        return len(self._used)


@dataclass
class _Plan:
    """The way of an arrow before inches are known: its kind, and the numbers of its tracks."""

    kind: str
    tracks: list[int] = field(default_factory=list)
    side: str = ""
    from_top: bool = True
    to_top: bool = True


class _Page:
    def __init__(self, graph: Graph, sizes: Mapping[str, Size], layout: Layout, max_width: float) -> None:
        self.graph = graph
        self.sizes = sizes
        self.layout = layout
        self.max_width = max_width
        spots = layout.spots
        self.count = max((spot.column for spot in spots.values()), default=-1) + 1
        self.rows = max((spot.row for spot in spots.values()), default=0) + 1
        self.at = {(spot.column, spot.row): key for key, spot in spots.items()}
        self.widths = [0.0] * self.count
        for key, spot in spots.items():
            size = sizes[key]
            self.widths[spot.column] = max(self.widths[spot.column], size.width, size.text_width)

    def draw(self) -> None:
        self._break_lines()
        self._plan_routes()
        self._place()
        self._route()

    def _break_lines(self) -> None:
        """Break as few times as the width allows, into lines of about the same length."""
        room = self.max_width - 2 * MARGIN - 6 * TRACK

        def broken(width: float) -> list[int]:
            lines: list[int] = []
            line_width = width + 1.0
            for column in self.widths:
                line_width += column + GAP
                if line_width > width + GAP or not lines:
                    lines.append(0)
                    line_width = column + GAP
                lines[-1] += 1
            return lines

        lines = broken(room)
        low, high = max(self.widths, default=0.0), room
        for _ in range(20 if len(lines) > 1 else 0):
            middle = (low + high) / 2
            low, high = (low, middle) if len(broken(middle)) == len(lines) else (middle, high)
        lines = broken(high) if len(lines) > 1 else lines
        self.line_of = [i for i, count in enumerate(lines) for _ in range(count)]
        self.lines = len(lines)
        for spot in self.layout.spots.values():
            spot.line = self.line_of[spot.column]

    def _plan_routes(self) -> None:
        spots = self.layout.spots
        self.lanes = [_Tracks() for _ in range(self.lines)]
        self.gutters = [_Tracks() for _ in range(self.lines)]
        self.margins = {"left": _Tracks(), "right": _Tracks()}
        self.plans: dict[tuple[str, str], _Plan] = {}
        breaks: dict[tuple[str, int], int] = {}
        skips = []
        for a, b in self.graph.edges:
            s, t = spots[a], spots[b]
            if s.line == t.line and t.column == s.column + 1:
                self.plans[a, b] = _Plan("direct")
            elif s.line == t.line and s.column < t.column and self._is_free(s.row, s.column, t.column):
                self.plans[a, b] = _Plan("along")
            elif s.line == t.line and t.row and s.column < t.column and self._is_free(t.row, s.column, t.column):
                self.plans[a, b] = _Plan("along late")
            elif t.line == s.line + 1 and t.column == s.column + 1:
                if (a, t.line) not in breaks:  # arrows from one box share their way
                    breaks[a, t.line] = self.gutters[t.line].take(0, self.count)
                self.plans[a, b] = _Plan("break", [breaks[a, t.line]])
            else:
                skips.append((a, b))
        for a, b in sorted(skips, key=lambda edge: abs(spots[edge[1]].column - spots[edge[0]].column)):
            s, t = spots[a], spots[b]
            plan = _Plan("skip", from_top=self._is_uppermost(s), to_top=self._is_uppermost(t))
            if s.line == t.line:
                plan.tracks = [self.lanes[s.line].take(_leaves(s, plan.from_top), _arrives(t, plan.to_top))]
            else:
                plan.side = self._nearer_side(s, t)
                first, last = self._ends_of_line(s.line), self._ends_of_line(t.line)
                end = 0 if plan.side == "left" else 1
                plan.tracks = [
                    self.lanes[s.line].take(_leaves(s, plan.from_top), first[end] + (end or -1)),
                    self.margins[plan.side].take(s.line, t.line),
                    self.lanes[t.line].take(_arrives(t, plan.to_top), last[end] + (end or -1)),
                ]
            self.plans[a, b] = plan

    def _is_free(self, row: int, start: int, end: int) -> bool:
        return all((column, row) not in self.at for column in range(start + 1, end))

    def _is_uppermost(self, spot: Spot) -> bool:
        return all((spot.column, row) not in self.at for row in range(spot.row))

    def _ends_of_line(self, line: int) -> tuple[int, int]:
        inside = [column for column, at in enumerate(self.line_of) if at == line]
        return inside[0], inside[-1]

    def _nearer_side(self, s: Spot, t: Spot) -> str:
        starts, ends = self._ends_of_line(s.line), self._ends_of_line(t.line)
        left = (s.column - starts[0]) + (t.column - ends[0])
        right = (starts[1] - s.column) + (ends[1] - t.column)
        return "left" if left < right else "right"

    def _place(self) -> None:
        spots, sizes = self.layout.spots, self.sizes
        self.start = MARGIN + TRACK * (len(self.margins["left"]) + 1) + (GAP / 2 if self.lines > 1 else 0)
        x, line = self.start, 0
        self.column_left = []
        for column, width in enumerate(self.widths):
            if self.line_of[column] != line:
                x, line = self.start, self.line_of[column]
            self.column_left.append(x)
            x += width + GAP
        ends = [left + width for left, width in zip(self.column_left, self.widths, strict=True)]
        self.end = max(ends, default=self.start)
        self.layout.width = self.end + GAP / 2 + TRACK * (len(self.margins["right"]) + 1) + MARGIN
        y = 0.0
        self.gutter_top, self.lane_top, self.lane_bottom = [], [], []
        frames = _containers(self.graph)
        for line in range(self.lines):
            inside = {key: spot for key, spot in spots.items() if spot.line == line}
            self.gutter_top.append(y)
            y += TRACK * (len(self.gutters[line]) + 1) if len(self.gutters[line]) else 0
            self.lane_top.append(y)
            y += TRACK * (len(self.lanes[line]) + 1) if len(self.lanes[line]) else 0
            self.lane_bottom.append(y)
            here = {path: keys & inside.keys() for path, keys in frames.items() if keys & inside.keys()}
            labels = max((path.count("/") + 1 for path in here), default=0)
            y += LABEL * labels + (0.09 if len(self.lanes[line]) else 0.02)
            rows_top = y
            for row in range(self.rows):
                keys = [key for key, spot in inside.items() if spot.row == row]
                if not keys:
                    continue
                axis = y + max(sizes[key].height / 2 + sizes[key].above for key in keys)
                base = axis + max(sizes[key].height / 2 for key in keys) + 0.05
                for key in keys:
                    spot, size = spots[key], sizes[key]
                    middle = self.column_left[spot.column] + self.widths[spot.column] / 2
                    spot.left, spot.right = middle - size.width / 2, middle + size.width / 2
                    spot.axis, spot.text_top = axis, base
                    spot.top, spot.bottom = axis - size.height / 2 - size.above, axis + size.height / 2
                y = base + max(sizes[key].text_height for key in keys) + _ROW_GAP
            for path, found in here.items():
                self._frame(path, found, rows_top, labels)
            y += _LINE_GAP
        self.layout.height = y

    def _frame(self, path: str, keys: Iterable[str], rows_top: float, labels: int) -> None:
        spots = [self.layout.spots[key] for key in keys]
        depth = path.count("/")
        pad = min(GAP / 2, 0.04 + 0.03 * (labels - depth))
        columns = [spot.column for spot in spots]
        left = min(self.column_left[c] for c in columns) - pad
        right = max(self.column_left[c] + self.widths[c] for c in columns) + pad
        bottom = max(spot.text_top + self.sizes[key].text_height for spot, key in zip(spots, keys, strict=True))
        upper = min(spot.row for spot in spots) == 0
        top = rows_top - LABEL * (labels - depth) if upper else min(spot.top for spot in spots) - 0.05
        bottom += 0.02 + 0.03 * (labels - depth)
        continued = any(frame.path == path for frame in self.layout.frames)
        self.layout.frames.append(Frame(path, depth, left, top, right, bottom, continued))

    def _route(self) -> None:
        for edge in self.graph.edges:
            plan = self.plans[edge]
            s, t = (self.layout.spots[key] for key in edge)
            start, end = (s.right, s.axis), (t.left, t.axis)
            if plan.kind == "direct":
                points = [start, *self._across(self._gap_after(s), start[1], end[1]), end]
            elif plan.kind == "along":
                points = [start, *self._across(self._gap_before(t), start[1], end[1]), end]
            elif plan.kind == "along late":
                points = [start, *self._across(self._gap_after(s), start[1], end[1]), end]
            elif plan.kind == "break":
                y = self.gutter_top[t.line] + TRACK * (plan.tracks[0] + 0.5)
                x = self._gap_before(t)
                points = [start, (self._gap_after(s), start[1]), (self._gap_after(s), y), (x, y), (x, end[1]), end]
            else:
                points = self._skip(plan, s, t)
            self.layout.routes[edge] = Route(points, plan.kind == "skip")

    def _across(self, x: float, before: float, after: float) -> list[Point]:
        return [] if abs(before - after) < 1e-6 else [(x, before), (x, after)]

    def _gap_after(self, spot: Spot) -> float:
        return self.column_left[spot.column] + self.widths[spot.column] + GAP / 2

    def _gap_before(self, spot: Spot) -> float:
        return self.column_left[spot.column] - GAP / 2

    def _lane(self, line: int, track: int) -> float:
        return self.lane_bottom[line] - TRACK * (track + 0.5)

    def _skip(self, plan: _Plan, s: Spot, t: Spot) -> list[Point]:
        leave = self._lane(s.line, plan.tracks[0])
        arrive = self._lane(t.line, plan.tracks[-1])
        if plan.from_top:
            x = s.left + 0.72 * (s.right - s.left)
            points = [(x, s.top), (x, leave)]
        else:
            points = [(s.right, s.axis), (self._gap_after(s), s.axis), (self._gap_after(s), leave)]
        if plan.side:
            track = TRACK * (plan.tracks[1] + 1)
            edge = self.start - GAP / 2 - track if plan.side == "left" else self.end + GAP / 2 + track
            points += [(edge, leave), (edge, arrive)]
        if plan.to_top:
            x = t.left + 0.38 * (t.right - t.left)
            return [*points, (x, arrive), (x, t.top)]
        return [*points, (self._gap_before(t), arrive), (self._gap_before(t), t.axis), (t.left, t.axis)]


def _leaves(spot: Spot, from_top: bool) -> float:
    return spot.column + (0.22 if from_top else 0.5)


def _arrives(spot: Spot, to_top: bool) -> float:
    return spot.column - (0.12 if to_top else 0.5)


def _containers(graph: Graph) -> dict[str, set[str]]:
    """Return the open containers that hold more than one box, and the keys of those."""
    inside: dict[str, set[str]] = {}
    for key, box in graph.boxes.items():
        parts = box.parent.split("/") if box.parent else []
        for i in range(len(parts)):
            inside.setdefault("/".join(parts[: i + 1]), set()).add(key)
    return {path: keys for path, keys in sorted(inside.items()) if len(keys) > 1}


def rounded(points: Sequence[Point], radius: float = _TURN) -> list[tuple[Point, Point, Point]]:
    """Return for each inner corner of a way where its curve starts, the corner, and where the curve ends."""
    curves = []
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        curves.append((_toward(corner, before, radius), corner, _toward(corner, after, radius)))
    return curves


def _toward(start: Point, end: Point, distance: float) -> Point:
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = max((dx * dx + dy * dy) ** 0.5, 1e-9)
    share = min(distance / length, 0.5)
    return start[0] + dx * share, start[1] + dy * share
