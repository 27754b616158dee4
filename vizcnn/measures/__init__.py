"""Metrics: numbers that say how good a map is, one for each map, beside every map of every method; a module for each."""
