"""What is explained: a target, resolved against a model, gives one score per sample.

None is the class that the model predicts for each image, of a segmentation its largest one where that is predicted, the box
that a detector is most sure of, or the text that a model reads; an integer or a label is that class; a list has one of these
per image. The objects of this module say the rest: another output (`Class`), a unit or a channel of any layer (`Neuron`,
`Channel`), one class against another (`Contrast`), any weighted sum (`WeightedSum`), a part of an output map (`Region`), what a
detector predicts in a box (`Box`), what a model reads (`Text`, `Character`), a key point (`Point`), likeness to another image
(`Similarity`). A function of the model's outputs is a target too, and so are the score objects of tf-keras-vis.

Class scores are logits: the value before a final softmax or sigmoid. A single unit that tells two classes apart is both of
them, and the score of class 0 is the negative of its logit.

A module holds a target and its formula. Another kind of target is a subclass of `Target` in a module of its own: `resolve` asks
it for its score.
"""

from vizcnn.aliases import moved
from vizcnn.targets.box_layout import BoxLayout
from vizcnn.targets.boxes import Box
from vizcnn.targets.classes import Class, Region
from vizcnn.targets.combined import Contrast, Function, WeightedSum, resolve, resolve_on
from vizcnn.targets.points import Point
from vizcnn.targets.score import Score
from vizcnn.targets.sequences import Character, Text
from vizcnn.targets.similarity import Similarity
from vizcnn.targets.target import Target
from vizcnn.targets.units import Channel, Neuron

__all__ = [
    "Box",
    "BoxLayout",
    "Channel",
    "Character",
    "Class",
    "Contrast",
    "Function",
    "Neuron",
    "Point",
    "Region",
    "Score",
    "Similarity",
    "Target",
    "Text",
    "WeightedSum",
    "resolve",
    "resolve_on",
]

__getattr__ = moved(__name__, {"Mix": "vizcnn.targets.WeightedSum"})
