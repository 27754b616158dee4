"""One module per visualization; each registers itself (`vizcnn.plugins.register`)."""
