"""Where in each image something is, by masks or boxes: brought to the size of the model's inputs, as the images are."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vizcnn.errors import InputError, OptionError, did_you_mean
from vizcnn.inputs.geometry import Geometry
from vizcnn.inputs.image_set import ImageSet
from vizcnn.inputs.images import image_files
from vizcnn.inputs.pixels import read_image

_COLUMNS = ("image", "left", "top", "right", "bottom")


@dataclass(frozen=True)
class Regions:
    """A region of each image, or none.

    Parameters
    ----------
    entries : tuple
        For each image a mask (h, w) of the picture, boxes (M, 4) in the picture's pixels, a file with a mask, or None.
    images : ImageSet
        The images.
    """

    entries: tuple[Any, ...]
    images: ImageSet

    @classmethod
    def of(cls, regions: Any, images: ImageSet) -> Regions:
        """Read what people have.

        Parameters
        ----------
        regions : array of bool, sequence, mapping or path
            For each image a mask, an array of bool (h, w) of any size, which is stretched over the picture; or boxes, left, top,
            right and bottom in the picture's pixels: (4,), or (M, 4) for several, of which the region is all. None: it has no
            region. A mapping has them by the images' names. A path is a folder of pictures by the images' names, whatever
            their suffixes, in which all that isn't black is the region; or a CSV file of boxes, with the columns image, left,
            top, right and bottom.
        images : ImageSet
            The images.

        Returns
        -------
        Regions

        Raises
        ------
        OptionError
            If there isn't one for each image, or one is of another form.

        Examples
        --------
        >>> import vizcnn as vz
        >>> from vizcnn.inputs.regions import Regions
        >>> images = vz.inputs.load(vz.assets.digits()[:2], (14, 14, 1))
        >>> masks = Regions.of([[0, 0, 14, 28], None], images).masks(
        ...     slice(None)
        ... )  # the left half, of pictures of 28 pixels
        >>> masks.shape, masks[0, 0].astype(int), masks[1].any()
        ((2, 14, 14), array([1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]), np.False_)
        """
        if len(images.size) != 2:
            raise OptionError("`regions` are for images; these are signals, volumes or clips.")
        if isinstance(regions, str | os.PathLike):
            regions = _from_path(Path(regions), images)
        if isinstance(regions, Mapping):
            unknown = [name for name in regions if name not in images.names]
            if unknown:
                raise OptionError(
                    f"`regions` must be of the images; {unknown[0]!r} is none.{did_you_mean(str(unknown[0]), images.names)}"
                )
            regions = [regions.get(name) for name in images.names]
        if not isinstance(regions, Sequence | np.ndarray) or len(regions) != len(images):
            count = len(regions) if isinstance(regions, Sequence | np.ndarray) else repr(regions)
            raise OptionError(
                f"`regions` must have a mask, boxes or None for each of {len(images)} images; got {count}."
            )
        return cls(tuple(_entry(one) for one in regions), images)

    def masks(self, part: slice) -> np.ndarray:
        """Return the regions of some of the images, as the model sees them.

        Parameters
        ----------
        part : slice
            Which images.

        Returns
        -------
        ndarray of bool, shape (n, H, W)
            A pixel is in the region where half of it is; of an image without a region none is.
        """
        return np.stack([self._mask(index) for index in range(len(self.entries))[part]])

    def _mask(self, index: int) -> np.ndarray:
        entry, size = self.entries[index], (self.images.size[0], self.images.size[1])
        if entry is None:
            return np.zeros(size, dtype=bool)
        if isinstance(entry, Path):
            entry = read_image(entry, 1)[..., 0] > 0
        if entry.dtype != bool:
            entry = _filled(entry, self.images.shape_of(index)[:2])
        known = self.images.geometry
        geometry = known[index] if known else Geometry.whole(entry.shape, size)
        mask: np.ndarray = geometry.apply(entry[..., None].astype(np.float32))[..., 0] >= 0.5
        return mask


def _entry(one: Any) -> Any:
    if one is None or isinstance(one, Path):
        return one
    array = np.asarray(one)
    if array.dtype == bool and array.ndim == 2 and array.size:
        return array
    boxes = np.atleast_2d(array)
    if array.dtype.kind in "iuf" and boxes.ndim == 2 and boxes.shape[1] == 4:
        if (boxes[:, :2] < boxes[:, 2:]).all():
            return boxes.astype(np.float64)
        raise OptionError(f"`regions` as boxes must be left, top, right and bottom; got {array.tolist()}.")
    raise OptionError(
        f"`regions` must be masks, arrays of bool (h, w), or boxes of four numbers; got {array.dtype} of shape {array.shape}."
    )


def _filled(boxes: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Return boxes as a mask of the picture: of the pixels whose middle lies in one."""
    rows, columns = (np.arange(length) + 0.5 for length in size)
    mask = np.zeros(tuple(size), dtype=bool)
    for left, top, right, bottom in boxes:
        mask |= ((rows >= top) & (rows < bottom))[:, None] & ((columns >= left) & (columns < right))[None]
    return mask


def _from_path(path: Path, images: ImageSet) -> dict[str, Any]:
    if path.is_dir():
        files = {file.stem: file for file in image_files([path])}
        return _some({name: files[Path(name).stem] for name in images.names if Path(name).stem in files}, path)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if not {*_COLUMNS} <= {*(reader.fieldnames or ())}:
                raise OptionError(
                    f"`regions` file {str(path)!r} must have the columns {', '.join(_COLUMNS)}; got {reader.fieldnames}."
                )
            rows = [(row["image"], [float(row[name]) for name in _COLUMNS[1:]]) for row in reader]
    except (OSError, UnicodeDecodeError, ValueError, TypeError, csv.Error) as error:
        if isinstance(error, OptionError):
            raise
        raise InputError(
            f"`regions` {str(path)!r} can't be read as a folder of masks or a CSV of boxes: {error}."
        ) from error
    boxes: dict[str, list[list[float]]] = {}
    for name, box in rows:
        boxes.setdefault(name, []).append(box)
    return _some({name: boxes[name] for name in images.names if name in boxes}, path)


def _some(found: dict[str, Any], path: Path) -> dict[str, Any]:
    if not found:
        raise OptionError(f"`regions` {str(path)!r} must have some by the images' names; it has none of these.")
    return found
