"""Arrays to pixels: pure functions on NumPy arrays; what they return to be shown is uint8."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import matplotlib
import numpy as np

SEQUENTIAL = "inferno"
"""Default colour map of maps without a sign: perceptually uniform, dark where nothing is."""

DIVERGING = "RdBu_r"
"""Default colour map of signed maps: white at zero, red for, blue against."""


def resize(image: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Resize an image or a map to `size`; one of a signal or a volume too, which are only ever enlarged.

    Bilinear with half-pixel centres where it grows (the corners' pixels keep their place, as in TensorFlow, PyTorch and
    OpenCV, and unlike `scipy.ndimage.zoom`); averaged over the area of a pixel where it shrinks.

    Parameters
    ----------
    image : ndarray, shape (H, W) or (H, W, C)
        Any numeric dtype.
    size : (int, int)
        Height and width; one number for (T[, C]), three for (D, H, W[, C]).

    Returns
    -------
    ndarray, shape (height, width[, C])
        uint8 for uint8, otherwise float32.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.render.image import resize
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
        return np.concatenate([resize(array[..., i : i + 4], size) for i in range(0, array.shape[2], 4)], axis=-1)
    # One axis may shrink while the other grows, and OpenCV's area mean doesn't grow bilinearly.
    smaller = (min(size[0], array.shape[0]), min(size[1], array.shape[1]))
    return _resized(_resized(array, smaller, cv2.INTER_AREA), size, cv2.INTER_LINEAR)


def shrink(image: np.ndarray, longest: int) -> np.ndarray:
    """Make an image smaller where its height or width is above `longest`; a signal or a volume stays as it is.

    Parameters
    ----------
    image : ndarray, shape (H, W, C)
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
    >>> from vizcnn.render.image import shrink
    >>> shrink(np.zeros((3000, 10, 1)), 600).shape
    (600, 2, 1)
    """
    if image.ndim != 3 or max(image.shape[:2]) <= longest:
        return image
    factor = longest / max(image.shape[:2])
    return resize(image, (max(1, round(image.shape[0] * factor)), max(1, round(image.shape[1] * factor))))


def _resized(array: np.ndarray, size: tuple[int, int], interpolation: int) -> np.ndarray:
    if array.shape[:2] == size:
        return array
    # OpenCV takes width before height, and drops an axis of one channel.
    resized = cv2.resize(array, size[::-1], interpolation=interpolation)
    return np.asarray(resized).reshape(*size, *array.shape[2:])


def _enlarged(array: np.ndarray, axis: int, length: int) -> np.ndarray:
    """Enlarge one axis linearly with half-pixel centres."""
    count = array.shape[axis]
    at = (np.arange(length) + 0.5) * count / length - 0.5
    weights = np.stack([np.interp(at, np.arange(count), one) for one in np.eye(count)], axis=1)
    return np.moveaxis(np.tensordot(weights, array, (1, axis)), 0, axis)


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
    >>> from vizcnn.render.image import blur
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


def _blurred(array: np.ndarray, axis: int, sigma: float) -> np.ndarray:
    rows = np.moveaxis(array, axis, 0).astype(np.float32)
    kernel = cv2.getGaussianKernel(round(4 * sigma) * 2 + 1, sigma)
    flat = np.ascontiguousarray(rows.reshape(len(rows), -1))
    done = cv2.sepFilter2D(flat, -1, np.ones(1), kernel, borderType=cv2.BORDER_REPLICATE)
    return np.moveaxis(np.asarray(done).reshape(rows.shape), 0, axis)


def to_display(image: np.ndarray) -> np.ndarray:
    """Turn any image into pixels that can be shown.

    uint8 is taken as it is. Of floats, those within 0..1 and those within 0..255 are taken as such; anything else (an input
    that was standardized) is stretched from its lowest to its highest value. Two channels and five or more show their mean.

    Parameters
    ----------
    image : ndarray, shape (H, W) or (H, W, C)
        The image.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.render.image import to_display
    >>> to_display(np.array([[0.0, 0.2, 1.0]]))[..., 0], to_display(np.array([[-2.0, 0.0, 2.0]]))[..., 0]
    (array([[  0,  51, 255]], dtype=uint8), array([[  0, 128, 255]], dtype=uint8))
    """
    array = image[..., None] if image.ndim == 2 else image
    if array.shape[-1] not in (1, 3, 4):
        array = array.mean(axis=-1, keepdims=True)
    array = array[..., :3]
    if array.dtype != np.uint8:
        values = array.astype(np.float64)
        low, high = float(values.min()), float(values.max())
        if low < 0 or high > 255:
            values = (values - low) / ((high - low) or 1.0) * 255
        elif high <= 1:
            values = values * 255
        array = np.rint(values).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3)))


def limits(
    values: np.ndarray, *, signed: bool, percentile: float = 99.0, vmin: float | None = None, vmax: float | None = None
) -> tuple[float, float]:
    """Return the values that the ends of a colour map stand for.

    Signed maps get a scale centred on zero; the others begin at zero. The end is a percentile of the magnitudes, so that a
    few outliers don't leave the rest in the dark. A constant map gets a scale of its own and never a width of zero. NaN and
    infinity don't count.

    Parameters
    ----------
    values : ndarray
        The map, or all maps that share the scale.
    signed : bool
        Whether the sign means something.
    percentile : float, default 99.0
        Percentile, 0 to 100, of the magnitudes that the scale ends at.
    vmin, vmax : float, default None
        Ends that are given rather than found; of a signed map one gives the other.

    Returns
    -------
    (float, float)

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.render.image import limits
    >>> values = np.array([-1.0, 2.0, 4.0])
    >>> limits(values, signed=True, percentile=100), limits(values, signed=False, vmax=3.0)
    ((-4.0, 4.0), (0.0, 3.0))
    """
    if vmax is None and signed and vmin is not None:
        vmax = abs(vmin) or 1.0
    if vmax is None:
        magnitudes = np.abs(values[np.isfinite(values)])
        vmax = 1.0
        if magnitudes.size:
            vmax = float(np.percentile(magnitudes, percentile)) or float(magnitudes.max()) or 1.0
        if vmin is not None and vmax <= vmin:
            vmax = vmin + 1.0
    if vmin is None:
        vmin = -abs(vmax) if signed else 0.0 if vmax > 0 else vmax - 1.0
    return float(vmin), float(vmax)


def colorize(values: np.ndarray, *, cmap: str, vmin: float, vmax: float) -> np.ndarray:
    """Colour a map.

    Parameters
    ----------
    values : ndarray, shape (H, W)
        The map.
    cmap : str
        A matplotlib colour map's name.
    vmin, vmax : float
        Values at the ends of the colour map; what lies beyond is clipped.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.render.image import colorize
    >>> colorize(np.array([[-1.0, 9.0]]), cmap="gray", vmin=0.0, vmax=1.0)
    array([[[  0,   0,   0], [255, 255, 255]]], dtype=uint8)
    """
    scaled = (np.clip(values, vmin, vmax) - vmin) / (vmax - vmin if vmax > vmin else 1.0)
    return np.asarray(matplotlib.colormaps[cmap](scaled, bytes=True))[..., :3]


def opacity(values: np.ndarray, *, vmin: float, vmax: float, alpha: float) -> np.ndarray:
    """Return how opaque a map lies over its image: clear where it is zero, `alpha` from half of its scale on.

    Parameters
    ----------
    values : ndarray, shape (H, W)
        The map.
    vmin, vmax : float
        Its scale, as `limits` gives it.
    alpha : float
        Highest opacity, 0 to 1.

    Returns
    -------
    ndarray of float32, shape (H, W)

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.render.image import opacity
    >>> opacity(np.array([[0.0, -1.0, 2.0, 4.0]]), vmin=-4.0, vmax=4.0, alpha=0.5)
    array([[0.  , 0.25, 0.5 , 0.5 ]], dtype=float32)
    """
    end = max(abs(vmin), abs(vmax)) or 1.0
    return np.asarray(np.clip(2 * np.abs(values) / end, 0, 1) * alpha, dtype=np.float32)


def overlay(
    image: np.ndarray, values: np.ndarray, *, cmap: str, vmin: float, vmax: float, alpha: float = 0.7
) -> np.ndarray:
    """Lay a coloured map over an image, at the image's own resolution.

    Parameters
    ----------
    image : ndarray, shape (H, W[, C])
        The image, as it was given.
    values : ndarray, shape (h, w)
        The map; it is brought to the image's size as floats, before it is coloured.
    cmap : str
        A matplotlib colour map's name.
    vmin, vmax : float
        Values at the ends of the colour map.
    alpha : float, default 0.7
        Highest opacity of the map, 0 to 1.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.render.image import overlay
    >>> white, values = np.full((4, 4, 3), 255, np.uint8), np.array([[0.0, 1.0]])
    >>> laid = overlay(white, values, cmap="gray_r", vmin=0.0, vmax=1.0, alpha=1.0)
    >>> laid[0, [0, 3], 0].tolist()  # clear where the map is zero, the colour map's black where it is one
    [255, 0]
    """
    pixels = to_display(image)
    values = resize(values, pixels.shape[:2]) if values.shape != pixels.shape[:2] else values
    weight = opacity(values, vmin=vmin, vmax=vmax, alpha=alpha)[..., None]
    gray = pixels @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    mixed = (1 - weight) * gray[..., None] + weight * colorize(values, cmap=cmap, vmin=vmin, vmax=vmax)
    return np.asarray(np.rint(mixed), dtype=np.uint8)


def montage(images: Sequence[np.ndarray], *, columns: int | None = None, gap: int = 2) -> np.ndarray:
    """Put images of one size side by side, in rows.

    Parameters
    ----------
    images : sequence of ndarray of uint8, shape (H, W, 3)
        The images.
    columns : int, default None
        Images in a row; None: about as many as there are rows.
    gap : int, default 2
        White pixels between them.

    Returns
    -------
    ndarray of uint8, shape (rows * (H + gap) - gap, columns * (W + gap) - gap, 3)

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.render.image import montage
    >>> montage([np.zeros((8, 8, 3), np.uint8)] * 5, columns=3).shape
    (18, 28, 3)
    """
    columns = columns or int(np.ceil(np.sqrt(len(images))))
    rows = -(-len(images) // columns)
    height, width = images[0].shape[:2]
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 255, dtype=np.uint8)
    for index, image in enumerate(images):
        top, left = (index // columns) * (height + gap), (index % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet
