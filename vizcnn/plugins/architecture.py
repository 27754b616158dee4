"""A model's layers and connections, as text and as a diagram."""

from __future__ import annotations

from collections.abc import Mapping

from vizcnn.adapter import ModelAdapter
from vizcnn.errors import OptionError, UnsupportedModelError
from vizcnn.plugins.register import register
from vizcnn.results import Architecture


@register("architecture", family="model", needs={"layers"})
def architecture(model: ModelAdapter, *, depth: int | None = None) -> Architecture:
    """Describe how a model is put together, as text and as a diagram.

    Parameters
    ----------
    model : as in every method
        See `vizcnn.register`.
    depth : int, default None
        How deep nested layers are opened: 0 shows the model's own alone. None: all of them.

    Returns
    -------
    Architecture
        `summary` is a table of the layers by path, with kind, output shape, parameters and what feeds each; `plot` and `save`
        draw a box for each layer, high by the rows of its output and wide by its channels, on logarithmic scales.

    Raises
    ------
    OptionError
        If `depth` is negative.
    UnsupportedModelError
        If the model was never called, and doesn't say what inputs it takes.

    Examples
    --------
    >>> import vizcnn as vz
    >>> found = vz.architecture(vz.assets.digits_cnn())
    >>> print(found.summary)
    model digits_cnn.keras
    ...
    conv1      Conv2D (relu)           28 x 28 x 16         160  rescaling
    ...
    56,282 parameters in 10 layers
    """
    if depth is not None and (isinstance(depth, bool) or not isinstance(depth, int) or depth < 0):
        raise OptionError(f"`depth` must be 0 or a positive integer, or None for all; got {depth!r}.")
    connections = model.connections  # first: a run of the model, which tells shapes too
    return Architecture(
        model=model.name,
        layers=model.layers,
        connections=connections,
        inputs=dict(model.input_shapes),
        outputs=dict(model.output_shapes),
        activations=_activations(model),
        num_params=model.num_params,
        depth=depth,
        options={"depth": depth},
    )


def _activations(model: ModelAdapter) -> Mapping[str, str | None]:
    """Return what each output ends in: as the model runs it where that can be told, else as its layer says."""
    inner = {info.path: info.activation for info in model.layers}
    activations = {}
    for output in model.output_shapes:
        try:
            activations[output] = model.output_activation(output)
        except UnsupportedModelError:  # a model of several inputs, or of a size that is open
            activations[output] = None
        activations[output] = activations[output] or inner.get(output)
    return activations
