"""What is explained where nobody says it."""

from __future__ import annotations

from vizcnn.errors import TargetError
from vizcnn.targets.boxes import Box
from vizcnn.targets.classes import Class, Region
from vizcnn.targets.detector import scores_beside_boxes
from vizcnn.targets.model import Model, Pictures
from vizcnn.targets.regions import is_segmentation
from vizcnn.targets.sequences import Text, is_reader
from vizcnn.targets.target import Target


def default_target(model: Model, images: Pictures | None = None) -> Target:
    """Return the predicted class; of a detector its surest box, of a segmentation its largest class, of a reader its text."""
    scores = scores_beside_boxes(model)
    if scores is not None:
        box = Box() if images is None else Box().on_images(images)
        try:
            box.score(model, 1)
        except TargetError as error:
            model.add_note(f"Without a `target` a class is explained, and no box. {error}", "reading")
        else:
            return box
    if scores is None and _is_segmentation(model):
        return Region()
    if scores is None and is_reader(model):
        return Text()
    return Class(output=scores)


def _is_segmentation(model: Model) -> bool:
    output = model.output_name(None)
    if len(model.output_shapes[output]) not in (2, 3):
        return False
    model.output_activation(output)  # runs a model of open size once, so that the map's size is known
    head = model.head(output)
    return None not in head.positions and is_segmentation(model, head)
