"""What the tests of the command line type, on which model, and a method that notes what reaches it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from typer.testing import CliRunner

from vizcnn import cli
from vizcnn.results import AttributionBatch

SIZE = 8


def small_cnn(activation: str, name: str) -> Any:
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3), name="image"),
            layers.Rescaling(1 / 255, name="scale"),
            layers.Conv2D(4, 3, padding="same", activation=activation, name="conv1"),
            layers.Conv2D(4, 3, padding="same", activation=activation, name="conv2"),
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(3, activation="softmax", name="classes"),
        ],
        name=name,
    )


def run(*args: object) -> Any:
    return CliRunner().invoke(cli.app, [str(arg) for arg in args])


def explain(folder: Path, out: Path, *args: object, image: str = "images/a.png") -> Any:
    return run("explain", folder / "tiny.keras", folder / image, "--out", out, *args)


def lines(result: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def written(out: Path) -> list[str]:
    return sorted(file.name for file in out.iterdir()) if out.exists() else []


class Probe:
    """A method of the test's own: it notes what it is given, and its map is what the test asks for."""

    def __init__(self) -> None:
        self.batches: list[np.ndarray] = []
        self.layers: list[str | None] = []
        self.fails: Exception | None = None

    def __call__(self, inputs: np.ndarray, layer: str | None) -> AttributionBatch:
        self.batches.append(inputs.copy())
        self.layers.append(layer)
        if self.fails is not None:
            raise self.fails
        return AttributionBatch(inputs.sum(axis=-1))  # zero where the image is black
