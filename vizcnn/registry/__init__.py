"""What can be installed beside vizcnn's own, methods and metrics: found, listed, looked up by name, read with options.

vizcnn's own are the modules of a package. Others add theirs by an entry point that names a module, or a function in it; importing
the module registers them.
"""

from vizcnn.registry.asked import asked_names, is_one
from vizcnn.registry.installed import Registry
from vizcnn.registry.registered import SECTION, Registered, described

__all__ = ["SECTION", "Registered", "Registry", "asked_names", "described", "is_one"]
