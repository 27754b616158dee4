"""Files changed at random: each is read, or refused in vizcnn's own words, in little time and memory. `make fuzz`."""
