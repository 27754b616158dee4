"""A diagram as plain values: for whoever draws it elsewhere, as the explorer does in the browser."""

from __future__ import annotations

from typing import Any

from vizcnn.render.diagram.boxes import Graph
from vizcnn.render.diagram.drawing import Diagram, Drawn
from vizcnn.render.diagram.families import family, shade, tint
from vizcnn.render.diagram.layout import Frame, Route, Spot


def describe(graph: Graph, **style: Any) -> dict[str, Any]:
    """Lay a graph out, and return where everything stands, in inches from the upper left.

    Parameters
    ----------
    graph : Graph
        What is drawn.
    **style
        `fold`, `width` and `engine`, as `vizcnn.Architecture.plot` takes them.

    Returns
    -------
    dict
        As `vizcnn.Architecture.layout` says.
    """
    diagram = Diagram(graph, (), title=False, legend=False, **style)
    layout = diagram.layout
    return {
        "width": max(layout.width, diagram.width),
        "height": layout.height,
        "boxes": [_box(key, one, layout.spots[key]) for key, one in diagram.drawn.items()],
        "arrows": [_arrow(edge, route) for edge, route in layout.routes.items()],
        "frames": [_frame(frame) for frame in sorted(layout.frames, key=lambda frame: frame.depth)],
    }


def _box(key: str, one: Drawn, spot: Spot) -> dict[str, Any]:
    does, color = family(one.box)
    return {
        "key": key,
        "layers": list(one.box.paths),
        "name": list(one.name),
        "text": list(one.text),
        "does": does,
        "colors": {"front": color, "lid": tint(color, 0.45), "side": shade(color, 0.8), "line": shade(color, 0.55)},
        "repeats": one.box.repeats,
        "has_paths": one.box.has_paths,
        "front": _rounded(spot.left, spot.bottom - one.height, spot.left + one.width, spot.bottom),
        "back": one.back,
        "text_at": _rounded((spot.left + spot.right) / 2, spot.text_top),
    }


def _arrow(edge: tuple[str, str], route: Route) -> dict[str, Any]:
    return {"from": edge[0], "to": edge[1], "is_skip": route.is_skip, "points": [_rounded(*at) for at in route.points]}


def _frame(frame: Frame) -> dict[str, Any]:
    return {
        "path": frame.path,
        "depth": frame.depth,
        "is_continued": frame.continued,
        "edges": _rounded(frame.left, frame.top, frame.right, frame.bottom),
    }


def _rounded(*lengths: float) -> list[float]:
    return [round(float(length), 4) for length in lengths]
