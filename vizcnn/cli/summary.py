"""`vizcnn summary`."""

from __future__ import annotations

from vizcnn.cli import options
from vizcnn.cli.app import MODEL, command
from vizcnn.cli.console import echo, notes, run_method
from vizcnn.cli.model import ModelFile


@command(
    MODEL,
    "vizcnn summary model.keras",
    "vizcnn summary model.keras --depth 0",
)
@options.takes_model
def summary(
    model: ModelFile,
    depth: options.Depth = None,
) -> None:
    """Show a model's inputs, outputs and layers, with shapes and parameter counts."""
    adapter, model_notes = model.open()
    result, _ = run_method("architecture", adapter, depth=depth)
    echo(result.summary)
    notes(("model", text) for text in model_notes)
