"""The anchors of detectors whose scheme is published, and which don't carry them."""

from __future__ import annotations

import numpy as np

_MEDIAPIPE = (
    ((8, 2), (16, 6)),  # faces nearby, palms: two boxes at each place of the finer map, six of the coarser
    ((16, 2), (32, 6)),  # faces, from 256 x 256 pixels
    ((8, 2), (16, 2), (32, 6)),  # persons
    ((4, 1),),  # faces far away, sparse
)
"""Pixels from one place to the next, and boxes at each place, of each map of a detector of MediaPipe."""


def mediapipe_anchors(size: tuple[int, int], count: int) -> np.ndarray | None:
    """Return the anchors of a detector of MediaPipe (BlazeFace, BlazePalm, BlazePose), by its input's size and their number.

    They are places: the middles of the cells of one to three maps, without a size of their own.

    Parameters
    ----------
    size : (int, int)
        Height and width of its input.
    count : int
        How many boxes it returns.

    Returns
    -------
    ndarray of float32, shape (count, 4), or None
        Center x, center y, width and height in the input's pixels, the last two 1; None where no scheme has that many.
    """
    for scheme in _MEDIAPIPE:
        maps = [(-(-size[0] // stride), -(-size[1] // stride), boxes) for stride, boxes in scheme]
        if sum(rows * columns * boxes for rows, columns, boxes in maps) == count:
            return np.concatenate([_places(size, *one) for one in maps])
    return None


_YOLO = (8, 16, 32)
"""Pixels from one place to the next, of each map of YOLOv8 and its followers."""


def yolo_anchors(size: tuple[int, int], count: int) -> np.ndarray | None:
    """Return the places that YOLOv8 counts the four sides of its boxes from, by its input's size and their number.

    Parameters
    ----------
    size : (int, int)
        Height and width of its input.
    count : int
        How many boxes it returns.

    Returns
    -------
    ndarray of float32, shape (count, 4), or None
        Center x and y, and the pixels that sides are counted in, twice; None where its scheme has another number.
    """
    if any(length % _YOLO[-1] for length in size):
        return None
    maps = []
    for stride in _YOLO:
        places = _places(size, size[0] // stride, size[1] // stride, 1)
        maps.append(places * np.array([1, 1, stride, stride], np.float32))
    anchors = np.concatenate(maps)
    return anchors if len(anchors) == count else None


def _places(size: tuple[int, int], rows: int, columns: int, boxes: int) -> np.ndarray:
    y, x = np.meshgrid(
        (np.arange(rows) + 0.5) * size[0] / rows, (np.arange(columns) + 0.5) * size[1] / columns, indexing="ij"
    )
    places = np.stack([x, y, np.ones_like(x), np.ones_like(x)], axis=-1).reshape(-1, 4)
    return np.repeat(places, boxes, axis=0).astype(np.float32)
