"""Activations: the feature maps of layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.adapter.roles import CONVOLUTIONS
from vizcnn.errors import LayerError, OptionError
from vizcnn.plugins.register import register
from vizcnn.results import FeatureMapBatch

_TELLING = frozenset({"activation", "addition", "pooling"})
"""Roles of layers after which a map says more than after a bare convolution."""

NUM_LAYERS = 6
"""How many layers are shown where none is named."""


@register("activations", family="model", needs={"activations", "maps"})
def activations(model: ModelAdapter, inputs: np.ndarray, layer: str | Sequence[str] | None = None) -> FeatureMapBatch:
    """Show what layers make of an image.

    Nothing is computed past the last layer asked for.

    Parameters
    ----------
    model, inputs : as in every method
        See `vizcnn.register`.
    layer : str or sequence of str, default None
        Paths or names. None: the journey through the network, up to six layers with feature maps from the first to the last.

    Returns
    -------
    FeatureMaps
        `values` (N, h, w, K): the outputs of the layer, or of the last of several; `maps`: of each.

    Raises
    ------
    LayerError
        If a layer doesn't exist, or its output has no rows and columns.

    Examples
    --------
    >>> import vizcnn as vz
    >>> cnn, digits = vz.assets.digits_cnn(), vz.assets.digits()
    >>> vz.activations(cnn, digits[3], ["conv1", "conv5"])
    <FeatureMaps of 'digits_cnn.keras': conv1 (1, 28, 28, 16), conv5 (1, 14, 14, 64)>
    """
    if layer is None and all(info.output_shape is None for info in model.layers):
        model.outputs(inputs[:1])  # a run tells the shapes
    paths = _default_layers(model) if layer is None else [layer] if isinstance(layer, str) else list(layer)
    if not paths:
        raise OptionError("`layer` must name at least one layer; got none.")
    maps = model.activations(inputs, paths)
    for path, values in maps.items():
        if values.ndim != 4:
            raise LayerError(f"`layer` {path!r} has no feature maps, its output has shape {values.shape[1:]}.")
    return FeatureMapBatch(maps)


def _default_layers(model: ModelAdapter) -> list[str]:
    spatial = [i for i in model.layers if i.output_shape and i.is_spatial and not i.is_container]
    # Where activations are layers of their own, a convolution's bare sum says less than what follows it.
    activated = [info.path for info in spatial if info.activation or info.role in _TELLING]
    paths = activated or [info.path for info in spatial if info.role in {*_TELLING, *CONVOLUTIONS, "merge"}]
    if not paths:
        raise LayerError(f"Model {model.name!r} has no layer with feature maps.")
    indices = np.unique(np.linspace(0, len(paths) - 1, min(NUM_LAYERS, len(paths))).round().astype(int))
    return [paths[i] for i in indices]
