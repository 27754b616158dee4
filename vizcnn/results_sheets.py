"""Results that are sheets of small pictures: kernels, feature maps, maximized images."""

from __future__ import annotations

import io
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from vizcnn.adapter.base import Prediction
from vizcnn.errors import OptionError, check_choice, listed
from vizcnn.gather import Gather
from vizcnn.results import Context, write_file


class Sheet(ABC):
    """A result that is drawn on one Axes, or on a few."""

    kind: ClassVar[str]

    @abstractmethod
    def plot(self, ax: Any = None, **style: Any) -> Any:
        """Draw it, and return the Axes."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return everything as a dictionary: arrays as they are, the rest as plain values."""

    @property
    def num_axes(self) -> int:
        """How many Axes it is drawn on."""
        return 1

    def save(self, path: str | os.PathLike[str], **style: Any) -> Path:
        """Write a picture, or with the suffix ``.npz`` the values.

        Parameters
        ----------
        path : path
            Where to; folders on the way are made.
        **style
            As `plot` takes them.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ResultError
            If the suffix is unknown, or the file can't be written.
        """
        suffix = Path(path).suffix.lower()
        if suffix == ".npz":
            return write_file(path, lambda file: np.savez_compressed(file, **_arrays(self.to_dict())))
        from vizcnn.render import sheet

        return write_file(path, lambda file: sheet.write(self.plot, file, suffix, self.num_axes, **style))

    def _repr_png_(self) -> bytes:
        from vizcnn.render import sheet

        buffer = io.BytesIO()
        sheet.write(self.plot, buffer, ".png", self.num_axes)
        return buffer.getvalue()


def _arrays(content: Mapping[str, Any]) -> dict[str, Any]:
    return {name: np.asarray(value) for name, value in content.items() if value is not None}


@dataclass(frozen=True, eq=False)
class Kernels(Sheet):
    """The weights of a convolution.

    Attributes
    ----------
    values : ndarray of float32, shape (kh, kw, C, K)
        As the layer holds them; of a depthwise convolution K is the multiplier.
    layer, model : str
        Where they come from.
    exciting : ndarray of float32, shape (n, H, W, C), or None
        For the kernels of `order`, the input that excites each most, 0..1.
    order : tuple of int
        The kernels from the largest norm to the smallest.
    """

    values: np.ndarray
    layer: str
    model: str
    order: tuple[int, ...] = ()
    exciting: np.ndarray | None = None

    kind: ClassVar[str] = "kernels"

    def __len__(self) -> int:
        return len(self.order)

    def __repr__(self) -> str:
        return f"<Kernels of layer {self.layer!r} of {self.model!r}, values {self.values.shape}>"

    def pictures(
        self, channels: Literal["auto", "mean", "norm", "each"] = "auto"
    ) -> tuple[np.ndarray, list[str], bool]:
        """Return the kernels as pictures (n, kh, kw[, 3]), their names, and whether the values are signed.

        Parameters
        ----------
        channels : {"auto", "mean", "norm", "each"}, default "auto"
            What becomes of the input channels: "mean" and "norm" (root of the sum of squares) make one of them; "each" gives
            each a picture of its own. "auto": colour where there are three, "each" where that makes no more pictures than
            kernels, "mean" otherwise.

        Returns
        -------
        (ndarray, list of str, bool)
            Colours are 0..1 with zero at 0.5, on one scale for the layer.
        """
        check_choice("channels", channels, ("auto", "mean", "norm", "each"))
        kernels = self._by_kernel()
        depth = kernels.shape[-1]
        if channels == "auto" and depth == 3:
            scale = float(np.abs(kernels).max()) or 1.0
            return 0.5 + 0.5 * kernels / scale, [str(i) for i in self.order], False
        if channels == "norm":
            return np.sqrt((kernels**2).sum(axis=-1)), [str(i) for i in self.order], False
        if channels == "each" or (channels == "auto" and depth == 1):
            flat = kernels.transpose(0, 3, 1, 2).reshape(-1, *kernels.shape[1:3])
            names = [f"{i}" if depth == 1 else f"{i}.{c}" for i in self.order for c in range(depth)]
            return flat, names, True
        return kernels.mean(axis=-1), [str(i) for i in self.order], True

    def _by_kernel(self) -> np.ndarray:
        """Return (K, kh, kw, C) in the order of `order`; each channel of a depthwise convolution is a kernel."""
        values = self.values if not self.is_depthwise else self.values.reshape(*self.values.shape[:2], 1, -1)
        return values.transpose(3, 0, 1, 2)[list(self.order)]

    @property
    def is_depthwise(self) -> bool:
        """Whether each input channel has kernels of its own."""
        return bool(len(self.order) == self.values.shape[2] * self.values.shape[3] and self.values.shape[2] > 1)

    def plot(
        self,
        ax: Any = None,
        *,
        top: int | None = 64,
        page: int = 0,
        channels: Literal["auto", "mean", "norm", "each"] = "auto",
        **style: Any,
    ) -> Any:
        """Draw the kernels as one sheet, zero-centred and on one scale for the whole layer.

        Parameters
        ----------
        ax : Axes or two Axes, default None
            Where to draw; two where there are exciting inputs. None: a new figure.
        top : int or None, default 64
            Kernels on a page, those of the largest norm first; None: all.
        page : int, default 0
            Which page.
        channels : {"auto", "mean", "norm", "each"}, default "auto"
            See `pictures`.
        **style
            `columns`, `cmap`, `vmin`, `vmax`, `colorbar` of `vizcnn.render.sheet.draw_sheet`.

        Returns
        -------
        Axes or ndarray of Axes
            What was drawn on.

        Raises
        ------
        OptionError
            If there is no such page.
        """
        from vizcnn.render import sheet

        pictures, names, signed = self.pictures(channels)
        shown = _page(len(pictures), top, page)
        limits: dict[str, Any] = {}
        if pictures.ndim == 3:
            end = float(np.abs(pictures).max()) or 1.0  # one scale for all pages
            limits = {"vmin": -end if signed else 0.0, "vmax": end}
        axes = sheet.new_axes(self.num_axes) if ax is None else list(np.ravel(np.array(ax, dtype=object)))
        height, width = self.values.shape[:2]
        part = (
            f", {shown.start}-{shown.stop - 1} of {len(pictures)} by norm"
            if len(pictures) > shown.stop - shown.start
            else ""
        )
        title = f"{self.layer}: {len(self.order)} kernels {height}x{width}x{self._by_kernel().shape[-1]}{part}"
        sheet.draw_sheet(
            axes[0], pictures[shown], signed=signed, labels=names[shown], title=title, **{**limits, **style}
        )
        if self.exciting is None:
            return axes[0]
        sheet.draw_sheet(
            axes[1],
            _coloured(self.exciting),
            signed=False,
            labels=[str(i) for i in self.order[: len(self.exciting)]],
            title="the input that excites each most",
            columns=style.get("columns"),
        )
        return np.array(axes)

    @property
    def num_axes(self) -> int:
        """See `Sheet.num_axes`."""
        return 1 if self.exciting is None else 2

    def to_dict(self) -> dict[str, Any]:
        """See `Sheet.to_dict`."""
        return {
            "kind": self.kind,
            "values": self.values,
            "layer": self.layer,
            "model": self.model,
            "order": self.order,
            "exciting": self.exciting,
        }


