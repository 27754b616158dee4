"""Groups among the maps of a class: those that were planted are found, and a heap has none."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

from vizcnn.algorithms.strategies import Group, contrast, find_groups, null_contrast, to_shares


def heap(count: int = 120, planted: int = 0, seed: int = 0) -> np.ndarray:
    """Return maps of a spot that wanders, some of them with a part of their mass in a corner."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:8, :8]
    centers = generator.normal(4, 0.7, (count, 2, 1, 1))
    maps = np.exp(-((rows - centers[:, 0]) ** 2 + (columns - centers[:, 1]) ** 2) / 4)
    maps += generator.uniform(0, 0.05, maps.shape)
    maps[:planted, 6:, :2] += generator.uniform(0.8, 1.2, (planted, 1, 1))
    return maps.astype(np.float32)


def test_shares_are_of_what_speaks_for_the_class() -> None:
    maps = np.array([[[1.0, 3.0], [-5.0, 0.0]], [[-1.0, 0.0], [0.0, 0.0]], [[np.nan, 1.0], [1.0, 1.0]]])
    shares = to_shares(maps)
    assert shares[0].tolist() == [[0.25, 0.75], [0, 0]]
    assert np.isnan(shares[1:]).all()
    assert to_shares(maps[:0]).shape == (0, 2, 2)


def test_large_maps_are_reduced_by_the_mean_of_areas() -> None:
    maps = np.random.default_rng(0).uniform(size=(3, 32, 48)).astype(np.float32)
    means = maps.reshape(3, 16, 2, 16, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(to_shares(maps), means / means.sum(axis=(1, 2), keepdims=True), rtol=1e-4)


def test_contrast_is_the_gap_of_medians_in_spreads_of_both() -> None:
    one, other = np.array([0.5, 0.6, 0.9]), np.array([0.1, 0.2, 0.2, 0.4, 9.0])
    # Medians 0.6 and 0.2; the deviations' medians are 0.1 and 0.1.
    assert contrast(one, other) == pytest.approx(0.4 / (0.1 * 1.4826 * 2 + 0.02))
    assert contrast(np.stack([one, one], axis=1), np.stack([other, other], axis=1)).shape == (2,)
    assert contrast(one, one) == 0


def test_planted_group_is_the_strangest_and_its_place_is_found() -> None:
    shares = to_shares(heap(planted=10))
    first, *others = find_groups(shares)
    assert np.flatnonzero(first.members).tolist() == list(range(10))
    assert np.argwhere(first.region).tolist() == [[6, 0], [6, 1], [7, 0], [7, 1]]
    assert first.box == (6, 0, 8, 2)
    assert first.contrast > 3 * null_contrast(shares)
    assert all(other.strangeness < first.strangeness / 2 for other in others)


def test_large_planted_group_may_be_cut_but_its_parts_stand_apart() -> None:
    groups = find_groups(to_shares(heap(planted=36)))
    planted = [group for group in groups if group.members[:36].any()]
    assert planted == groups[: len(planted)]
    assert not np.any([group.members[36:] for group in planted])
    assert min(group.contrast for group in planted) > 3 > max(group.contrast for group in groups[len(planted) :])


def test_numbers_of_a_group_are_those_of_a_plain_loop() -> None:
    shares = to_shares(heap(60, planted=8))
    points = np.sqrt(shares.reshape(len(shares), -1)).astype(np.float64)
    nearest = [np.argsort([np.linalg.norm(a - b) for b in points])[1:11].tolist() for a in points]
    for group in find_groups(shares):
        inside = total = 0.0
        for at in np.flatnonzero(group.members):
            for other in range(len(points)):
                weight = ((other in nearest[at]) + (at in nearest[other])) / 2
                total += weight
                inside += weight * group.members[other]
        assert group.purity == pytest.approx(inside / total)
        mass = np.array([one[group.region].sum() for one in shares])
        np.testing.assert_allclose(group.mass, mass, rtol=1e-5)
        assert group.contrast == pytest.approx(contrast(mass[group.members], mass[~group.members]), rel=1e-4)
        assert group.strangeness == pytest.approx(group.contrast * group.purity * (1 - group.members.sum() / 60))


def test_groups_part_the_maps() -> None:
    groups = find_groups(to_shares(heap(planted=10)))
    assert 2 <= len(groups) <= 12
    assert (np.sum([group.members for group in groups], axis=0) == 1).all()


@pytest.mark.parametrize("seed", range(2))
def test_groups_of_a_heap_stand_no_farther_apart_than_those_of_its_null(seed: int) -> None:
    shares = to_shares(heap(seed=seed))
    assert max(group.contrast for group in find_groups(shares)) < 2 * null_contrast(shares)


def test_order_of_the_maps_does_not_matter_to_what_stands_apart() -> None:
    shares = to_shares(heap(planted=10))
    order = np.random.default_rng(1).permutation(len(shares))
    assert set(order[find_groups(shares[order])[0].members]) == set(range(10))


def test_null_is_of_its_seed() -> None:
    shares = to_shares(heap(40))
    assert null_contrast(shares, seed=1) == null_contrast(shares, seed=1) != null_contrast(shares, seed=2)


def test_maps_that_are_all_the_same_have_nothing_apart() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        groups = find_groups(to_shares(np.ones((30, 4, 4), np.float32)))
    assert all(group.contrast == 0 for group in groups)


def test_box_is_that_of_the_region() -> None:
    region = np.zeros((4, 6), bool)
    region[1, 2:4] = region[2, 3] = True
    assert Group(np.array([True, False]), region, np.zeros(2), 1.0, 1.0).box == (1, 2, 3, 4)
