"""Results made by hand, without a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from vizcnn.adapter.base import Prediction
from vizcnn.errors import Note
from vizcnn.results import Attributions, Cluster, Spray
from vizcnn.results.cluster import Covered, Effect


def attributions(count: int = 1, size: tuple[int, int] = (4, 6), **fields: Any) -> Attributions:
    """Return maps that rise from -1 (or from 0) to 1, over gray images of the same size."""
    ramp = np.linspace(-1 if fields.get("signed") else 0, 1, size[0] * size[1], dtype=np.float32).reshape(size)
    values = np.stack([ramp * (i + 1) for i in range(count)])
    defaults: dict[str, Any] = {
        "values": values,
        "raw": values,
        "scores": np.arange(count, dtype=np.float32),
        "images": [np.full((*size, 3), min(50 * (i + 1), 255), dtype=np.uint8) for i in range(count)],
        "target": ("cat",) * count,
        "classes": (1,) * count,
        "probabilities": (0.75,) * count,
        "predictions": (Prediction(1, "cat", 0.75),) * count,
        "model": "tiny",
        "method": "saliency",
        "names": tuple(f"{i}.png" for i in range(count)),
    }
    return Attributions(**{**defaults, **fields})


def same(one: Attributions, other: Attributions) -> None:
    """Assert that two results are equal, to the last bit and in every field, and their notes in all that they know."""
    for name in (field.name for field in fields(Attributions)):
        _same(name, getattr(one, name), getattr(other, name))


def _same(name: str, one: Any, other: Any) -> None:
    if name == "images":
        one, other = dict(enumerate(one)), dict(enumerate(other))
    if name == "notes":
        assert [note.to_dict() for note in one] == [note.to_dict() for note in other]
    elif isinstance(one, Mapping):
        assert list(one) == list(other), name
        for key in one:
            _same(f"{name} {key}", one[key], other[key])
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    else:
        assert one == other, name


def spray() -> Spray:
    """Return a suspect, and the others of its class, which nothing was tried on."""
    covered = Covered(Effect(3, 1.5, 0.9, float("nan"), 1.0, 0.5), None, Effect(2, 0.1, 0.9, 0.9, 1.0, 1.0), 7.25)
    measured = {"label": "a/b", "class_index": None, "contrast": 4.0, "null": 1.0, "purity": 0.9, "strangeness": 2.0}
    measured |= {"region": (0.0, 0.75, 0.25, 1), "mass": 0.3, "mass_others": 0.0, "place": "corner", "accuracy": 1.0}
    map, images = np.eye(4, dtype=np.float32), np.arange(10) * 2
    few = Cluster(size=3, share=0.3, images=images[[6, 2, 3]], mean_map=map, covered=covered, **measured,
                     examples=np.full((3, 5, 5, 1), 9, np.uint8))  # fmt: skip
    others = Cluster(size=7, share=0.7, images=np.delete(images, [6, 2, 3]), mean_map=map, **measured)
    vectors = {"a/b": np.zeros((10, 2), np.float32)}
    values = {"a/b": np.array([0, 0.5], np.float32)}
    return Spray((few, others), "gradcam", "tiny", 10, vectors, values, (Note("One was left out.", "left out"),))
