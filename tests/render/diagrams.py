"""Architectures by hand, and what is read of their diagrams: boxes, arrows and texts."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from vizcnn.adapter.base import LayerInfo
from vizcnn.results import Architecture


def made(rows: list[tuple[str, str, tuple[int, ...]]], edges: list[tuple[str, str]], **fields: Any) -> Architecture:
    """An architecture by hand: layers as (path, kind, shape)."""
    paths = [path for path, _, _ in rows]
    infos = tuple(
        LayerInfo(path, kind, (None, *shape), 10, path.count("/"), any(p.startswith(f"{path}/") for p in paths))
        for path, kind, shape in rows
    )
    settings: dict[str, Any] = {
        "model": "tiny",
        "layers": infos,
        "connections": tuple(edges),
        "inputs": {"image": (32, 32, 3)},
        "outputs": {"out": (10,)},
        "activations": {"out": None},
        "num_params": 10 * len(infos),
    }
    return Architecture(**{**settings, **fields})


def chain(*paths: str) -> list[tuple[str, str]]:
    return list(pairwise(["<image>", *paths]))


def residual(blocks: int, *, pre: str = "block") -> Architecture:
    """A stem, residual blocks of conv, norm, conv, add, relu, and a head."""
    shape = (32, 32, 8)
    rows = [("stem", "Conv2D", shape)]
    edges, last = chain("stem"), "stem"
    for i in range(blocks):
        names = [f"{pre}{i}_{part}" for part in ("conv1", "norm", "conv2", "add", "relu")]
        kinds = ("Conv2D", "BatchNormalization", "Conv2D", "Add", "ReLU")
        rows += [(name, kind, shape) for name, kind in zip(names, kinds, strict=True)]
        edges += [(last, names[0]), *pairwise(names), (last, names[3])]
        last = names[-1]
    rows += [("pool", "GlobalAveragePooling2D", (8,)), ("head", "Dense", (10,))]
    return made(rows, [*edges, (last, "pool"), ("pool", "head"), ("head", "<out>")])


def unet(depth: int) -> Architecture:
    """An encoder and a decoder with a skip connection at each level."""
    rows, edges, last = [], [], "<image>"
    for i in range(depth):
        size = 32 >> i
        rows += [
            (f"down{i}", "Conv2D", (size, size, 8 << i)),
            (f"pool{i}", "MaxPooling2D", (size // 2, size // 2, 8 << i)),
        ]
        edges += [(last, f"down{i}"), (f"down{i}", f"pool{i}")]
        last = f"pool{i}"
    for i in reversed(range(depth)):
        size = 32 >> i
        rows += [(f"up{i}", "Conv2DTranspose", (size, size, 8)), (f"join{i}", "Concatenate", (size, size, 16))]
        edges += [(last, f"up{i}"), (f"up{i}", f"join{i}"), (f"down{i}", f"join{i}")]
        last = f"join{i}"
    return made(rows, [*edges, (last, "<out>")])


def branches() -> Architecture:
    """Ways of one, two and three layers side by side."""
    shape = (16, 16, 4)
    ways = [["a1"], ["b1", "b2"], ["c1", "c2", "c3"]]
    rows = [("stem", "Conv2D", shape), *((name, "Conv2D", shape) for way in ways for name in way)]
    edges = chain("stem") + [edge for way in ways for edge in pairwise(["stem", *way, "join"])]
    return made([*rows, ("join", "Concatenate", (16, 16, 12))], [*edges, ("join", "<out>")])


# Reading the artists --------------------------------------------------------------------------------------------------------


def boxes(ax: Axes) -> dict[str, Any]:
    return {patch.get_gid()[4:]: patch for patch in ax.patches if str(patch.get_gid()).startswith("box:")}


def arrows(ax: Axes) -> dict[tuple[str, str], Any]:
    found = [patch for patch in ax.patches if str(patch.get_gid()).startswith("edge:")]
    return {tuple(patch.get_gid().split(":")[1:]): patch for patch in found}


def texts(ax: Axes, key: str) -> list[str]:
    return [t.get_text() for kind in ("name", "text") for t in ax.texts if t.get_gid() == f"{kind}:{key}"]


def legend(ax: Axes) -> set[str]:
    return {text.get_text() for text in ax.texts if text.get_gid() == "legend"}


def size(ax: Axes, key: str) -> tuple[float, float]:
    return boxes(ax)[key].get_width(), boxes(ax)[key].get_height()


def way(patch: Any) -> np.ndarray:
    """Points along an arrow, a hundredth of an inch apart."""
    (line,) = patch.get_path().interpolated(20).to_polygons(closed_only=False) or [patch.get_path().vertices]
    steps = [np.linspace(a, b, max(2, int(np.hypot(*(b - a)) * 100))) for a, b in pairwise(line)]
    return np.concatenate(steps)


def crossings(ax: Axes) -> list[tuple[tuple[str, str], str]]:
    """Arrows that run through a box, or through a line of text."""
    ax.figure.canvas.draw()
    inverse = ax.transData.inverted()
    areas = [
        (key, p.get_x(), p.get_x() + p.get_width(), p.get_y(), p.get_y() + p.get_height())
        for key, p in boxes(ax).items()
    ]
    for text in ax.texts:
        if str(text.get_gid()).startswith(("name:", "text:")):
            (x0, y0), (x1, y1) = inverse.transform(text.get_window_extent().get_points())
            areas.append((text.get_text(), min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)))
    hits = []
    for edge, patch in arrows(ax).items():
        x, y = way(patch)[5:-5].T
        for name, left, right, top, bottom in areas:
            inside = (x > left + 0.02) & (x < right - 0.02) & (y > top + 0.02) & (y < bottom - 0.02)
            if inside.any() and name not in edge:
                hits.append((edge, name))
    return hits
