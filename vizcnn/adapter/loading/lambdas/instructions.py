"""The instructions of a function's code, by the tables that `xdis` has of every version of Python."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from vizcnn.adapter.loading.lambdas.marshalled import Malformed

VERSIONS = ((2, 7), *((3, minor) for minor in range(5, 15)))
"""Versions of Python whose code is read."""


@dataclass(frozen=True)
class Instruction:
    """What a function does in one step.

    Attributes
    ----------
    place : int
        Where it is, in bytes.
    name : str
        Its name.
    argument : int
        Its number, 0 where it has none.
    end : int
        Where the next one is, what Python keeps room for behind this one counted in.
    """

    place: int
    name: str
    argument: int
    end: int


def instructions(code: bytes, version: tuple[int, int]) -> Iterator[Instruction]:
    """Yield the instructions of a function.

    Parameters
    ----------
    code : bytes
        Its instructions, as the file holds them.
    version : (int, int)
        The version of Python that wrote them.

    Yields
    ------
    Instruction

    Raises
    ------
    Malformed
        If they aren't those of that version.
    """
    names, first_with_argument, extended = _table(version)
    width = 1 if version >= (3, 6) else 2
    place = start = high = 0
    while place < len(code):
        number = code[place]
        name = names.get(number)
        if name is None:
            raise Malformed(f"Python {version[0]}.{version[1]} has no instruction {number}")
        size = width if version >= (3, 6) or number >= first_with_argument else 0
        operand = code[place + 1 : place + 1 + size]
        if len(operand) != size:
            raise Malformed("its last instruction is cut off")
        argument = (high << 8 * size) | int.from_bytes(operand, "little")
        place += 1 + size
        if number == extended:
            high = argument
            if high >= 2**24:
                raise Malformed("an instruction has a number of more than four bytes")
            continue
        room = 2 * _ROOM.get(version, {}).get(name, 0)
        if any(code[place : place + room]) or place + room > len(code):
            raise Malformed(f"there is something in the room that Python keeps behind {name}")
        place += room
        yield Instruction(start, name, argument, place)
        start, high = place, 0


@cache
def _table(version: tuple[int, int]) -> tuple[dict[int, str], int, int]:
    from xdis.op_imports import get_opcode_module
    from xdis.version_info import PythonImplementation

    table: Any = get_opcode_module(version, PythonImplementation.CPython)
    names = {number: name for name, number in table.opmap.items() if 0 < number < 256}
    return names, table.HAVE_ARGUMENT, table.EXTENDED_ARG


_ROOM_OF_3_12 = {
    "LOAD_GLOBAL": 4, "BINARY_OP": 1, "UNPACK_SEQUENCE": 1, "COMPARE_OP": 1, "BINARY_SUBSCR": 1, "LOAD_ATTR": 9, "CALL": 3,
    "STORE_SUBSCR": 1, "STORE_ATTR": 4, "FOR_ITER": 1, "SEND": 1, "LOAD_SUPER_ATTR": 1,
}  # fmt: skip
_ROOM_OF_3_13 = {
    **_ROOM_OF_3_12, "TO_BOOL": 3, "CONTAINS_OP": 1, "JUMP_BACKWARD": 1,
    "POP_JUMP_IF_TRUE": 1, "POP_JUMP_IF_FALSE": 1, "POP_JUMP_IF_NONE": 1, "POP_JUMP_IF_NOT_NONE": 1,
}  # fmt: skip
_ROOM = {
    (3, 11): {
        "LOAD_GLOBAL": 5, "BINARY_OP": 1, "UNPACK_SEQUENCE": 1, "COMPARE_OP": 2, "BINARY_SUBSCR": 4, "LOAD_ATTR": 4,
        "LOAD_METHOD": 10, "PRECALL": 1, "CALL": 4, "STORE_SUBSCR": 1, "STORE_ATTR": 4,
    },
    (3, 12): _ROOM_OF_3_12,
    (3, 13): _ROOM_OF_3_13,
    (3, 14): {**_ROOM_OF_3_13, "BINARY_OP": 5, "CALL_KW": 3},
}  # fmt: skip
"""How many code units Python keeps behind an instruction for what it learns when it runs; in a file they are zero."""
