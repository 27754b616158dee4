"""Time methods that sample, and Grad-CAM++, beside Xplique's; SmoothGrad and Score-CAM beside tf-keras-vis's.

All sides run in one process, in turn, and run the model equally often. Where nothing is drawn at random they must agree on the
numbers before they are timed; that they agree on the rest, given the same draws, is tested with `tests/golden`. Usage, in the
environment of `peers`:

    python -m tests.benchmarks.peers_attribution [--quick] [--model NAME] [--markdown FILE]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
import xplique.attributions as xplique
from tf_keras_vis.saliency import Saliency
from tf_keras_vis.scorecam import Scorecam
from tf_keras_vis.utils.model_modifiers import ReplaceToLinear
from tf_keras_vis.utils.scores import CategoricalScore

import vizcnn as vz
from tests.benchmarks import floors
from tests.benchmarks.floors import LAYERS, MODELS
from tests.benchmarks.pairs import Pair, assert_alike, time_pair
from tests.benchmarks.timing import Limit, Table, arguments, in_turn, machine, report
from tests.benchmarks.workloads import TARGET, images
from vizcnn.algorithms.segments import segment

OTHER = "xplique"
SAMPLES, MASKS, CELLS = 20, 256, 7
SHOWN = {"baseline": 0.0, "num_segments": CELLS**2, "num_samples": MASKS}
START = images(2)[1]
"""Where Integrated Gradients begin: at an even color the windows of a max-pooling are ties."""


def by_xplique(kind: Any, **options: Any) -> Callable[[Any, np.ndarray, int], Callable[[], Any]]:
    """Return what makes a function of Xplique's method; it is given a model that ends in logits."""

    def make(logits: Any, inputs: np.ndarray, size: int) -> Callable[[], Any]:
        explainer = kind(logits, batch_size=size, **options)
        wanted = tf.one_hot([TARGET] * len(inputs), logits.output_shape[-1])
        return lambda: np.asarray(explainer(inputs, wanted))[..., 0]

    return make


def cells(image: Any) -> Any:
    """Cut an image into cells as ours does."""
    return tf.constant(segment(np.asarray(image)[None], "grid", CELLS**2)[0])


SEGMENTED = {"map_to_interpret_space": cells, "ref_value": np.zeros(3), "nb_samples": MASKS}
PAIRS = {
    "integrated_gradients, 50 steps": Pair(
        {"num_steps": 50, "quadrature": "trapezoid", "baseline": START},
        by_xplique(xplique.IntegratedGradients, steps=50, baseline_value=START, reducer="sum"),
        lambda result: result.values,
    ),
    f"smoothgrad, {SAMPLES} copies": Pair(
        {"num_samples": SAMPLES}, by_xplique(xplique.SmoothGrad, nb_samples=SAMPLES, noise=0.3)
    ),
    f"smoothgrad, variance of {SAMPLES}": Pair(
        {"num_samples": SAMPLES, "statistic": "variance"}, by_xplique(xplique.VarGrad, nb_samples=SAMPLES, noise=0.3)
    ),
    f"rise, {MASKS} masks": Pair(
        {"num_samples": MASKS, "cells": CELLS, "baseline": 0.0},
        by_xplique(xplique.Rise, nb_samples=MASKS, grid_size=CELLS),
    ),
    f"lime, {MASKS} samples": Pair(SHOWN, by_xplique(xplique.Lime, **SEGMENTED)),
    f"kernel_shap, {MASKS} samples": Pair(SHOWN, by_xplique(xplique.KernelShap, **SEGMENTED)),
    # Of a point Xplique runs A, B, and A with each cell of B; ours leaves B out, and so has a point more for as many runs.
    "sobol, 288 runs": Pair(
        {"num_samples": 17, "num_segments": 16, "baseline": 0.0},
        by_xplique(xplique.SobolAttributionMethod, grid_size=4, nb_design=16),
    ),
    f"hsic, {MASKS} samples": Pair(SHOWN, by_xplique(xplique.HsicAttributionMethod, grid_size=CELLS, nb_design=MASKS)),
}
ON_RESNET = ("integrated_gradients, 50 steps", f"smoothgrad, {SAMPLES} copies")
"""What is timed on the large model too, where nearly all of the time is the model's."""


