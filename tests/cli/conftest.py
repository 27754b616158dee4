"""A model and images for the command line, and a method that notes what reaches it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.cli.typed import SIZE, Probe, small_cnn
from vizcnn.plugins import registry
from vizcnn.plugins.register import register
from vizcnn.results import AttributionBatch


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, its labels, and images of its size in a folder of their own."""
    root = tmp_path_factory.mktemp("cli")
    small_cnn("relu", "tiny").save(root / "tiny.keras")
    (root / "labels.txt").write_text("cat\ndog\ncow\n")
    (root / "images").mkdir()
    generator = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        pixels = generator.integers(1, 256, (SIZE, SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"{name}.png")
    return root


@pytest.fixture
def probe() -> Iterator[Probe]:
    registry.names()
    noted = Probe()

    @register("probe", needs={"outputs"})
    def method(model: Any, inputs: Any, score: Any, *, layer: str | None = None) -> AttributionBatch:
        """Note what comes in."""
        return noted(inputs, layer)

    yield noted
    del registry.INSTALLED.entries["probe"]
