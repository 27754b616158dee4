"""Arrays to pixels: pure functions on NumPy arrays; what they return to be shown is uint8."""

from __future__ import annotations

import matplotlib
import numpy as np

from vizcnn import resample
from vizcnn.aliases import moved
from vizcnn.render.style import ALPHA, GRAY, PERCENTILE

__getattr__ = moved(
    __name__,
    {
        "resize": "vizcnn.resample.resize",
        "shrink": "vizcnn.resample.shrink",
        "blur": "vizcnn.resample.blur",
        "montage": "vizcnn.render.montage.montage",
        "SEQUENTIAL": "vizcnn.render.style.SEQUENTIAL",
        "DIVERGING": "vizcnn.render.style.DIVERGING",
    },
)


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
    values: np.ndarray,
    *,
    signed: bool,
    percentile: float = PERCENTILE,
    vmin: float | None = None,
    vmax: float | None = None,
) -> tuple[float, float]:
    """Return the values that the ends of a color map stand for.

    Signed maps get a scale centered on zero; the others begin at zero. The end is a percentile of the magnitudes, so that a
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
    """Color a map.

    Parameters
    ----------
    values : ndarray, shape (H, W)
        The map.
    cmap : str
        A matplotlib color map's name.
    vmin, vmax : float
        Values at the ends of the color map; what lies beyond is clipped.

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
        Where the map is no number, 0.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.render.image import opacity
    >>> opacity(np.array([[0.0, -1.0, 2.0, 4.0]]), vmin=-4.0, vmax=4.0, alpha=0.5)
    array([[0.  , 0.25, 0.5 , 0.5 ]], dtype=float32)
    """
    end = max(abs(vmin), abs(vmax)) or 1.0
    share = np.nan_to_num(2 * np.abs(values) / end, nan=0.0)
    return np.asarray(np.clip(share, 0, 1) * alpha, dtype=np.float32)


def overlay(
    image: np.ndarray, values: np.ndarray, *, cmap: str, vmin: float, vmax: float, alpha: float = ALPHA
) -> np.ndarray:
    """Lay a colored map over an image, at the image's own resolution.

    Parameters
    ----------
    image : ndarray, shape (H, W[, C])
        The image, as it was given.
    values : ndarray, shape (h, w)
        The map; it is brought to the image's size as floats, before it is colored.
    cmap : str
        A matplotlib color map's name.
    vmin, vmax : float
        Values at the ends of the color map.
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
    >>> laid[0, [0, 3], 0].tolist()  # clear where the map is zero, the color map's black where it is one
    [255, 0]
    """
    pixels = to_display(image)
    values = resample.resize(values, pixels.shape[:2]) if values.shape != pixels.shape[:2] else values
    weight = opacity(values, vmin=vmin, vmax=vmax, alpha=alpha)[..., None]
    gray = pixels @ np.array(GRAY, dtype=np.float32)
    mixed = (1 - weight) * gray[..., None] + weight * colorize(values, cmap=cmap, vmin=vmin, vmax=vmax)
    return np.asarray(np.rint(mixed), dtype=np.uint8)