@dataclass(frozen=True, eq=False)
class LayerMaps:
    """What the activations plugin returns for one batch: maps (N, h, w, K) by layer."""

    maps: Mapping[str, np.ndarray]

    @classmethod
    def collect(cls, parts: Iterable[tuple[slice, np.ndarray, LayerMaps]], context: Context) -> FeatureMaps:
        """Join the maps of all batches into one result."""
        gathered: dict[str, Gather] = {}
        for _, _, layer_maps in parts:
            for path, values in layer_maps.maps.items():
                gathered.setdefault(path, Gather(len(context.images))).add(values)
        return FeatureMaps(
            maps={path: gather.result() for path, gather in gathered.items()},
            images=context.images,
            model=context.model.name,
            names=context.images.names,
            notes=context.images.notes,
        )


@dataclass(frozen=True, eq=False)
class FeatureMaps(Sheet):
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
    notes : tuple of str
        What was done to the images.
    """

    maps: dict[str, np.ndarray]
    images: Sequence[np.ndarray]
    model: str
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    kind: ClassVar[str] = "feature maps"

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        shapes = ", ".join(f"{path} {values.shape}" for path, values in self.maps.items())
        return f"<FeatureMaps of {self.model!r}: {shapes}>"

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
        """See `Sheet.num_axes`."""
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
        """
        means = self.maps[self._known(layer)][index].mean(axis=(0, 1))
        return np.argsort(-means, kind="stable")[:count].tolist()  # type: ignore[no-any-return]

    def _known(self, layer: str | None) -> str:
        if layer is None:
            return self.layer
        if layer not in self.maps:
            raise OptionError(f"`layer` must be one that was computed, {listed(self.maps)}; got {layer!r}.")
        return layer

    def plot(self, ax: Any = None, *, index: int = 0, top: int | None = 32, channels: Sequence[int] | None = None,
             **style: Any) -> Any:  # fmt: skip
        """Draw a sheet for each layer, on a scale of its own.

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
            `columns`, `cmap`, `vmin`, `vmax`, `colorbar` of `vizcnn.render.sheet.draw_sheet`.

        Returns
        -------
        Axes or ndarray of Axes
            What was drawn on.

        Raises
        ------
        OptionError
            If the number of Axes doesn't fit, or `channels` is empty or names one that isn't there.
        """
        from vizcnn.render import sheet

        if not -len(self) <= index < len(self):
            raise OptionError(f"`index` must name one of {len(self)} images; got {index!r}.")
        axes = (
            sheet.new_axes(len(self.maps), size=(7.0, 3.0))
            if ax is None
            else list(np.ravel(np.array(ax, dtype=object)))
        )
        if len(axes) != len(self.maps):
            raise OptionError(f"`ax` must be one Axes per layer, {len(self.maps)} in all; got {len(axes)}.")
        for axis, (path, values) in zip(axes, self.maps.items(), strict=True):
            chosen = self.top_channels(top, layer=path, index=index) if channels is None else list(channels)
            if not chosen or not all(0 <= c < values.shape[-1] for c in chosen):
                raise OptionError(
                    f"`channels` must be indices below {values.shape[-1]} of layer {path!r}; got {channels!r}."
                )
            height, width, count = values.shape[1:]
            shown = f", the {len(chosen)} most active" if len(chosen) < count and channels is None else ""
            sheet.draw_sheet(
                axis,
                values[index][..., chosen].transpose(2, 0, 1),
                signed=bool((values[index] < 0).any()),
                labels=[str(c) for c in chosen],
                title=f"{path}: {count} maps {height}x{width}{shown}",
                **style,
            )
        return axes[0] if len(axes) == 1 else np.array(axes)

    def to_dict(self) -> dict[str, Any]:
        """See `Sheet.to_dict`."""
        images = {f"image {i}": np.asarray(image) for i, image in enumerate(self.images)}
        return {"kind": self.kind, "model": self.model, "names": self.names, **self.maps, **images}


