"""Old names work for one more minor version, and warn."""

from __future__ import annotations

from typing import Any

import pytest

import vizcnn.health
import vizcnn.results
from vizcnn.algorithms.diagnosis import Finding
from vizcnn.plugins import registry

FINDING = Finding("bias", None, "biases make 95%", "The image moves the logits little.", "Check the preprocessing.")


@pytest.mark.parametrize(
    ("owner", "old", "now"),
    [
        (vizcnn.results, "Maps", vizcnn.results.AttributionBatch),
        (vizcnn.results, "LayerMaps", vizcnn.results.FeatureMapBatch),
        (vizcnn.health, "Finding", Finding),
        (FINDING, "meaning", "The image moves the logits little."),
        (registry.get("saliency"), "origin", "vizcnn.plugins.saliency"),
        (registry.get("saliency"), "meaning", registry.get("saliency").interpretation),
        (registry, "register", vizcnn.register),
    ],
    ids=["Maps", "LayerMaps", "health", "Finding.meaning", "Plugin.origin", "Plugin.meaning", "register"],
)
def test_old_name_gives_the_same_and_warns(owner: Any, old: str, now: Any) -> None:
    with pytest.warns(
        DeprecationWarning, match=f"{old}.* now; the old name goes with the next minor version"
    ) as messages:
        assert getattr(owner, old) == now
    assert len(messages) == 1
    assert messages[0].filename == __file__
