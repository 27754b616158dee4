"""Time a run over a folder of JPEGs beside the bare model, and three methods over MNIST beside the same ones in memory.

Each side gets the same images in the same batches, in one process, in turn; set-up and compiling come before. Beside the time on
the clock stands the processors' time, of all threads: on a machine that others use too it says more. MNIST is looked for where
the tests look for it. Usage:

    python -m tests.benchmarks.bench_run [--quick] [--markdown FILE]
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

import vizcnn as vz
from tests.benchmarks import floors
from tests.benchmarks.timing import Limit, Table, arguments, machine, report
from tests.benchmarks.workloads import SIZE, images
from vizcnn.inputs import idx
from vizcnn.resample import resize

COUNTS = {"MobileNet 0.25": 1024, "ResNet-50": 128}
"""How many JPEGs each model is given; with `--quick` 64."""

LAST = {"MobileNet 0.25": "conv_preds", "ResNet-50": "predictions"}
"""The layer that makes the logits."""

ROUNDS, MNIST_COUNT = 2, 10_000
SIZES = {"224 x 224": (224, 224), "500 x 375": (375, 500)}
"""Of the JPEGs: that of the model, and that of most photographs of ImageNet."""

METHODS = ("gradcam", "saliency", "gradcam_plus_plus")


def main() -> None:
    """Run what the arguments ask for."""
    given = arguments("bench_run", __doc__)
    rounds = 1 if given.quick else ROUNDS
    jpegs = Table(
        "Grad-CAM over a folder of JPEGs, each image",
        ("model", "JPEGs", "time"),
        ("vizcnn run", "bare model", "bare Grad-CAM", "predict"),
        [
            Limit("bare model / run", "bare model", "vizcnn run", least=0.9),
            Limit("predict / run", "predict", "vizcnn run", least=0.9),
        ],
    )
    for model, count in COUNTS.items():
        count = min(count, 64) if given.quick else count
        adapter = vz.adapt(sure_model(model), preprocess="mobilenet")
        for name, size in SIZES.items():
            with tempfile.TemporaryDirectory() as folder:
                images = write_jpegs(Path(folder) / "images", count, size)
                add(jpegs, (model, name), measured(sides(adapter, model, images, Path(folder) / "out"), count, rounds))
    mnist = Table(
        f"MNIST by {', '.join(METHODS)}, the bundled CNN, each image",
        ("images", "time"),
        ("vizcnn run", "in memory", "bare model"),
        [Limit("in memory / run", "in memory", "vizcnn run", least=0.9)],
    )
    found = mnist_images(500 if given.quick else MNIST_COUNT)
    if found is not None:
        with tempfile.TemporaryDirectory() as folder:
            add(mnist, (f"{len(found):,}",), measured(mnist_sides(found, Path(folder)), len(found), rounds))
    about = machine("tensorflow", "keras", "numpy", "pyarrow", "zarr", "vizcnn")
    report(about, [jpegs, mnist], given.markdown, "bench run")


def sure_model(name: str) -> Any:
    """Return a model with random weights that is as sure of what it sees as a trained one is.

    Of images that a model is unsure of more is asked: whether they are like those of its training.
    """
    model = floors.lively_model(name)
    kernel = model.get_layer(LAST[name]).kernel
    logits = floors.logits_model(model)(images(8)).numpy()
    kernel.assign(kernel * (20 / np.diff(np.sort(logits)[:, -2:]).mean()))
    return model


def write_jpegs(folder: Path, count: int, size: tuple[int, int]) -> Path:
    """Write soft colors with some noise, about as many bytes as photographs of that size."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(count):
        soft = resize(random.uniform(0, 255, (size[0] // 16, size[1] // 16, 3)), size)
        pixels = np.clip(soft + random.normal(0, 6, soft.shape), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:04d}.jpg", quality=90)
    return folder


def sides(adapter: Any, model: str, folder: Path, out: Path) -> dict[str, Callable[[], Any]]:
    """Return what is timed of a folder of images."""
    size = adapter.batch_size_for((SIZE, SIZE, 3))
    files = sorted(map(str, folder.glob("*.jpg")))
    batches = [images(size)] * (len(files) // size)
    forward = tf.function(lambda inputs: adapter.model(inputs, training=False))
    gradcam = floors.gradcam(adapter.model, floors.LAYERS[model])

    def decoded(path: Any) -> Any:
        pixels = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        return tf.image.resize(pixels, (SIZE, SIZE)) / 127.5 - 1

    data = (
        tf.data.Dataset.from_tensor_slices(files).map(decoded, tf.data.AUTOTUNE).batch(size).prefetch(tf.data.AUTOTUNE)
    )
    return {
        "vizcnn run": lambda: explained(adapter, folder, out, "gradcam"),
        "bare model": lambda: [forward(batch).numpy() for batch in batches],
        "bare Grad-CAM": lambda: [gradcam(batch) for batch in batches],
        "predict": lambda: adapter.model.predict(data, verbose=0),
    }


def mnist_images(count: int) -> np.ndarray | None:
    """Return the first of MNIST's test images, where they are."""
    file = Path(os.environ.get("VIZCNN_MNIST", "")) / "t10k-images-idx3-ubyte.gz"
    return idx.read_idx(file)[:count, ..., None].astype(np.float32) if file.exists() else None


def mnist_sides(images: np.ndarray, folder: Path) -> dict[str, Callable[[], Any]]:
    """Return what is timed of MNIST, whose images lie in a folder as PNGs, and in memory."""
    digits = vz.assets.digits_cnn()
    size = digits.batch_size_for(images.shape[1:])
    files = folder / "images"
    files.mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image[..., 0].astype(np.uint8)).save(files / f"{number:05d}.png")
    forward = tf.function(lambda inputs: digits.model(inputs, training=False))
    parts = [images[start : start + size] for start in range(0, len(images), size)]
    return {
        "vizcnn run": lambda: explained(digits, files, folder / "out", METHODS),
        "in memory": lambda: [vz.explain(digits, part, methods=METHODS) for part in parts],
        "bare model": lambda: [forward(part / 255).numpy() for part in parts],
    }


def explained(adapter: Any, folder: Path, out: Path, methods: Any) -> None:
    """Run over a folder, into one that is new."""
    shutil.rmtree(out, ignore_errors=True)
    run = vz.explain_dataset(adapter, folder, out, methods=methods)
    assert run.is_complete, "the run isn't complete"


def measured(sides: dict[str, Callable[[], Any]], count: int, rounds: int) -> dict[str, dict[str, float]]:
    """Return the medians of the seconds that an image takes each side, on the clock and of the processors."""
    clocks = {"clock": time.perf_counter, "processors": time.process_time}
    taken: dict[str, dict[str, list[float]]] = {kind: {name: [] for name in sides} for kind in clocks}
    order = list(sides)
    for side in sides.values():
        side()
    for _ in range(rounds):
        for name in order:
            start = {kind: clock() for kind, clock in clocks.items()}
            sides[name]()
            for kind, clock in clocks.items():
                taken[kind][name].append((clock() - start[kind]) / count)
        order.reverse()
    return {
        kind: {name: statistics.median(of_side) for name, of_side in of_kind.items()} for kind, of_kind in taken.items()
    }


def add(table: Table, names: tuple[str, ...], found: dict[str, dict[str, float]]) -> None:
    """Add a row for each clock."""
    for kind, taken in found.items():
        table.add((*names, kind), taken)


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    main()
