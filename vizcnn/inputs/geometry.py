"""Where a picture lies in a model's input, and the way back: what was cut off, how it was scaled, what was filled up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vizcnn.errors import OptionError
from vizcnn.resample import read_between, resize

Size = tuple[int, int]


@dataclass(frozen=True)
class Geometry:
    """How one picture becomes an input: a box of it is resized, and laid into the input, whose edges may cut it.

    Places are (row, column) in pixels, as real numbers: the first pixel reaches from 0 to 1.

    Parameters
    ----------
    picture : (int, int)
        Height and width of the picture.
    box : (int, int, int, int)
        Top, left, height and width of what is taken of it.
    scaled : (int, int)
        Height and width that the box is resized to.
    offset : (int, int)
        Row and column of the input where the resized box begins; below zero where the input's edge cuts it.
    size : (int, int)
        Height and width of the input.

    Raises
    ------
    OptionError
        If the box doesn't lie in the picture, or nothing of it in the input.

    Examples
    --------
    >>> from vizcnn.inputs import Geometry
    >>> crop = Geometry(picture=(100, 200), box=(0, 50, 100, 100), scaled=(50, 50), offset=(0, 0), size=(50, 50))
    >>> crop.to_input((10, 60)).tolist(), crop.to_picture((5, 5)).tolist()
    ([5.0, 5.0], [10.0, 60.0])
    >>> crop.seen
    (0.0, 50.0, 100.0, 150.0)
    """

    picture: Size
    box: tuple[int, int, int, int]
    scaled: Size
    offset: Size
    size: Size

    def __post_init__(self) -> None:
        top, left, height, width = self.box
        is_inside = min(top, left) >= 0 and top + height <= self.picture[0] and left + width <= self.picture[1]
        if not is_inside or min(height, width, *self.scaled, *self.size) < 1:
            raise OptionError(f"`box` must lie in the picture, and sizes be positive; got {vars(self)}.")
        if any(span.stop <= span.start for span in self.window):
            raise OptionError(f"`offset` must leave some of the picture in the input; got {vars(self)}.")

    @classmethod
    def whole(cls, picture: Sequence[int], size: Sequence[int]) -> Geometry:
        """Return that of a picture which is stretched over the whole input.

        Parameters
        ----------
        picture, size : (int, int)
            Height and width of the picture and of the input.

        Returns
        -------
        Geometry

        Examples
        --------
        >>> from vizcnn.inputs import Geometry
        >>> Geometry.whole((100, 200), (50, 50)).to_input((10, 100)).tolist()
        [5.0, 25.0]
        """
        height, width = int(picture[0]), int(picture[1])
        to = (int(size[0]), int(size[1]))
        return cls((height, width), (0, 0, height, width), to, (0, 0), to)

    @property
    def is_whole(self) -> bool:
        """Whether the whole picture is stretched over the whole input."""
        return self == Geometry.whole(self.picture, self.size)

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the input that show the picture; the others are filled up."""
        rows, columns = (
            slice(max(0, self.offset[axis]), min(self.size[axis], self.offset[axis] + self.scaled[axis]))
            for axis in (0, 1)
        )
        return rows, columns

    @property
    def seen(self) -> tuple[float, float, float, float]:
        """Top, left, bottom and right of what the model sees of the picture, in pixels of the picture."""
        rows, columns = self.window
        top, left = self.to_picture((rows.start, columns.start))
        bottom, right = self.to_picture((rows.stop, columns.stop))
        return float(top), float(left), float(bottom), float(right)

    def to_input(self, places: Any) -> np.ndarray:
        """Return where places of the picture lie in the input.

        Parameters
        ----------
        places : array_like, shape (..., 2)
            Rows and columns, in pixels of the picture.

        Returns
        -------
        ndarray of float64, shape (..., 2)
            Beyond the input's edges where they are cut off.

        Examples
        --------
        >>> from vizcnn.inputs import Geometry
        >>> pad = Geometry(picture=(100, 200), box=(0, 0, 100, 200), scaled=(32, 64), offset=(16, 0), size=(64, 64))
        >>> pad.to_input([[0, 0], [100, 200]]).tolist()
        [[16.0, 0.0], [48.0, 64.0]]
        """
        return (np.asarray(places, dtype=np.float64) - self.box[:2]) * self._scale + self.offset

    def to_picture(self, places: Any) -> np.ndarray:
        """Return where places of the input lie in the picture.

        Parameters
        ----------
        places : array_like, shape (..., 2)
            Rows and columns, in pixels of the input.

        Returns
        -------
        ndarray of float64, shape (..., 2)
            Beyond the picture's edges where the input is filled up.

        Examples
        --------
        >>> from vizcnn.inputs import Geometry
        >>> pad = Geometry(picture=(100, 200), box=(0, 0, 100, 200), scaled=(32, 64), offset=(16, 0), size=(64, 64))
        >>> pad.to_picture([[16, 0], [0, 0]]).tolist()
        [[0.0, 0.0], [-50.0, 0.0]]
        """
        return (np.asarray(places, dtype=np.float64) - self.offset) / self._scale + self.box[:2]

    def apply(self, image: np.ndarray, *, interpolation: str = "area", fill: Any = 0) -> np.ndarray:
        """Return the input made of a picture.

        Parameters
        ----------
        image : ndarray, shape (h, w, C)
            The picture; of another size than `picture` where it was read smaller, and then taken as the same picture.
        interpolation : str, default "area"
            As `vizcnn.resample.resize` takes it.
        fill : float or sequence of float, default 0
            What is put where there is no picture, for each channel.

        Returns
        -------
        ndarray of float32, shape (H, W, C)

        Examples
        --------
        >>> import numpy as np
        >>> from vizcnn.inputs import Geometry
        >>> pad = Geometry(picture=(1, 2), box=(0, 0, 1, 2), scaled=(1, 2), offset=(1, 0), size=(2, 2))
        >>> pad.apply(np.array([[[5.0], [7.0]]]), fill=1)[..., 0].tolist()
        [[1.0, 1.0], [5.0, 7.0]]
        """
        top, left, height, width = self._box_in(image.shape[:2])
        box = image[top : top + height, left : left + width]
        # Of bytes OpenCV would round what it reads between them.
        scaled = resize(box if interpolation == "area" else box.astype(np.float32), self.scaled, interpolation)
        result = np.empty((*self.size, image.shape[2]), dtype=np.float32)
        result[...] = fill
        rows, columns = self.window
        result[rows, columns] = scaled[
            rows.start - self.offset[0] : rows.stop - self.offset[0],
            columns.start - self.offset[1] : columns.stop - self.offset[1],
        ]
        return result

    def on_picture(self, values: np.ndarray, size: Sequence[int] | None = None, outside: float = 0.0) -> np.ndarray:
        """Lay a map of the input where it belongs on the picture.

        Parameters
        ----------
        values : ndarray, shape (h, w)
            The map, over the whole input.
        size : (int, int), default None
            Height and width of the picture as it is shown; None: `picture`.
        outside : float, default 0.0
            What is put where the model sees nothing of the picture.

        Returns
        -------
        ndarray of float32, shape (H, W)

        Examples
        --------
        >>> import numpy as np
        >>> from vizcnn.inputs import Geometry
        >>> crop = Geometry(picture=(2, 4), box=(0, 1, 2, 2), scaled=(2, 2), offset=(0, 0), size=(2, 2))
        >>> crop.on_picture(np.array([[1.0, 2.0], [3.0, 4.0]])).tolist()
        [[0.0, 1.0, 2.0, 0.0], [0.0, 3.0, 4.0, 0.0]]
        """
        shown = (int(size[0]), int(size[1])) if size is not None else self.picture
        rows, columns = self.window
        cut = np.asarray(values, dtype=np.float32)
        if cut.shape != self.size:
            cut = resize(cut, self.size)
        cut = cut[rows, columns]
        top, left, bottom, right = self.seen
        rows_at, height, is_down = _reading((top, bottom), self.picture[0], shown[0], cut.shape[0])
        columns_at, width, is_across = _reading((left, right), self.picture[1], shown[1], cut.shape[1])
        # Where it shrinks, values are averaged first, so that none is skipped.
        small = resize(cut, (height, width)).astype(np.float64)
        laid = read_between(read_between(small, rows_at).T, columns_at).T
        return np.where(is_down[:, None] & is_across[None, :], laid, outside).astype(np.float32)

    @property
    def _scale(self) -> tuple[float, float]:
        return self.scaled[0] / self.box[2], self.scaled[1] / self.box[3]

    def _box_in(self, size: Sequence[int]) -> tuple[int, int, int, int]:
        """Return the box in a picture that was read smaller."""
        if tuple(size) == self.picture:
            return self.box
        ends = []
        for axis in (0, 1):
            factor = size[axis] / self.picture[axis]
            start = min(round(self.box[axis] * factor), size[axis] - 1)
            ends.append((start, max(1, round((self.box[axis] + self.box[axis + 2]) * factor) - start)))
        (top, height), (left, width) = ends
        return top, left, height, width


def _reading(seen: tuple[float, float], length: int, shown: int, cells: int) -> tuple[np.ndarray, int, np.ndarray]:
    """Return where the pixels of the picture as shown lie on an axis, among how many cells, and which of them are seen."""
    at = (np.arange(shown) + 0.5) * length / shown
    share = (at - seen[0]) / (seen[1] - seen[0])
    pixels = (seen[1] - seen[0]) * shown / length
    count = max(1, min(cells, round(pixels)))
    return share * count - 0.5, count, (share >= 0) & (share <= 1)
