"""What methods return: raw values that can be drawn, written to a file, and read again."""

import warnings
from typing import Any

from vizcnn.files import PICTURES, write_file
from vizcnn.results.architecture import Architecture
from vizcnn.results.attributions import Attributions
from vizcnn.results.base import Context, Picture, Result, load_result
from vizcnn.results.batch import AttributionBatch
from vizcnn.results.diagnosis import Diagnosis
from vizcnn.results.feature_maps import FeatureMaps, LayerMaps
from vizcnn.results.images import Images
from vizcnn.results.kernels import Kernels

__all__ = [
    "PICTURES",
    "Architecture",
    "AttributionBatch",
    "Attributions",
    "Context",
    "Diagnosis",
    "FeatureMaps",
    "Images",
    "Kernels",
    "LayerMaps",
    "Picture",
    "Result",
    "load_result",
    "write_file",
]


def __getattr__(name: str) -> Any:
    if name == "Maps":
        warnings.warn("vizcnn.results.Maps is called AttributionBatch now.", DeprecationWarning, stacklevel=2)
        return AttributionBatch
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
