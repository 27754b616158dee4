"""Time our methods on JAX or PyTorch beside bare runs written by hand, on the backend that Keras runs on.

    KERAS_BACKEND=jax python -m tests.benchmarks.bench_backends [--markdown FILE]

JAX's bare sides are ``jax.jit`` and ``jax.grad`` over the model's stateless call; PyTorch's are the model and
``torch.autograd.grad``. Where there is an accelerator the models run on it, with larger batches too, and images and maps travel
there and back on both sides.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

import vizcnn as vz
from tests.benchmarks.timing import Limit, Table, assert_close, in_turn, machine, report
from tests.benchmarks.workloads import SAMPLED, SIZE, TARGET, images, sampled_on

MODELS = {
    "MobileNet 0.25": lambda: keras.applications.MobileNet(alpha=0.25, weights=None, classifier_activation=None),
    "ResNet-50": lambda: keras.applications.ResNet50(weights=None, classifier_activation=None),
}

Run = Callable[[np.ndarray], np.ndarray]


class Bare(NamedTuple):
    """What is written by hand: from images to the scores of a class, and to its gradients."""

    device: str
    scores: Run
    gradients: Run


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.bench_backends", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds of the rows that take long")
    parser.add_argument("--markdown", type=Path, help="write the tables here too")
    given = parser.parse_args()
    backend = keras.backend.backend()
    models = {}
    for name, make in MODELS.items():
        keras.utils.set_random_seed(0)
        model = make()
        models[name] = vz.adapt(model), {"jax": on_jax, "torch": on_torch}[backend](model)
    device = next(iter(models.values()))[1].device
    accelerated = device != "cpu"
    of_gradients = Table(
        f"Saliency with Keras on {backend}, warm",
        ("model", "batch"),
        ("vizcnn", "bare gradient"),
        [Limit("vizcnn / bare", "vizcnn", "bare gradient", most=1.15)],
    )
    of_cams = Table(
        f"Grad-CAM with Keras on {backend}, warm",
        ("model", "batch"),
        ("vizcnn", "bare forward"),
        [Limit("vizcnn / bare", "vizcnn", "bare forward", most=1 / 0.9)],
    )
    sampled = Table(
        f"One image, beside as many bare runs, Keras on {backend}",
        ("model", "method"),
        ("vizcnn", "bare runs"),
        [Limit("vizcnn / bare", "vizcnn", "bare runs", most=1.15)],
    )
    for name, (adapter, bare) in models.items():
        for count in (1, 8, 32) if accelerated else (1, 8):
            of_gradients.add((name, count), time_saliency(adapter, bare, count, quick=given.quick))
            of_cams.add((name, count), time_gradcam(adapter, bare, count, quick=given.quick))
        for method in sampled_on(name):
            sampled.add((name, method), time_sampled(adapter, bare, method, quick=given.quick))
    text = machine("keras", backend, "vizcnn")
    report(
        f"{text[:-1]}, {device}." if accelerated else text,
        [of_gradients, of_cams, sampled],
        given.markdown,
        f"backends {backend}{' on a GPU' if accelerated else ''}",
    )


def time_saliency(adapter: Any, bare: Bare, count: int, *, quick: bool) -> dict[str, float]:
    """Time the adapter's gradients, and bare ones."""
    inputs = images(count)
    ours, expected = adapter.gradients(inputs, TARGET).gradients, bare.gradients(inputs)
    if bare.device == "cpu":
        assert_close(ours, expected, "gradients")
    else:  # a GPU chooses its kernels anew for each program, and where a ReLU flips by a last digit a gradient moves by a percent
        correlation = float(np.corrcoef(ours.ravel(), expected.ravel())[0, 1])
        assert correlation > 0.999, f"gradients correlate by {correlation} only"
    sides = {"vizcnn": lambda: adapter.gradients(inputs, TARGET), "bare gradient": lambda: bare.gradients(inputs)}
    return in_turn(sides, quick=quick)


def time_gradcam(adapter: Any, bare: Bare, count: int, *, quick: bool) -> dict[str, float]:
    """Time Grad-CAM from its public function, and a forward pass."""
    inputs = images(count)
    sides = {"vizcnn": lambda: vz.gradcam(adapter, inputs, TARGET), "bare forward": lambda: bare.scores(inputs)}
    return in_turn(sides, quick=quick)


def time_sampled(adapter: Any, bare: Bare, name: str, *, quick: bool) -> dict[str, float]:
    """Time a method that runs changed copies, and as many bare runs in batches as large as the adapter's."""
    kind, count, options = SAMPLED[name]
    run = bare.scores if kind == "forwards" else bare.gradients
    one, method = images(1), getattr(vz, name.partition(",")[0])
    ours = lambda: method(adapter, one, TARGET, **options)  # noqa: E731
    count = count or int(ours().measures["samples"][0])
    size = min(count, adapter.batch_size_for((SIZE, SIZE, 3)))
    ready = np.ascontiguousarray(np.broadcast_to(one, (count, *one.shape[1:])))
    sides = {
        "vizcnn": ours,
        "bare runs": lambda: [run(ready[start : start + size]) for start in range(0, count, size)],
    }
    return in_turn(sides, quick=quick)


def on_jax(model: Any) -> Bare:
    """Write the bare runs in JAX."""
    import jax

    weights = [v.value for v in model.trainable_variables], [v.value for v in model.non_trainable_variables]

    def scores(x: Any, weights: Any) -> Any:
        outputs, _ = model.stateless_call(*weights, x, training=False)
        return outputs[:, TARGET]

    forward, gradient = jax.jit(scores), jax.jit(jax.grad(lambda x, weights: scores(x, weights).sum()))
    device = jax.devices()[0]
    return Bare(
        "cpu" if device.platform == "cpu" else device.device_kind,
        lambda x: np.asarray(forward(x, weights)),
        lambda x: np.asarray(gradient(x, weights)),
    )


def on_torch(model: Any) -> Bare:
    """Write the bare runs in PyTorch."""
    import torch

    device = model.weights[0].value.device

    def forward(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return model(torch.as_tensor(x, device=device), training=False)[:, TARGET].cpu().numpy()

    def gradient(x: np.ndarray) -> np.ndarray:
        tensor = torch.as_tensor(x, device=device).requires_grad_()
        total = model(tensor, training=False)[:, TARGET].sum()
        return torch.autograd.grad(total, tensor)[0].cpu().numpy()

    return Bare("cpu" if device.type == "cpu" else torch.cuda.get_device_name(device), forward, gradient)


if __name__ == "__main__":
    main()
