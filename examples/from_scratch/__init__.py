"""Two neural networks written in NumPy alone, and their adapters for vizcnn."""
