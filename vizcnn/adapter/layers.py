"""What is known of a layer, and how one is named: by its path, its name, and the number of its call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from vizcnn.adapter.roles import role_of
from vizcnn.errors import LayerError, did_you_mean, listed

LAST_SPATIAL = "<last spatial>"
"""For `ModelAdapter.gradients(of=...)`: the last layer with more than one row and column before they are pooled away."""


@dataclass(frozen=True)
class LayerInfo:
    """A layer that computes.

    Attributes
    ----------
    path : str
        Its address, the names of the layers that hold it and its own: ``mobilenet/conv_pw_13``.
    kind : str
        Its class: ``Conv2D``, or the operation's for a `keras.ops` node.
    output_shape : tuple or None
        As Keras gives it, batch axis first and None where open; None while unknown.
    num_params : int
        Weights in it, those of the layers that it holds included.
    depth : int
        How many layers hold it; 0 for the model's own.
    is_container : bool
        Whether it holds other layers.
    activation : str or None
        The activation inside it, if it has one that is not linear.
    rank : int
        How many axes a map has in its model: 2 of images, 1 of signals, 3 of volumes and video.
    role : str
        What it is for, decided by the adapter: "convolution", "depthwise convolution", "transposed convolution", "pooling",
        "activation", "softmax", "normalization", "attention", "recurrent", "dense", "addition", "merge", "dropout", "upsampling",
        "preprocessing", "padding", "reshape", "identity", "input", "container" or "other". Left out: told by `kind`.

    Examples
    --------
    >>> import vizcnn as vz
    >>> info = vz.assets.digits_cnn().layer("conv1")
    >>> info.kind, info.output_shape, info.activation, info.num_params
    ('Conv2D', (None, 28, 28, 16), 'relu', 160)
    """

    path: str
    kind: str
    output_shape: tuple[int | None, ...] | None
    num_params: int
    depth: int = 0
    is_container: bool = False
    activation: str | None = None
    rank: int = 2
    role: str = ""

    def __post_init__(self) -> None:
        if not self.role:
            role = role_of(self.kind)
            object.__setattr__(self, "role", "container" if role == "other" and self.is_container else role)

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def is_spatial(self) -> bool:
        """Whether its output is a map with more than one row and column (True too where their number is open)."""
        shape = self.output_shape
        return shape is None or (is_map(shape, self.rank) and 1 not in shape[1:-1])


def is_map(shape: Sequence[int | None], rank: int) -> bool:
    """Tell whether an output is a map, in a model of so many axes; of volumes and video one may have rows and columns alone.

    Parameters
    ----------
    shape : sequence of int or None
        The output's, with the axes of the batch and of the channels.
    rank : int
        How many axes a map has in the model.

    Returns
    -------
    bool

    Examples
    --------
    >>> from vizcnn.adapter.layers import is_map
    >>> is_map((1, 20, 7, 7, 16), 3), is_map((1, 7, 7, 16), 3), is_map((1, 20, 16), 3)
    (True, True, False)
    """
    return len(shape) == rank + 2 or (rank == 3 and len(shape) == 4)


def last_map(layers: Sequence[LayerInfo], model: str) -> str:
    """Return the path of the last layer with rows and columns.

    Parameters
    ----------
    layers : sequence of LayerInfo
        Those of the model.
    model : str
        The model's name.

    Returns
    -------
    str

    Raises
    ------
    LayerError
        If there is none.

    Examples
    --------
    >>> import vizcnn as vz
    >>> from vizcnn.adapter.layers import last_map
    >>> last_map(vz.assets.digits_cnn().layers, "digits")
    'conv5'
    """
    paths = [info.path for info in layers if info.is_spatial and not info.is_container and info.output_shape]
    if not paths:
        raise LayerError(f"Model {model!r} has no layer with a map of rows and columns.")
    return paths[-1]


def find_layer(layer: Any, layers: Sequence[LayerInfo], model: str) -> LayerInfo:
    """Return the layer that a path or a name means; see `ModelAdapter.layer`.

    Parameters
    ----------
    layer : str or LayerInfo
        A path, or a name where it is unique; with ``[1]`` behind it the second call.
    layers : sequence of LayerInfo
        Those of the model.
    model : str
        The model's name.

    Returns
    -------
    LayerInfo

    Raises
    ------
    LayerError
        If there is none, or several of that name.
    """
    if not layers:
        raise LayerError(f"`layer` must name a layer, and model {model!r} shows none; got {layer!r}.")
    path, call = split_call(layer.path if isinstance(layer, LayerInfo) else layer)
    by_path = {info.path: info for info in layers}
    matches = [by_path[path]] if path in by_path else [info for info in layers if info.name == path]
    if len(matches) == 1:
        return matches[0] if call is None else replace(matches[0], path=f"{matches[0].path}[{call}]")
    if matches:
        raise LayerError(
            f"`layer` {path!r} is the name of {len(matches)} layers of model {model!r}; give the path of one: "
            f"{listed(info.path for info in matches)}."
        )
    maps = [info.path for info in layers if info.is_spatial and not info.is_container]
    raise LayerError(
        f"`layer` must name a layer of model {model!r}; got {layer!r}."
        f"{did_you_mean(path, [*by_path, *(info.name for info in layers)])} "
        f"Layers with feature maps: {listed(maps)}."
    )


def split_call(layer: Any) -> tuple[str, int | None]:
    """Take ``conv[1]`` apart into the path and the number of the call."""
    if not isinstance(layer, str):
        raise LayerError(f"`layer` must be a layer's path or name; got {layer!r}.")
    if layer.endswith("]") and "[" in layer:
        path, _, number = layer[:-1].rpartition("[")
        if number.isdigit():
            return path, int(number)
    return layer, None


def io_node(name: str) -> str:
    """Return how `ModelAdapter.connections` writes an input or output of the model."""
    return f"<{name}>"
