"""Signals, volumes and clips on an Axes: a signal as lines over its map, a volume as its slices, a clip as a strip of frames."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from vizcnn.render.image import opacity
from vizcnn.render.montage import montage
from vizcnn.render.style import ALPHA, SEQUENTIAL
from vizcnn.resample import resize_frames

MAX_SLICES = 9
"""Slices of a volume, or frames of a clip, that are shown, evenly spread."""

MAX_LINES = 6
"""Channels of a signal that are drawn as lines; of more, their mean."""


def is_signal(sample: np.ndarray) -> bool:
    """Tell whether this is a signal (T, C)."""
    return sample.ndim == 2


def is_volume(sample: np.ndarray) -> bool:
    """Tell whether this is a volume (D, H, W, C), or a clip (T, H, W, C)."""
    return sample.ndim == 4


def shown_slices(depth: int) -> list[int]:
    """Return which slices of a volume are shown.

    Parameters
    ----------
    depth : int
        How many it has.

    Returns
    -------
    list of int
    """
    return sorted(set(np.linspace(0, depth - 1, min(MAX_SLICES, depth)).round().astype(int).tolist()))


def lay_out_slices(volume: np.ndarray, size: tuple[int, int] | None = None, *, strip: bool = False) -> np.ndarray:
    """Lay the slices of a volume, or of its map, side by side, with a line of nothing between them.

    Parameters
    ----------
    volume : ndarray, shape (D, H, W) or (D, H, W, C)
        The volume; of an image the line takes its highest value, of a map zero.
    size : (int, int), default None
        Height and width that slices are brought to; None: their own.
    strip : bool, default False
        Whether all are in one row, as the frames of a clip.

    Returns
    -------
    ndarray, shape (rows * (H + 1) - 1, columns * (W + 1) - 1[, C])
    """
    slices = volume[shown_slices(len(volume))]
    blank = volume.max() if volume.ndim == 4 else 0
    slices = slices if size is None else resize_frames(slices, size)
    return montage(slices, columns=len(slices) if strip else None, gap=max(1, slices.shape[1] // 40), blank=blank)


def label_slices(axis: Axes, depth: int, *, strip: bool = False) -> None:
    """Write below slices, or the frames of a clip, which ones they are."""
    slices = shown_slices(depth)
    numbers = ", ".join(map(str, slices)) if len(slices) > 1 else "0"
    text = f"frames {numbers} of {depth}" if strip else f"slices {numbers} of {depth}, row by row"
    axis.set_xlabel(text, fontsize=7)


def draw_signal(
    axis: Axes,
    signal: np.ndarray | None,
    values: np.ndarray | None = None,
    *,
    cmap: str = SEQUENTIAL,
    norm: Normalize | None = None,
    alpha: float = ALPHA,
) -> None:
    """Draw a signal's channels as lines over its map as bands of color; without the signal, the map as a line.

    Parameters
    ----------
    axis : Axes
        Where to.
    signal : ndarray, shape (T, C), or None
        The signal.
    values : ndarray, shape (T,), default None
        Its map; None: the signal alone.
    cmap : str, default `SEQUENTIAL`
        Colors of the map.
    norm : Normalize, default None
        Scale of the map's colors; None: from its lowest to its highest value.
    alpha : float, default 0.7
        Highest opacity of the bands, 0 to 1.
    """
    if signal is None and values is not None:
        axis.plot(values, color="0.2", linewidth=0.9)
        axis.axhline(0, color="0.7", linewidth=0.6)
    elif signal is not None:
        lines = signal if signal.shape[1] <= MAX_LINES else signal.mean(axis=1, keepdims=True)
        axis.plot(lines, linewidth=0.9, color="0.1" if lines.shape[1] == 1 else None, zorder=2)
        low, high = axis.get_ylim()
        if values is not None:
            norm = norm or Normalize(float(values.min()), float(values.max()))
            weight = opacity(values[None], vmin=float(norm.vmin or 0), vmax=float(norm.vmax or 0), alpha=alpha)
            extent = (-0.5, len(values) - 0.5, low, high)
            axis.imshow(
                values[None],
                cmap=cmap,
                norm=norm,
                alpha=weight,
                extent=extent,
                aspect="auto",
                zorder=1,
                interpolation="nearest",
            )
        axis.set_ylim(low, high)
    axis.set_xlim(-0.5, len(signal if signal is not None else values if values is not None else ()) - 0.5)
    axis.tick_params(labelsize=7, length=2)
