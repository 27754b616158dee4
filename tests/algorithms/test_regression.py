"""Values that are one value have no part for any feature."""

from __future__ import annotations

import numpy as np
import pytest

from vizcnn.algorithms.regression import fit


@pytest.mark.parametrize("value", [0.0, -1.0986123, 3e7])
@pytest.mark.parametrize("rounded", [False, True])
def test_values_that_differ_by_rounding_have_no_coefficients(value, rounded):
    rng = np.random.default_rng(0)
    features, values = rng.random((9, 4)) < 0.5, np.full(9, np.float32(value))
    if rounded:
        values[::2] = np.nextafter(values[::2], np.float32(np.inf)) if value else 0
    fitted = fit(features, values, rng.uniform(0.5, 1, 9), ridge=1.0)
    assert not fitted.coefficients.any()
    assert not fitted.covariance.any()
    assert fitted.r2 == 1


def test_values_that_differ_by_more_have_coefficients():
    features = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    fitted = fit(features, 1e6 + features @ [2.0, -1.0], np.ones(4))
    np.testing.assert_allclose(fitted.coefficients, [2, -1], rtol=1e-9)
