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
from tests.benchmarks.bench_changed import BATCHES, MOST, best_size, in_batches
from tests.benchmarks.floors import MODELS, TARGET, images
from tests.benchmarks.timing import Limit, Table, arguments, in_turn, machine, report

Run = Callable[[np.ndarray], np.ndarray]

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

SMALL = "MobileNet 0.25"
ON_THE_SMALL = ("blur_ig", "partition_shap", "sobol", "tolerance")
"""What is timed on the small model only: how its copies are made, or how many it takes, is the method's affair."""

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
        bare = bare_runs(model)
        for method in SAMPLED:
            if name == SMALL or not any(word in method for word in ON_THE_SMALL):
                sampled.add((method,), time_sampled(model, method, bare, quick=given.quick))
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


def bare_runs(model: Any) -> dict[str, Run]:
    """Return the bare gradients and forwards of any number of images, in batches of the size that suits them best."""
    logits = floors.logits_model(model)
    forward = tf.function(lambda batch: logits(batch, training=False)[:, TARGET])

    def batched(run: Run) -> Run:
        size = best_size(run, images(max(BATCHES)))
        return lambda inputs: in_batches(run, inputs, size)

    return {
        "gradients": batched(floors.saliency(model)),
        "forwards": batched(lambda batch: forward(tf.constant(batch)).numpy()),
    }


def time_sampled(model: Any, name: str, bare: dict[str, Run], *, quick: bool) -> dict[str, float]:
    """Time a method, and the bare runs that it is made of."""
    kind, count, options = SAMPLED[name]
    inputs, adapter, method = images(1), vz.adapt(model), getattr(vz, name.partition(",")[0])
    ours = lambda: method(adapter, inputs, TARGET, **options)  # noqa: E731
    count = count or int(ours().measures["samples"][0])
    ready = np.ascontiguousarray(np.broadcast_to(inputs, (count, *inputs.shape[1:])))
    return in_turn({"vizcnn": ours, "bare runs": lambda: bare[kind](ready)}, quick=quick)


def time_cam(model: Any, name: str, count: int, *, quick: bool) -> dict[str, float]:
    """Time a class activation map and Grad-CAM, on the same adapter."""
    inputs, adapter = images(count), vz.adapt(model)
    sides = {"vizcnn": getattr(vz, name), "gradcam": vz.gradcam}
    return in_turn({side: lambda run=run: run(adapter, inputs, TARGET) for side, run in sides.items()}, quick=quick)


if __name__ == "__main__":
    main()
