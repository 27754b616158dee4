"""Runs over whole datasets: of any size, stopped and gone on with as one likes, in files that others' tools read."""

from vizcnn.runs.dataset import explain_dataset
from vizcnn.runs.run import Run, RunImage, open_run

__all__ = ["Run", "RunImage", "explain_dataset", "open_run"]
