"""What people have, read: images from files, arrays and datasets, and IDX files."""

from vizcnn.inputs.idx import read_idx, read_idx_pair
from vizcnn.inputs.images import SUFFIXES, ImageSet, image_files, load, read_image

__all__ = ["SUFFIXES", "ImageSet", "image_files", "load", "read_idx", "read_idx_pair", "read_image"]
