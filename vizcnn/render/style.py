"""How pictures look: the one place for color maps, resolution and brightness, for figures, files and the report alike."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass, fields

import numpy as np

from vizcnn.errors import OptionError

SEQUENTIAL = "inferno"
"""Color map of maps without a sign: perceptually uniform, dark where nothing is."""

DIVERGING = "RdBu_r"
"""Color map of signed maps: white at zero, red for, blue against."""

MONTAGE = "viridis"
"""Color map of montages of kernels and feature maps without a sign."""

OFFERED = tuple(dict.fromkeys((SEQUENTIAL, "viridis", "gray", DIVERGING)))
"""Color maps that the report can switch between."""

ALPHA = 0.7
"""Highest opacity of a map over its image."""

PERCENTILE = 99.0
"""Percentile of a map's magnitudes that its scale ends at."""

DPI = 150
"""Dots per inch of what is saved."""

SHARPEST = 800
"""Pixels, height or width, that an image is read with to be drawn on a panel, at twice the resolution of a file."""

NOTEBOOK = 12
"""Images, or rows of images, that a notebook shows of a result."""

OUTLINE = "white"
"""Color of what is outlined on a picture, between two lines of black."""

GRAY = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in the brightness of a color (ITU-R BT.601)."""

_HUES = {"red": 0, "orange": 32, "yellow": 58, "green": 120, "cyan": 180, "blue": 215, "purple": 280, "pink": 325}
"""Degrees of the color wheel, by what the color there is called."""


def default_cmap(*, signed: bool, montage: bool = False) -> str:
    """Return the color map of a map over its image, or of a `montage` of small maps, where none is asked for."""
    return DIVERGING if signed else MONTAGE if montage else SEQUENTIAL


def brightness(color: str | tuple[float, float, float]) -> float:
    """Return how bright a color is, 0 to 1."""
    from matplotlib.colors import to_rgb

    return float(np.dot(to_rgb(color), GRAY))


def colors_of_signs() -> tuple[str, str]:
    """Return what the colors of positive and of negative values are called, in `DIVERGING`.

    Returns
    -------
    (str, str)

    Examples
    --------
    >>> from vizcnn.render.style import colors_of_signs
    >>> colors_of_signs()
    ('red', 'blue')
    """
    import matplotlib as mpl

    cmap = mpl.colormaps[DIVERGING]
    return _called(cmap(0.85)[:3]), _called(cmap(0.15)[:3])


def _called(color: tuple[float, ...]) -> str:
    hue, saturation, value = colorsys.rgb_to_hsv(*color)
    if saturation < 0.2:
        return "black" if value < 0.3 else "white" if value > 0.85 else "gray"
    return min(_HUES, key=lambda name: abs((_HUES[name] - 360 * hue + 180) % 360 - 180))


@dataclass(frozen=True)
class MapStyle:
    """How a map over its image is drawn.

    Attributes
    ----------
    overlay : bool, default True
        Lay the map over the image; False: the map alone.
    cmap : str, default None
        Color map; None: `SEQUENTIAL`, and `DIVERGING` for signed maps.
    vmin, vmax : float, default None
        Ends of the color scale; None: found for each map, centered on zero for signed ones.
    percentile : float, default `PERCENTILE`
        Percentile of the magnitudes, 0 to 100, that the scale ends at.
    alpha : float, default `ALPHA`
        Highest opacity of the map, 0 to 1.
    colorbar : bool, default True
        Draw a color bar.

    Raises
    ------
    OptionError
        If `percentile` or `alpha` lies outside its range, or `vmin` isn't below `vmax`.

    Examples
    --------
    >>> from vizcnn.render.style import MapStyle
    >>> MapStyle(alpha=0.5).colorbar
    True
    >>> MapStyle(alpha=2)
    Traceback (most recent call last):
    ...
    vizcnn.errors.OptionError: `alpha` must be from 0 to 1; got 2.
    """

    overlay: bool = True
    cmap: str | None = None
    vmin: float | None = None
    vmax: float | None = None
    percentile: float = PERCENTILE
    alpha: float = ALPHA
    colorbar: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.percentile <= 100:
            raise OptionError(f"`percentile` must be above 0 and at most 100; got {self.percentile!r}.")
        check_alpha(self.alpha)
        if self.vmin is not None and self.vmax is not None and self.vmin >= self.vmax:
            raise OptionError(f"`vmin` must be below `vmax`; got {self.vmin!r} and {self.vmax!r}.")


MAP_STYLES = tuple(field.name for field in fields(MapStyle))
"""What `MapStyle` can be told."""


def check_alpha(alpha: float) -> None:
    """Raise OptionError unless this is an opacity."""
    if not 0 <= alpha <= 1:
        raise OptionError(f"`alpha` must be from 0 to 1; got {alpha!r}.")
