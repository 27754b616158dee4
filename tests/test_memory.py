"""A run holds one batch in memory, however many images it explains."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

BATCH = 10
"""Megabytes of a batch of 16 images of 224 x 224."""

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


COPIES = """
import resource, sys
import keras
import numpy as np
import vizcnn as vz

model = keras.Sequential([keras.Input((224, 224, 3)), keras.layers.Conv2D(8, 3, strides=4, activation="relu"),
                          keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(10)])
cnn = vz.adapt(model, batch_size=16)
image = np.random.default_rng(0).uniform(-1, 1, (1, 224, 224, 3)).astype(np.float32)
peaks = []
for count in (64, 64, 2048):
    options = {
        "smoothgrad": {"num_samples": count}, "occlusion": {"patch_size": 32, "stride": 24 if count == 64 else 4}
    }[sys.argv[1]]
    getattr(vz, sys.argv[1])(cnn, image, 0, **options)
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10))
print(peaks[-1] - peaks[-2])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="peak memory is read by the `resource` module of Unix")
@pytest.mark.parametrize("method", ["smoothgrad", "occlusion"])
def test_two_thousand_changed_copies_take_little_more_than_a_few_batches(method):
    done = subprocess.run(
        [sys.executable, "-c", COPIES, method], capture_output=True, text=True, cwd=Path(__file__).parents[1]
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 8 * BATCH  # the allocator keeps some; all of the copies are 128 batches
