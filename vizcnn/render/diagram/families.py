"""What a box does, and the color that says so."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_hex, to_rgb

from vizcnn.render.diagram.boxes import INPUT, Box
from vizcnn.render.style import brightness

TEXT_COLOR = "#1c2330"

FAMILIES: tuple[tuple[str, str, frozenset[str]], ...] = (
    ("input", "#ffffff", frozenset({"input"})),
    ("upsampling", "#1f9e89", frozenset({"transposed convolution", "upsampling"})),
    ("depthwise convolution", "#86bce8", frozenset({"depthwise convolution"})),
    ("convolution", "#3f7fc4", frozenset({"convolution"})),
    ("pooling", "#56b356", frozenset({"pooling"})),
    ("preprocessing", "#d9b98a", frozenset({"preprocessing"})),
    ("normalization", "#b9a3d6", frozenset({"normalization"})),
    ("dropout or noise", "#c9ced6", frozenset({"dropout"})),
    ("merge", "#e4674f", frozenset({"addition", "merge"})),
    ("activation", "#f2d14e", frozenset({"activation", "softmax"})),
    ("attention or recurrent", "#c774b2", frozenset({"attention", "recurrent"})),
    ("dense", "#f09a3e", frozenset({"dense"})),
    ("reshape or pad", "#a3adb8", frozenset({"reshape", "padding"})),
)
"""What a layer does, its color, and the roles that mean it."""

NESTED, OTHER = ("nested model", "#7388a8"), ("other", "#8f8f8f")


def family(box: Box) -> tuple[str, str]:
    """Return what a box does, in words, and its color."""
    if box.kind == INPUT:
        return FAMILIES[0][:2]
    if box.is_closed:
        return NESTED
    for name, color, roles in FAMILIES[1:]:
        if box.role in roles:
            return name, color
    return OTHER


def shade(color: str, share: float) -> str:
    """Return a color made darker: this share of its light."""
    red, green, blue = np.array(to_rgb(color)) * share
    return to_hex((red, green, blue))


def tint(color: str, share: float) -> str:
    """Return a color made lighter: this share of the way to white is left out."""
    red, green, blue = 1 - (1 - np.array(to_rgb(color))) * (1 - share)
    return to_hex((red, green, blue))


def readable_on(color: str) -> str:
    """Return black or white, whichever can be read on a color."""
    return "#ffffff" if brightness(color) < 0.6 else TEXT_COLOR
