"""Which column and which row of a diagram each box stands in."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from vizcnn.render.diagram.boxes import Graph


@dataclass(frozen=True)
class Size:
    """What a box needs: its own width and height, what it has above that, and the width and height of the text below it."""

    width: float
    height: float
    above: float
    text_width: float
    text_height: float


def find_columns(graph: Graph) -> dict[str, int]:
    """Return how many boxes lie before each on the longest way to it; what has nothing before it stands next to its use."""
    place = {key: i for i, key in enumerate(graph.boxes)}
    before, after = graph.before, graph.after
    columns: dict[str, int] = {}
    for key in graph.boxes:
        columns[key] = max((columns[a] + 1 for a in before[key] if place[a] < place[key]), default=0)
    for key in reversed(list(graph.boxes)):
        later = [columns[b] for b in after[key] if place[b] > place[key]]
        if not before[key] and later:
            columns[key] = max(columns[key], min(later) - 1)
    return columns


def find_rows(graph: Graph, columns: Mapping[str, int], order: Mapping[str, float]) -> dict[str, int]:
    """Return a row for each box: the longest way in the first, other ways below it, each straight on.

    Parameters
    ----------
    graph : Graph
        What is drawn.
    columns : mapping
        The column of each box.
    order : mapping
        How low each box should be, where that is known; otherwise the longer ways come first.

    Returns
    -------
    dict
    """
    ways: list[list[str]] = []
    remaining = dict.fromkeys(graph.boxes)
    while remaining:
        ways.append(_longest_way(graph, columns, remaining))
        for key in ways[-1]:
            del remaining[key]
    ways[1:] = sorted(ways[1:], key=lambda way: sum(order.get(key, 0.0) for key in way) / len(way))
    before, after = graph.before, graph.after
    rows: dict[str, int] = {}
    spans_by_row: dict[int, set[int]] = {}
    for way in ways:
        first, last = columns[way[0]], columns[way[-1]]
        # Its row is kept free from what feeds it to what it feeds, for the arrows.
        start = min([first, *(columns[a] + 1 for a in before[way[0]])])
        end = max([last, *(columns[b] - 1 for b in after[way[-1]])])
        span = set(range(start, end + 1))
        row = next(r for r in range(len(graph.boxes)) if not (spans_by_row.get(r, set()) & span))
        spans_by_row.setdefault(row, set()).update(span)
        rows |= dict.fromkeys(way, row)
    return rows


def _longest_way(graph: Graph, columns: Mapping[str, int], remaining: Mapping[str, None]) -> list[str]:
    before = graph.before
    ways: dict[str, list[str]] = {}
    best: list[str] = []
    for key in remaining:
        earlier = [ways[a] for a in before[key] if a in ways and columns[a] < columns[key]]
        ways[key] = [*max(earlier, key=len, default=[]), key]
        best = max(best, ways[key], key=len)
    return best


def dot_places(graph: Graph, sizes: Mapping[str, Size]) -> tuple[dict[str, int], dict[str, float]] | None:
    """Ask Graphviz for the column of each box and how low it should be; None where it isn't installed, or fails."""
    program = shutil.which("dot")
    if program is None:
        return None
    numbers = {key: i for i, key in enumerate(graph.boxes)}
    lines = ["digraph { rankdir=LR; node [shape=box, fixedsize=true];"]
    lines += [
        f'n{i} [label="", width={max(sizes[key].width, sizes[key].text_width):.3f}, height={sizes[key].height:.3f}];'
        for key, i in numbers.items()
    ]
    lines += [f"n{numbers[a]} -> n{numbers[b]};" for a, b in graph.edges]
    try:
        run = subprocess.run(
            [program, "-Tplain"], input="\n".join([*lines, "}"]), capture_output=True, text=True, timeout=60, check=True
        )
        nodes = [line.split()[1:4] for line in run.stdout.splitlines() if line.startswith("node ")]
        points = {name: (float(x), -float(y)) for name, x, y in nodes}
        xs = {key: round(points[f"n{i}"][0], 2) for key, i in numbers.items()}
        ys = {key: points[f"n{i}"][1] for key, i in numbers.items()}
    except (OSError, subprocess.SubprocessError, KeyError, ValueError):
        return None
    numbered = {x: i for i, x in enumerate(sorted(set(xs.values())))}
    return {key: numbered[x] for key, x in xs.items()}, ys
