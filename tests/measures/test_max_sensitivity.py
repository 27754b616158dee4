"""Max-sensitivity against a loop over noisy images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.models import images
from vizcnn.errors import OptionError
from vizcnn.measures.max_sensitivity import max_sensitivity
from vizcnn.measures.metric import Again

SHAPE = (6, 5, 2)


def measure(x: np.ndarray, method: Any, **options: Any) -> Any:
    maps = method(x)

    def run(inputs: np.ndarray, score: Any, **other: Any) -> np.ndarray:
        assert (inputs.dtype, inputs.shape, set(other.values())) == (np.float32, x.shape, {None})
        return method(inputs)

    return max_sensitivity(None, x, None, maps, Again(run, x, None), **options)


def squared(inputs: np.ndarray) -> np.ndarray:
    return (inputs**2).sum(axis=-1)


def test_it_is_the_largest_change_over_the_size_of_the_map() -> None:
    x = images(3, SHAPE)
    found = measure(x, squared, num_samples=4, radius=0.1, seed=2)
    generator = np.random.default_rng(2)
    fields = [generator.uniform(-1, 1, SHAPE) for _ in range(4)]
    for image, number in zip(x, found.values, strict=True):
        changes = [squared(image + 0.1 * np.ptp(image) * field) - squared(image) for field in fields]
        assert number == pytest.approx(max(map(np.linalg.norm, changes)) / np.linalg.norm(squared(image)), rel=1e-4)
    assert not any(which.any() for which in found.undefined.values())


def test_map_that_does_not_look_at_the_image_is_perfect() -> None:
    assert measure(images(2, SHAPE), lambda inputs: np.ones(inputs.shape[:3])).values.tolist() == [0, 0]


def test_blank_map_and_constant_image_are_undefined() -> None:
    blank = measure(images(1, SHAPE), lambda inputs: np.zeros(inputs.shape[:3]))
    assert [name for name, which in blank.undefined.items() if which[0]] == ["it is zero everywhere"]
    flat = measure(np.ones((1, *SHAPE), np.float32), squared)
    assert [name for name, which in flat.undefined.items() if which[0]] == ["the image is the same everywhere"]


def test_options_are_checked() -> None:
    with pytest.raises(OptionError, match="`radius` must be a positive number; got 0"):
        measure(images(1, SHAPE), squared, radius=0)
    with pytest.raises(OptionError, match="`num_samples` must be a positive whole number"):
        measure(images(1, SHAPE), squared, num_samples=0)
