"""What is explained where nobody says it."""

from __future__ import annotations

from vizcnn.errors import TargetError
from vizcnn.targets.boxes import Box
from vizcnn.targets.classes import Class
from vizcnn.targets.detector import scores_beside_boxes
from vizcnn.targets.model import Model, Pictures
from vizcnn.targets.target import Target


def default_target(model: Model, images: Pictures | None = None) -> Target:
    """Return the predicted class; of a detector the box that it is most sure of."""
    scores = scores_beside_boxes(model)
    if scores is not None:
        box = Box() if images is None else Box().on_images(images)
        try:
            box.score(model, 1)
        except TargetError as error:
            model.add_note(f"Without a `target` a class is explained, and no box. {error}", "reading")
        else:
            return box
    return Class(output=scores)
