"""Plain arithmetic as it is typed, `/ 127.5 - 1`, read as a factor and an offset; nothing is evaluated."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence

import numpy as np

from vizcnn.errors import OptionError
from vizcnn.inputs.steps import Arithmetic, numbers_text

_Line = tuple[np.ndarray, np.ndarray]
"""A factor and an offset of x, each of shape (1,) or (C,)."""

_X = re.compile(r"\bx\b")

MAX_LENGTH = 400
"""Characters of a step that are read."""


def read_arithmetic(text: str) -> Arithmetic:
    """Return what arithmetic means that is typed with or without the x that it begins with.

    Parameters
    ----------
    text : str
        Of + - * / ( ), numbers, and lists of one number for each channel in brackets: ``x / 255``, ``* 2 - 1``,
        ``(x - [1, 2, 3]) / 2``.

    Returns
    -------
    Arithmetic

    Raises
    ------
    OptionError
        If it isn't arithmetic, or isn't a factor and an offset.
    """
    if len(text) > MAX_LENGTH:
        raise OptionError(f"`preprocess` steps must be short; got one of {len(text)} characters.")
    try:
        tree = ast.parse(text if _X.search(text) else f"x {text}", mode="eval").body
        with np.errstate(all="ignore"):
            factor, offset = _line(tree)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        raise OptionError(
            f"`preprocess` {text!r} must be plain arithmetic such as '/ 255', '/ 127.5 - 1' or '(x - [1, 2, 3]) / 58'."
        ) from None
    if not (np.isfinite(factor).all() and np.isfinite(offset).all() and np.any(factor != 0)):
        raise OptionError(
            f"`preprocess` {text!r} must turn pixels x into finite numbers that depend on them; it computes "
            f"{numbers_text(factor.tolist())} * x + {numbers_text(offset.tolist())}."
        )
    written = ast.unparse(tree)
    short = written.removeprefix("x ")
    return Arithmetic(tuple(factor.tolist()), tuple(offset.tolist()), written if _X.search(short) else short)


def from_numbers(scale: Sequence[float], offset: Sequence[float]) -> Arithmetic:
    """Return the arithmetic of a factor and an offset, written as a division where that is shorter.

    Parameters
    ----------
    scale, offset : sequence of float
        One number, or one for each channel.

    Returns
    -------
    Arithmetic
    """
    inverse = [1 / number if number else 0.0 for number in scale]
    is_division = all(back and 1 / back == number for back, number in zip(inverse, scale, strict=True))
    parts = []
    if any(number != 1 for number in scale):
        times, over = numbers_text(scale), numbers_text(inverse)
        parts.append(f"/ {over}" if is_division and len(over) < len(times) else f"* {times}")
    if any(offset):
        negative = all(number <= 0 for number in offset)
        parts.append(f"- {numbers_text([-number for number in offset])}" if negative else f"+ {numbers_text(offset)}")
    return Arithmetic(tuple(map(float, scale)), tuple(map(float, offset)), " ".join(parts) or "none")


def _line(node: ast.expr) -> _Line:
    """Return factor and offset of an expression of x."""
    match node:
        case ast.Name(id="x"):
            return np.ones(1), np.zeros(1)
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return np.zeros(1), np.array([float(number)])
        case ast.List(elts=elements) | ast.Tuple(elts=elements) if 1 <= len(elements) <= 16:
            numbers = [_line(one) for one in elements]
            if all(len(offset) == 1 and not factor.any() for factor, offset in numbers):
                return np.zeros(1), np.concatenate([offset for _, offset in numbers])
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            factor, offset = _line(operand)
            return -factor, -offset
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _line(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATIONS:
            return _OPERATIONS[type(op)](_line(left), _line(right))
    raise ValueError("something else")


def _times(left: _Line, right: _Line) -> _Line:
    if left[0].any() and right[0].any():
        raise ValueError("a square")
    if right[0].any():
        left, right = right, left
    return left[0] * right[1], left[1] * right[1]


def _over(left: _Line, right: _Line) -> _Line:
    if right[0].any() or not right[1].all():
        raise ValueError("a division by x, or by zero")
    return left[0] / right[1], left[1] / right[1]


_OPERATIONS: dict[type[ast.operator], Callable[[_Line, _Line], _Line]] = {
    ast.Add: lambda left, right: (left[0] + right[0], left[1] + right[1]),
    ast.Sub: lambda left, right: (left[0] - right[0], left[1] - right[1]),
    ast.Mult: _times,
    ast.Div: _over,
}
