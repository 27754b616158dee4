"""Feature maps of layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from vizcnn.errors import Note, OptionError, listed
from vizcnn.render.keywords import takes_style
from vizcnn.results.base import Context
from vizcnn.results.checks import Shapes, check_images
from vizcnn.results.montage import MontageResult
from vizcnn.results.row_buffer import RowBuffer


@dataclass(frozen=True, eq=False)
class FeatureMapBatch:
    """What the activations plugin returns for one batch: maps (N, h, w, K) by layer."""

    maps: Mapping[str, np.ndarray]

    @classmethod
    def collect(cls, parts: Iterable[tuple[slice, np.ndarray, FeatureMapBatch]], context: Context) -> FeatureMaps:
        """Join the maps of all batches into one result."""
        buffers: dict[str, RowBuffer] = {}
        for _, _, layer_maps in parts:
            for path, values in layer_maps.maps.items():
                buffers.setdefault(path, RowBuffer(len(context.images))).add(values)
        return FeatureMaps(
            maps={path: buffer.result() for path, buffer in buffers.items()},
            images=context.images,
            model=context.model.name,
            names=context.images.names,
            notes=context.images.notes,
            options={**context.options, "layer": tuple(buffers)},
        )


@dataclass(frozen=True, eq=False)
class FeatureMaps(MontageResult):
    """The feature maps of one or more layers.

    Attributes
    ----------
    maps : dict of str to ndarray of float32, shape (N, h, w, K)
        By layer, in the order in which they were asked for.
    images : sequence of ndarray
        The images, each at its own resolution.
    model : str
        Where they come from.
    names : tuple of str
        File names of the images, or ``image 0``.
    notes : tuple of Note
        What was done to the images, and what else the reader should know.
    method : str
        "activations".
    options : dict
        The method's options.

    Examples
    --------
    >>> import vizcnn as vz
    >>> maps = vz.activations(vz.assets.digits_cnn(), vz.assets.digits()[3], ["conv1", "conv5"])
    >>> maps.maps["conv1"].shape, maps.layer, maps.values.shape
    ((1, 28, 28, 16), 'conv5', (1, 14, 14, 64))
    """

    maps: dict[str, np.ndarray]
    images: Sequence[np.ndarray]
    model: str
    names: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()
    method: str = "activations"
    options: dict[str, Any] = field(default_factory=dict)

    kind: ClassVar[str] = "feature maps"
    added: ClassVar[tuple[str, ...]] = ("method", "options")
    collections: ClassVar[tuple[str, ...]] = ("maps", "images")

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{path} {values.shape}" for path, values in self.maps.items())
        return f"<FeatureMaps of {self.model!r}: {shapes}>"

    def _check(self) -> None:
        shapes = Shapes()
        if not self.maps:
            raise ValueError("`maps` holds none")
        shapes.count("images", self.images, "N")
        shapes.count("names", self.names, "N", empty=True)
        for layer, values in self.maps.items():
            shapes.check(f"maps {layer}", values, "N", *[None] * (max(values.ndim, 2) - 1))
        check_images(self.images)

    @property
    def values(self) -> np.ndarray:
        """The maps of the last layer, (N, h, w, K)."""
        return self.maps[self.layer]

    @property
    def layer(self) -> str:
        """The last layer."""
        return next(reversed(self.maps))

    @property
    def num_axes(self) -> int:
        """See `MontageResult.num_axes`."""
        return len(self.maps)

    def top_channels(self, count: int | None = None, *, layer: str | None = None, index: int = 0) -> list[int]:
        """Return the channels of an image from the highest mean activation to the lowest.

        Parameters
        ----------
        count : int, default None
            How many; None: all.
        layer : str, default None
            Which layer; None: the last.
        index : int, default 0
            Which image.

        Returns
        -------
        list of int

        Examples
        --------
        >>> import vizcnn as vz
        >>> maps = vz.activations(vz.assets.digits_cnn(), vz.assets.digits()[3], "conv5")
        >>> maps.top_channels(3)
        [40, 59, 32]
        """
        means = self.maps[self._known(layer)][index].mean(axis=(0, 1))
        return np.argsort(-means, kind="stable")[:count].tolist()  # type: ignore[no-any-return]

    def _known(self, layer: str | None) -> str:
        if layer is None:
            return self.layer
        if layer not in self.maps:
            raise OptionError(f"`layer` must be one that was computed, {listed(self.maps)}; got {layer!r}.")
        return layer

    @takes_style("columns", "cmap", "vmin", "vmax", "colorbar")
    def plot(self, ax: Any = None, *, index: int = 0, top: int | None = 32, channels: Sequence[int] | None = None,
             **style: Any) -> Any:  # fmt: skip
        """Draw a montage for each layer, on a scale of its own.

        Parameters
        ----------
        ax : Axes or sequence of Axes, default None
            One per layer; None: a new figure.
        index : int, default 0
            Which image.
        top : int or None, default 32
            Channels shown, those of the highest mean activation first; None: all.
        channels : sequence of int, default None
            The channels shown, in place of the top ones.
        **style
            `columns`, `cmap`, `vmin`, `vmax`, `colorbar` of `vizcnn.render.montage.draw_montage`.

        Returns
        -------
        Axes or ndarray of Axes
            What was drawn on.

        Raises
        ------
        OptionError
            If the number of Axes doesn't fit, or `channels` is empty or names one that isn't there.

        Examples
        --------
        >>> import vizcnn as vz
        >>> maps = vz.activations(vz.assets.digits_cnn(), vz.assets.digits()[3], "conv5")
        >>> maps.plot(top=8).get_title()
        'conv5: 64 maps 14x14, the 8 most active'
        """
        from vizcnn.render import montage

        if not -len(self) <= index < len(self):
            raise OptionError(f"`index` must name one of {len(self)} images; got {index!r}.")
        with montage.on_axes(ax, len(self.maps)) as axes:
            for axis, (path, values) in zip(axes, self.maps.items(), strict=True):
                indices = self.top_channels(top, layer=path, index=index) if channels is None else list(channels)
                if not indices or not all(0 <= c < values.shape[-1] for c in indices):
                    raise OptionError(
                        f"`channels` must be indices below {values.shape[-1]} of layer {path!r}; got {channels!r}."
                    )
                height, width, count = values.shape[1:]
                remark = f", the {len(indices)} most active" if len(indices) < count and channels is None else ""
                montage.draw_montage(
                    axis,
                    values[index][..., indices].transpose(2, 0, 1),
                    signed=bool((values[index] < 0).any()),
                    labels=[str(c) for c in indices],
                    title=f"{path}: {count} maps {height}x{width}{remark}",
                    **style,
                )
        return axes[0] if len(axes) == 1 else np.array(axes)
