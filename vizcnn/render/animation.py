"""Maps over frames, one picture after another in the same colors: GIF and MP4 files of any length, in the memory of a frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, BinaryIO

import matplotlib
import numpy as np
from matplotlib import font_manager
from PIL import GifImagePlugin, Image, ImageDraw, ImageFont

from vizcnn.errors import ResultError
from vizcnn.render.image import limits, opacity, to_display
from vizcnn.render.panels import Panel
from vizcnn.render.raster import LEAST
from vizcnn.render.style import ALPHA, GRAY, MapStyle, default_cmap
from vizcnn.resample import resize
from vizcnn.text import printable

LONGEST = 640
"""Pixels, height or width, that frames of an animation are kept within."""

SECONDS = 0.15
"""How long a frame is shown where the clip doesn't say."""

_SMALL = 100
"""Pixels, height or width, of the copy of a frame whose colors become those of a GIF."""

_LEVELS = 1024
"""Steps of the color scale: more than a screen shows."""


@dataclass(frozen=True)
class Painter:
    """Lays maps over frames, in colors that stand for the same values on each.

    Attributes
    ----------
    low, high : float
        Values at the ends of the colors.
    cmap : str
        A matplotlib color map's name.
    alpha : float, default 0.7
        Highest opacity.

    Examples
    --------
    >>> import numpy as np
    >>> from vizcnn.render.animation import Painter
    >>> painter = Painter(0.0, 1.0, "gray_r", alpha=1.0)
    >>> white = np.full((2, 4, 3), 255, np.uint8)
    >>> painter.paint(white, np.array([[0.0, 1.0]]))[0, [0, 3], 0].tolist()
    [255, 0]
    """

    low: float
    high: float
    cmap: str
    alpha: float = ALPHA

    @cached_property
    def _tables(self) -> tuple[np.ndarray, np.ndarray]:
        """What each level adds of its color, (levels, 3), and leaves of the picture, (levels,)."""
        levels = np.linspace(self.low, self.high, _LEVELS)
        weight = opacity(levels, vmin=self.low, vmax=self.high, alpha=self.alpha)
        colors = matplotlib.colormaps[self.cmap](np.linspace(0, 1, _LEVELS))[:, :3] * 255
        return (colors * weight[:, None]).astype(np.float32), (1 - weight).astype(np.float32)

    def paint(self, frame: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Lay a map over a frame.

        Parameters
        ----------
        frame : ndarray, shape (H, W, C)
            The frame.
        values : ndarray, shape (h, w)
            The map; clear where it is no number.

        Returns
        -------
        ndarray of uint8, shape (H, W, 3)
        """
        gray = to_display(frame) @ np.array(GRAY, dtype=np.float32)
        values = resize(values, gray.shape) if values.shape != gray.shape else values
        scale = (_LEVELS - 1) / ((self.high - self.low) or 1.0)
        zero = -self.low * scale
        levels = np.nan_to_num((values - self.low) * scale, nan=zero)
        index = np.clip(levels + 0.5, 0, _LEVELS - 1).astype(np.intp)
        added, left = self._tables
        return np.asarray(added[index] + (gray * left[index])[..., None] + 0.5, dtype=np.uint8)


def painter_of(panels: Iterable[Panel], look: MapStyle | None = None) -> Painter:
    """Return what paints all frames in one scale.

    Parameters
    ----------
    panels : iterable of Panel
        Frames that decide on the scale, each with its map; or a clip.
    look : MapStyle, default None
        How.

    Returns
    -------
    Painter
    """
    look = look or MapStyle()
    panels = [panel for panel in panels if panel.values is not None]
    values = np.concatenate([np.ravel(panel.values) for panel in panels])  # type: ignore[arg-type]
    signed = any(panel.signed for panel in panels)
    low, high = limits(values, signed=signed, percentile=look.percentile, vmin=look.vmin, vmax=look.vmax)
    return Painter(low, high, look.cmap or default_cmap(signed=signed), look.alpha)


def frames_of(panel: Panel, look: MapStyle, *, title: bool = True, longest: int = LONGEST) -> Iterator[np.ndarray]:
    """Yield the pictures of a clip with its map.

    Parameters
    ----------
    panel : Panel
        A clip (T, H, W, C) and its map (T, H, W).
    look : MapStyle
        How.
    title : bool, default True
        Write the title below.
    longest : int, default `LONGEST`
        Pixels, height or width, that pictures are kept within.

    Yields
    ------
    ndarray of uint8, shape (H, W, 3)
    """
    clip, values = panel.pixels(longest), panel.values
    if clip is None or values is None or clip.ndim != 4:
        raise ResultError("`path` must not end in .gif or .mp4 where there are no frames: this map lies over no clip.")
    painter = painter_of([panel], look)
    for frame, of_frame in zip(clip, values, strict=True):
        yield captioned(painter.paint(frame, of_frame), panel.heading if title else "")


def captioned(picture: np.ndarray, text: str) -> np.ndarray:
    """Return a picture, enlarged in whole steps where it is small, with a line of text below it.

    Parameters
    ----------
    picture : ndarray of uint8, shape (H, W, 3)
        The picture.
    text : str
        What is written; "": nothing, and no room for it.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
        Of even height and width, as videos have; the same for all texts but "".
    """
    factor = max(1, -(-LEAST // max(picture.shape[:2])))
    picture = picture.repeat(factor, axis=0).repeat(factor, axis=1) if factor > 1 else picture
    rows, columns = picture.shape[0] % 2, picture.shape[1] % 2
    picture = np.pad(picture, ((0, rows), (0, columns), (0, 0)), mode="edge") if rows or columns else picture
    return picture if not text else np.concatenate([picture, _line(text, picture.shape[1])])


@lru_cache(maxsize=64)
def _line(text: str, width: int) -> np.ndarray:
    """Return a line of text as pixels, cut where it is too long."""
    size = int(np.clip(width / 20, 10, 18))
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), size)
    line = " \N{MIDDLE DOT} ".join(filter(None, printable(text).splitlines()))
    while len(line) > 1 and font.getlength(line) > width - size:
        line = line[:-2] + "\N{HORIZONTAL ELLIPSIS}"
    image = Image.new("RGB", (width, size * 8 // 5 // 2 * 2), "white")
    ImageDraw.Draw(image).text((size // 2, image.height / 2), line, fill="black", font=font, anchor="lm")
    return np.asarray(image)


# Files --------------------------------------------------------------------------------------------------------------------


def write_animation(pictures: Iterable[np.ndarray], file: BinaryIO, suffix: str, seconds: float | None = None) -> None:
    """Write pictures of one size as they come, whatever their number.

    Parameters
    ----------
    pictures : iterable of ndarray of uint8, shape (H, W, 3)
        The frames, at least one.
    file : binary file
        Where to; it can be seeked.
    suffix : str
        ".gif", or ".mp4", which needs PyAV.
    seconds : float, default None
        How long each is shown; None: `SECONDS`.

    Raises
    ------
    ResultError
        If PyAV isn't installed and needed.
    """
    _WRITERS[suffix](pictures, file, seconds or SECONDS)


def write_gif(pictures: Iterable[np.ndarray], file: BinaryIO, seconds: float) -> None:
    """Write pictures as a GIF that runs for ever; each with its own 256 colors."""
    begun = False
    for picture in pictures:
        image = _with_palette(Image.fromarray(picture))
        if not begun:
            blocks = GifImagePlugin.getheader(image, info={"loop": 0, "duration": 1, "version": b"89a"})[0]
            file.writelines(blocks)
            begun = True
        file.writelines(
            GifImagePlugin.getdata(image, duration=max(20, round(1000 * seconds)), include_color_table=True)
        )
    file.write(b";")


def _with_palette(image: Image.Image) -> Image.Image:
    """Return an image of 256 colors, found by its median cut: of a small copy, which takes a tenth of the time."""
    small = image.reduce(max(1, max(image.size) // _SMALL))
    return image.quantize(palette=small.quantize(256, Image.Quantize.MEDIANCUT), dither=Image.Dither.NONE)


def write_mp4(pictures: Iterable[np.ndarray], file: BinaryIO, seconds: float) -> None:
    """Write pictures as an MP4 file."""
    from fractions import Fraction

    av: Any = import_av("`path` ending in .mp4")
    with av.open(file, "w", format="mp4") as container:
        stream: Any = None
        for picture in pictures:
            if stream is None:
                codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
                stream = container.add_stream(codec, rate=Fraction(1 / seconds).limit_denominator(1001))
                stream.height, stream.width, stream.pix_fmt = picture.shape[0], picture.shape[1], "yuv420p"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        if stream is not None:
            container.mux(stream.encode())


def import_av(what: str) -> Any:
    """Return the module `av`; raise `ResultError` that names the extra where it isn't installed."""
    try:
        import av
    except ModuleNotFoundError as error:
        raise ResultError(f"{what} needs PyAV: pip install 'vizcnn[video]'. A .gif needs nothing.") from error
    return av


_WRITERS: dict[str, Callable[[Iterable[np.ndarray], BinaryIO, float], None]] = {".gif": write_gif, ".mp4": write_mp4}
