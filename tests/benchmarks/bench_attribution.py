"""Time the methods that sample beside as many bare runs of the model, and class activation maps beside Grad-CAM.

All sides run in one process, in turn. What the methods compute is held to slow twins by the tests; here only their time counts,
so the bare runs are of images that lie ready. Usage:

    python -m tests.benchmarks.bench_attribution [--quick] [--model NAME] [--markdown FILE]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

import vizcnn as vz
from tests.benchmarks import floors
from tests.benchmarks.bench_changed import MOST, best
from tests.benchmarks.floors import MODELS, TARGET, images
from tests.benchmarks.timing import Limit, Table, arguments, in_turn, machine, report

SAMPLED: dict[str, tuple[str, int | None, dict[str, Any]]] = {
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

CAMS = ("gradcam_plus_plus", "hirescam", "layercam", "xgradcam", "eigencam")


def main() -> None:
    """Run what the arguments ask for."""
    given = arguments("bench_attribution", __doc__, MODELS)
    tables = []
    for name in given.models:
        model = floors.lively_model(name)
        sampled = Table(
            f"One image, beside as many bare runs, {name}",
            ("method",),
            ("vizcnn", "bare runs"),
            [Limit("vizcnn / bare", "vizcnn", "bare runs", most=MOST[name])],
        )
        for method in SAMPLED:
            sampled.add((method,), time_sampled(model, method, quick=given.quick))
        cams = Table(
            f"Class activation maps beside Grad-CAM, {name}",
            ("method", "images"),
            ("vizcnn", "gradcam"),
            [Limit("vizcnn / gradcam", "vizcnn", "gradcam", most=1.10)],
        )
        for method in CAMS:
            for count in (1, 8):
                cams.add((method, count), time_cam(model, method, count, quick=given.quick))
        tables += [sampled, cams]
    report(machine("tensorflow", "keras", "vizcnn"), tables, given.markdown, "bench attribution")


def time_sampled(model: Any, name: str, *, quick: bool) -> dict[str, float]:
    """Time a method, and the bare runs that it is made of."""
    runs, count, options = SAMPLED[name]
    inputs, adapter, method = images(1), vz.adapt(model), getattr(vz, name.partition(",")[0])
    ours = lambda: method(adapter, inputs, TARGET, **options)  # noqa: E731
    count = count or int(ours().measures["samples"][0])
    ready = np.ascontiguousarray(np.broadcast_to(inputs, (count, *inputs.shape[1:])))
    bare = floors.saliency(model) if runs == "gradients" else _forward(model)
    return in_turn({"vizcnn": ours, "bare runs": best(bare, ready)}, quick=quick)


def time_cam(model: Any, name: str, count: int, *, quick: bool) -> dict[str, float]:
    """Time a class activation map and Grad-CAM, on the same adapter."""
    inputs, adapter = images(count), vz.adapt(model)
    sides = {"vizcnn": getattr(vz, name), "gradcam": vz.gradcam}
    return in_turn({side: lambda run=run: run(adapter, inputs, TARGET) for side, run in sides.items()}, quick=quick)


def _forward(model: Any) -> Callable[[np.ndarray], np.ndarray]:
    logits = floors.logits_model(model)
    run = tf.function(lambda batch: logits(batch, training=False)[:, TARGET])
    return lambda batch: run(tf.constant(batch)).numpy()


if __name__ == "__main__":
    main()
