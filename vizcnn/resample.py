"""Images, signals and maps resized and blurred: what is computed with, and what is shown."""

from __future__ import annotations

import cv2
import numpy as np

INTERPOLATIONS = {
    "area": cv2.INTER_AREA,
    "bilinear": cv2.INTER_LINEAR,
    "nearest": cv2.INTER_NEAREST,
    "bicubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}
"""Ways to resize by name, with OpenCV's: all but "area" read single places, however much the image shrinks."""


def resize(image: np.ndarray, size: tuple[int, ...], interpolation: str = "area") -> np.ndarray:
    """Resize an image or a map to `size`; one of a signal or a volume too, which are only ever enlarged.

    Bilinear with half-pixel centers where it grows (the corners' pixels keep their place, as in TensorFlow, PyTorch and
    OpenCV, and unlike `scipy.ndimage.zoom`); averaged over the area of a pixel where it shrinks.

    Parameters
    ----------
    image : ndarray, shape (H, W) or (H, W, C)
        Any numeric dtype.
    size : (int, int)
        Height and width; one number for (T[, C]), three for (D, H, W[, C]).
    interpolation : str, default "area"
        Of images "bilinear", "nearest", "bicubic" or "lanczos" too, with half-pixel centers and without averaging where it
        shrinks: "bilinear" is what `tf.image.resize` and Keras's loaders do.

    Returns
    -------
    ndarray, shape (height, width[, C])
        uint8 for uint8, otherwise float32.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.resample import resize
    >>> resize(np.array([[0.0, 4.0]]), (1, 4))
    array([[0., 1., 3., 4.]], dtype=float32)
    """
    if len(size) != 2:
        for axis, length in enumerate(size):
            image = _enlarged(image, axis, length)
        return image.astype(np.float32)
    array = np.ascontiguousarray(image if image.dtype == np.uint8 else image.astype(np.float32))
    # OpenCV takes up to four channels at once.
    if array.ndim == 3 and array.shape[2] > 4:
        parts = [resize(array[..., i : i + 4], size, interpolation) for i in range(0, array.shape[2], 4)]
        return np.concatenate(parts, axis=-1)
    if interpolation != "area":
        return _resized(array, (size[0], size[1]), INTERPOLATIONS[interpolation])
    # One axis may shrink while the other grows, and OpenCV's area mean doesn't grow bilinearly.
    smaller = (min(size[0], array.shape[0]), min(size[1], array.shape[1]))
    return _resized(_resized(array, smaller, cv2.INTER_AREA), size, cv2.INTER_LINEAR)


def resize_frames(clip: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize each frame of a clip, or slice of a volume, as `resize` does an image.

    Parameters
    ----------
    clip : ndarray, shape (T, H, W) or (T, H, W, C)
        Any numeric dtype.
    size : (int, int)
        Height and width.

    Returns
    -------
    ndarray, shape (T, height, width[, C])
        The clip itself where it has that size; otherwise uint8 for uint8, float32 for the others.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.resample import resize_frames
    >>> resize_frames(np.zeros((5, 30, 40, 3), np.uint8), (15, 20)).shape
    (5, 15, 20, 3)
    """
    if clip.shape[1:3] == tuple(size):
        return clip
    frames = np.empty((len(clip), *size, *clip.shape[3:]), np.uint8 if clip.dtype == np.uint8 else np.float32)
    for row, frame in zip(frames, clip, strict=True):
        row[...] = resize(frame, size)
    return frames


def shrink(image: np.ndarray, longest: int) -> np.ndarray:
    """Make an image, or the frames of a clip, smaller where height or width is above `longest`; a signal stays as it is.

    Parameters
    ----------
    image : ndarray, shape (H, W, C) or (T, H, W, C)
        Any numeric dtype.
    longest : int
        Most pixels of height and of width.

    Returns
    -------
    ndarray, shape (height, width, C)
        The image itself where it is small enough; otherwise uint8 for uint8, float32 for the others.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.resample import shrink
    >>> shrink(np.zeros((3000, 10, 1)), 600).shape
    (600, 2, 1)
    """
    height, width = image.shape[-3:-1] if image.ndim in (3, 4) else (0, 0)
    if max(height, width) <= longest:
        return image
    size = within((height, width), longest)
    return resize_frames(image, size) if image.ndim == 4 else resize(image, size)


def within(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """Return the height and width of an image that was made smaller where one of them is above `longest`.

    Parameters
    ----------
    size : (int, int)
        Height and width.
    longest : int
        Most pixels of each.

    Returns
    -------
    (int, int)

    Examples
    --------
    >>> from vizcnn.resample import within
    >>> within((3000, 10), 600), within((30, 10), 600)
    ((600, 2), (30, 10))
    """
    factor = min(1.0, longest / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _resized(array: np.ndarray, size: tuple[int, int], interpolation: int) -> np.ndarray:
    if array.shape[:2] == size:
        return array
    if interpolation == cv2.INTER_NEAREST:  # OpenCV's lies half a pixel beside that of Pillow and TensorFlow
        rows, columns = (
            (2 * np.arange(to) + 1) * have // (2 * to) for to, have in zip(size, array.shape[:2], strict=True)
        )
        return np.ascontiguousarray(array[rows[:, None], columns])
    # OpenCV takes width before height, and drops an axis of one channel.
    resized = cv2.resize(array, size[::-1], interpolation=interpolation)
    return np.asarray(resized).reshape(*size, *array.shape[2:])


def _enlarged(array: np.ndarray, axis: int, length: int) -> np.ndarray:
    """Enlarge one axis linearly with half-pixel centers."""
    count = array.shape[axis]
    weights = linear_weights((np.arange(length) + 0.5) * count / length - 0.5, count)
    return np.moveaxis(np.tensordot(weights, array, (1, axis)), 0, axis)


def linear_weights(at: np.ndarray, count: int) -> np.ndarray:
    """Return the matrix that reads an axis at some places: linear between its values, and constant beyond the outer ones.

    Parameters
    ----------
    at : ndarray, shape (n,)
        The places; 0 is the first value's, 1 the second's.
    count : int
        Values on the axis.

    Returns
    -------
    ndarray of float64, shape (n, count)

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.resample import linear_weights
    >>> linear_weights(np.array([-1.0, 0.25, 1.0]), 2)
    array([[1.  , 0.  ],
           [0.75, 0.25],
           [0.  , 1.  ]])
    """
    return np.stack([np.interp(at, np.arange(count), one) for one in np.eye(count)], axis=1)


def read_between(values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Read the rows of an array at some places: linear between them, and constant beyond the outer ones.

    Parameters
    ----------
    values : ndarray of float, shape (count, ...)
        The rows.
    at : ndarray, shape (n,)
        The places; 0 is the first row's, 1 the second's.

    Returns
    -------
    ndarray, shape (n, ...)
        What `linear_weights` multiplied by the rows gives.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.resample import read_between
    >>> read_between(np.array([2.0, 6.0]), np.array([-1.0, 0.25, 1.0]))
    array([2., 3., 6.])
    """
    at = np.clip(at, 0, len(values) - 1)
    before = at.astype(int)
    after = np.minimum(before + 1, len(values) - 1)
    share = (at - before).reshape(-1, *[1] * (values.ndim - 1))
    read: np.ndarray = values[before] + share * (values[after] - values[before])
    return read


def blur(image: np.ndarray, sigma: tuple[float, ...]) -> np.ndarray:
    """Blur an image, a signal or a volume by a Gaussian.

    Parameters
    ----------
    image : ndarray, shape (H, W) or (H, W, C)
        The image; or (T, C), (D, H, W, C).
    sigma : tuple of float
        Standard deviation down and across, in pixels: one number per axis.

    Returns
    -------
    ndarray of float32
        The shape of the image.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.resample import blur
    >>> edge = np.repeat([[0.0] * 8 + [1.0] * 8], 4, axis=0)
    >>> blur(edge, (1.0, 1.0))[0, 6:10].round(1)
    array([0.1, 0.3, 0.7, 0.9], dtype=float32)
    """
    if len(sigma) != 2:
        for axis, width in enumerate(sigma):
            image = _blurred(image, axis, width)
        return image
    array = np.ascontiguousarray(image, dtype=np.float32)
    blurred = cv2.GaussianBlur(array, (0, 0), sigmaX=sigma[1], sigmaY=sigma[0], borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred).reshape(image.shape)


def blur_matrix(length: int, sigma: float) -> np.ndarray:
    """Return the matrix by which `blur` blurs an axis; beyond its ends lies what is there.

    Parameters
    ----------
    length : int
        How many values there are along the axis.
    sigma : float
        Standard deviation of the Gaussian, in values.

    Returns
    -------
    ndarray of float32, shape (length, length)

    Examples
    --------
    >>> from vizcnn.resample import blur_matrix
    >>> blur_matrix(4, 0.5).round(2)[1]
    array([0.11, 0.79, 0.11, 0.  ], dtype=float32)
    """
    kernel = _kernel(sigma)
    up_to = np.concatenate([[0.0], np.cumsum(kernel)])
    places = np.arange(length + 1) - np.arange(length)[:, None] + len(kernel) // 2
    shares = up_to[np.clip(places, 0, len(kernel))]
    shares[:, 0], shares[:, -1] = 0, up_to[-1]
    return np.asarray(np.diff(shares, axis=1), dtype=np.float32)


def _kernel(sigma: float) -> np.ndarray:
    return np.asarray(cv2.getGaussianKernel(round(4 * sigma) * 2 + 1, sigma))[:, 0]


def _blurred(array: np.ndarray, axis: int, sigma: float) -> np.ndarray:
    rows = np.moveaxis(array, axis, 0).astype(np.float32)
    kernel = _kernel(sigma)
    flat = np.ascontiguousarray(rows.reshape(len(rows), -1))
    blurred = cv2.sepFilter2D(flat, -1, np.ones(1), kernel, borderType=cv2.BORDER_REPLICATE)
    return np.moveaxis(np.asarray(blurred).reshape(rows.shape), 0, axis)
