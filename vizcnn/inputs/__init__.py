"""What people have, read: images from files, arrays and datasets, and IDX files."""

from vizcnn.inputs.decoding import Decoding
from vizcnn.inputs.geometry import Geometry
from vizcnn.inputs.idx import read_idx, read_idx_pair
from vizcnn.inputs.image_set import ImageSet
from vizcnn.inputs.images import image_files, load
from vizcnn.inputs.pixels import SUFFIXES, read_image
from vizcnn.inputs.preprocessing import Preprocess

__all__ = [
    "SUFFIXES",
    "Decoding",
    "Geometry",
    "ImageSet",
    "Preprocess",
    "image_files",
    "load",
    "read_idx",
    "read_idx_pair",
    "read_image",
]
