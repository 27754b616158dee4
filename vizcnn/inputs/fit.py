"""How pictures of any size are brought to the one that a model takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import ImageColor

from vizcnn.errors import InputError, OptionError, check_choice
from vizcnn.inputs.geometry import Geometry, Size
from vizcnn.resample import INTERPOLATIONS

FITS = ("squash", "crop", "pad", "none")
"""Ways to fit; see `vizcnn.Preprocess`."""

_COLORS = {1: "L", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True)
class Fit:
    """How pictures of any size are brought to the one that a model takes; the arguments are those of `vizcnn.Preprocess`.

    Parameters
    ----------
    how : str, default "squash"
        "squash", "crop", "pad" or "none".
    resize : int, default None
        Of "crop", what the short side is scaled to before.
    color : str or int, default 0
        Of "pad", what is put where there is no picture.
    interpolation : str, default "area"
        How pixels are read between pixels.
    rows, columns : (int or None, int or None), default None
        What is kept of the picture, before all else.

    Raises
    ------
    OptionError
        If one of them is none of these, or has no meaning with `how`.
    """

    how: str = "squash"
    resize: int | None = None
    color: str | int = 0
    interpolation: str = "area"
    rows: tuple[int | None, int | None] | None = None
    columns: tuple[int | None, int | None] | None = None

    def __post_init__(self) -> None:
        check_choice("fit", self.how, FITS)
        check_choice("interpolation", self.interpolation, INTERPOLATIONS)
        if self.resize is not None:
            if isinstance(self.resize, bool) or not isinstance(self.resize, int) or self.resize < 1:
                raise OptionError(f"`resize` must be the pixels of the short side, 1 or more; got {self.resize!r}.")
            if self.how != "crop":
                raise OptionError(f"`resize` must be left out unless `fit` is 'crop'; got {self.resize!r}.")
        self._check_color()
        for name in ("rows", "columns"):
            object.__setattr__(self, name, _ends(name, getattr(self, name)))

    def _check_color(self) -> None:
        is_gray = isinstance(self.color, int) and not isinstance(self.color, bool) and 0 <= self.color <= 255
        try:
            if not is_gray:
                ImageColor.getrgb(self.color)
        except (ValueError, AttributeError, TypeError):
            raise OptionError(
                f"`color` must be a gray value from 0 to 255, or a color such as 'white' or '#808080'; got {self.color!r}."
            ) from None
        if self.color != 0 and self.how != "pad":
            raise OptionError(f"`color` must be left out unless `fit` is 'pad'; got {self.color!r}.")

    @property
    def text(self) -> list[str]:
        """The steps of the text form."""
        named = (("rows", self.rows), ("columns", self.columns))
        steps = [_ends_text(name, ends) for name, ends in named if ends is not None]
        if self.how != "squash":
            detail = f" {self.resize}" if self.resize else f" {self.color}" if self.color != 0 else ""
            steps.append("fit none" if self.how == "none" else f"{self.how}{detail}")
        return steps + [self.interpolation] * (self.interpolation != "area")

    def kept(self, picture: Sequence[int]) -> tuple[int, int, int, int]:
        """Return top, left, height and width of what `rows` and `columns` leave of a picture.

        Parameters
        ----------
        picture : (int, int)
            Height and width of the picture.

        Returns
        -------
        tuple of int

        Raises
        ------
        InputError
            If they leave nothing.
        """
        spans = []
        for name, ends, length in (("rows", self.rows, picture[0]), ("columns", self.columns, picture[1])):
            start, stop, _ = slice(*(ends or (None, None))).indices(int(length))
            if ends is not None and stop <= start:
                raise InputError(
                    f"`preprocess` '{_ends_text(name, ends)}' must leave something of an image; one has {length} {name}."
                )
            spans.append((start, stop - start))
        return spans[0][0], spans[1][0], spans[0][1], spans[1][1]

    def geometry(self, picture: Sequence[int], size: Size) -> Geometry:
        """Return how a picture of a size becomes an input of a size.

        Parameters
        ----------
        picture, size : (int, int)
            Height and width of the picture and of the input.

        Returns
        -------
        Geometry

        Raises
        ------
        InputError
            If nothing is left of it, or it isn't resized and doesn't have the model's size.
        """
        box = self.kept(picture)
        whole = (int(picture[0]), int(picture[1]))
        if self.how == "crop":
            return self._cropped(whole, box, size)
        if self.how == "pad":
            scale = min(size[0] / box[2], size[1] / box[3])
            scaled = tuple(max(1, min(size[axis], round(box[2 + axis] * scale))) for axis in (0, 1))
            offset = ((size[0] - scaled[0]) // 2, (size[1] - scaled[1]) // 2)
            return Geometry(whole, box, (scaled[0], scaled[1]), offset, size)
        if self.how == "none" and box[2:] != tuple(size):
            raise InputError(
                f"`images` must have the model's size, {size[0]}x{size[1]} (height x width), where `preprocess` doesn't fit "
                f"them; one has {box[2]}x{box[3]}. Let it 'squash', 'crop' or 'pad' them."
            )
        return Geometry(whole, box, size, (0, 0), size)

    def _cropped(self, picture: Size, box: tuple[int, int, int, int], size: Size) -> Geometry:
        """Cut the middle that has the input's aspect, as Keras's `smart_resize` does; scale it, and cut its edges off too."""
        top, left, height, width = box
        cut = (
            max(1, min(height, int(width * size[0] / size[1]))),
            max(1, min(width, int(height * size[1] / size[0]))),
        )
        middle = (top + (height - cut[0]) // 2, left + (width - cut[1]) // 2)
        scaled = size
        if self.resize is not None:
            if self.resize < min(size):
                raise InputError(
                    f"`preprocess` 'crop {self.resize}' must scale images to no less than the {min(size)} pixels that the "
                    f"model takes. Leave the number out to scale them to just that."
                )
            factor = self.resize / min(size)
            scaled = (round(size[0] * factor), round(size[1] * factor))
        offset = (-round((scaled[0] - size[0]) / 2), -round((scaled[1] - size[1]) / 2))
        return Geometry(picture, (*middle, *cut), scaled, offset, size)

    def fill(self, channels: int) -> np.ndarray:
        """Return what is put where there is no picture, for each channel.

        Parameters
        ----------
        channels : int
            How many there are.

        Returns
        -------
        ndarray of float32, shape (channels,)
        """
        if isinstance(self.color, int):
            values = np.full(channels, self.color, np.float32)
            values[3:] = 255  # opaque
            return values
        mode = _COLORS.get(channels, "L")
        values = np.atleast_1d(np.asarray(ImageColor.getcolor(self.color, mode), dtype=np.float32))
        return np.resize(values, channels)

    def apply(self, image: np.ndarray, geometry: Geometry) -> np.ndarray:
        """Return the input made of a picture; see `Geometry.apply`."""
        return geometry.apply(image, interpolation=self.interpolation, fill=self.fill(image.shape[-1]))

    def verb(self, geometry: Geometry) -> str:
        """Return what is done to a picture."""
        verbs = ["cut"] * (self.rows is not None or self.columns is not None)
        if geometry.scaled != geometry.box[2:] or not verbs:
            verbs.append("resized")
        return " and ".join(verbs + {"crop": ["cropped"], "pad": ["padded"]}.get(self.how, []))


def _ends(name: str, value: Any) -> tuple[int | None, int | None] | None:
    """Return the two ends of what is kept, as plain numbers."""
    if value is None:
        return None
    if isinstance(value, slice) and value.step in (None, 1):
        value = (value.start, value.stop)
    ends = tuple(value) if isinstance(value, list | tuple) else ()
    if len(ends) != 2 or not all(end is None or _is_whole_number(end) for end in ends):
        raise OptionError(f"`{name}` must be (first, end) in pixels, as in a slice, or None; got {value!r}.")
    return None if ends == (None, None) else tuple(None if end is None else int(end) for end in ends)  # type: ignore[return-value]


def _ends_text(name: str, ends: tuple[int | None, int | None]) -> str:
    return f"{name} {':'.join('' if end is None else str(end) for end in ends)}"


def _is_whole_number(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
