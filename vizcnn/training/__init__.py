"""Training that shows itself."""

from vizcnn.training.callback import ExplainCallback

__all__ = ["ExplainCallback"]
