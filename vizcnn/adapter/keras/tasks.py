"""What a task of KerasHub carries beside its layers: what is done to a picture first, and the anchors of its boxes.

A task is told by what it has, so that KerasHub isn't needed for any other model.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from vizcnn.adapter.arrays import Array
from vizcnn.inputs.preprocessing import Preprocess


def preprocess_of(model: Any) -> Preprocess | None:
    """Return what a task's own preprocessor does to a picture, which a call of the model leaves out; None where it has none."""
    converter = getattr(getattr(model, "preprocessor", None), "image_converter", None)
    if converter is None or not hasattr(converter, "resizing"):
        return None
    fit = "crop" if converter.crop_to_aspect_ratio else "pad" if converter.pad_to_aspect_ratio else "squash"
    fit = "squash" if converter.image_size is None else fit
    numbers: dict[str, Any] = {
        name: np.ravel(value).astype(float).tolist() if np.ndim(value) else float(value)
        for name in ("scale", "offset")
        if (value := getattr(converter, name, None)) is not None
    }
    return Preprocess(fit=fit, interpolation=converter.interpolation, **(numbers or {"scale": 1.0}))


def anchors_of(model: Any, sample_shape: tuple[int, ...]) -> Array | None:
    """Return the anchors that a detector's boxes are counted from, (A, 4): center and size in pixels; None where it has none."""
    generator = getattr(model, "anchor_generator", None)
    if generator is None:
        return None
    by_level = generator(keras.ops.zeros((1, *sample_shape)))
    levels = list(by_level.values()) if isinstance(by_level, dict) else [by_level]
    anchors = keras.ops.concatenate([keras.ops.reshape(level, (-1, 4)) for level in levels], axis=0)
    height, width = sample_shape[:2]
    centers = keras.utils.bounding_boxes.convert_format(
        anchors, source=generator.bounding_box_format, target="center_xywh", height=height, width=width
    )
    return np.asarray(keras.ops.convert_to_numpy(centers), dtype=np.float32)