@dataclass(frozen=True, eq=False)
class Images(Sheet):
    """Images that were made for a target.

    Attributes
    ----------
    values : ndarray of float32, shape (N, H, W, C)
        The images, 0..1.
    scores : ndarray of float32, shape (N,)
        The score that each reaches, without transforms.
    target : tuple of str
        What each was made for.
    predictions : tuple of Prediction
        What the model takes each for.
    history : ndarray of float32, shape (steps, N)
        The scores at each step, under that step's transforms.
    frames : ndarray of float32, shape (frames, N, H, W, C)
        The images on the way, as far as they were asked for.
    model, method : str
        Where they come from.
    options : dict
        The method's options.
    notes : tuple of str
        What the reader should know.
    """

    values: np.ndarray
    scores: np.ndarray
    target: tuple[str, ...]
    predictions: tuple[Prediction, ...]
    history: np.ndarray
    frames: np.ndarray
    model: str
    method: str
    options: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    kind: ClassVar[str] = "images"

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"<Images {self.method!r} of {self.model!r}, values {self.values.shape}>"

    def plot(self, ax: Any = None, *, columns: int | None = None, **style: Any) -> Any:
        """Draw the images as one sheet, each with what it was made for and what the model takes it for.

        Parameters
        ----------
        ax : Axes, default None
            Where to draw; None: a new figure.
        columns : int, default None
            Images in a row; None: so that the sheet is somewhat wider than high.
        **style
            `title` of `vizcnn.render.sheet.draw_sheet`.

        Returns
        -------
        Axes
            What was drawn on.
        """
        from vizcnn.render import sheet

        axis = sheet.new_axes()[0] if ax is None else ax
        labels = [self._label(i) for i in range(len(self))]
        return sheet.draw_sheet(axis, _coloured(self.values), signed=False, labels=labels, columns=columns, **style)

    def _label(self, index: int) -> str:
        predicted = self.predictions[index]
        if predicted.label != self.target[index] or predicted.probability is None:
            return self.target[index]
        return f"{self.target[index]} {predicted.probability:.2f}"

    def save_animation(self, path: str | os.PathLike[str], *, milliseconds: int = 80) -> Path:
        """Write the frames as an animated GIF.

        Parameters
        ----------
        path : path
            Where to; it must end in ``.gif``.
        milliseconds : int, default 80
            How long each frame is shown.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        OptionError
            If there are no frames, or the suffix is another.
        """
        from vizcnn.render import sheet

        if not len(self.frames) or Path(path).suffix.lower() != ".gif":
            raise OptionError("`path` must end in .gif, and the images be made with frames=N, to be animated.")
        sheets = [np.nan_to_num(sheet.tile(_coloured(f), sheet.columns_for(len(f))), nan=1.0) for f in self.frames]
        return write_file(path, lambda file: _write_gif(file, sheets, milliseconds), (".gif",))

    def to_dict(self) -> dict[str, Any]:
        """See `Sheet.to_dict`."""
        names = ("kind", "values", "scores", "target", "history", "frames", "model", "method", "notes")
        return {name: getattr(self, name) for name in names}


def _write_gif(file: Any, sheets: Sequence[np.ndarray], milliseconds: int) -> None:
    from PIL import Image

    first, *rest = [Image.fromarray(np.rint(sheet * 255).astype(np.uint8)) for sheet in sheets]
    first.save(file, format="GIF", save_all=True, append_images=rest, duration=milliseconds, loop=0)


def _coloured(images: np.ndarray) -> np.ndarray:
    """Return (n, H, W, 3) of images with one, three or other numbers of channels."""
    if images.shape[-1] not in (1, 3):
        images = images.mean(axis=-1, keepdims=True)
    return np.broadcast_to(images, (*images.shape[:3], 3))


def _page(count: int, size: int | None, page: int) -> slice:
    size = count if size is None else size
    pages = -(-count // size) if size > 0 else 0
    if size < 1 or not 0 <= page < pages:
        raise OptionError(
            f"`page` must be from 0 to {max(pages - 1, 0)}, and `top` positive; got page {page}, top {size}."
        )
    return slice(page * size, min((page + 1) * size, count))
