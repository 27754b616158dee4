"""The stub of the package: what it has to say of the methods, and a command that writes it, ``python -m tests.stub``."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_origin

from vizcnn.plugins import registry
from vizcnn.plugins.plugin import Plugin

STUB = Path(__file__).parents[1] / "vizcnn" / "__init__.pyi"
MARK = "# The methods, as `python -m tests.stub` writes them.\n"


def declaration(plugin: Plugin) -> str:
    """Return a method as the stub declares it; its options are typed as in its own module."""
    parameters = []
    for parameter in inspect.signature(plugin.function).parameters.values():
        kind = plugin.option_types.get(parameter.name, Any)
        parameters.append(parameter.replace(annotation=_Text(kind)))
    returned = re.search(r"^Returns\n-+\n(\w+)$", inspect.getdoc(plugin.function) or "", re.MULTILINE)
    return f"def {plugin.name}{inspect.Signature(parameters)} -> {returned[1] if returned else 'typing.Any'}: ...\n"


class _Text:
    """A type as the stub writes it: by its name in the modules that the stub imports."""

    def __init__(self, kind: Any) -> None:
        text = str(kind) if get_origin(kind) else inspect.formatannotation(kind)
        self._text = "typing.Any" if kind is Any else re.sub(r"\bvizcnn\.", "", text).replace("NoneType", "None")

    def __repr__(self) -> str:
        return self._text


def stub() -> str:
    """Return the whole stub, formatted: what it holds of other names, and vizcnn's own methods as they are."""
    plugins = [registry.get(name) for name in registry.names()]
    own = [plugin for plugin in plugins if plugin.package == "vizcnn" and plugin.name.isidentifier()]
    head = STUB.read_text(encoding="utf-8").partition(MARK)[0]
    text = head + MARK + "".join(map(declaration, own))
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(STUB), "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
