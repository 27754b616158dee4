"""Receptive field: what part of the input the cells of a layer's map see."""

from __future__ import annotations

from vizcnn.adapter import ModelAdapter
from vizcnn.adapter.layers import last_map
from vizcnn.errors import Note
from vizcnn.plugins.register import register
from vizcnn.results import ReceptiveField


@register("receptive_field", family="model", needs={"receptive fields"})
def receptive_field(
    model: ModelAdapter, layer: str | None = None, *, input_shape: tuple[int, ...] | None = None
) -> ReceptiveField:
    """Tell what part of the input the cells of a layer's map see, by arithmetic [1]_.

    The windows, strides, dilations and paddings on the way are followed for each cell, so that it holds at the edges, and where
    paths of different lengths meet. Where something there isn't known (another's layer, tokens) it is measured by gradients.

    Parameters
    ----------
    model : as in every method
        See `vizcnn.register`.
    layer : str, default None
        Path or name of the layer. None: the last one with rows and columns.
    input_shape : tuple of int, default None
        Shape (H, W, C) of an input, for a model that takes any size; None: the model's own.

    Returns
    -------
    ReceptiveField
        `extent`, `stride`, and `box(row, column)` of every cell.

    Raises
    ------
    LayerError
        If the layer doesn't exist or has no map.
    UnsupportedModelError
        If the model takes inputs of any size and none is given.

    Warnings
    --------
    It is what a cell can see. What moves it on an image is mostly the middle of that [2]_, as saliency of the unit tells.

    References
    ----------
    .. [1] Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill 2019.
    .. [2] Luo, Li, Urtasun and Zemel, "Understanding the Effective Receptive Field", NeurIPS 2016. arXiv:1701.04128

    Examples
    --------
    >>> import vizcnn as vz
    >>> vz.receptive_field(vz.assets.digits_cnn(), "conv3")
    <ReceptiveField of layer 'conv3' of 'digits_cnn.keras': 12x12 of 28x28, every 2>
    """
    path = last_map(model.layers, model.name) if layer is None else model.layer(layer).path
    reach = model.reach(path, input_shape)
    notes = []
    if not reach.is_exact:
        text = (
            f"What layer {path!r} sees was measured by gradients, as something before it isn't known: it is too small where "
            f"units were dead on the noise that was shown."
        )
        notes.append(Note(text, "measured"))
    options = {"layer": path, "input_shape": input_shape}
    return ReceptiveField.of(reach, layer=path, model=model.name, options=options, notes=tuple(notes))
