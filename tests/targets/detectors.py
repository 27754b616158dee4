"""Detectors with weights set by hand, and what a box of theirs scores, written a second time in plain NumPy."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

import vizcnn as vz
from tests.rounding import rounding

SIZE = 16
CLOSE = rounding(SIZE * SIZE * 3, 12)


# A second, slow version ------------------------------------------------------------------------------------------------


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Return the intersection over union of two boxes by their edges."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    if across <= 0 or down <= 0:
        return 0.0
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return float(across * down / (areas[0] + areas[1] - across * down))


def weights_of(boxes: np.ndarray, sure: np.ndarray, box: Any, least: float = 0.5) -> np.ndarray:
    """Return how much each of (A, 4) counts in a box, by a loop."""
    shares = np.array([overlap(one, box) for one in boxes])
    counts = shares >= min(least, shares.max())
    weights = np.where(counts, shares * sure, 0.0)
    return weights / weights.sum()


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.asarray(values, np.float64)))


# A detector with weights set by hand -------------------------------------------------------------------------------------

PLACES, CLASSES = 8, 2
GENERATOR = np.random.default_rng(3)
HEAD = GENERATOR.normal(0, 0.05, (SIZE * SIZE * 3, PLACES * CLASSES)).astype(np.float32)
CORNERS = np.array(
    [
        [0, 0, 8, 8],
        [0, 0, 8, 10],
        [8, 0, 16, 8],
        [7, 8, 16, 16],
        [0, 8, 8, 16],
        [1, 0, 9, 8],
        [6, 1, 15, 9],
        [2, 2, 5, 14],
    ],
    np.float32,
)


def pictures(count: int = 2) -> np.ndarray:
    return np.random.default_rng(5).uniform(0, 1, (count, SIZE, SIZE, 3)).astype(np.float32)


def scores_of(x: np.ndarray) -> np.ndarray:
    return (x.reshape(len(x), -1) @ HEAD).reshape(len(x), PLACES, CLASSES)


class Constant(keras.layers.Layer):
    """Boxes that are the same for every image, as a layer returns them."""

    def __init__(self, values: np.ndarray, **options: Any) -> None:
        super().__init__(**options)
        self.values = values

    def call(self, inputs: Any) -> Any:
        start = keras.ops.zeros_like(keras.ops.sum(inputs, axis=(1, 2, 3)))
        return keras.ops.reshape(start, (-1, *[1] * self.values.ndim)) + keras.ops.convert_to_tensor(self.values)

    def compute_output_shape(self, shape: Any) -> Any:
        return (shape[0], *self.values.shape)


def detector(activation: str | None = None, boxes: np.ndarray = CORNERS) -> Any:
    inputs = keras.Input((SIZE, SIZE, 3))
    flat = keras.layers.Flatten()(inputs)
    scores = keras.layers.Dense(PLACES * CLASSES, use_bias=False, name="head")(flat)
    scores = keras.layers.Reshape((PLACES, CLASSES), name="scores" if activation is None else "raw")(scores)
    if activation is not None:
        scores = keras.layers.Activation(activation, name="scores")(scores)
    model = keras.Model(inputs, {"boxes": Constant(boxes, name="boxes")(inputs), "scores": scores})
    model.get_layer("head").set_weights([HEAD])
    return model


def expected(x: np.ndarray, box: Any, index: int, sure: Any = sigmoid, logits: Any = scores_of) -> np.ndarray:
    values = logits(x)
    return np.array(
        [weights_of(CORNERS, sure(rows)[:, index], box) @ rows[:, index].astype(np.float64) for rows in values]
    )


def black_box(function: Any, **options: Any) -> Any:
    return vz.adapt(function, input_shape=(SIZE, SIZE, 3), **options)
