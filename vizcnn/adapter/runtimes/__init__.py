"""Files that a runtime runs, one module a format: each is opened as a black box."""
