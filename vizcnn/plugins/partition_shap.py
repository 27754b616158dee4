"""PartitionSHAP: the score's rise shared out among the halves of the image, the halves of these, and so on."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.adapter.changed import Changed
from vizcnn.algorithms.baselines import Baseline, baselines
from vizcnn.algorithms.changes import see_through
from vizcnn.algorithms.cost import runs_by
from vizcnn.algorithms.paths import completeness
from vizcnn.algorithms.sampling import check_count
from vizcnn.plugins.register import register
from vizcnn.progress import Clock, track
from vizcnn.results import AttributionBatch
from vizcnn.targets.score import Score

_AT_ONCE = 16
"""Parts of an image that are halved in one round: a number of its own, so that the map is the same in batches of any size."""


@register("partition_shap", family="perturbation", needs={"scores", "outputs"}, cost=runs_by("num_samples"))
def partition_shap(
    model: ModelAdapter,
    inputs: np.ndarray,
    score: Score,
    *,
    num_samples: int = 500,
    smallest_side: int | None = None,
    baseline: Baseline = "mean",
    seed: int = 0,
) -> AttributionBatch:
    """Share out the score's rise from a hidden to the seen image among ever smaller parts of it, by their Owen values [1]_ [2]_.

    Positive where the place raises the score, on the average over what else is seen; negative where it lowers it. Fine where the
    score's rise comes from, coarse elsewhere.

    The image is halved along its longer axis, its halves are halved, and so on. What a part gives is shared out between its two
    halves as Shapley values are: each gets the mean of what it gives alone and what it gives beside the other. The parts that
    give most are halved first.

    Parameters
    ----------
    model, inputs, score : as in every method
        See `vizcnn.register`.
    num_samples : int, default 500
        How many copies of the image, each with some parts hidden: one for the baseline, and two each time that a part is halved.
    smallest_side : int, default None
        Parts are halved as long as both halves are this long at least, in input pixels. None: a 32nd of the image's longer side.
    baseline : float, sequence of float, name, path or image, default "mean"
        What is seen in place of a hidden part, as `occlusion` takes it; "blur" is by a Gaussian of a tenth of the image.
    seed : int, default 0
        Seed of the noise.

    Returns
    -------
    Attributions
        `values` (N, H, W): each pixel's part of the Owen value of the smallest part that it was found in, in score units; all of
        them add up to the score of the image less that of the baseline. `measures` "completeness gap" (N,): what is missing
        from that by rounding.

    Raises
    ------
    OptionError
        If there are fewer than three copies, `smallest_side` is not a positive whole number, or the baseline is unknown.

    Warnings
    --------
    The cuts are those of a tree of rectangles, not of the image: they go through objects, and a step in the map may be a cut.
    A part that isn't halved any more has the same value all over. Most copies are images as the model never saw them.

    Notes
    -----
    One run of the model per copy. Owen values are Shapley values among players in groups: of all orders in which parts are shown,
    those count in which the two halves of a part follow each other. The value of a part depends on which of the other halves
    are seen, so a part is there once for each way to see these: all are halved one by one, the largest first by the magnitude of
    what they give times their share of the orders; ties go to the one found first. The 16 largest are halved at a time, so that
    batches are full: shap's Partition explainer halves one at a time, and stops when the largest is small. What is left is spread
    evenly.

    References
    ----------
    .. [1] Owen, "Values of Games with a Priori Unions", Essays in Mathematical Economics and Game Theory, 1977.
       doi:10.1007/978-3-642-45494-3_7
    .. [2] Lundberg and Lee, "A Unified Approach to Interpreting Model Predictions", NeurIPS 2017. arXiv:1705.07874

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> result = vz.partition_shap(cnn, digits[3], num_samples=200, baseline=0.0)
    >>> black = cnn.scores(np.zeros((1, 28, 28, 1)), result.classes)
    >>> result.values.shape, bool(np.allclose(result.values.sum(), result.scores - black, atol=1e-3))
    ((1, 28, 28), True)
    """
    check_count("num_samples", num_samples, 3, ", one for the baseline and two for the halves of a part")
    size = inputs.shape[1:-1]
    if smallest_side is None:
        smallest_side = max(1, max(size) // 32)
    check_count("smallest_side", smallest_side)
    grid = _Grid(size, smallest_side)
    fill = baselines(inputs, baseline, [length / 10 for length in size], seed=seed)

    def ask(seen: np.ndarray, count: int, after: Changed | None = None) -> Changed:
        change = see_through(grid.enlarging(), count, name="partition shap", remedy="Fewer `num_samples` take less.")
        return model.changed_scores(inputs, score, change, companions={"maps": seen, "fill": fill}, after=after)

    maps = np.zeros((len(inputs), 2 * _AT_ONCE, *grid.cells), dtype=np.float32)
    changed = ask(maps, 1)
    hidden = changed.copy_scores[:, 0]
    trees = [_Tree(grid, float(low), float(high)) for low, high in zip(hidden, changed.scores, strict=True)]
    for _ in _rounds(grid.runs(num_samples), len(inputs)):
        halved = [tree.largest(num_samples) for tree in trees]
        if not any(halved):
            break
        maps = np.zeros_like(maps)
        for rows, cuts in zip(maps, halved, strict=True):
            for at, cut in enumerate(cuts):
                rows[2 * at], rows[2 * at + 1] = cut.shown()
        scores = ask(maps, 2 * max(map(len, halved)), changed).copy_scores.astype(np.float64)
        for tree, cuts, found in zip(trees, halved, scores, strict=True):
            for at, cut in enumerate(cuts):
                tree.halve(cut, *found[2 * at : 2 * at + 2])
    values = np.stack([tree.map() for tree in trees])
    gap, notes = completeness(values, changed.scores - hidden, changed.scores, "it should only be rounding")
    return AttributionBatch.of(
        changed,
        values,
        signed=True,
        measures={"completeness gap": gap},
        notes=notes,
        options={"smallest_side": smallest_side},
    )


def _rounds(runs: int, images: int) -> Iterator[int]:
    """Count the rounds, and say early how long all of them take."""
    total = 2 + runs // (2 * _AT_ONCE)
    clock, cost = Clock(total), f"{images * runs:,} runs of the model"
    for number in track(itertools.count(), total, f"partition shap, {cost}"):
        clock.tick(f"Partition shap takes {cost}", "Fewer `num_samples` take less.")
        yield number


class _Grid:
    """The smallest parts of an image: each axis is cut where halving cuts it."""

    def __init__(self, size: Sequence[int], smallest: int) -> None:
        self._smallest = smallest
        self._edges = [np.array([*_edges(0, length, smallest), length]) for length in size]
        self.cells = tuple(len(edges) - 1 for edges in self._edges)
        self.lengths = [np.diff(edges) for edges in self._edges]

    def enlarging(self) -> list[np.ndarray]:
        """Return for each axis what makes pixels of the smallest parts, (H, rows), (W, columns)."""
        return [np.repeat(np.eye(len(lengths)), lengths, axis=0) for lengths in self.lengths]

    def runs(self, most: int) -> int:
        """Return how many copies there are until no part can be halved any more, up to `most`."""
        parts, ways, runs = [tuple(slice(0, cells) for cells in self.cells)], 1, 1
        while parts and runs < most:
            halved = [halves for part in parts if (halves := self.halves(part)) is not None]
            runs += 2 * ways * len(halved)
            parts, ways = [half for halves in halved for half in halves], 2 * ways
        return min(runs, most)

    def halves(self, part: tuple[slice, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]] | None:
        """Return the halves of a part, along its longest axis; None where they would be too small."""
        sides = self.sides(part)
        axis = int(np.argmax(sides))
        if sides[axis] < 2 * self._smallest:
            return None
        edges, place = self._edges[axis], part[axis]
        middle = int(np.searchsorted(edges, _middle(int(edges[place.start]), int(edges[place.stop]))))
        first, second = slice(place.start, middle), slice(middle, place.stop)
        return (*part[:axis], first, *part[axis + 1 :]), (*part[:axis], second, *part[axis + 1 :])

    def sides(self, part: tuple[slice, ...]) -> list[int]:
        """Return how long a part is along each axis, in pixels."""
        return [int(edges[place.stop] - edges[place.start]) for edges, place in zip(self._edges, part, strict=True)]


def _edges(start: int, stop: int, smallest: int) -> list[int]:
    if stop - start < 2 * smallest:
        return [start]
    middle = _middle(start, stop)
    return _edges(start, middle, smallest) + _edges(middle, stop, smallest)


def _middle(start: int, stop: int) -> int:
    return (start + stop + 1) // 2


class _Cut(NamedTuple):
    """A part that may be halved, with certain others seen: those, its halves, the scores without and with it, and its share."""

    context: np.ndarray
    halves: tuple[tuple[slice, ...], tuple[slice, ...]]
    low: float
    high: float
    share: float

    def shown(self) -> tuple[np.ndarray, np.ndarray]:
        """Return what is seen when one or the other half is seen too."""
        first, second = self.context.copy(), self.context.copy()
        first[self.halves[0]] = second[self.halves[1]] = True
        return first, second


class _Tree:
    """What is known of the parts of one image."""

    def __init__(self, grid: _Grid, hidden: float, whole: float) -> None:
        self._grid = grid
        self._values = np.zeros(grid.cells)
        self._found = itertools.count()
        self._runs = 1
        self._scale = max(abs(hidden), abs(whole), abs(whole - hidden)) or 1.0
        self._left: list[tuple[float, int, tuple[slice, ...], _Cut]] = []
        self._add(tuple(slice(0, cells) for cells in grid.cells), np.zeros(grid.cells, dtype=bool), hidden, whole, 1.0)

    def _add(self, part: tuple[slice, ...], context: np.ndarray, low: float, high: float, share: float) -> None:
        halves = self._grid.halves(part)
        if halves is None:
            self._give(part, (high - low) * share)
            return
        # What differs by rounding alone is a tie.
        size = round(abs(high - low) * share / self._scale, 6)
        heapq.heappush(self._left, (-size, next(self._found), part, _Cut(context, halves, low, high, share)))

    def _give(self, part: tuple[slice, ...], value: float) -> None:
        self._values[part] += value / np.prod(self._grid.sides(part))

    def largest(self, num_samples: int) -> list[_Cut]:
        """Take the parts that are halved next."""
        count = min(_AT_ONCE, (num_samples - self._runs) // 2, len(self._left))
        self._runs += 2 * count
        return [heapq.heappop(self._left)[-1] for _ in range(count)]

    def halve(self, cut: _Cut, first: float, second: float) -> None:
        """Share out what a part gives between its halves, by the scores when one or the other is seen."""
        one, other = cut.halves
        with_one, with_other = cut.shown()
        share = cut.share / 2
        self._add(one, cut.context, cut.low, first, share)
        self._add(other, cut.context, cut.low, second, share)
        self._add(one, with_other, second, cut.high, share)
        self._add(other, with_one, first, cut.high, share)

    def map(self) -> np.ndarray:
        """Return the value of each pixel, once what is left is spread evenly."""
        while self._left:
            *_, part, cut = heapq.heappop(self._left)
            self._give(part, (cut.high - cut.low) * cut.share)
        values = self._values
        for axis, lengths in enumerate(self._grid.lengths):
            values = np.repeat(values, lengths, axis=axis)
        return values.astype(np.float32)
