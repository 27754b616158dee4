"""Lambdas: the Python functions in a model's file, of which most are arithmetic. They are read, and never run."""

from vizcnn.adapter.loading.lambdas.reading import ReadLambda, read_lambdas

__all__ = ["ReadLambda", "read_lambdas"]
