"""What part of the input the cells of a layer see."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import Any, BinaryIO, ClassVar, Self

import numpy as np

from vizcnn.adapter.reach import Reach
from vizcnn.errors import Note, OptionError
from vizcnn.render.keywords import takes_style
from vizcnn.results.base import Result
from vizcnn.results.checks import Shapes
from vizcnn.text import shape_text


@dataclass(frozen=True, eq=False)
class ReceptiveField(Result):
    """What part of the input the cells of a layer's map see.

    Attributes
    ----------
    spans : tuple of ndarray of int, shape (cells, 2)
        For each axis of the map (rows and columns; of a signal one) the first position of the input that each cell sees, and the
        one behind the last.
    extent : tuple of int
        How many positions a cell sees along each axis where neither the input's edges nor those of a map on the way cut anything
        off, as papers tell it; it may be larger than the input.
    stride : tuple of float
        How many positions lie between what two neighboring cells see.
    size : tuple of int
        The input's size, without channels.
    layer, model : str
        Where it comes from.
    is_exact : bool
        Whether it follows from the layers' arithmetic. Otherwise it was measured, and is too small where units were dead.
    method : str
        "receptive_field".
    options : dict
        The method's options.
    notes : tuple of Note
        What the reader should know.

    Examples
    --------
    >>> import vizcnn as vz
    >>> field = vz.receptive_field(vz.assets.digits_cnn(), "conv3")
    >>> field.extent, field.stride, field.box(0, 5)
    ((12, 12), (2.0, 2.0), ((0, 7), (5, 17)))
    """

    spans: tuple[np.ndarray, ...]
    extent: tuple[int, ...]
    stride: tuple[float, ...]
    size: tuple[int, ...]
    layer: str
    model: str
    is_exact: bool = True
    method: str = "receptive_field"
    options: dict[str, Any] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    kind: ClassVar[str] = "receptive field"
    collections: ClassVar[tuple[str, ...]] = ("spans",)

    @classmethod
    def of(cls, reach: Reach, **fields: Any) -> Self:
        """Make it of what `ModelAdapter.reach` tells.

        Parameters
        ----------
        reach : Reach
            That.
        **fields
            The other fields.

        Returns
        -------
        ReceptiveField

        Examples
        --------
        >>> import vizcnn as vz
        >>> reach = vz.assets.digits_cnn().reach("conv2")
        >>> vz.ReceptiveField.of(reach, layer="conv2", model="digits")
        <ReceptiveField of layer 'conv2' of 'digits': 8x8 of 28x28, every 2>
        """
        spans = tuple(np.stack([low, high + 1], axis=1) for low, high in zip(reach.low, reach.high, strict=True))
        return cls(spans, reach.extent, reach.stride, reach.size, is_exact=reach.is_exact, **fields)

    def __repr__(self) -> str:
        return f"<ReceptiveField of layer {self.layer!r} of {self.model!r}: {self._words}>"

    def _check(self) -> None:
        shapes = Shapes()
        for span in self.spans:
            shapes.check("spans", span, None, 2, kinds="iu")
        if not len(self.spans) == len(self.size) == len(self.extent) == len(self.stride):
            raise ValueError("`spans`, `extent`, `stride` and `size` are of different numbers of axes")

    @property
    def grid(self) -> tuple[int, ...]:
        """How many cells the map has along each axis."""
        return tuple(map(len, self.spans))

    @property
    def sees_all(self) -> bool:
        """Whether every cell sees the whole input."""
        ends = zip(self.spans, self.size, strict=True)
        return all(bool((span[:, 0] == 0).all() and (span[:, 1] == length).all()) for span, length in ends)

    @property
    def _words(self) -> str:
        if self.sees_all:
            return f"the whole input of {_by(self.size)}"
        steps = " x ".join(f"{step:g}" for step in dict.fromkeys(self.stride))
        return f"{_by(self.extent)} of {_by(self.size)}, every {steps}"

    @property
    def title(self) -> str:
        """What the layer sees, in a line."""
        return f"{self.layer} sees {self._words}"

    def box(self, *cell: int) -> tuple[tuple[int, int], ...]:
        """Return what a cell sees.

        Parameters
        ----------
        *cell : int
            Its index along each axis of the map: row and column.

        Returns
        -------
        tuple of (int, int)
            For each axis the first position, and the one behind the last: ``image[top:bottom, left:right]``.

        Raises
        ------
        OptionError
            If there is no such cell.

        Examples
        --------
        >>> import vizcnn as vz
        >>> (top, bottom), (left, right) = vz.receptive_field(vz.assets.digits_cnn(), "conv1").box(10, 0)
        >>> (top, bottom), (left, right)
        ((9, 12), (0, 2))
        """
        if len(cell) != len(self.spans) or not all(-n <= at < n for at, n in zip(cell, self.grid, strict=True)):
            raise OptionError(f"`cell` must be one of {_by(self.grid)}; got {cell}.")
        return tuple((int(span[at, 0]), int(span[at, 1])) for at, span in zip(cell, self.spans, strict=True))

    @takes_style()
    def plot(self, ax: Any = None, *, image: Any = None, **style: Any) -> Any:
        """Draw what the cell in the middle and those at the corners see; of a volume in the plane of rows and columns.

        Parameters
        ----------
        ax : Axes, default None
            Where to; None: a new figure.
        image : ndarray, shape (H, W[, C]), default None
            What lies under it.
        **style
            None others.

        Returns
        -------
        Axes
            What was drawn on.

        Examples
        --------
        >>> import vizcnn as vz
        >>> vz.receptive_field(vz.assets.digits_cnn(), "conv3").plot().get_title()
        'conv3 sees 12x12 of 28x28, every 2'
        """
        from vizcnn.render import canvas, fields

        del style  # of which there is none
        axis = canvas.check_axes(ax, 1, "field")[0] if ax is not None else self._figure(pyplot=True).subplots()
        middle = self.box(*(cells // 2 for cells in self.grid))[-2:]
        ends = [((0, cells - 1) if at >= len(self.grid) - 2 else (cells // 2,)) for at, cells in enumerate(self.grid)]
        corners = [self.box(*cell)[-2:] for cell in product(*ends)]
        if len(self.size) == 1:
            return fields.draw_intervals(axis, self.size[0], middle[0], [one[0] for one in corners], title=self.title)
        return fields.draw_fields(axis, (self.size[-2], self.size[-1]), middle, corners, image=image, title=self.title)

    def _figure(self, *, pyplot: bool) -> Any:
        from vizcnn.render import canvas

        return canvas.new_figure((4.2, 1.8 if len(self.size) == 1 else 4.2), pyplot=pyplot)

    def draw(self, file: BinaryIO, suffix: str, **style: Any) -> None:
        """See `Picture.draw`.

        Examples
        --------
        >>> import io, vizcnn as vz
        >>> vz.receptive_field(vz.assets.digits_cnn(), "conv3").draw(file := io.BytesIO(), ".png")
        >>> file.getvalue()[1:4]
        b'PNG'
        """
        from vizcnn.render import canvas

        figure = self._figure(pyplot=False)
        self.plot(figure.subplots(), **style)
        canvas.save(figure, file, suffix)


def _by(size: tuple[int, ...]) -> str:
    return shape_text(size, "x")
