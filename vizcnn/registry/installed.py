"""What is installed, by name: found among vizcnn's own modules and the entry points of other packages, and read with options."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import pkgutil
import re
import threading
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from vizcnn.adapter import ModelAdapter
from vizcnn.errors import (
    CapabilityError,
    MethodError,
    OptionError,
    PluginWarning,
    did_you_mean,
    listed,
    warn,
)
from vizcnn.registry.registered import Registered

Item = TypeVar("Item", bound=Registered)


class Registry(Generic[Item]):
    """Functions of one kind, by name.

    Parameters
    ----------
    kind : str
        What one of them is called in messages.
    package : str
        The package whose modules are vizcnn's own.
    group : str
        The entry-point group of those of other packages.

    Attributes
    ----------
    entries : dict
        Names to what is registered.
    failed : dict of str to str
        The entry points that failed to load, and why.
    """

    def __init__(self, kind: str, package: str, group: str) -> None:
        self.kind, self.package, self.group = kind, package, group
        self.entries: dict[str, Item] = {}
        self.failed: dict[str, str] = {}
        self.loaded = False
        self._lock = threading.RLock()

    def add(self, item: Item) -> None:
        """Add one; one of the same module and name is replaced, and a name that another module has is refused."""
        with self._lock:
            other = self.entries.get(item.name)
            if other is not None and other.module != item.module:
                raise MethodError(f"`name` {item.name!r} is taken by the plugin of {other.module}; choose another.")
            self.entries[item.name] = item

    def get(self, name: str) -> Item:
        """Return one by its name."""
        self.load()
        if name not in self.entries:
            failed = self.failed.get(name)
            reason = f" It comes from a plugin that failed to load: {failed}." if failed else ""
            names = self.names()
            raise MethodError(
                f"`{self.kind}` must be one of {listed(names, limit=30)}; got {name!r}.{did_you_mean(name, names)}{reason}"
            )
        return self.entries[name]

    def names(self) -> tuple[str, ...]:
        """Return all names, vizcnn's own first, by the alphabet."""
        self.load()
        return tuple(
            sorted(
                self.entries, key=lambda name: (not self.entries[name].module.startswith("vizcnn."), "/" in name, name)
            )
        )

    def parse(self, asked: str | tuple[str, Mapping[str, Any]]) -> tuple[Item, dict[str, Any]]:
        """Read a name with options, as in ``"saliency:rule=guided,reduce=sum"``, or as a pair."""
        if isinstance(asked, tuple) and len(asked) == 2 and isinstance(asked[1], Mapping):
            item, options = self.get(asked[0]), dict(asked[1])
        elif isinstance(asked, str):
            item, options = self._read(asked)
        else:
            raise MethodError(f"`{self.kind}` must be a name, or a pair of a name and its options; got {asked!r}.")
        options = item.renamed_options(options)
        item.checked_options(options)
        return item, options

    def _read(self, text: str) -> tuple[Item, dict[str, Any]]:
        name, _, given = text.partition(":")
        options = {}
        for entry in filter(None, re.split(r",(?=\s*\w+\s*=)", given)):
            option, equals, value = entry.partition("=")
            if not equals:
                raise OptionError(
                    f"`{self.kind}` options have the form 'name:option=value,option=value'; got {text!r}."
                )
            options[option.strip()] = _literal(value.strip())
        return self.get(name.strip()), options

    def works_on(self, adapter: ModelAdapter) -> tuple[str, ...]:
        """Return the names of those whose needs a model meets."""
        return tuple(name for name in self.names() if not self.get(name).missing_needs(adapter))

    def check_needs(self, item: Item, adapter: ModelAdapter) -> None:
        """Raise `CapabilityError` unless a model can answer what one of them needs."""
        missing = item.missing_needs(adapter)
        if missing:
            raise CapabilityError(
                f"{self.kind.capitalize()} {item.name!r} {missing.replace('this model', f'model {adapter.name!r}')}. "
                f"{self.kind.capitalize()}s that work on it: {listed(self.works_on(adapter))}."
            )

    def load(self) -> None:
        """Import vizcnn's own and those of other packages, once."""
        with self._lock:
            if self.loaded:
                return
            self.loaded = True
            package = importlib.import_module(self.package)
            for module in pkgutil.iter_modules(package.__path__):
                importlib.import_module(f"{self.package}.{module.name}")
            for point in importlib.metadata.entry_points(group=self.group):
                try:
                    point.load()
                except (Exception, SystemExit) as error:  # noqa: BLE001 - a stranger's package must not take vizcnn down
                    self.failed[point.name] = f"{type(error).__name__}: {error}"
                    package_name = point.dist.name if point.dist is not None else "an unknown package"
                    warn(
                        [
                            f"The vizcnn plugin {point.name!r} of {package_name} failed to load: {self.failed[point.name]}."
                        ],
                        PluginWarning,
                    )


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
