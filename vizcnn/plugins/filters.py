"""Filters: the kernels of a convolution."""

from __future__ import annotations

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.adapter.roles import CONVOLUTIONS
from vizcnn.algorithms.maximization import image_shape, maximize
from vizcnn.errors import LayerError, Note, OptionError
from vizcnn.plugins.register import register
from vizcnn.results import Kernels
from vizcnn.targets import Channel
from vizcnn.transforms import NONE, TotalVariation


@register("filters", family="model", needs={"kernels", "maps"}, aliases={"exciting": "preferred_inputs"})
def filters(
    model: ModelAdapter, layer: str | None = None, *, preferred_inputs: int = 0, steps: int = 128, seed: int = 0
) -> Kernels:
    """Show the kernels of a convolution.

    Parameters
    ----------
    model : as in every method
        See `vizcnn.register`.
    layer : str, default None
        Path or name of the layer. None: the first convolution larger than 1x1.
    preferred_inputs : int, default 0
        For how many kernels, those of the largest norm first, to find the input that excites their channel most, by
        activation maximization: of the unit in the middle of the map, cut to what it sees.
    steps : int, default 128
        Steps of that search.
    seed : int, default 0
        Seed of that search.

    Returns
    -------
    Kernels
        `values` (kh, kw, C, K); `.plot()` draws them zero-centered, on one scale.

    Raises
    ------
    LayerError
        If the layer doesn't exist or has no kernels.
    OptionError
        If more inputs are asked for than there are kernels.

    Examples
    --------
    >>> import vizcnn as vz
    >>> kernels = vz.filters(vz.assets.digits_cnn(), "conv1", preferred_inputs=2, steps=4)
    >>> kernels.values.shape, kernels.preferred_inputs.shape  # each kernel sees 3x3 pixels
    ((3, 3, 1, 16), (2, 3, 3, 1))
    """
    path = layer if layer is not None else _first(model)
    values = model.kernels(path)
    info = model.layer(path)
    depthwise = info.role == "depthwise convolution"
    kernels = values.reshape(*values.shape[:2], 1, -1) if depthwise else values
    norms = np.sqrt((kernels.astype(np.float64) ** 2).sum(axis=(0, 1, 2)))
    order = tuple(np.argsort(-norms, kind="stable").tolist())
    if not 0 <= preferred_inputs <= len(order):
        raise OptionError(
            f"`preferred_inputs` must be from 0 to the {len(order)} kernels of layer {path!r}; got {preferred_inputs!r}."
        )
    images: np.ndarray | None = None
    notes: tuple[Note, ...] = ()
    if preferred_inputs:
        images, notes = _preferred_inputs(model, info.path, order[:preferred_inputs], steps, seed)
    return Kernels(
        values, info.path, model.name, order=order, preferred_inputs=images, options={"layer": info.path}, notes=notes
    )


def _preferred_inputs(
    model: ModelAdapter, path: str, channels: tuple[int, ...], steps: int, seed: int
) -> tuple[np.ndarray, tuple[Note, ...]]:
    """Return the images that excite the middle unit of each channel most, cut to what that unit sees, and the notes on them."""
    shape = image_shape(model)
    score = Channel(path, 0, "center").score(model, len(channels)).with_params(np.array(channels, dtype=np.int32))
    result = maximize(model, score, shape, steps=steps, seed=seed, transforms=NONE, regularizers=[TotalVariation()])
    reach = np.abs(model.gradients(result.inputs, score).gradients).max(axis=(0, 3)) > 0
    rows, columns = np.flatnonzero(reach.any(axis=1)), np.flatnonzero(reach.any(axis=0))
    if not len(rows):
        return result.images, result.notes
    return result.images[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], result.notes


def _first(model: ModelAdapter) -> str:
    paths = [
        info.path for info in model.layers if info.role in CONVOLUTIONS and info.rank == 2 and not info.is_container
    ]
    for path in paths:
        if model.kernels(path).shape[:2] != (1, 1):
            return path
    if not paths:
        raise LayerError(f"Model {model.name!r} has no convolution, so it has no kernels to show.")
    return paths[0]
