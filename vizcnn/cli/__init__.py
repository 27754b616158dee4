"""The command line. What is slow to import is imported by the command that needs it, so that `--help` is quick."""

# In the order in which `--help` lists the commands.
from vizcnn.cli import explain, report, check, diagnose, look, about  # noqa: F401, I001
from vizcnn.cli.app import app, main

__all__ = ["app", "main"]
