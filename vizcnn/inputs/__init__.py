"""What people have, read: images from files, arrays and datasets, and IDX files."""

from vizcnn.inputs.idx import read_idx, read_idx_pair
from vizcnn.inputs.image_set import ImageSet
from vizcnn.inputs.images import SUFFIXES, image_files, load
from vizcnn.inputs.pixels import Decoding, read_image

__all__ = ["SUFFIXES", "Decoding", "ImageSet", "image_files", "load", "read_idx", "read_idx_pair", "read_image"]
