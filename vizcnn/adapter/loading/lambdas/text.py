"""What a program computes, as people write it: "x / 127.5 - 1"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vizcnn.adapter.loading.lambdas.program import Ref

LONGEST = 160
"""How many letters a text has at most."""

_ATOM = 10
_SYMBOLS = {
    "or": ("|", 1), "xor": ("^", 2), "and": ("&", 3), "less": ("<", 0), "less_equal": ("<=", 0), "equal": ("==", 0),
    "not_equal": ("!=", 0), "greater": (">", 0), "greater_equal": (">=", 0), "add": ("+", 5), "subtract": ("-", 5),
    "multiply": ("*", 6), "divide": ("/", 6), "divide_as_python_2": ("/", 6), "floor_divide": ("//", 6), "modulo": ("%", 6),
    "matmul": ("@", 6), "power": ("**", 8),
}  # fmt: skip
_SIGNS = {"negative": "-", "positive": "+", "invert": "~"}
_SIGN = 7


class Texts:
    """What each value of a program is called.

    Parameters
    ----------
    parameters : mapping of int to str
        The names of the values that it is given.
    """

    def __init__(self, parameters: Mapping[int, str]) -> None:
        self._texts: dict[int, tuple[str, int]] = {number: (name, _ATOM) for number, name in parameters.items()}

    def of(self, value: Any, level: int = 0) -> str:
        """Return the text of a value, in parentheses where it is weaker than what is around it."""
        if isinstance(value, Ref):
            text, strength = self._texts[value.number]
            return f"({text})" if strength < level else text
        if isinstance(value, slice):
            parts = ["" if part is None else self.of(part) for part in (value.start, value.stop, value.step)]
            return ":".join(parts if value.step is not None else parts[:2])
        if isinstance(value, tuple):
            return _cut(f"({self._listed(value)}{',' if len(value) == 1 else ''})")
        if isinstance(value, list):
            return _cut(f"[{self._listed(value)}]")
        text = "..." if value is Ellipsis else repr(value)
        return f"({text})" if text.startswith("-") and level > _SIGN else text

    def add(self, result: Ref, function: str, shown: str, values: list[Any], named: Mapping[str, Any]) -> None:
        """Name what a step computes."""
        home, _, name = function.partition(".")
        text, strength = "", _ATOM
        if home != "operator":
            text = self.call(shown, values, named)
        elif name in _SYMBOLS:
            symbol, strength = _SYMBOLS[name]
            left, right = (strength + 1, strength) if name == "power" else (strength, strength + 1)
            text = f"{self.of(values[0], left)} {symbol} {self.of(values[1], right)}"
        elif name in _SIGNS:
            text, strength = f"{_SIGNS[name]}{self.of(values[0], _SIGN)}", _SIGN
        elif name == "getitem":
            key = values[1]
            inside = self._listed(key) if isinstance(key, tuple) and key else self.of(key)
            text = f"{self.of(values[0], _ATOM)}[{inside}]"
        elif name == "same" and "(" in shown:
            text = shown
        else:
            text = f"{self.of(values[0], _ATOM)}.{shown}"
        cut = _cut(text)
        self._texts[result.number] = (cut, strength if cut == text else _ATOM)

    def call(self, shown: str, values: Iterable[Any], named: Mapping[str, Any]) -> str:
        """Return the text of a call."""
        keywords = [f"{key}={self.of(value)}" for key, value in named.items()]
        return _cut(f"{shown}({', '.join([self.of(value) for value in values] + keywords)})")

    def _listed(self, values: Iterable[Any]) -> str:
        return ", ".join(self.of(value) for value in values)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
