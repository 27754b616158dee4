"""The old home of `vizcnn.algorithms.diagnosis`."""

from __future__ import annotations

from vizcnn.aliases import moved

__getattr__ = moved(__name__, {"Finding": "vizcnn.algorithms.diagnosis.Finding"})
