"""Top patches: the pieces of many images that excite the channels of a layer most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vizcnn.adapter import ModelAdapter
from vizcnn.adapter.layers import last_map
from vizcnn.algorithms.sampling import check_count
from vizcnn.errors import LayerError, OptionError
from vizcnn.plugins.register import register
from vizcnn.results import PatchBatch


@register("top_patches", family="model", needs={"activations", "receptive fields", "maps"})
def top_patches(
    model: ModelAdapter,
    inputs: np.ndarray,
    layer: str | None = None,
    *,
    channels: int | Sequence[int] | None = None,  # noqa: ARG001 - chosen when all images were seen
    num_patches: int = 9,
    spread: int = 0,
    seed: int = 0,  # noqa: ARG001 - drawn when all images were seen
) -> PatchBatch:
    """Find the pieces of images that excite the channels of a layer most [1]_.

    Of each image the cell with a channel's highest value counts, and what that cell sees is cut out. Images go by a batch at a
    time, so memory doesn't grow with them.

    Parameters
    ----------
    model, inputs : as in every method
        See `vizcnn.register`.
    layer : str, default None
        Path or name of the layer. None: the last one with rows and columns. Of a layer without them whole images are found.
    channels : int or sequence of int, default None
        Which channels; None: all, of more than 64 those with the highest values.
    num_patches : int, default 9
        How many for each, of as many images.
    spread : int, default 0
        How many more: the images, ordered by the channel's highest value, are parted into so many equal parts, and one is drawn
        from each. They show what else the channel reacts to [2]_. Twelve bytes are kept for each image and channel.
    seed : int, default 0
        Seed of that draw.

    Returns
    -------
    TopPatches
        `patches` (K, num_patches + spread, h, w, C), their `values`, `images`, `boxes` and `ranks`.

    Raises
    ------
    LayerError
        If the layer doesn't exist, or its output has other axes than a map's.
    OptionError
        If `num_patches` is not a positive whole number, `spread` a negative one or none, or a channel isn't there.

    Warnings
    --------
    The extremes say what excites a channel most, and nothing of what else it reacts to; they are of the images that were given. A
    cell sees more than what excites it: the cause may be any part of a patch. Look at some over the whole range, by `spread`.

    References
    ----------
    .. [1] Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014. arXiv:1311.2901
    .. [2] Borowski et al., "Exemplary Natural Images Explain CNN Activations Better than State-of-the-Art Feature Visualization",
       ICLR 2021. arXiv:2010.12606

    Examples
    --------
    >>> import vizcnn as vz
    >>> found = vz.top_patches(vz.assets.digits_cnn(), vz.assets.digits(), "conv2", channels=3, num_patches=2)
    >>> found.names, found.boxes[0, 0].tolist()
    ((('digit_4.png', 'digit_6.png'),), [[0, 5], [13, 21]])
    """
    check_count("num_patches", num_patches)
    if isinstance(spread, bool) or not isinstance(spread, int | np.integer) or spread < 0:
        raise OptionError(f"`spread` must be 0 or a positive whole number; got {spread!r}.")
    path = last_map(model.layers, model.name) if layer is None else model.layer(layer).path
    values = model.activations(inputs, [path])[path]
    if values.ndim not in (2, 4):
        raise LayerError(f"`layer` {path!r} has no channels to look at, its output has shape {values.shape[1:]}.")
    grid = values.shape[1:-1]
    flat = values.reshape(len(values), -1, values.shape[-1])
    places = flat.argmax(axis=1)
    return PatchBatch(path, np.take_along_axis(flat, places[:, None], axis=1)[:, 0], places, grid)
