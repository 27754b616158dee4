"""Many changed copies of each image through a model, of which scores and sums come back: what every sampling method stands on.

`run` (`leader`) leads: it settles the target on the unchanged images, cuts the copies into full batches across the images, has
the numbers of the next batch drawn while the model runs on this one, and gathers what comes back. How one batch is run is up to
`Steps`: `plain` has those in NumPy, for any `ModelAdapter`; `vizcnn.adapter.keras.changed` has compiled ones, and the two must
agree.

In a group of images, copy 1 of each comes first, then copy 2 of each, and so on: what a copy needs is drawn once for all images.
"""

from vizcnn.adapter.changed.leader import Steps, run
from vizcnn.adapter.changed.plain import PlainSteps
from vizcnn.adapter.changed.records import (
    Arrays,
    Before,
    Change,
    Changed,
    Copies,
    Cut,
    Formula,
    PredictedClass,
    Question,
    Rows,
)

__all__ = [
    "Arrays",
    "Before",
    "Change",
    "Changed",
    "Copies",
    "Cut",
    "Formula",
    "PlainSteps",
    "PredictedClass",
    "Question",
    "Rows",
    "Steps",
    "run",
]
