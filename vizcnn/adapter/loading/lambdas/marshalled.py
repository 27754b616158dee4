"""Marshalled Python code, read as data: nothing is loaded, and no code object of Python's is made.

Of the two readers that there are, Python's own makes what it reads, and that of `xdis` takes references to whatever it read last
where they lead nowhere. This one takes the few things that the code of a short function consists of, and nothing else.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

LARGEST = 2**16
"""Bytes that the code of a function may take."""

_DEEPEST = 16
_MOST = 20_000
"""How many values it may hold, those counted again that it refers to again."""


class Malformed(ValueError):
    """What is read isn't the code of a function, or not of this version of Python."""


@dataclass(frozen=True)
class Code:
    """The code of a function, as the file holds it.

    Attributes
    ----------
    instructions : bytes
        Its instructions, which mean something else in each version of Python.
    constants, names, variables, cells : tuple
        What these refer to by number: values, names of globals and attributes, local variables (parameters first), and
        variables that are shared with the function around it or inside it.
    free : tuple of str
        Those of the cells whose values come from the function around it.
    num_parameters, num_positional : int
        How many parameters it has, and how many of them it takes by their places.
    stack_size : int
        How many values it has at once.
    is_plain : bool
        Whether it runs from top to bottom and returns: it is no generator, and handles no exceptions.
    """

    instructions: bytes
    constants: tuple[Any, ...]
    names: tuple[str, ...]
    variables: tuple[str, ...]
    cells: tuple[str, ...]
    free: tuple[str, ...]
    num_parameters: int
    num_positional: int
    stack_size: int
    is_plain: bool


@dataclass(frozen=True)
class Function:
    """The code of a function inside a function, which isn't read."""


def read_code(data: bytes, version: tuple[int, int]) -> Code:
    """Read the code of a function.

    Parameters
    ----------
    data : bytes
        As `marshal.dumps` wrote it.
    version : (int, int)
        The version of Python that is taken to have written it.

    Returns
    -------
    Code

    Raises
    ------
    Malformed
        If it can't be that.
    """
    if len(data) > LARGEST:
        raise Malformed(f"it takes {len(data):,} bytes, and more than {LARGEST:,} are not read")
    reader = _Reader(data, version)
    try:
        code = reader.value(0)
    except (struct.error, IndexError, UnicodeDecodeError, OverflowError) as error:
        raise Malformed(f"it is damaged ({error})") from error
    if not isinstance(code, Code) or reader.place != len(data):
        raise Malformed("it is no code of a function alone")
    return code


_UNFINISHED = object()

_CONSTANTS = {b"N": None, b"T": True, b"F": False, b".": Ellipsis}

_FREE = 0x80
_GENERATOR = 0x20 | 0x80 | 0x100 | 0x200


