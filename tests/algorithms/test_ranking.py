"""Ranks, intervals of means, and whether halves of the images order things alike."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from vizcnn.algorithms.ranking import half_taus, interval, mean_of_known, ranks, resampled_means
from vizcnn.results.standings import agreement, mean_places, standings

NOISE = np.random.default_rng(0).normal(size=(4, 20))


def test_equal_ones_share_their_places_and_what_is_unknown_has_none():
    values = np.array([[3.0, 1.0], [1.0, 1.0], [2.0, np.nan]])
    np.testing.assert_array_equal(ranks(values), [[3, 1.5], [1, 1.5], [2, np.nan]])
    np.testing.assert_array_equal(ranks(values, descending=True), [[1, 1.5], [3, 1.5], [2, np.nan]])


def test_resampled_means_are_those_of_images_drawn_with_replacement():
    values = np.array([[1.0, 2.0, 6.0], [5.0, np.nan, np.nan]])
    draws = resampled_means(values, num_resamples=50, seed=3)
    drawn = np.random.default_rng(3).integers(0, 3, (50, 3))
    for row, images in zip(draws, drawn, strict=True):
        assert row[0] == pytest.approx(values[0, images].mean())
        known = values[1, images][np.isfinite(values[1, images])]
        assert row[1] == pytest.approx(known.mean() if len(known) else np.nan, nan_ok=True)


def test_interval_of_a_mean_is_as_wide_as_its_standard_error_says():
    low, high = interval(resampled_means(NOISE[:1], num_resamples=4000))
    error = NOISE[0].std() / np.sqrt(20)
    assert high[0] - low[0] == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_halves_that_order_alike_have_tau_one_and_undefined_ones_zero():
    steps = np.arange(4.0)[:, None]
    assert set(half_taus(NOISE + 9 * steps)) == {1.0}
    assert set(half_taus(np.ones((3, 6)))) == {0.0}
    assert half_taus(NOISE[:1]).size == half_taus(NOISE[:, :1]).size == 0


@pytest.mark.parametrize("distance", [1.0, 1.8, 2.2, 3.5])
def test_order_of_two_is_repeatable_where_a_z_test_tells_them_apart(distance):
    difference = NOISE[0] - NOISE[0].mean()
    difference += distance * difference.std() / np.sqrt(len(difference))
    taus = half_taus(np.stack([np.zeros(20), difference]), num_halves=1000)
    assert (np.mean(taus == 1) > 0.95) == (distance > 1.96)


def test_tau_is_scipys():
    values = np.random.default_rng(2).integers(0, 3, (5, 4)).astype(float)  # with ties
    taus = half_taus(values, num_halves=30, seed=5)
    first = np.random.default_rng(5).permuted(np.tile(np.arange(4) < 2, (30, 1)), axis=1)
    expected = [
        stats.kendalltau(values[:, half].mean(axis=1), values[:, ~half].mean(axis=1)).statistic for half in first
    ]
    np.testing.assert_allclose(taus, np.nan_to_num(expected), atol=1e-12)


def test_share_of_halves_is_that_of_all_halves():
    values = NOISE[:3, :6] + np.array([[0.0], [0.7], [1.4]])
    expected = [
        stats.kendalltau(values[:, half].mean(axis=1), np.delete(values, half, axis=1).mean(axis=1)).statistic
        for half in map(list, itertools.combinations(range(6), 3))
    ]
    assert half_taus(values, num_halves=2000).mean() == pytest.approx(np.mean(expected), abs=0.03)


def test_noise_is_hardly_ever_called_an_order():
    generator = np.random.default_rng(1)
    called = [agreement(generator.normal(size=(5, 12))).is_repeatable for _ in range(40)]
    assert sum(called) <= 4


def test_few_images_are_never_called_an_order():
    assert not agreement(NOISE[:, :5] + 9 * np.arange(4.0)[:, None]).is_repeatable
    assert agreement(NOISE[:, :6] + 9 * np.arange(4.0)[:, None]).is_repeatable


def test_places_are_among_the_methods_and_null_maps_stand_where_they_would():
    values = np.array([[[1.0, 5.0]], [[2.0, 4.0]], [[3.0, 6.0]], [[0.0, 4.5]]])  # the last one is a null map
    np.testing.assert_array_equal(mean_places(values, ["low"], [0, 1, 2])[:, 0], [1, 2, 3, 1])
    np.testing.assert_array_equal(mean_places(values, ["high"], [0, 1, 2])[:, 1], [2, 3, 1, 3])
    both = np.concatenate([values, values], axis=1)
    np.testing.assert_array_equal(mean_places(both, ["low", "high"], [0, 1, 2])[:3], [[2, 2], [2, 2], [2, 2]])


def test_best_and_those_that_cannot_be_told_from_it_and_those_no_better_than_nothing():
    good = NOISE[:1] + 5
    rows = np.stack([good, good + 0.01 * NOISE[1], NOISE[2:3], NOISE[3:4]])
    found = {one.method: one for one in standings(rows, ["a", "b", "c", "null"], ["m"], ["high"], ["null"])}
    assert (found["a"].is_tied, found["b"].is_tied, found["c"].is_tied) == (True, True, False)
    assert (found["a"].not_above, found["b"].not_above, found["c"].not_above) == ((), (), ("null",))
    assert found["null"].is_null
    assert not found["null"].is_tied
    assert found["a"].means == {"m": pytest.approx(good.mean())}


def test_means_of_nothing_are_unknown():
    np.testing.assert_array_equal(mean_of_known(np.array([[np.nan, 2.0], [np.nan, np.nan]]), axis=1), [2, np.nan])
