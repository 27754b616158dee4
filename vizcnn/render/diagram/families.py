"""What a box does, and the colour that says so."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_hex, to_rgb

from vizcnn.render.diagram.boxes import INPUT, Box
from vizcnn.render.style import brightness

TEXT_COLOR = "#1c2330"

# What a layer does, by words in the name of its class; the first that fits.
FAMILIES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("input", "#ffffff", ("Input",)),
    ("upsampling", "#1f9e89", ("DTranspose", "UpSampling", "Resizing", "PixelShuffle")),
    ("depthwise convolution", "#86bce8", ("Depthwise", "Separable")),
    ("convolution", "#3f7fc4", ("Conv",)),
    ("pooling", "#56b356", ("Pool", "Mean", "Max2D")),
    ("preprocessing", "#d9b98a", ("Rescaling", "Random", "CenterCrop", "MixUp", "CutMix")),
    ("normalization", "#b9a3d6", ("Normalization", "Norm")),
    ("dropout or noise", "#c9ced6", ("Dropout", "Noise", "Regularization")),
    ("merge", "#e4674f", ("Add", "Concat", "Multiply", "Average", "Maximum", "Minimum", "Subtract", "Dot", "Stack")),
    ("activation", "#f2d14e", ("Activation", "ReLU", "Relu", "ELU", "Softmax", "Sigmoid", "Silu", "Gelu", "Tanh", "Swish")),
    ("attention or recurrent", "#c774b2", ("Attention", "LSTM", "GRU", "RNN", "Bidirectional")),
    ("dense", "#f09a3e", ("Dense", "Embedding", "Matmul")),
    ("reshape or pad", "#a3adb8", ("Flatten", "Reshape", "Permute", "Padding", "Cropping", "GetItem", "Squeeze", "ExpandDims",
                                   "Transpose", "Repeat", "Split")),
)  # fmt: skip
NESTED, OTHER = ("nested model", "#7388a8"), ("other", "#8f8f8f")


def family(box: Box) -> tuple[str, str]:
    """Return what a box does, in words, and its color."""
    if box.kind == INPUT:
        return FAMILIES[0][:2]
    if box.is_closed:
        return NESTED
    kind = "Rescaling" if box.kind == "Normalization" else box.kind
    for name, color, words in FAMILIES[1:]:
        if any(word in kind for word in words):
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
    """Return black or white, whichever can be read on a colour."""
    return "#ffffff" if brightness(color) < 0.6 else TEXT_COLOR
