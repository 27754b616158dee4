"""Measuring where a layer's map lies: some of its rows and columns are looked back from to the input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from vizcnn.adapter.arrays import Array, slices
from vizcnn.adapter.keras.compiled import Run, Traced
from vizcnn.adapter.keras.forward_pass import ForwardPass, learn
from vizcnn.adapter.keras.model_view import ModelView
from vizcnn.adapter.keras.positions import StandIns
from vizcnn.adapter.keras.runner import Runner
from vizcnn.adapter.layers import split_call
from vizcnn.adapter.placement import Placement, bands, fit

_BANDS = 9
"""Rows, and columns, of a map from which it is looked back to the input."""


def placements(
    view: ModelView,
    runner: Runner,
    shapes: Mapping[str, tuple[int, ...]],
    sample_shape: tuple[int, ...],
    input_range: tuple[float, float],
) -> dict[str, Placement | None]:
    """See `ModelAdapter.placements`: measured once, and only where something on the way may move positions."""
    view.prepare(sample_shape)
    state, size = view.state, tuple(sample_shape[:-1])
    if any(layer not in state.moved for layer in shapes):
        learn(view)
    grids = {layer: tuple(shape[: _axes_of(view, layer)]) for layer, shape in shapes.items()}
    keys = {layer: (layer, grid, tuple(sample_shape)) for layer, grid in grids.items()}
    unmeasured = []
    for layer, grid in grids.items():
        if keys[layer] in state.placements:
            continue
        has_no_frames = view.rank == 3 and len(grid) == 2
        if state.moved.get(layer, True) or (len(grid) != len(size) and not has_no_frames):
            unmeasured.append(Lines.across(layer, grid, _BANDS))
        else:
            state.placements[keys[layer]] = Placement.on_every_frame(grid, size) if has_no_frames else None
    looked = look_back(view, runner, unmeasured, sample_shape, input_range, through_windows=False) if unmeasured else []
    for lines, back in zip(unmeasured, looked, strict=True):
        state.placements[keys[lines.layer]] = _place(lines, back, size)
    return {layer: state.placements[key] for layer, key in keys.items()}


def _axes_of(view: ModelView, layer: str) -> int:
    """Return how many axes the map of a layer has: one fewer than others of video, where it let the frames go."""
    shape = view.state.layer_shapes.get(split_call(layer)[0]) or ()
    return 2 if view.rank == 3 and len(shape) == 4 else view.rank


@dataclass(frozen=True)
class Lines:
    """Rows and columns of a layer's map from which it is looked back to the input.

    Attributes
    ----------
    layer : str
        The layer's path.
    grid : tuple of int
        The map's size.
    chosen : tuple of sequence of int
        For each of its axes which rows or columns.
    """

    layer: str
    grid: tuple[int, ...]
    chosen: tuple[Sequence[int], ...]

    @classmethod
    def across(cls, layer: str, grid: tuple[int, ...], count: int) -> Lines:
        """Choose as many of each axis, spread over it."""
        return cls(layer, grid, tuple(bands(length, count) for length in grid))

    def masks(self, axis: Any, index: Any) -> Any:
        """Return masks (rows, *grid) that let through one row or column each, of an axis and an index, (rows,)."""
        inside = None
        for number, length in enumerate(self.grid):
            line = keras.ops.logical_and(axis[:, None] == number, index[:, None] == keras.ops.arange(length)[None])
            line = keras.ops.reshape(line, (-1, *(length if at == number else 1 for at in range(len(self.grid)))))
            inside = line if inside is None else keras.ops.logical_or(inside, line)
        return keras.ops.cast(inside, "float32")


def _place(lines: Lines, looked: LookedBack, size: tuple[int, ...]) -> Placement | None:
    if not any(depends.any() for depends in looked.depends):
        place = Placement.unknown(lines.grid, size)
        return place if looked.fits or not place.is_possible else None
    place = fit(list(zip(lines.chosen, looked.depends, strict=True)), lines.grid, size)
    return None if place.is_plain(looked.slack) else place


@dataclass
class LookedBack:
    """What rows and columns of a map depend on.

    Attributes
    ----------
    depends : list of ndarray, shape (indices, *size)
        For each axis of the map, how much its chosen rows or columns of cells depend on each position of the input.
    fits : bool
        Whether the map has the size that it was taken to have; if not, nothing was measured.
    slack : float
        See `StandIns`.
    """

    depends: list[Array]
    fits: bool = True
    slack: float = 0.0


def look_back(
    view: ModelView,
    runner: Runner,
    asked: Sequence[Lines],
    sample_shape: tuple[int, ...],
    input_range: tuple[float, float],
    *,
    through_windows: bool,
) -> list[LookedBack]:
    """Measure by gradients what rows and columns of layers' maps depend on, of all layers by one compiled function.

    Parameters
    ----------
    view : ModelView
        The model.
    runner : Runner
        What runs it.
    asked : sequence of Lines
        The layers, with their rows and columns.
    sample_shape : tuple of int
        Shape (H, W, C) of one input.
    input_range : (float, float)
        Lowest and highest value of an input.
    through_windows : bool
        Whether all that the cells see counts; or else only the middles of windows, by `StandIns`.

    Returns
    -------
    list of LookedBack
    """
    numbers = np.array(
        [
            (which, axis, index)
            for which, lines in enumerate(asked)
            for axis, indices in enumerate(lines.chosen)
            for index in indices
        ],
        dtype=np.int32,
    )
    random = np.random.default_rng(0)
    low, high = input_range
    inputs = random.uniform(low + 0.1 * (high - low), high, (len(numbers), *sample_shape)).astype(np.float32)
    layers = [split_call(lines.layer) for lines in asked]
    looked = [LookedBack([]) for _ in asked]

    def build(traced: Traced, tensor: Any, numbers: Any) -> dict[str, Any]:  # noqa: ARG001
        stand_ins = None if through_windows else StandIns()
        stop = frozenset(bare for bare, _ in layers) if all(index is None for _, index in layers) else frozenset()
        run = ForwardPass.run(view, tensor, rule="relu", stop_after=stop, stand_in=stand_ins)
        total = None
        for which, (lines, back, (bare, index)) in enumerate(zip(asked, looked, layers, strict=True)):
            values = run.layout.of(run.layer(lines.layer, cast=False))
            if stand_ins is not None:
                call = [(one.path, one.index) for one in run.taps.calls].index((bare, index or 0))
                back.slack = stand_ins.slacks[call]
            back.fits = tuple(values.shape[1:-1]) == lines.grid
            if not back.fits:  # a method's own enlargement, say
                continue
            weights = random.uniform(0.5, 1.5, int(values.shape[-1])).astype(np.float32)
            masks = lines.masks(keras.ops.where(numbers[:, 0] == which, numbers[:, 1], -1), numbers[:, 2])
            weighed = view.backend.float32(values) * keras.ops.convert_to_tensor(weights) * masks[..., None]
            total = keras.ops.sum(weighed) + (0 if total is None else total)
        gradient = None if total is None else view.backend.gradient(total, tensor)
        return {"gradients": keras.ops.zeros_like(tensor) if gradient is None else gradient}

    key = "placement", through_windows, tuple((lines.layer, lines.grid) for lines in asked), sample_shape
    runs = [
        runner.functions.run(key, build, [inputs[part], numbers[part]])
        for part in slices(len(inputs), runner.batch_size_for(sample_shape))
    ]
    depends = np.nan_to_num(np.abs(Run.joined(runs).arrays["gradients"])).sum(axis=-1)
    counts = [len(indices) for lines in asked for indices in lines.chosen]
    parts = iter(np.split(depends, np.cumsum(counts)[:-1]))
    for lines, back in zip(asked, looked, strict=True):
        back.depends = [next(parts) for _ in lines.chosen]
    return looked
