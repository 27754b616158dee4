"""Pictures as pixels, without a figure around them: for TensorBoard, and for animations."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from vizcnn.render.image import limits, overlay
from vizcnn.render.maps import save_maps
from vizcnn.render.panels import Panel
from vizcnn.render.style import default_cmap

LEAST = 224
"""Pixels, height or width, up to which a small picture is enlarged, in whole steps."""

_MOST = 2048
"""Pixels that the longer side is not enlarged beyond."""


def rasterize(panel: Panel) -> np.ndarray:
    """Draw one map over its image as pixels, on its own scale.

    Parameters
    ----------
    panel : Panel
        The map; of signals, volumes, and maps that lie nowhere in their images the whole figure is drawn.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
        Of the image's size, or smaller where that is large.
    """
    image, values = panel.pixels(), panel.values
    if image is None or values is None or image.ndim != 3:
        buffer = io.BytesIO()
        save_maps([panel], buffer, ".png")
        return np.asarray(Image.open(buffer).convert("RGB"))
    low, high = limits(values, signed=panel.signed)
    pixels = overlay(image, values, cmap=default_cmap(signed=panel.signed), vmin=low, vmax=high)
    return enlarged(pixels, LEAST)


def enlarged(pixels: np.ndarray, least: int, *, wide: bool = False) -> np.ndarray:
    """Enlarge pixels in whole steps, until they are about as large as they should be, or one side is very long.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (H, W, 3)
        The picture.
    least : int
        Pixels that the shorter side is to have.
    wide : bool, default False
        Whether it is the width that is to have them.

    Returns
    -------
    ndarray of uint8, shape (k H, k W, 3)
    """
    side = pixels.shape[1] if wide else min(pixels.shape[:2])
    factor = max(1, min(least // side, _MOST // max(pixels.shape[:2])))
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)


def read(path: Path) -> np.ndarray:
    """Return the pixels of a picture that was written before."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def write_png(pixels: np.ndarray, file: BinaryIO) -> None:
    """Write pixels as a PNG file."""
    Image.fromarray(pixels).save(file, format="PNG")


def write_gif(pictures: Iterable[np.ndarray], milliseconds: int, file: BinaryIO) -> None:
    """Write pictures of one size as an animated GIF that runs for ever.

    Parameters
    ----------
    pictures : iterable of ndarray of uint8, shape (H, W, 3)
        The frames.
    milliseconds : int
        How long each frame is shown.
    file : binary file
        Where to.
    """
    frames = map(Image.fromarray, pictures)
    next(frames).save(file, format="GIF", save_all=True, append_images=frames, duration=milliseconds, loop=0)
