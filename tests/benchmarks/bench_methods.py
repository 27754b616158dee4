"""Time occlusion and feature maps beside the bare forward pass; activation maximization and Score-CAM beside tf-keras-vis.

All sides run in one process, in turn, and must agree on the numbers before they are timed; without --quick Score-CAM of all 2,048
channels of ResNet-50 takes some minutes. Usage:

    python -m tests.benchmarks.bench_methods [--quick] [--markdown FILE]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy.stats import spearmanr
from tf_keras_vis.activation_maximization import ActivationMaximization
from tf_keras_vis.activation_maximization.input_modifiers import Jitter, Rotate2D, Scale
from tf_keras_vis.activation_maximization.regularizers import TotalVariation2D
from tf_keras_vis.scorecam import Scorecam
from tf_keras_vis.utils.model_modifiers import ReplaceToLinear
from tf_keras_vis.utils.scores import CategoricalScore

import vizcnn as vz
from tests.benchmarks import floors
from tests.benchmarks.floors import LAYERS, MODELS
from tests.benchmarks.timing import Limit, Table, arguments, assert_close, in_turn, machine, report, seconds
from tests.benchmarks.workloads import SIZE, TARGET, images
from vizcnn.transforms import NONE, TotalVariation, Transforms

STEPS = 256
EARLY = "conv2_block1_out"
PATCH, STRIDE = 56, 28
TOP, ALIKE = 256, 0.95
"""Channels that Score-CAM takes of ResNet-50's 2,048, an eighth of the runs; and the least that the ranks of the map's places
must correlate with those of the map by all."""

BATCHES = (8, 16, 32)
"""Sizes of which the bare forward pass gets the one that suits it best."""


def main() -> None:
    """Run what the arguments ask for."""
    given = arguments("bench_methods", __doc__)

    bare = "bare forwards"
    occlusion = Table(
        f"Occlusion of one image, windows of {PATCH}x{PATCH} every {STRIDE} pixels",
        ("model", "windows"),
        ("vizcnn", bare),
        [Limit("vizcnn / bare", "vizcnn", bare, most=1.05)],
    )
    early = Table(
        f"Feature maps of ResNet-50's {EARLY}",
        ("batch",),
        ("vizcnn", bare),
        [Limit("vizcnn / bare", "vizcnn", bare, most=1.2)],
    )
    ascent = Table(
        f"Activation maximization, {STEPS} steps, one image of {SIZE}x{SIZE}",
        ("model",),
        ("vizcnn", "tf-keras-vis"),
        [Limit("tf-keras-vis / vizcnn", "tf-keras-vis", "vizcnn", least=4)],
    )
    scorecam = Table(
        "Score-CAM of ResNet-50's 2,048 channels: the most varied ones by vizcnn, all by tf-keras-vis, a run each",
        ("channels taken", "rank correlation with all"),
        ("vizcnn", "tf-keras-vis"),
        [Limit("tf-keras-vis / vizcnn", "tf-keras-vis", "vizcnn", least=8)],
    )
    for name in MODELS:
        model = floors.lively_model(name)
        occlusion.add(*time_occlusion(name, model, quick=given.quick))
        if name == "ResNet-50":
            for count in (1, 8):
                early.add((count,), time_early(model, images(count), quick=given.quick))
            if not given.quick:
                scorecam.add(*time_scorecam(model, LAYERS[name]))
    ascent.add(("MobileNet 0.25",), time_ascent(floors.lively_model("MobileNet 0.25")))
    report(
        machine("tensorflow", "keras", "tf-keras-vis", "vizcnn"),
        [occlusion, early, ascent, *([scorecam] if scorecam.rows else [])],
        given.markdown,
        "bench methods",
    )


def forward(model: Any) -> Callable[[np.ndarray], np.ndarray]:
    """Return the bare compiled forward pass, from array to array."""
    run = tf.function(lambda inputs: model(inputs, training=False))
    return lambda array: run(tf.constant(array)).numpy()


def time_occlusion(name: str, model: Any, *, quick: bool) -> tuple[tuple[Any, ...], dict[str, float]]:
    """Time occlusion, and as many bare runs of the model on images that lie ready."""
    inputs, adapter, run = images(1), vz.adapt(model), forward(floors.logits_model(model))
    starts = range(0, SIZE - PATCH + 1, STRIDE)
    hidden = np.repeat(inputs, len(starts) ** 2, axis=0)
    for index, (top, left) in enumerate((top, left) for top in starts for left in starts):
        hidden[index, top : top + PATCH, left : left + PATCH] = 0.5

    def ours() -> Any:
        return vz.occlusion(adapter, inputs, TARGET, patch_size=PATCH, stride=STRIDE, baseline=0.5)

    def bare(batch: int) -> np.ndarray:
        return np.concatenate([run(hidden[start : start + batch]) for start in range(0, len(hidden), batch)])

    drops = run(inputs)[0, TARGET] - bare(8)[:, TARGET]
    assert_close(ours().raw[0].ravel(), drops, f"occlusion, {name}")
    trial = in_turn({str(batch): lambda batch=batch: bare(batch) for batch in BATCHES}, quick=True, budget=0)
    best = int(min(trial, key=lambda batch: trial[batch]))
    return (name, len(hidden)), in_turn({"vizcnn": ours, "bare forwards": lambda: bare(best)}, quick=quick)


def time_early(model: Any, inputs: np.ndarray, *, quick: bool) -> dict[str, float]:
    """Time the feature maps of an early layer, and the bare model that ends there."""
    adapter, run = vz.adapt(model), forward(keras.Model(model.inputs, model.get_layer(EARLY).output))

    def ours() -> Any:
        return vz.activations(adapter, inputs, EARLY)

    assert_close(ours().values, run(inputs), "feature maps")
    return in_turn({"vizcnn": ours, "bare forwards": lambda: run(inputs)}, quick=quick)


def time_scorecam(model: Any, layer: str) -> tuple[tuple[Any, ...], dict[str, float]]:
    """Time Score-CAM by the channels that vary most, beside that of tf-keras-vis by all; a run takes long enough."""
    inputs, adapter, theirs = images(1), vz.adapt(model), Scorecam(model, ReplaceToLinear())
    some, whole = (vz.scorecam(adapter, inputs, TARGET, layer=layer, top=top) for top in (TOP, None))
    alike = float(spearmanr(some.raw.ravel(), whole.raw.ravel()).statistic)
    assert alike >= ALIKE, f"Score-CAM by {TOP} channels: a rank correlation of {alike:.2f} with that by all"
    sides = {
        "vizcnn": lambda: vz.scorecam(adapter, inputs, TARGET, layer=layer, top=TOP),
        "tf-keras-vis": lambda: theirs(CategoricalScore(TARGET), inputs, penultimate_layer=layer),
    }
    return (TOP, f"{alike:.3f}"), {name: seconds(side) for name, side in sides.items()}


def time_ascent(model: Any) -> dict[str, float]:
    """Time activation maximization with like transforms and regularizers, few rounds: a run takes long enough."""
    adapter, theirs = vz.adapt(model), ActivationMaximization(model, ReplaceToLinear())
    moves = Transforms(jitter=11, scale=(0.9, 1.1), rotate=3)

    def ours() -> Any:
        return vz.activation_maximization(
            adapter, TARGET, steps=STEPS, transforms=moves, regularizers=[TotalVariation()], input_range=(-1, 1)
        )

    def other() -> Any:
        modifiers = [Jitter(jitter=11), Scale(low=0.9, high=1.1), Rotate2D(degree=3.0)]
        return theirs(
            CategoricalScore(TARGET),
            steps=STEPS,
            input_range=(-1, 1),
            input_modifiers=modifiers,
            regularizers=[TotalVariation2D(weight=1.0)],
        )

    still = vz.activation_maximization(adapter, TARGET, steps=32, transforms=NONE, regularizers=[], input_range=(-1, 1))
    assert still.history[-1] > still.history[0], "the score did not rise"
    return in_turn({"vizcnn": ours, "tf-keras-vis": other}, quick=True)


if __name__ == "__main__":
    main()
