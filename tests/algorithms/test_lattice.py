"""Which places of a grid are asked for, and what is likely at the others."""

from __future__ import annotations

import numpy as np
import pytest

from vizcnn.algorithms.lattice import ask_some, likely

SHAPE = (7, 6)


def kriged(values: np.ndarray, known: np.ndarray, reach: tuple[float, ...]) -> np.ndarray:
    """Return the best linear guess, by a matrix of all places, whose own variance is a tenth of the whole one's."""
    places = np.argwhere(known.reshape(SHAPE)), np.argwhere(np.ones(SHAPE, bool))
    table = np.exp(-(np.abs(places[1][:, None] - places[0][None]) / reach).sum(axis=-1))
    mean = values[known].mean()
    own = table[known] + 0.1 * np.eye(known.sum())
    return np.where(known, values, mean + table @ np.linalg.solve(own, values[known] - mean))


@pytest.mark.parametrize("reach", [(2.0, 2.0), (0.5, 4.0)])
def test_what_is_likely_is_the_best_linear_guess(reach: tuple[float, ...]) -> None:
    generator = np.random.default_rng(0)
    values, known = generator.normal(size=42), generator.random(42) < 0.4
    np.testing.assert_allclose(likely(values, known, SHAPE, reach), kriged(values, known, reach), atol=1e-5)


def test_what_is_the_same_wherever_it_is_known_is_the_same_everywhere() -> None:
    known = np.arange(42) % 5 == 0
    np.testing.assert_array_equal(likely(np.where(known, 3.0, 0.0), known, SHAPE, (2.0, 2.0)), 3.0)


def asked_for(grid: np.ndarray, share: float) -> list[list[int]]:
    rounds = []

    def ask(places: np.ndarray) -> np.ndarray:
        rounds.append(places[0].tolist())
        return grid.ravel()[places]

    ask_some(grid.shape, share, [2.0] * grid.ndim, ask, 1)
    return rounds


def test_lattice_comes_first_and_then_the_middles_between_what_differs() -> None:
    grid = np.zeros((9, 9))
    grid[:3, 6:] = 1
    first, second = asked_for(grid, 36 / 81)
    assert first == [9 * row + column for row in range(0, 9, 2) for column in range(0, 9, 2)]
    assert second[:3] == [9 + 5, 9 * 3 + 5, 9 * 3 + 7]  # those on the edge of the bright corner
    assert len(second) == 11


@pytest.mark.parametrize("shape", [(1,), (2,), (17,), (1, 9), (8, 9), (4, 5, 6)])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.5, 0.9, 1.0])
def test_no_place_is_asked_for_twice_and_no_more_than_the_share(shape: tuple[int, ...], share: float) -> None:
    grid = np.random.default_rng(0).normal(size=shape)
    places = [place for each in asked_for(grid, share) for place in each]
    assert len(set(places)) == len(places) == max(1, int(share * grid.size))


def test_each_image_has_places_of_its_own() -> None:
    grids = np.zeros((2, 81))
    grids[0, :20], grids[1, -20:] = 1, 1
    seen = []

    def ask(places: np.ndarray) -> np.ndarray:
        seen.append(places)
        return np.take_along_axis(grids, places, axis=1)

    filled = ask_some((9, 9), 0.4, (2.0, 2.0), ask, 2)
    assert (seen[0][0] == seen[0][1]).all()
    assert (seen[1][0] != seen[1][1]).any()
    assert filled.values.shape == (2, 9, 9)
    assert filled.share == 32 / 81
