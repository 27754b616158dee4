"""Channels to one value for each place."""

from __future__ import annotations

import numpy as np
import pytest

from vizcnn.algorithms.reduction import one_per_place, reduce_channels
from vizcnn.errors import OptionError

VALUES = np.array([[1.0, -3.0, 2.0], [0.5, 0.0, -0.25]])


@pytest.mark.parametrize(("how", "expected"), [("max_abs", [3, 0.5]), ("sum", [0, 0.25]), ("none", VALUES)])
def test_channels_become_one_value(how, expected):
    np.testing.assert_array_equal(reduce_channels(VALUES, how), expected)


def test_unknown_reduction_is_rejected():
    with pytest.raises(OptionError, match=r"`reduce` must be .*; got 'mean'"):
        reduce_channels(VALUES, "mean")


def test_drawn_map_has_one_value_for_each_place():
    np.testing.assert_array_equal(one_per_place(VALUES, 1), [0, 0.25])
    assert one_per_place(VALUES, 2) is VALUES
