"""Diagrams of models: boxes and arrows (`boxes`), folded (`folding`), laid out (`places`, `layout`) and drawn (`drawing`)."""

from vizcnn.render.diagram.drawing import plot_diagram, save_diagram

__all__ = ["plot_diagram", "save_diagram"]
