"""Scores, under the name that they had before `vizcnn.targets` was a package."""

from vizcnn.targets.classes import class_score, region_score
from vizcnn.targets.combined import function_score, mix_score
from vizcnn.targets.score import Formula, Names, Reading, Score, class_logits
from vizcnn.targets.similarity import similarity_score
from vizcnn.targets.units import channel_score, neuron_score

__all__ = [
    "Formula",
    "Names",
    "Reading",
    "Score",
    "channel_score",
    "class_logits",
    "class_score",
    "function_score",
    "mix_score",
    "neuron_score",
    "region_score",
    "similarity_score",
]
