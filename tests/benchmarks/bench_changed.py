"""Time methods that sample beside as many bare runs of the model, on changed images that lie ready.

Both sides run in one process, in turn, and must agree on the numbers before they are timed. Usage:

    python -m tests.benchmarks.bench_changed [--quick] [--markdown FILE]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

import vizcnn as vz
from tests.benchmarks import floors
from tests.benchmarks.floors import MODELS
from tests.benchmarks.timing import Limit, Table, arguments, assert_close, in_turn, machine, report
from tests.benchmarks.workloads import MOST, SIZE, TARGET, images
from vizcnn.adapter.changed import Copies
from vizcnn.algorithms.changes import add_noise, fill, grid_masks, mask_by_grids

MASKS, SAMPLES, NOISE = 512, 20, 0.15
BATCHES = (5, 10, 16, 20, 32)
"""Sizes of which the bare runs get the one that suits them best."""


def main() -> None:
    """Run what the arguments ask for."""
    given = arguments("bench_changed", __doc__, MODELS)
    tables = []
    for name in given.models:
        model = floors.lively_model(name)
        masks = Table(
            f"{MASKS} coarse masks of one image, and the sum of masks times scores, {name}",
            ("masks",),
            ("vizcnn", "bare forwards"),
            [Limit("vizcnn / bare", "vizcnn", "bare forwards", most=MOST[name])],
        )
        masks.add((MASKS,), time_masks(model, quick=given.quick))
        smooth = Table(
            f"SmoothGrad of {SAMPLES} noisy copies, {name}",
            ("images",),
            ("vizcnn", "bare gradients"),
            [Limit("vizcnn / bare", "vizcnn", "bare gradients", most=MOST[name])],
        )
        for count in (1, 8):
            smooth.add((count,), time_smoothgrad(model, count, quick=given.quick))
        tables += [masks, smooth]
    report(machine("tensorflow", "keras", "vizcnn"), tables, given.markdown, "bench changed")


def times_score(xp: Any, copies: Copies) -> Any:
    """Return each mask times the score of what it lets through."""
    return grid_masks(xp, copies.numbers, (SIZE, SIZE)) * copies.scores[:, None, None]


def time_masks(model: Any, *, quick: bool) -> dict[str, float]:
    """Time masks made, applied and summed up by the engine, and bare forwards of images that are masked already."""
    inputs, adapter, logits = images(1), vz.adapt(model), floors.logits_model(model)
    change = mask_by_grids(MASKS, (SIZE, SIZE))
    masks = grid_masks(np, change.numbers(slice(0, MASKS)), (SIZE, SIZE)).astype(np.float32)
    masked = inputs * masks[..., None]
    run = tf.function(lambda batch: logits(batch, training=False)[:, TARGET])

    def ours() -> Any:
        black, sums = {"fill": fill(inputs, 0.0)}, {"map": times_score}
        return adapter.changed_scores(inputs, TARGET, change, companions=black, sums=sums)

    def forward(batch: np.ndarray) -> np.ndarray:
        return run(tf.constant(batch)).numpy()

    scores = in_batches(forward, masked, 16)
    changed = ours()
    assert_close(changed.copy_scores[0], scores, "scores of masked images")
    assert_close(changed.sums["map"][0], np.tensordot(scores, masks, 1), "masks times scores")
    return in_turn({"vizcnn": ours, "bare forwards": best(forward, masked)}, quick=quick)


def time_smoothgrad(model: Any, count: int, *, quick: bool) -> dict[str, float]:
    """Time SmoothGrad from its public function, and bare gradients of images that are noisy already."""
    inputs, adapter, gradient = images(count), vz.adapt(model), floors.saliency(model)
    fields = add_noise(SAMPLES, inputs.shape[1:]).numbers(slice(0, SAMPLES))["noise"]
    scale = NOISE * np.ptp(inputs, axis=(1, 2, 3)).reshape(-1, 1, 1, 1)
    # Rounded once, as the engine's fused multiply and add does: a ReLU that a last digit flips moves a gradient by a percent.
    noisy = np.concatenate([(inputs + scale.astype(np.float64) * field).astype(np.float32) for field in fields])

    def ours() -> Any:
        return vz.smoothgrad(adapter, inputs, TARGET, num_samples=SAMPLES, noise=NOISE)

    mean = in_batches(gradient, noisy, 10).reshape(SAMPLES, *inputs.shape).mean(axis=0)
    assert_close(ours().raw, mean, "mean gradients")
    return in_turn({"vizcnn": ours, "bare gradients": best(gradient, noisy)}, quick=quick)


def in_batches(run: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray, size: int) -> np.ndarray:
    """Return what the runs give, so many images at a time."""
    return np.concatenate([run(inputs[start : start + size]) for start in range(0, len(inputs), size)])


def best(run: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray) -> Callable[[], np.ndarray]:
    """Return the bare runs in batches of the size that suits them best."""
    size = best_size(run, inputs)
    return lambda: in_batches(run, inputs, size)


def best_size(run: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray) -> int:
    """Return the size of batches that is fastest for each image, on some full batches of each."""
    counts = {size: max(BATCHES) // size * size for size in BATCHES}
    trials = {
        str(size): lambda size=size, count=count: in_batches(run, inputs[:count], size)
        for size, count in counts.items()
    }
    taken = in_turn(trials, quick=True, budget=0)
    return min(BATCHES, key=lambda size: taken[str(size)] / min(counts[size], len(inputs)))


if __name__ == "__main__":
    main()
