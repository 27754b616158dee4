"""Metrics beside Quantus's, whose numbers are kept in `tests/golden`."""

from __future__ import annotations

import numpy as np
import pytest

from tests.golden.metrics import HIDDEN, REGIONS, maps
from tests.golden.model import given
from tests.golden.store import golden
from vizcnn.algorithms.imputation import imputed
from vizcnn.measures import registry

OURS = {
    "Sparseness": "sparseness",
    "Complexity": "complexity",
    "PointingGame": "pointing_game",
    "RelevanceMassAccuracy": "relevance_mass",
    "RelevanceRankAccuracy": "relevance_rank",
}


@pytest.mark.parametrize("theirs", OURS)
def test_number_is_that_of_quantus(theirs: str) -> None:
    metric = registry.get(OURS[theirs])
    options = {**metric.options, **({"margin": 0.0} if "margin" in metric.options else {})}  # Quantus grants none
    asked = {"regions": REGIONS} if "regions" in metric.asks else {}
    found = metric.run(None, None, None, maps().astype(np.float32), **asked, **options)
    np.testing.assert_allclose(found.values, golden("quantus").arrays[theirs], rtol=1e-5)


def test_pixels_are_filled_in_as_quantus_does_for_road() -> None:
    ours = [imputed(image, HIDDEN) for image in given().images]
    np.testing.assert_allclose(ours, golden("quantus").arrays["noisy_linear_imputation"], atol=1e-3)
