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
from tests.benchmarks.bench_changed import BATCHES, best_size, in_batches
from tests.benchmarks.floors import MODELS
from tests.benchmarks.timing import Limit, Table, arguments, in_turn, machine, report
from tests.benchmarks.workloads import MOST, SAMPLED, TARGET, images, sampled_on

Run = Callable[[np.ndarray], np.ndarray]

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
        for method in sampled_on(name):
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
