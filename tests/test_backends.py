"""The same model and image give the same maps on TensorFlow, JAX and PyTorch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.zoo import ZOO, images

ROOT = Path(__file__).parents[1]
OTHERS = ROOT / ".venv-backends/bin/python"  # `make test-backends` makes it
KINDS = (
    "channels_first",
    "noise_dropout_and_prelu",
    "separable_and_transposed",
    "vision_transformer_without_a_class_token",
)

pytestmark = pytest.mark.skipif(not OTHERS.exists(), reason="make test-backends sets up JAX and PyTorch")


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, np.ndarray]]:
    folder = tmp_path_factory.mktemp("backends")
    for name in KINDS:
        make, shape, _ = ZOO[name]
        keras.utils.set_random_seed(0)
        make().save(folder / f"{name}.keras")
        np.save(folder / f"{name}.npy", images(3, shape))
    running = {}
    for backend in ("tensorflow", "jax", "torch"):
        python = sys.executable if backend == "tensorflow" else OTHERS
        command = [str(python), "-m", "tests.maps_of_a_backend", folder, folder / f"{backend}.npz"]
        settings = {"KERAS_BACKEND": backend, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}  # it compiles longer than it runs
        running[backend] = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **settings})
    assert {backend: process.wait() for backend, process in running.items()} == dict.fromkeys(running, 0)
    return {backend: dict(np.load(folder / f"{backend}.npz")) for backend in running}


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_maps_are_those_of_tensorflow(maps: dict[str, dict[str, np.ndarray]], backend: str) -> None:
    ours, theirs = maps["tensorflow"], maps[backend]
    assert list(ours) == list(theirs)
    assert len(ours) > 5 * len(KINDS)
    for name, values in ours.items():
        span = np.ptp(values) or 1.0
        np.testing.assert_allclose(theirs[name], values, rtol=0, atol=1e-4 * span, err_msg=name)
