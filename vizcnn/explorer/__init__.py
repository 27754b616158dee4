"""The explorer: every question of the toolkit is a click, in a browser, on this machine.

`studio` holds what is looked at, a model and its images; `work` asks the model, one question after another. Each module of
questions (`decisions`, `network`) answers what one part of the page asks; `app` puts them behind one address, `guards` stand
before it, and `server` runs it. The page is plain modules in ``page/``, which draw with the report's parts.
"""

from __future__ import annotations

from vizcnn.explorer.server import Server, serve

__all__ = ["Server", "serve"]
