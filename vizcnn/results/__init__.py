"""What methods return: raw values that can be drawn, written to a file, and read again."""

from vizcnn.aliases import moved
from vizcnn.files import PICTURES, write_file
from vizcnn.results.architecture import Architecture
from vizcnn.results.attributions import Attributions
from vizcnn.results.base import Context, Picture, Result, load_result
from vizcnn.results.batch import AttributionBatch
from vizcnn.results.cluster import Cluster
from vizcnn.results.comparison import Comparison
from vizcnn.results.diagnosis import Diagnosis
from vizcnn.results.feature_maps import FeatureMapBatch, FeatureMaps
from vizcnn.results.images import Images
from vizcnn.results.kernels import Kernels
from vizcnn.results.receptive_field import ReceptiveField
from vizcnn.results.spray import Spray
from vizcnn.results.top_patches import PatchBatch, TopPatches

__all__ = [
    "PICTURES",
    "Architecture",
    "AttributionBatch",
    "Attributions",
    "Cluster",
    "Comparison",
    "Context",
    "Diagnosis",
    "FeatureMapBatch",
    "FeatureMaps",
    "Images",
    "Kernels",
    "PatchBatch",
    "Picture",
    "ReceptiveField",
    "Result",
    "Spray",
    "TopPatches",
    "load_result",
    "write_file",
]

__getattr__ = moved(
    __name__,
    {"Maps": "vizcnn.results.batch.AttributionBatch", "LayerMaps": "vizcnn.results.feature_maps.FeatureMapBatch"},
)
