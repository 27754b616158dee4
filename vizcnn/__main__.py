"""`python -m vizcnn`: the command line, where the `vizcnn` script isn't on the path."""

from vizcnn.cli import main

if __name__ == "__main__":
    main()
