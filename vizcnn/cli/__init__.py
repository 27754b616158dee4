"""The command line, a module for each command. What is slow to import waits until one runs, so that `--help` is quick."""

# In the order in which `--help` lists the commands.
from vizcnn.cli import (  # noqa: I001
    demo, check, doctor, methods, explain, report, serve, compare, video, run, failures, spray, export, summary, diagram, filters, activations, top_patches, receptive_field, maximize, diagnose,  # noqa: F401, E501
)  # fmt: skip
from vizcnn.cli.app import app, main

__all__ = ["app", "main"]
