"""Time how long it takes to get going: `import vizcnn`, `vizcnn --help`, and from a file to the first picture, step by step.

Each round is a fresh Python, so all that is kept between calls is the system's own file cache. Usage:

    python -m tests.benchmarks.bench_start [--quick] [--markdown FILE]
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from tests.benchmarks import floors
from tests.benchmarks.timing import Limit, Table, arguments, machine, report, seconds

ROUNDS = 7

STEPS = """
import json, sys, time
stamps = {"Python": time.time() - float(sys.argv[1])}

def stamp(step, start=[time.perf_counter()]):
    now = time.perf_counter()
    stamps[step], start[0] = now - start[0], now

import vizcnn.cli
import vizcnn.cli.explained
stamp("vizcnn")
import vizcnn.adapter.keras
stamp("Keras")
import vizcnn as vz
from vizcnn.plugins import door, registry
model, image, picture = sys.argv[2:]
adapter = vz.adapt(model)
stamp("loading")
images = door.load_images(adapter, image)
result = next(door.stream(registry.get("gradcam"), adapter, images))
stamp("first map")
again = next(door.stream(registry.get("gradcam"), adapter, images))
stamp("second map")
result.save(picture)
stamp("drawing")
print(json.dumps(stamps))
"""
"""What `vizcnn explain` does, with the time that each step takes; the second map is what the first one costs without tracing."""

NAMES = ("Python", "vizcnn", "Keras", "loading", "tracing", "running", "drawing")


def main() -> None:
    """Run what the arguments ask for."""
    given = arguments("bench_start", __doc__)
    rounds = 1 if given.quick else ROUNDS
    start = Table(
        "A fresh Python", ("",), ("vizcnn", "allowed"), [Limit("vizcnn / allowed", "vizcnn", "allowed", most=1)]
    )
    for name, allowed, words in (
        ("import vizcnn", 0.15, ["-c", "import vizcnn"]),
        ("--help", 0.3, ["-m", "vizcnn", "--help"]),
    ):
        start.add((f"`{name}`",), {"vizcnn": median(lambda words=words: python(*words), rounds), "allowed": allowed})
    first = Table(
        "From file to the first Grad-CAM picture: where the time goes", ("model",), (*NAMES, "the command"), []
    )
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "noise.png"
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)).save(image)
        for name in floors.MODELS:
            model = Path(folder) / "model.keras"
            floors.lively_model(name).save(model)
            first.add((name,), picture(model, image, rounds))
    report(
        machine("tensorflow", "keras", "numpy", "matplotlib", "vizcnn"), [start, first], given.markdown, "bench start"
    )


def picture(model: Path, image: Path, rounds: int) -> dict[str, float]:
    """Return the median seconds of each step to a picture, and of the command as it is typed."""
    out = image.parent
    taken = [steps(model, image, out / "picture.png") for _ in range(rounds)]
    made = {name: statistics.median(each[name] for each in taken) for name in NAMES}
    words = ["-m", "vizcnn", "explain", str(model), str(image), "-o", str(out / "pictures"), "-m", "gradcam"]
    return {**made, "the command": median(lambda: python(*words), rounds)}


def steps(model: Path, image: Path, out: Path) -> dict[str, float]:
    """Return the seconds of each step in a fresh Python."""
    said = python("-c", STEPS, str(time.time()), str(model), str(image), str(out))
    taken = json.loads(said.splitlines()[-1])
    running = taken.pop("second map")
    return {**taken, "running": running, "tracing": taken.pop("first map") - running}


def median(function: Callable[[], object], rounds: int) -> float:
    """Return the median seconds of a call, after one that fills the system's file cache."""
    function()
    return statistics.median(seconds(function) for _ in range(rounds))


def python(*words: str) -> str:
    """Run a fresh Python, and return what it prints."""
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()
