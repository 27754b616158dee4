"""Time captum's methods beside ours, on the same Keras model that runs on PyTorch.

Both sides run in one process, in turn, and run the model equally often; where nothing is drawn at random they must agree on the
numbers before they are timed. Two of captum's have no row, for on a Keras model they compute something else: GuidedBackprop looks
for modules of PyTorch's ReLU, finds none and gives the plain gradient; LayerGradCam takes the second axis for the channels, which
are the last. Usage, in the environment of `peers`:

    KERAS_BACKEND=torch python -m tests.benchmarks.peers_captum [--quick] [--model NAME] [--markdown FILE]
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import captum.attr as captum
import keras
import numpy as np
import torch

import vizcnn as vz
from tests.benchmarks.bench_backends import MODELS
from tests.benchmarks.pairs import Pair, time_pair
from tests.benchmarks.timing import Limit, Table, arguments, machine, report
from tests.benchmarks.workloads import SIZE, TARGET, images
from vizcnn.algorithms.segments import segment

SAMPLES, MASKS, CELLS, PATCH = 20, 256, 7, 32
WINDOW = (PATCH, PATCH, 3)
BACKGROUND = images(8)
SHOWN = {"baseline": 0.0, "num_segments": CELLS**2, "num_samples": MASKS}


def by_captum(
    kind: Any, sized: str | None = None, **options: Any
) -> Callable[[Any, np.ndarray, int], Callable[[], Any]]:
    """Return what makes a function of captum's method; `sized` is its name for the size of a batch, if it has one."""

    def make(model: Any, inputs: np.ndarray, size: int) -> Callable[[], Any]:
        explainer = kind(lambda batch: model(batch, training=False))
        batches = {} if sized is None else {sized: size}
        return lambda: (
            explainer.attribute(torch.from_numpy(inputs), target=TARGET, **batches, **options).detach().numpy()
        )

    return make


def smooth(forward: Any) -> Any:
    """Return captum's SmoothGrad."""
    return captum.NoiseTunnel(captum.Saliency(forward))


CUT = {
    "sized": "perturbations_per_eval",
    "n_samples": MASKS,
    "baselines": 0.0,
    "feature_mask": torch.from_numpy(segment(images(1), "grid", CELLS**2).astype(np.int64))[..., None],
}
PAIRS = {
    "saliency": Pair({}, by_captum(captum.Saliency), lambda result: np.abs(result.raw)),
    "integrated_gradients, 50 steps": Pair(
        {"num_steps": 50},
        by_captum(captum.IntegratedGradients, "internal_batch_size", n_steps=50),
        lambda result: result.raw,
    ),
    f"smoothgrad, {SAMPLES} copies": Pair(
        {"num_samples": SAMPLES},
        by_captum(smooth, "nt_samples_batch_size", nt_samples=SAMPLES, nt_type="smoothgrad", stdevs=0.3, abs=False),
    ),
    "expected_gradients, 50 samples": Pair(
        {"num_samples": 50, "background": BACKGROUND},
        by_captum(captum.GradientShap, n_samples=50, stdevs=0.0, baselines=torch.from_numpy(BACKGROUND)),
    ),
    f"occlusion, {(SIZE // PATCH) ** 2} windows": Pair(
        {"patch_size": PATCH, "stride": PATCH, "baseline": 0.0},
        by_captum(
            captum.Occlusion, "perturbations_per_eval", sliding_window_shapes=WINDOW, strides=WINDOW, baselines=0.0
        ),
        lambda result: np.repeat(result.values[..., None], 3, axis=-1),
    ),
    f"lime, {MASKS} samples": Pair(SHOWN, by_captum(captum.Lime, **CUT)),
    f"kernel_shap, {MASKS} samples": Pair(SHOWN, by_captum(captum.KernelShap, **CUT)),
}
ON_RESNET = ("saliency", f"smoothgrad, {SAMPLES} copies")
"""What is timed on the large model too, where nearly all of the time is the model's."""


def main() -> None:
    """Run what the arguments ask for."""
    given = arguments("peers_captum", __doc__, MODELS)
    table = Table(
        "captum, one image, Keras on PyTorch",
        ("model", "method"),
        ("vizcnn", "captum"),
        [Limit("captum / vizcnn", "captum", "vizcnn", least=1.0)],
    )
    warnings.filterwarnings("ignore", module="captum")
    for name in given.models:
        keras.utils.set_random_seed(0)
        model = MODELS[name]()
        adapter = vz.adapt(model)
        for row in ON_RESNET if name == "ResNet-50" else PAIRS:
            taken = time_pair(row, PAIRS[row], adapter, model, images(1), TARGET, other="captum", quick=given.quick)
            table.add((name, row), taken)
    report(machine("keras", "torch", "captum", "vizcnn"), [table], given.markdown, "peers captum")


if __name__ == "__main__":
    main()
