"""Measuring where a layer's map lies: some of its rows and columns are looked back from to the input."""

from __future__ import annotations

from collections.abc import Sequence
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


def placement(
    view: ModelView,
    runner: Runner,
    layer: str,
    shape: tuple[int, ...],
    sample_shape: tuple[int, ...],
    input_range: tuple[float, float],
) -> Placement | None:
    """See `ModelAdapter.placement`: measured once, and only where something on the way may move positions.

    Parameters
    ----------
    view : ModelView
        The model.
    runner : Runner
        What runs it.
    layer : str
        The layer's path.
    shape : tuple of int
        Shape of its map, (h, w) or (h, w, K).
    sample_shape : tuple of int
        Shape (H, W, C) of one input.
    input_range : (float, float)
        Lowest and highest value of an input.

    Returns
    -------
    Placement or None
    """
    view.prepare(sample_shape)
    state = view.state
    if layer not in state.moved:
        learn(view)
    size, grid = tuple(sample_shape[:-1]), tuple(shape[: _axes_of(view, layer)])
    key = layer, grid, tuple(sample_shape)
    if key not in state.placements:
        has_no_frames = view.rank == 3 and len(grid) == 2
        if state.moved.get(layer, True) or (len(grid) != len(size) and not has_no_frames):
            state.placements[key] = _measured(view, runner, layer, grid, sample_shape, input_range)
        else:
            state.placements[key] = Placement.on_every_frame(grid, size) if has_no_frames else None
    return state.placements[key]


def _axes_of(view: ModelView, layer: str) -> int:
    """Return how many axes the map of a layer has: one fewer than others of video, where it let the frames go."""
    shape = view.state.layer_shapes.get(split_call(layer)[0]) or ()
    return 2 if view.rank == 3 and len(shape) == 4 else view.rank


def _measured(
    view: ModelView,
    runner: Runner,
    layer: str,
    grid: tuple[int, ...],
    sample_shape: tuple[int, ...],
    input_range: tuple[float, float],
) -> Placement | None:
    chosen = [bands(count, _BANDS) for count in grid]
    looked = look_back(view, runner, layer, chosen, grid, sample_shape, input_range, through_windows=False)
    if not any(depends.any() for depends in looked.depends):
        place = Placement.unknown(grid, sample_shape[:-1])
        return place if looked.fits or not place.is_possible else None
    place = fit(list(zip(chosen, looked.depends, strict=True)), grid, sample_shape[:-1])
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
    layer: str,
    chosen: Sequence[Sequence[int]],
    grid: tuple[int, ...],
    sample_shape: tuple[int, ...],
    input_range: tuple[float, float],
    *,
    through_windows: bool,
) -> LookedBack:
    """Measure by gradients what rows and columns of a layer's map depend on.

    Parameters
    ----------
    view : ModelView
        The model.
    runner : Runner
        What runs it.
    layer : str
        The layer's path.
    chosen : sequence of sequence of int
        For each axis of its map which rows or columns.
    grid : tuple of int
        The map's size.
    sample_shape : tuple of int
        Shape (H, W, C) of one input.
    input_range : (float, float)
        Lowest and highest value of an input.
    through_windows : bool
        Whether all that the cells see counts; or else only the middles of windows, by `StandIns`.

    Returns
    -------
    LookedBack
    """
    masks = np.concatenate([_band_masks(axis, indices, grid) for axis, indices in enumerate(chosen)])
    random = np.random.default_rng(0)
    low, high = input_range
    inputs = random.uniform(low + 0.1 * (high - low), high, (len(masks), *sample_shape)).astype(np.float32)
    bare, index = split_call(layer)
    looked = LookedBack([])

    def build(traced: Traced, tensor: Any, mask: Any) -> dict[str, Any]:  # noqa: ARG001
        stand_ins = None if through_windows else StandIns()
        stop = frozenset({bare}) if index is None else frozenset()
        run = ForwardPass.run(view, tensor, rule="relu", stop_after=stop, stand_in=stand_ins)
        looked.slack = stand_ins.slack if stand_ins is not None else 0.0
        values = run.layout.of(run.layer(layer, cast=False))
        looked.fits = tuple(values.shape[1:-1]) == grid
        if not looked.fits:  # a method's own enlargement, say
            return {"gradients": keras.ops.zeros_like(tensor)}
        weights = random.uniform(0.5, 1.5, int(values.shape[-1])).astype(np.float32)
        weighed = view.backend.float32(values) * keras.ops.convert_to_tensor(weights)
        total = keras.ops.sum(weighed * mask[..., None])
        gradient = view.backend.gradient(total, tensor)
        return {"gradients": keras.ops.zeros_like(tensor) if gradient is None else gradient}

    key = "placement", through_windows, layer, grid, sample_shape
    runs = [
        runner.functions.run(key, build, [inputs[part], masks[part]])
        for part in slices(len(inputs), runner.batch_size_for(sample_shape))
    ]
    depends = np.nan_to_num(np.abs(Run.joined(runs).arrays["gradients"])).sum(axis=-1)
    looked.depends = np.split(depends, np.cumsum([len(indices) for indices in chosen])[:-1])
    return looked


def _band_masks(axis: int, indices: Sequence[int], grid: tuple[int, ...]) -> Array:
    """Return masks (indices, *grid) that let one row or column through each."""
    masks = np.zeros((len(indices), *grid), dtype=np.float32)
    for mask, index in zip(masks, indices, strict=True):
        np.moveaxis(mask, axis, 0)[index] = 1
    return masks
