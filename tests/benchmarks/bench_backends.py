"""Time a warm saliency on JAX or PyTorch beside the bare gradient written by hand, on the backend that Keras runs on.

    KERAS_BACKEND=jax python -m tests.benchmarks.bench_backends [--markdown FILE]

JAX's bare side is ``jax.jit(jax.grad(...))`` over the model's stateless call; PyTorch's is ``torch.autograd.grad``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

import vizcnn as vz
from tests.benchmarks.timing import Limit, Table, assert_close, in_turn, machine, report

SIZE = 224
MODELS = {
    "MobileNet 0.25": lambda: keras.applications.MobileNet(alpha=0.25, weights=None, classifier_activation=None),
    "ResNet-50": lambda: keras.applications.ResNet50(weights=None, classifier_activation=None),
}
BARE = "bare gradient"


def main() -> None:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.bench_backends", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--markdown", type=Path, help="write the table here too")
    given = parser.parse_args()
    backend = keras.backend.backend()
    table = Table(
        f"Saliency with Keras on {backend}, warm",
        ("model", "batch"),
        ("vizcnn", BARE),
        [Limit("vizcnn / bare", "vizcnn", BARE, most=1.15)],
    )
    for name, make in MODELS.items():
        keras.utils.set_random_seed(0)
        model = make()
        adapter, bare = vz.adapt(model), {"jax": _on_jax, "torch": _on_torch}[backend](model)
        for count in (1, 8):
            x = np.random.default_rng(0).uniform(-1, 1, (count, SIZE, SIZE, 3)).astype(np.float32)
            assert_close(adapter.gradients(x).gradients, bare(x), name)
            sides = {"vizcnn": lambda a=adapter, x=x: a.gradients(x), BARE: lambda b=bare, x=x: b(x)}
            table.add((name, count), in_turn(sides))
    report(machine("keras", backend, "vizcnn"), [table], given.markdown, f"backends {backend}")


def _on_jax(model: Any) -> Callable[[np.ndarray], np.ndarray]:
    import jax

    weights = [v.value for v in model.trainable_variables], [v.value for v in model.non_trainable_variables]

    def score(x: Any, weights: Any) -> Any:
        outputs, _ = model.stateless_call(*weights, x, training=False)
        return outputs.max(axis=-1).sum()

    gradient = jax.jit(jax.grad(score))
    return lambda x: np.asarray(gradient(x, weights))


def _on_torch(model: Any) -> Callable[[np.ndarray], np.ndarray]:
    import torch

    def gradient(x: np.ndarray) -> np.ndarray:
        tensor = torch.as_tensor(x).requires_grad_()
        total = model(tensor, training=False).amax(-1).sum()
        return torch.autograd.grad(total, tensor)[0].numpy()

    return gradient


if __name__ == "__main__":
    main()
