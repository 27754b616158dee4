"""What methods return: raw values that can be drawn, written to a file, and read again."""

from vizcnn.files import PICTURES, write_file
from vizcnn.results.architecture import Architecture
from vizcnn.results.attributions import Attributions, Maps
from vizcnn.results.base import Context, Picture, Result, load_result
from vizcnn.results.diagnosis import Diagnosis
from vizcnn.results.feature_maps import FeatureMaps, LayerMaps
from vizcnn.results.images import Images
from vizcnn.results.kernels import Kernels

__all__ = [
    "PICTURES",
    "Architecture",
    "Attributions",
    "Context",
    "Diagnosis",
    "FeatureMaps",
    "Images",
    "Kernels",
    "LayerMaps",
    "Maps",
    "Picture",
    "Result",
    "load_result",
    "write_file",
]
