"""The explorer: every question of the toolkit is a click, in a browser, on this machine.

`studio` holds what is looked at, a model and its images; `work` asks the model, one question after another. Each module of
questions answers what one part of the page asks, and says which addresses these are: `pictures` and `decisions` (with `maps`,
`changes`) of an image, `network` and `channels` (with `seen`) of the model, `records` of a run or a training, `exports` and
`network_exports` of what is kept; `asked` reads their parameters, `answers` writes what goes back. `app` puts them behind one
address, `guards` and `protocol` stand before it, `server` runs it. The page is plain modules in ``page/``, which draw with the
report's parts.
"""

from __future__ import annotations

from vizcnn.explorer.server import Server, serve

__all__ = ["Server", "serve"]
