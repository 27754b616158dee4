"""Keras callbacks: `ExplainCallback`."""

from vizcnn.training.callback import ExplainCallback

__all__ = ["ExplainCallback"]
