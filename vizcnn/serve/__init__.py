"""The explorer: every question of the toolkit is a click, in a browser, on this machine.

`studio` holds what is looked at, a model and its images; `work` asks the model, one question after another. Each module of
questions (`decisions`, `network`) answers what one part of the page asks; `app` puts them behind one address, `guards` stand
before it, and `server` runs it. The page is plain modules in ``page/``, which draw with the report's parts.
"""

from __future__ import annotations

import sys
import types
from typing import Any

from vizcnn.serve.server import Server, serve

__all__ = ["Server", "serve"]


class _Callable(types.ModuleType):
    """`vizcnn.serve` is a function, and this package once a module of it was imported: which then does the same."""

    def __call__(self, *args: Any, **options: Any) -> Server:
        return serve(*args, **options)


sys.modules[__name__].__class__ = _Callable
