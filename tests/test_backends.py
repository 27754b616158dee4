"""The same model and image give the same maps on TensorFlow, JAX and PyTorch."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tests import maps_of_a_backend
from tests.zoo import SHAPE, channels_first, head, images, vision_transformer_without_a_class_token

ROOT = Path(__file__).parents[1]
OTHERS = ROOT / ".venv-backends/bin/python"  # `make test-backends` makes it

pytestmark = pytest.mark.skipif(not OTHERS.exists(), reason="make test-backends sets up JAX and PyTorch")


def many_layers() -> Any:
    """Return a model of the layers that each backend computes in its own way."""
    image = keras.Input(SHAPE)
    x = layers.DepthwiseConv2D(3)(layers.GaussianNoise(0.1)(image))
    x = layers.BatchNormalization()(layers.Conv2DTranspose(4, 3, strides=2, activation="relu")(x))
    x = layers.SpatialDropout2D(0.2)(layers.PReLU()(layers.SeparableConv2D(4, 3)(x)))
    return keras.Model(image, head(x))


MODELS = (channels_first, many_layers, vision_transformer_without_a_class_token)


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, np.ndarray]]:
    folder = tmp_path_factory.mktemp("backends")
    for make in MODELS:
        keras.utils.set_random_seed(0)
        make().save(folder / f"{make.__name__}.keras")
        np.save(folder / f"{make.__name__}.npy", images(3))
    maps_of_a_backend.main(folder, folder / "tensorflow.npz")
    running = {}
    for backend in ("jax", "torch"):
        command = [str(OTHERS), "-m", "tests.maps_of_a_backend", folder, folder / f"{backend}.npz"]
        settings = {"KERAS_BACKEND": backend, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}  # it compiles longer than it runs
        running[backend] = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **settings})
    assert {backend: process.wait() for backend, process in running.items()} == dict.fromkeys(running, 0)
    return {backend: dict(np.load(folder / f"{backend}.npz")) for backend in ("tensorflow", *running)}


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_maps_are_those_of_tensorflow(maps: dict[str, dict[str, np.ndarray]], backend: str) -> None:
    ours, theirs = maps["tensorflow"], maps[backend]
    assert list(ours) == list(theirs)
    assert len(ours) > 5 * len(MODELS)
    for name, values in ours.items():
        span = np.ptp(values) or 1.0
        np.testing.assert_allclose(theirs[name], values, rtol=0, atol=1e-4 * span, err_msg=name)
