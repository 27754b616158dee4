"""A run holds one batch in memory, however many images it explains."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

LIMIT = 300
"""Megabytes that a thousand images may take beyond what one batch takes."""

SCRIPT = """
import resource, sys, warnings
import keras
import numpy as np
import vizcnn as vz

method, path = sys.argv[1:]
warnings.simplefilter("ignore")
conv = dict(kernel_size=3, strides=4, activation="relu", kernel_initializer=keras.initializers.RandomUniform(0, 1, seed=0))
model = keras.Sequential([
    keras.Input((224, 224, 3)), keras.layers.Conv2D(8, **conv), keras.layers.Conv2D(8, **conv),
    keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10, kernel_initializer="ones"),
])
cnn = vz.adapt(model, preprocess="-1..1")
explain = getattr(vz, method)
first = explain(cnn, [path] * cnn.batch_size_for((224, 224, 3)), 0).values
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
result = explain(cnn, [path] * 1000, 0)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak
np.testing.assert_allclose(result.values[-1], first[0], rtol=1e-4, atol=1e-6)
assert result.values.shape == (1000, 224, 224)
print(grown / (2**20 if sys.platform == "darwin" else 2**10))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="peak memory is read by the `resource` module of Unix")
@pytest.mark.parametrize("method", ["saliency", "gradcam"])
def test_thousand_images_take_little_more_than_one_batch(method, tmp_path):
    path = tmp_path / "noise.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)).save(path)
    command = [sys.executable, "-c", SCRIPT, method, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < LIMIT
