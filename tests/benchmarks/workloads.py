"""What the benchmarks give to every side, whatever Keras runs on: images, a class, and what is asked of methods that sample."""

from __future__ import annotations

from typing import Any

import numpy as np

TARGET = 3
"""The class that is explained."""

SIZE = 224

MOST = {"MobileNet 0.25": 1.15, "ResNet-50": 1.05}
"""How often as long as the bare runs it may take: of the small network what is done to the images is a larger share."""


def images(count: int) -> np.ndarray:
    """Return noise as a model's inputs, (count, SIZE, SIZE, 3) in -1..1."""
    return np.random.default_rng(0).uniform(-1, 1, size=(count, SIZE, SIZE, 3)).astype(np.float32)


SAMPLED: dict[str, tuple[str, int | None, dict[str, Any]]] = {
    "smoothgrad, 20 samples": ("gradients", 20, {"num_samples": 20}),
    "integrated_gradients, 50 steps": ("gradients", 50, {"num_steps": 50}),
    "expected_gradients, 50 samples": ("gradients", 50, {"num_samples": 50, "background": images(8)}),
    "blur_ig, 50 steps": ("gradients", 51, {"num_steps": 50}),
    "rise, 1000 masks": ("forwards", 1000, {"num_samples": 1000}),
    "scorecam, 256 channels": ("forwards", 256, {"top": 256}),
    "kernel_shap, 500 samples": ("forwards", 500, {"num_samples": 500}),
    "partition_shap, 500 samples": ("forwards", 500, {"num_samples": 500}),
    "sobol, 16 samples of 30 segments": ("forwards", 16 * 32, {"num_samples": 16, "num_segments": 30}),
    "smoothgrad, a tolerance of 0.3": ("gradients", None, {"num_samples": 200, "tolerance": 0.3}),
    "kernel_shap, a tolerance of 0.3": ("forwards", None, {"num_samples": 1000, "tolerance": 0.3}),
}
"""What is asked of a method, and how many of which bare runs that is; None: as many as its tolerance takes."""

ON_THE_SMALL = ("blur_ig", "partition_shap", "sobol", "tolerance")
"""What is timed on the small model only: how its copies are made, or how many it takes, is the method's affair."""

SMALL = "MobileNet 0.25"


def sampled_on(model: str) -> list[str]:
    """Return what is asked of methods that sample on a model of this name."""
    return [name for name in SAMPLED if model == SMALL or not any(word in name for word in ON_THE_SMALL)]
