"""The small network and the images that all references are asked about, and what the methods that sample are handed.

`python -m tests.golden.model` draws them anew. All numbers are multiples of small powers of two, so that they are the same in
every precision.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

FILE = Path(__file__).with_name("model.npz")
SIZE, CLASSES = 16, 5
TARGETS = (1, 3)
"""The class that is explained, of each image."""
LAYER = "relu3"
"""The layer of the class activation maps; its feature maps are 8 x 8."""


@cache
def given() -> SimpleNamespace:
    """Return the arrays of the file: weights in Keras's order, images (2, 16, 16, 3), a background, segments, noise, masks."""
    with np.load(FILE) as stored:
        arrays = {name: stored[name] for name in stored.files}
    for name, values in arrays.items():
        if values.dtype == np.int8:  # in units of 1/32
            arrays[name] = values.astype(np.float32) / 32
    arrays["weights"] = [arrays.pop(f"weight{at}") for at in range(8)]
    return SimpleNamespace(**arrays)


def keras_model(*, softmax: bool = True) -> Any:
    """Return the network in Keras, on whatever it runs; without the softmax it ends in logits."""
    import keras
    from keras import layers

    image = keras.Input((SIZE, SIZE, 3), name="image")
    x = image
    for number, filters in enumerate((6, 8, 8), start=1):
        if number == 3:
            x = layers.MaxPooling2D(name="pool")(x)
        x = layers.Conv2D(filters, 3, padding="same", name=f"conv{number}")(x)
        x = layers.ReLU(name=f"relu{number}")(x)
    x = layers.Dense(CLASSES, name="logits")(layers.Flatten(name="flat")(x))
    if softmax:
        x = layers.Softmax(name="probabilities")(x)
    model = keras.Model(image, x, name="golden")
    model.set_weights(given().weights)
    return model


def torch_model(double: bool = True) -> Any:
    """Return the network in PyTorch, ending in logits: images (N, 3, 16, 16); the layers have the same names."""
    from collections import OrderedDict

    import torch
    from torch import nn

    torch.set_num_threads(1)  # more of them wait for each other longer than so small a network runs

    class Flatten(nn.Module):
        """Rows, columns, channels, as Keras has them."""

        def forward(self, x: Any) -> Any:
            return x.permute(0, 2, 3, 1).flatten(1)

    widths = (3, 6, 8, 8)
    parts: list[tuple[str, Any]] = []
    for number in (1, 2, 3):
        if number == 3:
            parts.append(("pool", nn.MaxPool2d(2)))
        parts.append((f"conv{number}", nn.Conv2d(widths[number - 1], widths[number], 3, padding=1)))
        parts.append((f"relu{number}", nn.ReLU()))
    parts += [("flat", Flatten()), ("logits", nn.Linear(8 * (SIZE // 2) ** 2, CLASSES))]
    model = nn.Sequential(OrderedDict(parts)).double()
    weights = given().weights
    with torch.no_grad():
        for at, name in enumerate(("conv1", "conv2", "conv3", "logits")):
            kernel, bias = weights[2 * at : 2 * at + 2]
            order = (3, 2, 0, 1) if kernel.ndim == 4 else (1, 0)
            getattr(model, name).weight.copy_(torch.from_numpy(kernel.transpose(order).copy()))
            getattr(model, name).bias.copy_(torch.from_numpy(bias))
    return (model if double else model.float()).eval()


def to_torch(images: np.ndarray, double: bool = True) -> Any:
    """Return images (N, H, W, C) as PyTorch takes them."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(images, -1, 1), np.float64 if double else np.float32))


def from_torch(values: Any) -> np.ndarray:
    """Return maps (N, C, H, W) as (N, H, W, C)."""
    return np.moveaxis(values.detach().numpy(), 1, -1)


def logits_of(model: Any) -> Callable[[np.ndarray], np.ndarray]:
    """Return a PyTorch model as a function of images (N, H, W, C) in NumPy."""
    import torch

    def logits(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return np.asarray(model(to_torch(np.asarray(images))).numpy())

    return logits


def _draw() -> None:
    """Draw the weights, the images and all chance."""
    generator = np.random.default_rng(14)

    def rounded(values: np.ndarray, unit: int = 1024) -> np.ndarray:
        return (np.round(values * unit) / unit).astype(np.float32)

    def as_bytes(values: np.ndarray) -> np.ndarray:
        return np.clip(np.round(values * 32), -127, 127).astype(np.int8)

    weights: list[np.ndarray] = []
    for inside, outside in ((3, 6), (6, 8), (8, 8)):
        weights.append(rounded(generator.normal(0, np.sqrt(2 / (9 * inside)), (3, 3, inside, outside))))
        weights.append(rounded(generator.uniform(-0.1, 0.2, outside)))
    weights.append(rounded(generator.normal(0, 0.25, (8 * (SIZE // 2) ** 2, CLASSES))))
    weights.append(rounded(generator.normal(0, 0.1, CLASSES)))

    rows, columns = np.mgrid[:SIZE, :SIZE]

    def image() -> np.ndarray:
        spots = np.zeros((SIZE, SIZE, 3))
        for _ in range(5):
            row, column, width = *generator.uniform(0, SIZE, 2), generator.uniform(1.5, 4)
            spot = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * width**2))
            spots += spot[..., None] * generator.uniform(-1, 1, 3)
        return np.clip(spots + generator.normal(0, 0.05, spots.shape), -1, 1)

    images = np.stack([image() for _ in range(2)])
    background = np.stack([image() for _ in range(4)])
    centers = generator.uniform(0, SIZE, (9, 2))
    segments = np.hypot(rows[..., None] - centers[:, 0], columns[..., None] - centers[:, 1]).argmin(axis=-1)
    arrays = {
        "images": as_bytes(images),
        "background": as_bytes(background),
        "segments": segments.astype(np.uint8),  # nine, of any shape
        "sixths": (rows // 8 * 3 + columns * 3 // SIZE).astype(np.uint8),
        "noise": as_bytes(generator.normal(0, 1, (12, SIZE, SIZE, 3))),
        "grids": generator.integers(0, 2, (120, 4, 4), dtype=np.uint8),
        "shift": generator.integers(0, 4, (1, 2), dtype=np.uint8),
        "points": (4 * generator.integers(0, 9, (2, 16, 16))).astype(np.int8),  # A and B, in eighths
        "shown": generator.integers(0, 2, (160, 16), dtype=np.uint8),
    }
    np.savez_compressed(FILE, **{f"weight{at}": values for at, values in enumerate(weights)}, **arrays)


if __name__ == "__main__":
    _draw()
