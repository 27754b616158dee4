"""Ways to change an image many times: hide a window, mask it by a coarse grid, add noise, blend it with a baseline.

Each returns a `vizcnn.adapter.changed.Change`, to be asked about with `ModelAdapter.changed_scores` or `changed_gradients`, and
says which companions it needs. What is random is drawn from a seed and the copy's own number, so it is the same for each image,
on every backend, and however the copies are cut into batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vizcnn.adapter.arrays import Array
from vizcnn.adapter.changed import Arrays, Change, Rows

Given = Mapping[str, Any]


def hide_windows(windows: Sequence[Sequence[slice]], **words: str) -> Change:
    """Hide one window after another.

    Parameters
    ----------
    windows : sequence of sequence of slice
        One for each copy: a slice for each axis of the image; what lies beyond its edge is no part of the window.
    **words
        `name` and `remedy` of the change.

    Returns
    -------
    Change
        It needs the companion "fill": what is seen in place of the window, (N, H, W, C), or (N, 1, 1, C) for one color.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> from vizcnn.algorithms.changes import hide_windows
    >>> model = vz.adapt(lambda inputs: inputs.sum(axis=(1, 2)), input_shape=(4, 4, 1))
    >>> change = hide_windows([(slice(0, 2), slice(0, 4)), (slice(3, 9), slice(3, 9))])
    >>> model.changed_scores(np.ones((1, 4, 4, 1)), 0, change, companions={"fill": np.zeros((1, 1, 1, 1))}).copy_scores
    array([[ 8., 15.]], dtype=float32)
    """
    bounds = np.array([[(axis.start, axis.stop) for axis in window] for window in windows], dtype=np.int32)
    return Change("windows hidden", len(bounds), lambda part: {"bounds": bounds[part]}, _windows_hidden, **words)


def hide_own_windows(count: int, **words: str) -> Change:
    """Hide one window after another, of each image its own.

    Parameters
    ----------
    count : int
        How many windows of each image.
    **words
        `name` and `remedy` of the change.

    Returns
    -------
    Change
        It needs the companion "windows": where each window begins and ends along each axis, int (N, K, axes, 2), of which the
        first `count` are hidden; and "fill", as `hide_windows` does.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> from vizcnn.algorithms.changes import hide_own_windows
    >>> model = vz.adapt(lambda inputs: inputs.sum(axis=(1, 2)), input_shape=(4, 4, 1))
    >>> companions = {"windows": np.array([[[[0, 2], [0, 4]]], [[[3, 9], [3, 9]]]]), "fill": np.zeros((2, 1, 1, 1))}
    >>> model.changed_scores(np.ones((2, 4, 4, 1)), 0, hide_own_windows(1), companions=companions).copy_scores.tolist()
    [[8.0], [15.0]]
    """
    return Change(
        "own windows hidden", count, lambda part: {"window": np.arange(part.start, part.stop)}, _own_hidden, **words
    )


def _windows_hidden(xp: Any, images: Any, companions: Given, numbers: Given) -> Any:
    return _hidden(xp, images, companions["fill"], numbers["bounds"])


def _own_hidden(xp: Any, images: Any, companions: Rows, numbers: Given) -> Any:
    return _hidden(xp, images, companions["fill"], companions.entries("windows", numbers["window"]))


def _hidden(xp: Any, images: Any, fill: Any, bounds: Any) -> Any:
    """Return images with one window of each hidden; where it begins and ends is (B, axes, 2)."""
    rank, mask = len(images.shape) - 2, None
    for axis in range(rank):
        places = xp.arange(images.shape[axis + 1])[None]
        inside = xp.logical_and(places >= bounds[:, axis, :1], places < bounds[:, axis, 1:])
        inside = _along(xp, inside, axis, rank)
        mask = inside if mask is None else xp.logical_and(mask, inside)
    return xp.where(mask, fill, images)


def mask_by_grids(
    count: int, size: Sequence[int], *, cells: int = 7, keep: float = 0.5, seed: int = 0, **words: str
) -> Change:
    """Mask the image by coarse random grids, enlarged smoothly and shifted by less than a cell, as RISE does [1]_.

    Parameters
    ----------
    count : int
        How many masks.
    size : sequence of int
        The image's size, without channels.
    cells : int, default 7
        Cells along each axis.
    keep : float, default 0.5
        Probability of a cell to be seen.
    seed : int, default 0
        Seed of the grids.
    **words
        `name` and `remedy` of the change.

    Returns
    -------
    Change
        It needs the companion "fill", as `hide_windows` does. `grid_masks` returns its masks.

    References
    ----------
    .. [1] Petsiuk, Das and Saenko, "RISE", BMVC 2018. arXiv:1806.07421

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.changes import grid_masks, mask_by_grids
    >>> change = mask_by_grids(8000, (32, 32), cells=4)
    >>> masks = grid_masks(np, change.numbers(slice(0, 16)), (32, 32))
    >>> masks.shape, float(masks.min()), float(masks.max())
    ((16, 32, 32), 0.0, 1.0)
    """
    size = tuple(size)
    steps = [-(-length // cells) for length in size]

    def numbers(part: slice) -> Arrays:
        grids = np.empty((part.stop - part.start, *[cells] * len(size)), dtype=np.float32)
        shifts = np.empty((len(grids), len(size)), dtype=np.float32)  # whole pixels
        for row, copy in enumerate(range(part.start, part.stop)):
            generator = np.random.default_rng([seed, copy])
            grids[row] = generator.random(grids.shape[1:]) < keep
            shifts[row] = generator.integers(steps)
        return {"grid": grids, "shift": shifts}

    return Change(("masked by grids", cells), count, numbers, _masked, **words)


def _masked(xp: Any, images: Any, companions: Given, numbers: Given) -> Any:
    masks = grid_masks(xp, numbers, images.shape[1:-1])[..., None]
    fill = companions["fill"]
    return fill + masks * (images - fill)


def grid_masks(xp: Any, numbers: Given, size: Sequence[int]) -> Any:
    """Return the masks that `mask_by_grids` uses.

    Parameters
    ----------
    xp : module
        The array namespace.
    numbers : mapping
        The numbers of its copies.
    size : sequence of int
        The image's size, without channels.

    Returns
    -------
    array, shape (B, H, W)
        From 0, hidden, to 1, seen.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.changes import grid_masks
    >>> numbers = {"grid": np.array([[[0.0, 1.0]]]), "shift": np.array([[0.0, 1.0]])}
    >>> grid_masks(np, numbers, (1, 4))[0, 0].round(2).tolist()
    [0.0, 0.33, 0.67, 1.0]
    """
    masks = numbers["grid"]
    for axis, length in enumerate(size):
        cells = int(masks.shape[axis + 1])
        step = -(-length // cells)
        places = xp.arange(length, dtype="float32") + 0.5 + xp.reshape(numbers["shift"][:, axis], (-1, 1))
        places = xp.clip(
            places * (cells / ((cells + 1) * step)) - 0.5, 0.0, cells - 1.0
        )  # half-pixel centers, held at the edge
        weights = xp.maximum(0.0, 1.0 - xp.abs(places[..., None] - xp.arange(cells, dtype="float32")))
        masks = xp.moveaxis(masks, axis + 1, -1)
        masks = xp.moveaxis(xp.einsum("b...c,blc->b...l", masks, weights), -1, axis + 1)
    return masks


def see_through(matrices: Sequence[Array], count: int, **words: str) -> Change:
    """Show the image through one of its maps after another: bright where the map is high, as Score-CAM does [1]_.

    Parameters
    ----------
    matrices : sequence of ndarray, shape (H, h), (W, w)
        What enlarges the maps along each axis of the image.
    count : int
        Maps of each image.
    **words
        `name` and `remedy` of the change.

    Returns
    -------
    Change
        It needs the companions "maps" (N, count, h, w), and "fill", as `hide_windows` does. Each map, enlarged, is brought to the
        range from 0, hidden, to 1, seen; one that is the same everywhere hides all.

    References
    ----------
    .. [1] Wang et al., "Score-CAM", CVPR Workshops 2020. arXiv:1910.01279

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> from vizcnn.algorithms.changes import see_through
    >>> model = vz.adapt(lambda inputs: inputs.sum(axis=(1, 2)), input_shape=(2, 2, 1))
    >>> maps = np.array([[[[5.0, 7.0], [5.0, 5.0]], [[0.0, 1.0], [2.0, 4.0]]]])
    >>> companions = {"maps": maps, "fill": np.zeros((1, 1, 1, 1))}
    >>> model.changed_scores(
    ...     np.ones((1, 2, 2, 1)), 0, see_through([np.eye(2)] * 2, 2), companions=companions
    ... ).copy_scores
    array([[1.  , 1.75]], dtype=float32)
    """
    tables = tuple(np.asarray(matrix, dtype=np.float32) for matrix in matrices)
    key = ("seen through maps", tuple((table.shape, table.tobytes()) for table in tables))
    return Change(key, count, lambda part: {"map": np.arange(part.start, part.stop)}, _SeenThrough(tables), **words)


@dataclass(frozen=True)
class _SeenThrough:
    """How images are seen through their maps."""

    matrices: tuple[Array, ...]

    def __call__(self, xp: Any, images: Any, companions: Rows, numbers: Given) -> Any:
        maps = companions.entries("maps", numbers["map"])
        for axis, matrix in enumerate(self.matrices, start=1):
            maps = xp.moveaxis(xp.tensordot(maps, matrix, ((axis,), (1,))), -1, axis)
        axes = tuple(range(1, len(maps.shape)))
        low, high = xp.min(maps, axis=axes, keepdims=True), xp.max(maps, axis=axes, keepdims=True)
        masks = (maps - low) / xp.where(high > low, high - low, 1.0)
        fill = companions["fill"]
        return fill + masks[..., None] * (images - fill)


def add_noise(count: int, shape: Sequence[int], *, seed: int = 0, **words: str) -> Change:
    """Add Gaussian noise, in pairs of fields that differ in their sign alone.

    What is odd in the noise falls out of the mean over a pair, and a pair costs one draw.

    Parameters
    ----------
    count : int
        How many copies; of an odd number the last one has no other half.
    shape : sequence of int
        The image's shape, (H, W, C).
    seed : int, default 0
        Seed of the noise.
    **words
        `name` and `remedy` of the change.

    Returns
    -------
    Change
        It needs the companion "scale": the standard deviation for each image, (N,).

    Examples
    --------
    >>> from vizcnn.algorithms.changes import add_noise
    >>> change = add_noise(20, (8, 8, 3))
    >>> first, second, third = change.numbers(slice(0, 3))["noise"]
    >>> bool((first == -second).all()), bool((first == third).any())
    (True, False)
    """
    shape = tuple(shape)

    def numbers(part: slice) -> Arrays:
        fields = np.empty((part.stop - part.start, *shape), dtype=np.float32)
        for row, copy in enumerate(range(part.start, part.stop)):
            if copy % 2 and row:
                np.negative(fields[row - 1], out=fields[row])
                continue
            generator = np.random.Generator(np.random.SFC64([seed, copy // 2]))
            generator.standard_normal(out=fields[row], dtype=np.float32)
            if copy % 2:
                np.negative(fields[row], out=fields[row])
        return {"noise": fields}

    return Change("noise added", count, numbers, _noisy, **words)


def _noisy(xp: Any, images: Any, companions: Given, numbers: Given) -> Any:
    return images + one_each(xp, companions["scale"], images) * numbers["noise"]


def blend(alphas: Array, **words: str) -> Change:
    """Go from a baseline to the image.

    Parameters
    ----------
    alphas : ndarray, shape (count,)
        How much of the image is seen in each copy, 0 to 1.
    **words
        `name` and `remedy` of the change.

    Returns
    -------
    Change
        It needs the companion "baseline", (N, H, W, C), or (N, 1, 1, C) for one color.

    Examples
    --------
    >>> import numpy as np, vizcnn as vz
    >>> from vizcnn.algorithms.changes import blend
    >>> model = vz.adapt(lambda inputs: inputs.sum(axis=(1, 2)), input_shape=(4, 4, 1))
    >>> change = blend(np.array([0.0, 0.5, 1.0]))
    >>> baseline = {"baseline": np.zeros((1, 1, 1, 1))}
    >>> model.changed_scores(np.ones((1, 4, 4, 1)), 0, change, companions=baseline).copy_scores
    array([[ 0.,  8., 16.]], dtype=float32)
    """
    alphas = np.asarray(alphas, dtype=np.float32)
    return Change("blended", len(alphas), lambda part: {"alpha": alphas[part]}, _blended, **words)


def _blended(xp: Any, images: Any, companions: Given, numbers: Given) -> Any:
    baseline = companions["baseline"]
    return baseline + one_each(xp, numbers["alpha"], images) * (images - baseline)


def one_each(xp: Any, values: Any, images: Any) -> Any:
    """Return one value per image so that it stands beside them."""
    return xp.reshape(values, (-1, *[1] * (len(images.shape) - 1)))


def _along(xp: Any, values: Any, axis: int, rank: int) -> Any:
    """Return (B, L) as something along one axis of images."""
    shape = [1] * (rank + 1)
    shape[axis] = values.shape[1]
    return xp.reshape(values, (-1, *shape))


def fill(images: Array, color: Array | float) -> Array:
    """Return one color for each of some images, as a companion.

    Parameters
    ----------
    images : ndarray, shape (N, H, W, C)
        The images.
    color : float, or ndarray of shape (C,) or (N, C)
        The color, in the units of the model's inputs.

    Returns
    -------
    ndarray of float32, shape (N, 1, 1, C)

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.algorithms.changes import fill
    >>> fill(np.zeros((2, 8, 8, 3)), 0.5).shape
    (2, 1, 1, 3)
    """
    count, channels = len(images), images.shape[-1]
    colors = np.broadcast_to(np.asarray(color, dtype=np.float32), (count, channels))
    return colors.reshape(count, *[1] * (images.ndim - 2), channels)