def main() -> None:
    """Run what the arguments ask for."""
    given = arguments("peers_attribution", __doc__, MODELS)
    of_xplique = Table(
        "Xplique 2.0.2, one image but for Grad-CAM++",
        ("model", "method"),
        ("vizcnn", OTHER),
        [Limit("xplique / vizcnn", OTHER, "vizcnn", least=1.0)],
    )
    smooth = Table(
        f"SmoothGrad of {SAMPLES} noisy copies of one image",
        ("model",),
        ("vizcnn", "tf-keras-vis"),
        [Limit("tf-keras-vis / vizcnn", "tf-keras-vis", "vizcnn", least=20)],
    )
    scorecam = Table(
        "Score-CAM of one image by all channels",
        ("model", "channels"),
        ("vizcnn", "tf-keras-vis"),
        [Limit("tf-keras-vis / vizcnn", "tf-keras-vis", "vizcnn", least=4)],
    )
    for name in given.models:
        model = floors.lively_model(name)
        adapter, logits, small = vz.adapt(model), floors.logits_model(model), name == "MobileNet 0.25"
        for count in (1, 8):
            pair = Pair({}, by_xplique(xplique.GradCAMPP, conv_layer=LAYERS[name]))
            row = f"gradcam_plus_plus, {count} image{'s' * (count > 1)}"
            of_xplique.add((name, row), _time(row, pair, adapter, logits, images(count), quick=given.quick))
        for row in PAIRS if small else ON_RESNET:
            of_xplique.add((name, row), _time(row, PAIRS[row], adapter, logits, images(1), quick=given.quick))
        smooth.add((name,), time_smoothgrad(model, adapter, quick=given.quick))
        if small:
            scorecam.add(*time_scorecam(name, model, adapter, quick=given.quick))
    about = machine("tensorflow", "keras", "numpy", "xplique", "tf-keras-vis", "vizcnn")
    report(
        about, [table for table in (of_xplique, smooth, scorecam) if table.rows], given.markdown, "peers attribution"
    )


def _time(row: str, pair: Pair, adapter: Any, logits: Any, inputs: np.ndarray, *, quick: bool) -> dict[str, float]:
    return time_pair(row, pair, adapter, logits, inputs, TARGET, other=OTHER, quick=quick)


def time_smoothgrad(model: Any, adapter: Any, *, quick: bool) -> dict[str, float]:
    """Time SmoothGrad, after both were found to agree without noise."""
    inputs, saliency = images(1), Saliency(model, ReplaceToLinear())

    def ours(**options: Any) -> Any:
        return vz.smoothgrad(adapter, inputs, TARGET, num_samples=SAMPLES, reduce="none", **options).values

    def theirs(noise: float = 0.15) -> Any:
        return saliency(
            CategoricalScore(TARGET),
            inputs,
            smooth_samples=SAMPLES,
            smooth_noise=noise,
            keepdims=True,
            gradient_modifier=None,
            normalize_map=False,
        )

    assert_alike(ours(noise=0.0), theirs(0.0), "SmoothGrad without noise")
    return in_turn({"vizcnn": ours, "tf-keras-vis": theirs}, quick=quick)


def time_scorecam(name: str, model: Any, adapter: Any, *, quick: bool) -> tuple[tuple[Any, ...], dict[str, float]]:
    """Time Score-CAM by all channels; their weights are the softmax of another softmax, so the maps aren't the same."""
    inputs, layer, scorecam = images(1), LAYERS[name], Scorecam(model, ReplaceToLinear())
    channels = model.get_layer(layer).output.shape[-1]
    sides = {
        "vizcnn": lambda: vz.scorecam(adapter, inputs, TARGET, layer=layer),
        "tf-keras-vis": lambda: scorecam(CategoricalScore(TARGET), inputs, penultimate_layer=layer),
    }
    return (name, channels), in_turn(sides, quick=quick)


if __name__ == "__main__":
    main()
