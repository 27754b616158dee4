"""Scores, under the name that they had before `vizcnn.targets` was a package."""

from vizcnn.aliases import moved
from vizcnn.targets.classes import class_score, region_score
from vizcnn.targets.combined import function_score, mix_score
from vizcnn.targets.score import Formula, ForwardPass, Names, Score, class_logits
from vizcnn.targets.similarity import similarity_score
from vizcnn.targets.units import channel_score, neuron_score

__all__ = [
    "Formula",
    "ForwardPass",
    "Names",
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


__getattr__ = moved(__name__, {"Reading": "vizcnn.targets.score.ForwardPass"})
