"""Kernels of a convolution."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from vizcnn.aliases import renamed
from vizcnn.errors import Note, OptionError, check_choice
from vizcnn.render.keywords import takes_style
from vizcnn.results.checks import Shapes, check_indices
from vizcnn.results.montage import MontageResult


@dataclass(frozen=True, eq=False)
class Kernels(MontageResult):
    """The weights of a convolution.

    Attributes
    ----------
    values : ndarray of float32, shape (kh, kw, C, K)
        As the layer holds them; of a depthwise convolution K is the multiplier.
    layer, model : str
        Where they come from.
    preferred_inputs : ndarray of float32, shape (n, H, W, C), or None
        For the kernels of `order`, the input that excites each most, 0..1.
    order : tuple of int
        The kernels from the largest norm to the smallest.
    method : str
        "filters".
    options : dict
        The method's options.
    notes : tuple of Note
        What the reader should know.

    Examples
    --------
    >>> import vizcnn as vz
    >>> kernels = vz.filters(vz.assets.digits_cnn(), "conv2")
    >>> kernels.values.shape, len(kernels)
    ((3, 3, 16, 32), 32)
    """

    values: np.ndarray
    layer: str
    model: str
    order: tuple[int, ...] = ()
    preferred_inputs: np.ndarray | None = None
    method: str = "filters"
    options: dict[str, Any] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    kind: ClassVar[str] = "kernels"
    added: ClassVar[tuple[str, ...]] = ("method", "options", "notes")

    exciting = renamed("exciting", "preferred_inputs")

    def __len__(self) -> int:
        return len(self.order)

    def __repr__(self) -> str:
        return f"<Kernels of layer {self.layer!r} of {self.model!r}, values {self.values.shape}>"

    @classmethod
    def _upgrade(cls, about: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        for entries in (about, arrays, about.get("options", {})):
            if "exciting" in entries:
                entries["preferred_inputs"] = entries.pop("exciting")

    def _check(self) -> None:
        shapes = Shapes()
        shapes.check("values", self.values, None, None, "C", "K")
        depthwise = self.values.shape[2] * self.values.shape[3]
        check_indices("order", self.order, depthwise if len(self.order) == depthwise else self.values.shape[3])
        if self.preferred_inputs is not None:
            shapes.check("preferred_inputs", self.preferred_inputs, None, None, None, None, empty=True)

    def pictures(
        self, channels: Literal["auto", "mean", "norm", "each"] = "auto"
    ) -> tuple[np.ndarray, list[str], bool]:
        """Return the kernels as pictures (n, kh, kw[, 3]), their names, and whether the values are signed.

        Parameters
        ----------
        channels : {"auto", "mean", "norm", "each"}, default "auto"
            What becomes of the input channels: "mean" and "norm" (root of the sum of squares) make one of them; "each" gives
            each a picture of its own. "auto": color where there are three, "each" where that makes no more pictures than
            kernels, "mean" otherwise.

        Returns
        -------
        (ndarray, list of str, bool)
            Colors are 0..1 with zero at 0.5, on one scale for the layer.

        Examples
        --------
        >>> import vizcnn as vz
        >>> pictures, names, signed = vz.filters(vz.assets.digits_cnn(), "conv2").pictures("norm")
        >>> pictures.shape, len(names), signed
        ((32, 3, 3), 32, False)
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

    @takes_style("columns", "cmap", "vmin", "vmax", "colorbar")
    def plot(
        self,
        ax: Any = None,
        *,
        top: int | None = 64,
        page: int = 0,
        channels: Literal["auto", "mean", "norm", "each"] = "auto",
        **style: Any,
    ) -> Any:
        """Draw the kernels as one montage, zero-centered and on one scale for the whole layer.

        Parameters
        ----------
        ax : Axes or two Axes, default None
            Where to draw; two where there are preferred inputs. None: a new figure.
        top : int or None, default 64
            Kernels on a page, those of the largest norm first; None: all.
        page : int, default 0
            Which page.
        channels : {"auto", "mean", "norm", "each"}, default "auto"
            See `pictures`.
        **style
            `columns`, `cmap`, `vmin`, `vmax`, `colorbar` of `vizcnn.render.montage.draw_montage`.

        Returns
        -------
        Axes or ndarray of Axes
            What was drawn on.

        Raises
        ------
        OptionError
            If there is no such page.

        Examples
        --------
        >>> import vizcnn as vz
        >>> title = vz.filters(vz.assets.digits_cnn(), "conv2").plot(top=8, page=1).get_title()
        >>> " ".join(title.split())  # in one line or two, as the letters' width will have it
        'conv2: 32 kernels 3x3x16, 8-15 of 32 by norm'
        """
        from vizcnn.render import montage

        pictures, names, signed = self.pictures(channels)
        rows = _page(len(pictures), top, page)
        limits: dict[str, Any] = {}
        if pictures.ndim == 3:
            end = float(np.abs(pictures).max()) or 1.0  # one scale for all pages
            limits = {"vmin": -end if signed else 0.0, "vmax": end}
        height, width = self.values.shape[:2]
        count = rows.stop - rows.start
        part = f", {rows.start}-{rows.stop - 1} of {len(pictures)} by norm" if len(pictures) > count else ""
        title = f"{self.layer}: {len(self.order)} kernels {height}x{width}x{self._by_kernel().shape[-1]}{part}"
        with montage.on_axes(ax, self.num_axes) as axes:
            montage.draw_montage(
                axes[0], pictures[rows], signed=signed, labels=names[rows], title=title, **{**limits, **style}
            )
            if self.preferred_inputs is not None:
                montage.draw_montage(
                    axes[1],
                    montage.to_rgb(self.preferred_inputs),
                    signed=False,
                    labels=[str(i) for i in self.order[: len(self.preferred_inputs)]],
                    title="the input that excites each most",
                    columns=style.get("columns"),
                )
        return axes[0] if len(axes) == 1 else np.array(axes)

    @property
    def num_axes(self) -> int:
        """See `MontageResult.num_axes`."""
        return 1 if self.preferred_inputs is None else 2


def _page(count: int, size: int | None, page: int) -> slice:
    size = count if size is None else size
    pages = -(-count // size) if size > 0 else 0
    if size < 1 or not 0 <= page < pages:
        raise OptionError(
            f"`page` must be from 0 to {max(pages - 1, 0)}, and `top` positive; got page {page}, top {size}."
        )
    return slice(page * size, min((page + 1) * size, count))
