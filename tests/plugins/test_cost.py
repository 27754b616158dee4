"""What a method says that it costs is how often it runs the model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import vizcnn as vz
from vizcnn.algorithms.cost import Cost
from vizcnn.plugins import registry

IMAGE = np.random.default_rng(0).random((12, 12, 1)).astype(np.float32)

OPTIONS: dict[str, dict[str, Any]] = {
    "occlusion": {"patch_size": 4, "stride": 3},
    "rise": {"num_samples": 40},
    "lime": {"num_samples": 60, "num_segments": 9},
    "kernel_shap": {"num_samples": 60, "num_segments": 16},
    "partition_shap": {"num_samples": 60},
    "hsic": {"num_samples": 40, "num_segments": 9},
    "sobol": {"num_samples": 8, "num_segments": 9},
}


@pytest.mark.parametrize("method", OPTIONS)
def test_black_box_is_run_as_often_as_was_told(method: str) -> None:
    runs = 0

    def counted(inputs: np.ndarray) -> np.ndarray:
        nonlocal runs
        runs += len(inputs)
        return np.stack([inputs[:, :6].mean(axis=(1, 2, 3)), inputs[:, 6:].mean(axis=(1, 2, 3))], axis=1)

    model = vz.adapt(counted, input_shape=(12, 12, 1), labels=["up", "down"], batch_size=1)
    plugin = registry.get(method)
    told = plugin.cost_on(model, (12, 12, 1), OPTIONS[method])
    model.outputs(IMAGE[None])
    runs = 0
    plugin.function(model, IMAGE, "up", **OPTIONS[method])
    assert told is not None
    assert 0 <= runs - told.runs <= 4  # the image itself, and what is told by probing


@pytest.mark.parametrize(
    ("method", "options", "cost"),
    [
        ("saliency", {}, Cost(gradients=1)),
        ("gradcam", {"layers": ["conv4", "conv5"]}, Cost(gradients=2)),
        ("smoothgrad", {"num_samples": 7}, Cost(gradients=7)),
        ("integrated_gradients", {"num_steps": 9}, Cost(gradients=9)),
        ("blur_ig", {"num_steps": 9}, Cost(gradients=10)),
        ("xrai", {"num_steps": 9}, Cost(gradients=18)),
        ("extremal_perturbation", {"num_steps": 9, "area": (0.1, 0.2)}, Cost(2, 18)),
        ("scorecam", {"layer": "conv1"}, Cost(18)),
        ("scorecam", {"top": 5}, Cost(7)),
        ("ablationcam", {"layer": "conv2"}, Cost(33)),
        ("occlusion", {"refine": 0.5}, Cost(1 + round(169 * 0.5))),
    ],
)
def test_cost_follows_the_options(method: str, options: dict[str, Any], cost: Cost) -> None:
    assert registry.get(method).cost_on(vz.assets.digits_cnn(), (28, 28, 1), options) == cost


def test_every_method_of_ours_that_explains_tells_its_cost() -> None:
    plugins = [
        plugin for plugin in map(registry.get, registry.names()) if plugin.explains and plugin.package == "vizcnn"
    ]
    assert [plugin.name for plugin in plugins if plugin.cost is None and plugin.family != "guest"] == []