class _Reader:
    """Reads one value after another, and knows those that may be referred to again."""

    def __init__(self, data: bytes, version: tuple[int, int]) -> None:
        self.data, self.version, self.place = data, version, 0
        self._references: list[Any] = []
        self._weights: list[int] = []
        self._strings: list[str] = []
        self._weight = 0

    def value(self, depth: int) -> Any:
        if depth > _DEEPEST:
            raise Malformed("it is nested too deeply")
        kind = self._bytes(1)[0]
        may_be_referred_to, sort = kind & 0x80, bytes([kind & 0x7F])
        self._add_weight(1)
        if sort in _CONSTANTS:
            return _CONSTANTS[sort]
        if sort == b"r":
            return self._referred(self._number())
        if sort == b"R":
            return self._strings[self._index(self._number())]
        if not may_be_referred_to:
            return self._made(sort, depth)
        slot, before = len(self._references), self._weight
        self._references.append(_UNFINISHED)
        self._weights.append(0)
        value = self._made(sort, depth)
        self._references[slot], self._weights[slot] = value, self._weight - before
        return value

    def _made(self, sort: bytes, depth: int) -> Any:
        if sort == b"i":
            return int.from_bytes(self._bytes(4), "little", signed=True)
        if sort == b"I":
            return int.from_bytes(self._bytes(8), "little", signed=True)
        if sort == b"l":
            return self._long(int.from_bytes(self._bytes(4), "little", signed=True))
        if sort == b"g":
            return struct.unpack("<d", self._bytes(8))[0]
        if sort in b"zZ":
            return self._bytes(self._bytes(1)[0]).decode("ascii")
        if sort in b"aA":
            return self._bytes(self._number()).decode("ascii")
        if sort in b"stu":
            return self._string(sort)
        if sort == b")":
            return self._tuple(self._bytes(1)[0], depth)
        if sort in b"([":
            return self._tuple(self._number(), depth)
        if sort == b":":  # since Python 3.14
            return slice(*[self.value(depth + 1) for _ in range(3)])
        if sort == b"c":
            return self._code(depth) if depth == 0 else self._function(depth)
        raise Malformed(f"it holds a value of the sort {sort!r}, which no arithmetic has")

    def _string(self, sort: bytes) -> Any:
        data = self._bytes(self._number())
        if self.version >= (3, 0):
            return data if sort == b"s" else data.decode("utf-8", "surrogatepass")
        text = data.decode("latin-1" if sort != b"u" else "utf-8")
        if sort == b"t":
            self._strings.append(text)
        return text

    def _tuple(self, length: int, depth: int) -> tuple[Any, ...]:
        if length > len(self.data) - self.place:
            raise Malformed("it is damaged (a list is longer than all of it)")
        return tuple([self.value(depth + 1) for _ in range(length)])

    def _long(self, digits: int) -> int:
        if abs(digits) > 8:
            raise Malformed("it holds a number of more than 120 bits")
        parts = struct.unpack(f"<{abs(digits)}H", self._bytes(2 * abs(digits)))
        number: int = sum(part << (15 * place) for place, part in enumerate(parts))
        return -number if digits < 0 else number

    def _function(self, depth: int) -> Function:
        self._code(depth)
        return Function()

    def _code(self, depth: int) -> Code:
        version = self.version
        counts = [self._number() for _ in range(1 + (version >= (3, 8)) + (version >= (3, 0)) + (version < (3, 11)))]
        stack_size, flags = self._number(), self._number()
        instructions, constants, names = (self.value(depth + 1) for _ in range(3))
        if version >= (3, 11):
            local_names, kinds = self.value(depth + 1), self.value(depth + 1)
            if not isinstance(kinds, bytes) or not isinstance(local_names, tuple) or len(kinds) != len(local_names):
                raise Malformed("it is damaged (its variables)")
            variables = cells = local_names
            outer = tuple(name for name, kind in zip(local_names, kinds, strict=True) if kind & _FREE)
        else:
            variables, inner, outer = (self.value(depth + 1) for _ in range(3))
            if not (isinstance(inner, tuple) and isinstance(outer, tuple)):
                raise Malformed("it is damaged (its variables)")
            cells = inner + outer
        for _ in range(3 if version >= (3, 11) else 2):  # where it was written, and its name
            self.value(depth + 1)
        self._number()
        self.value(depth + 1)
        handlers = self.value(depth + 1) if version >= (3, 11) else b""
        if isinstance(instructions, str):
            instructions = instructions.encode("latin-1")
        known = isinstance(instructions, bytes) and isinstance(constants, tuple)
        if not known or not all(map(_are_names, (names, variables, cells))):
            raise Malformed("it is damaged (names that are none)")
        num_parameters = counts[0] + (counts[-1 - (version < (3, 11))] if version >= (3, 0) else 0)
        if num_parameters > len(variables):
            raise Malformed("it is damaged (parameters without a name)")
        plain = not flags & _GENERATOR and not handlers
        return Code(
            instructions, constants, names, variables, cells, outer, num_parameters, counts[0], stack_size, plain
        )

    def _referred(self, number: int) -> Any:
        if number >= len(self._references) or self._references[number] is _UNFINISHED:
            raise Malformed("it is damaged (it refers to what isn't there)")
        self._add_weight(self._weights[number])
        return self._references[number]

    def _index(self, number: int) -> int:
        if number >= len(self._strings):
            raise Malformed("it is damaged (it refers to what isn't there)")
        return number

    def _add_weight(self, weight: int) -> None:
        self._weight += weight
        if self._weight > _MOST:
            raise Malformed(f"it holds more than {_MOST:,} values")

    def _number(self) -> int:
        return int.from_bytes(self._bytes(4), "little")

    def _bytes(self, count: int) -> bytes:
        part = self.data[self.place : self.place + count]
        if len(part) != count:
            raise Malformed("it is damaged (it ends too early)")
        self.place += count
        return part


def _are_names(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(name, str) for name in value)
