"""Runs over whole datasets: of any size, stopped and gone on with as one likes, in files that others' tools read."""

from vizcnn.runs.dataset import explain_dataset
from vizcnn.runs.run import Run, open_run
from vizcnn.runs.spraying import spray
from vizcnn.runs.stored import RunImage

__all__ = ["Run", "RunImage", "explain_dataset", "open_run", "spray"]
