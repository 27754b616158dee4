"""Diagrams of models: boxes and arrows (`boxes`), folded (`folding`), laid out (`places`, `layout`) and drawn (`drawing`)."""
