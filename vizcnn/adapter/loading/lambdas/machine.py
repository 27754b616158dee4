"""A function's code, gone through with symbols in place of tensors: from instructions to the steps of a `Program`.

Long, because each of the many instructions that arithmetic consists of has a few lines of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vizcnn.adapter.loading.lambdas import names
from vizcnn.adapter.loading.lambdas.instructions import Instruction, instructions
from vizcnn.adapter.loading.lambdas.marshalled import Code, Function, Malformed
from vizcnn.adapter.loading.lambdas.program import MASK, Program, Ref, Step, is_computed, next_ref
from vizcnn.adapter.loading.lambdas.text import Texts


class Unreadable(ValueError):
    """The code is in order, and does what isn't read; the text says what, as in "it has a loop"."""


@dataclass(frozen=True)
class Reading:
    """What was read of a function.

    Attributes
    ----------
    program : Program
        What it computes.
    text : str
        The same for people: "x / 127.5 - 1".
    draws : bool
        Whether it draws random numbers, which are read as their mean.
    """

    program: Program
    text: str
    draws: bool


@dataclass(frozen=True)
class Name:
    """A module, or something in one, by its dotted name."""

    path: str


@dataclass(frozen=True)
class Unbound:
    """A parameter that the file says nothing of, as long as it isn't used."""

    name: str


@dataclass(frozen=True)
class Attribute:
    """An attribute of what is computed, which may be called next."""

    value: Any
    name: str


_NULL = Name("")
"""What Python puts beside a function that is no method."""

_MOST_STEPS = 2_000
_MOST_PARTS = 1_000


def read(
    code: Code,
    version: tuple[int, int],
    bound: Mapping[str, Any],
    free: Mapping[str, Any],
    *,
    first_tensorflow: bool = False,
) -> Reading:
    """Read what a function computes.

    Parameters
    ----------
    code : Code
        Its code.
    version : (int, int)
        The version of Python that wrote it.
    bound : mapping
        The values of its parameters, those that are computed as `Ref`.
    free : mapping
        The values of the variables that it takes from around it.
    first_tensorflow : bool, default False
        Whether it was written for TensorFlow 1, whose ``tf.image.resize`` is another.

    Returns
    -------
    Reading

    Raises
    ------
    Malformed
        If this isn't code of that version.
    Unreadable
        If it does anything else than arithmetic.
    """
    machine = _Machine(code, version, {**free, **bound}, first_tensorflow)
    return machine.run()


class _Machine:
    """Goes through instructions, as Python does, but for computing anything."""

    def __init__(
        self, code: Code, version: tuple[int, int], variables: Mapping[str, Any], first_tensorflow: bool
    ) -> None:
        self.code, self.version, self.first_tensorflow = code, version, first_tensorflow
        self.variables = dict(variables)
        self.stack: list[Any] = []
        self.steps: list[Step] = []
        self.keywords: tuple[str, ...] = ()
        self.draws = False
        self.texts = Texts({value.number: name for name, value in variables.items() if isinstance(value, Ref)})

    def run(self) -> Reading:
        listed = list(instructions(self.code.instructions, self.version))
        index = {instruction.place: number for number, instruction in enumerate(listed)}
        self._check(listed, index)
        number = 0
        while number < len(listed):
            instruction = listed[number]
            if instruction.name in ("RETURN_VALUE", "RETURN_CONST"):
                return self._result(instruction)
            place = self._do(instruction)
            if len(self.stack) > self.code.stack_size:
                raise Malformed("it has more values at once than it says")
            number = number + 1 if place is None else index[place]
        raise Malformed("it doesn't return")

    def _check(self, listed: list[Instruction], index: Mapping[int, int]) -> None:
        """Refuse what no compiler writes, behind what is gone through too."""
        jumps = [instruction for instruction in listed if "JUMP" in instruction.name]
        if any(self._target(jump) not in index for jump in jumps if "BACKWARD" not in jump.name):
            raise Malformed("it goes on where no instruction is")
        if not listed or not listed[-1].name.startswith(_LAST):
            raise Malformed("it doesn't end")
        if not self.code.is_plain:
            raise Unreadable("it is a generator, or handles exceptions")
        if any(instruction.name == "FOR_ITER" for instruction in listed):
            raise Unreadable("it has a loop")

    def _target(self, jump: Instruction) -> int:
        relative = self.version >= (3, 11) or jump.name == "JUMP_FORWARD"
        return (jump.end if relative else 0) + jump.argument * (2 if self.version >= (3, 10) else 1)

    def _result(self, instruction: Instruction) -> Reading:
        value = self._constant(instruction.argument) if instruction.name == "RETURN_CONST" else self._pop()
        if self.stack:
            raise Malformed("it returns with values left over")
        value = self._value(value)
        program = Program(tuple(self.steps), value).needed()
        return Reading(program, self.texts.of(value), self.draws)

    def _do(self, instruction: Instruction) -> int | None:
        """Do what an instruction says, and return where to go on where that isn't behind it."""
        name = instruction.name
        method = _METHODS.get(name)
        if method is not None:
            method(self, instruction.argument)
            return None
        if name.startswith(("BINARY_", "INPLACE_")) and name.partition("_")[2] in _OPERATORS:
            self._operate(_OPERATORS[name.partition("_")[2]], 2)
            return None
        if "JUMP" in name:
            return self._jump(instruction)
        raise Unreadable(next((why for start, why in _WHY_NOT.items() if name.startswith(start)), f"it does {name}"))

    # Values -----------------------------------------------------------------------------------------------------------------

    def _pop(self) -> Any:
        if not self.stack:
            raise Malformed("it takes a value where none is")
        return self.stack.pop()

    def _pop_top(self, argument: int) -> None:
        self._pop()

    def _pop_many(self, count: int) -> list[Any]:
        if count > len(self.stack):
            raise Malformed("it takes a value where none is")
        values = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return values

    def _push(self, value: Any) -> None:
        self.stack.append(value)

    def _value(self, value: Any) -> Any:
        """Return what a value is as an argument: a name's meaning, and what is read of an attribute."""
        if value is _NULL:
            raise Malformed("it takes a value where none is")
        if isinstance(value, Name):
            path = names.canonical(value.path)
            known = names.value_of(path)
            if known is None:
                raise Unreadable(f"it uses {_shown(value.path)}, which the file doesn't hold")
            return known[0]
        if isinstance(value, Unbound):
            raise Unreadable(f"it uses its parameter {value.name!r}, whose value the file doesn't hold")
        if isinstance(value, Attribute):
            raise Unreadable(f"it uses .{value.name} of what it computes")
        if isinstance(value, Function):
            raise Unreadable("it has a function of its own")
        return value

    def _entry(self, values: tuple[Any, ...], number: int) -> Any:
        if number >= len(values):
            raise Malformed("it refers to what isn't there")
        return values[number]

    def _constant(self, number: int) -> Any:
        return self._entry(self.code.constants, number)

    def _built(self, value: Any) -> None:
        if _num_parts(value) > _MOST_PARTS:
            raise Unreadable(f"it makes a list of more than {_MOST_PARTS:,} entries")
        self._push(value)

    def _step(self, function: str, *args: Any, shown: str = "", **kwargs: Any) -> Any:
        """Return what a function computes, at once where that is of plain numbers, and as a step otherwise."""
        values = [self._value(value) for value in args]
        named = {key: self._value(value) for key, value in kwargs.items()}
        if function.partition(".")[0] in _AT_ONCE and not is_computed([values, named]):
            known = self._computed(function, values, named)
            if known is not None:
                return known[0]
        return self._emit(function, shown, values, named)

    def _emit(self, function: str, shown: str, values: list[Any], named: dict[str, Any]) -> Ref:
        if len(self.steps) >= _MOST_STEPS:
            raise Unreadable(f"it has more than {_MOST_STEPS:,} steps")
        self.steps.append(Step(function, tuple(values), named))
        result = next_ref(self.steps)
        self.texts.add(result, function, shown, values, named)
        return result

    def _computed(self, function: str, values: list[Any], named: dict[str, Any]) -> tuple[Any] | None:
        computes = names.function_of(function)
        try:
            result = computes(*values, **named) if computes else None
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise Unreadable(f"it computes what can't be: {error}") from error
        plain = isinstance(result, int | float | str | tuple | list) and _num_parts(result) <= _MOST_PARTS
        return (result,) if plain else None

    # Instructions -----------------------------------------------------------------------------------------------------------

    def _operate(self, function: str, count: int) -> None:
        values = self._pop_many(count)
        if function == "divide_as_python_2" and self.version >= (3, 0):
            raise Malformed("it divides as Python 2 did")
        self._push(self._step(f"operator.{function}", *values))

    def _binary_op(self, argument: int) -> None:
        order = (
            "add",
            "and",
            "floor_divide",
            "",
            "matmul",
            "multiply",
            "modulo",
            "or",
            "power",
            "",
            "subtract",
            "divide",
            "xor",
        )
        if argument == 26 and self.version >= (3, 14):
            self._operate("getitem", 2)
            return
        function = order[argument % 13] if argument < 26 else None
        if function is None:
            raise Malformed("it has an operator that isn't there")
        if not function:
            raise Unreadable("it moves bits")
        self._operate(function, 2)

    def _compare(self, argument: int) -> None:
        shift = 5 if self.version >= (3, 13) else 4 if self.version >= (3, 12) else 0
        kinds = ("less", "less_equal", "equal", "not_equal", "greater", "greater_equal", "in", "not in", "is", "is not")
        kind = self._entry(kinds, argument >> shift)
        if kind in ("is", "is not"):
            self._is(int(kind == "is not"))
        elif kind in ("in", "not in"):
            self._contains(int(kind == "not in"))
        else:
            values = self._pop_many(2)
            if all(isinstance(value, str) for value in values) and kind in ("equal", "not_equal"):
                self._push((values[0] == values[1]) == (kind == "equal"))
            else:
                self._push(self._step(f"operator.{kind}", *values))

    def _is(self, inverted: int) -> None:
        value, other = self._pop_many(2)
        if other is not None:
            raise Unreadable("it asks whether two things are the same one")
        if isinstance(value, Ref) and value.number == MASK:
            raise Unreadable("it asks whether there is a mask")
        self._push((self._value(value) is None) != bool(inverted))

    def _contains(self, inverted: int) -> None:
        value, container = (self._value(part) for part in self._pop_many(2))
        if is_computed([value, container]) or not isinstance(container, tuple | list):
            raise Unreadable("it looks for what it computes in a list")
        self._push((value in container) != bool(inverted))

    def _jump(self, instruction: Instruction) -> int | None:
        name, target = instruction.name, self._target(instruction)
        if "BACKWARD" in name or target <= instruction.place:
            raise Unreadable("it has a loop")
        if name in ("JUMP_FORWARD", "JUMP_ABSOLUTE"):
            return target
        value = self._pop()
        if is_computed(value):
            raise Unreadable("it branches on what it computes")
        value = self._value(value)
        goes = value is None if name.endswith("_NONE") else bool(value)
        if name.endswith(("_NOT_NONE", "_IF_FALSE", "_FALSE_OR_POP")):
            goes = not goes
        if name.endswith("_OR_POP") and goes:
            self._push(value)
        return target if goes else None

    def _load_global(self, argument: int) -> None:
        if self.version >= (3, 11):
            if argument & 1:
                self._push(_NULL)
            argument >>= 1
        name = self._entry(self.code.names, argument)
        if name in ("True", "False", "None"):  # in Python 2
            self._push({"True": True, "False": False, "None": None}[name])
        else:
            self._push(Name(name if names.is_module(name) or not names.is_builtin(name) else f"builtins.{name}"))

    def _load_attribute(self, argument: int) -> None:
        if self.version >= (3, 12):
            is_method, argument = argument & 1, argument >> 1
        else:
            is_method = 0
        value = self._attribute(self._pop(), self._entry(self.code.names, argument))
        if is_method:
            self._push(_NULL)
        self._push(value)

    def _load_method(self, argument: int) -> None:
        value = self._attribute(self._pop(), self._entry(self.code.names, argument))
        self._push(_NULL)
        self._push(value)

    def _attribute(self, value: Any, name: str) -> Any:
        if value is _NULL:
            raise Malformed("it takes a value where none is")
        if isinstance(value, Name):
            return Name(f"{value.path}.{name}")
        if name in _ATTRIBUTES:
            return self._step(f"operator.{_ATTRIBUTES[name]}", value, shown=name)
        return Attribute(self._value(value), name)

    def _load(self, name: str) -> None:
        if name not in self.variables:
            raise Unreadable(f"it uses {name}, whose value the file doesn't hold")
        self._push(self.variables[name])

    def _load_fast(self, argument: int) -> None:
        self._load(self._entry(self.code.variables, argument))

    def _store_fast(self, argument: int) -> None:
        self.variables[self._entry(self.code.variables, argument)] = self._named(self._pop())

    def _named(self, value: Any) -> Any:
        if value is _NULL:
            raise Malformed("it keeps a value where none is")
        return value

    def _two(self, first: Callable[[int], None], second: Callable[[int], None], argument: int) -> None:
        first(argument >> 4)
        second(argument & 15)

    def _load_deref(self, argument: int) -> None:
        self._load(self._entry(self.code.cells, argument))

    def _store_deref(self, argument: int) -> None:
        self.variables[self._entry(self.code.cells, argument)] = self._named(self._pop())

    def _copy(self, argument: int) -> None:
        if not 0 < argument <= len(self.stack):
            raise Malformed("it takes a value where none is")
        self._push(self.stack[-argument])

    def _swap(self, argument: int) -> None:
        if not 0 < argument <= len(self.stack):
            raise Malformed("it takes a value where none is")
        self.stack[-1], self.stack[-argument] = self.stack[-argument], self.stack[-1]

    def _rotate(self, count: int) -> None:
        values = self._pop_many(count)
        self.stack.extend([values[-1], *values[:-1]])

    def _unpack(self, argument: int) -> None:
        value = self._value(self._pop())
        if isinstance(value, Ref):
            parts = [self._step("operator.getitem", value, number) for number in range(min(argument, _MOST_PARTS))]
        elif isinstance(value, tuple | list) and len(value) == argument:
            parts = list(value)
        else:
            raise Unreadable("it takes apart what has other parts")
        self.stack.extend(reversed(parts))

    def _build(self, kind: Callable[[list[Any]], Any], argument: int) -> None:
        self._built(kind([self._value(value) for value in self._pop_many(argument)]))

    def _build_slice(self, argument: int) -> None:
        if argument not in (2, 3):
            raise Malformed("it makes a slice of other parts")
        self._push(slice(*(self._value(value) for value in self._pop_many(argument))))

    def _extend(self, argument: int) -> None:
        values, more = self._pop_many(2)
        if argument != 1 or not isinstance(values, list) or not isinstance(more, tuple | list):
            raise Unreadable("it makes a list of what it computes")
        self._built([*values, *more])

    def _append(self, argument: int) -> None:
        values, more = self._pop_many(2)
        if argument != 1 or not isinstance(values, list):
            raise Unreadable("it has a loop")
        self._built([*values, self._value(more)])

    def _intrinsic(self, argument: int) -> None:
        if argument == 5:
            self._operate("positive", 1)
        elif argument == 6:
            self._build_from_list()
        else:
            raise Unreadable(f"it does CALL_INTRINSIC_1 {argument}")

    def _build_from_list(self) -> None:
        value = self._pop()
        if not isinstance(value, list):
            raise Malformed("it makes a tuple of what is no list")
        self._built(tuple(value))

    def _slice_of(self, argument: int, *, start: bool = True, stop: bool = True) -> None:
        last = self._pop() if stop else None
        first = self._pop() if start else None
        part = slice(self._value(first), self._value(last))
        self._push(self._step("operator.getitem", self._pop(), part))

    def _import(self, argument: int) -> None:
        level, listed = self._pop_many(2)
        module = self._entry(self.code.names, argument)
        if level not in (0, -1) or isinstance(level, bool):
            raise Unreadable(f"it imports {module} from beside its own module")
        self._push(Name(module if listed else module.partition(".")[0]))

    def _import_from(self, argument: int) -> None:
        if not self.stack or not isinstance(self.stack[-1], Name):
            raise Malformed("it imports from what is no module")
        self._push(Name(f"{self.stack[-1].path}.{self._entry(self.code.names, argument)}"))

    # Calls ------------------------------------------------------------------------------------------------------------------

    def _call_of_python_2(self, argument: int) -> None:
        pairs = self._pop_many(2 * (argument >> 8))
        args = self._pop_many(argument & 255)
        keywords = dict(zip(pairs[::2], pairs[1::2], strict=True))
        self._push(self._called(self._pop(), args, keywords))

    def _call_function(self, argument: int) -> None:
        if self.version < (3, 6):
            self._call_of_python_2(argument)
            return
        args = self._pop_many(argument)
        self._push(self._called(self._pop(), args, {}))

    def _call_function_kw(self, argument: int) -> None:
        args, keywords = self._with_keywords(self._pop(), self._pop_many(argument))
        self._push(self._called(self._pop(), args, keywords))

    def _call(self, argument: int) -> None:
        args, keywords = self._with_keywords(self.keywords, self._pop_many(argument))
        self.keywords = ()
        self._push(self._called(self._callee(), args, keywords))

    def _call_kw(self, argument: int) -> None:
        args, keywords = self._with_keywords(self._pop(), self._pop_many(argument))
        self._push(self._called(self._callee(), args, keywords))

    def _kw_names(self, argument: int) -> None:
        self.keywords = self._constant(argument)

    def _callee(self) -> Any:
        pair = self._pop_many(2)
        callees = [value for value in pair if value is not _NULL]
        if len(callees) != 1:
            raise Malformed("it calls what is no function")
        return callees[0]

    def _with_keywords(self, keywords: Any, values: list[Any]) -> tuple[list[Any], dict[str, Any]]:
        if not isinstance(keywords, tuple) or len(keywords) > len(values):
            raise Malformed("it calls with keywords that are none")
        first = len(values) - len(keywords)
        return values[:first], dict(zip(keywords, values[first:], strict=True))

    def _called(self, callee: Any, args: list[Any], keywords: dict[str, Any]) -> Any:
        if not all(isinstance(key, str) for key in keywords):
            raise Malformed("it calls with keywords that are none")
        if isinstance(callee, Attribute):
            if callee.name not in _CALLED_ATTRIBUTES or args or keywords:
                raise Unreadable(f"it calls .{callee.name} of what it computes")
            return self._step(f"operator.{_CALLED_ATTRIBUTES[callee.name]}", callee.value, shown=f"{callee.name}()")
        if callee is _NULL:
            raise Malformed("it calls what is no function")
        if not isinstance(callee, Name):
            raise Unreadable("it calls a function of its own")
        return self._called_by_name(callee, args, {key: value for key, value in keywords.items() if key != "name"})

    def _called_by_name(self, callee: Name, args: list[Any], keywords: dict[str, Any]) -> Any:
        path = names.canonical(callee.path)
        if self.first_tensorflow and path == "tf.image.resize":
            path = "tf.image.resize_images"
        known = names.setting(path)
        if known is not None and not args and not keywords:
            return known[0]
        if names.draws(path):
            mean = names.mean_of(path, tuple(map(self._value, args)), keywords)
            if mean is None:
                raise Unreadable(f"it calls {_shown(callee.path)}, whose mean isn't known")
            self.draws = True
            shown = self.texts.call(_shown(callee.path), args, keywords)
            return self._emit("operator.same", shown, [self._value(mean[0])], {})
        if names.function_of(path) is None:
            raise Unreadable(f"it calls {_shown(callee.path)}")
        return self._step(path, *args, shown=_shown(callee.path), **keywords)


def _num_parts(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(_num_parts, value.values()))
    return 1 + sum(map(_num_parts, value)) if isinstance(value, tuple | list) else 1


def _shown(path: str) -> str:
    return path.removeprefix("builtins.")


_LAST = ("RETURN_", "RAISE_VARARGS", "RERAISE", "JUMP_")
"""What code may end with, by how it begins."""

_AT_ONCE = ("builtins", "math", "np", "operator")
"""Homes of functions that take plain numbers."""

_ATTRIBUTES = {
    "shape": "shape", "_keras_shape": "shape", "ndim": "rank", "ndims": "rank", "rank": "rank", "dtype": "dtype",
    "T": "transposed", "value": "same",
}  # fmt: skip
"""Attributes of tensors and of their shapes, and the steps that they are."""

_CALLED_ATTRIBUTES = {"get_shape": "shape", "as_list": "as_list"}

_OPERATORS = {
    "ADD": "add", "SUBTRACT": "subtract", "MULTIPLY": "multiply", "DIVIDE": "divide_as_python_2", "TRUE_DIVIDE": "divide",
    "FLOOR_DIVIDE": "floor_divide", "MODULO": "modulo", "POWER": "power", "MATRIX_MULTIPLY": "matmul", "AND": "and", "OR": "or",
    "XOR": "xor", "SUBSCR": "getitem",
}  # fmt: skip

_WHY_NOT = {
    **dict.fromkeys(("FOR_ITER", "GET_ITER", "LOAD_FAST_AND_CLEAR", "SETUP_LOOP"), "it has a loop"),
    "MAKE_": "it has a function of its own", "LOAD_CLOSURE": "it has a function of its own",
    "SETUP_": "it handles exceptions", "RAISE": "it raises an error", "CALL_FUNCTION_": "it calls with arguments from a list",
    "YIELD": "it is a generator", "BUILD_MAP": "it makes a dict", "BUILD_CONST_KEY_MAP": "it makes a dict",
    "STORE_": "it changes something", "DELETE_": "it deletes something", "FORMAT_": "it writes texts", "PRINT": "it prints",
    "UNPACK_EX": "it takes apart a list of any length",
}  # fmt: skip
"""Why other instructions aren't read, by how they begin."""

_Method = Callable[[_Machine, int], None]


def _nothing(machine: _Machine, argument: int) -> None:
    """Python's own housekeeping."""


def _of(method: Callable[..., None], *args: Any, **options: Any) -> _Method:
    return lambda machine, argument: method(machine, *args, **options)


_LOAD_FAST, _STORE_FAST = _Machine._load_fast, _Machine._store_fast
_SLICES = {
    f"SLICE+{number}": (
        lambda machine, argument, n=number: machine._slice_of(argument, start=bool(n & 1), stop=bool(n & 2))
    )
    for number in range(4)
}

_METHODS: dict[str, _Method] = {
    **dict.fromkeys(
        ("NOP", "RESUME", "PRECALL", "MAKE_CELL", "COPY_FREE_VARS", "NOT_TAKEN", "TO_BOOL", "CACHE"), _nothing
    ),
    "LOAD_CONST": lambda machine, argument: machine._push(machine._constant(argument)),
    "LOAD_SMALL_INT": lambda machine, argument: machine._push(argument),
    **dict.fromkeys(("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW"), _LOAD_FAST),
    **dict.fromkeys(
        ("LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW"),
        lambda machine, argument: machine._two(machine._load_fast, machine._load_fast, argument),
    ),
    "STORE_FAST": _STORE_FAST,
    "STORE_FAST_LOAD_FAST": lambda machine, argument: machine._two(machine._store_fast, machine._load_fast, argument),
    "STORE_FAST_STORE_FAST": lambda machine, argument: machine._two(machine._store_fast, machine._store_fast, argument),
    "LOAD_DEREF": _Machine._load_deref,
    "STORE_DEREF": _Machine._store_deref,
    "LOAD_GLOBAL": _Machine._load_global,
    "LOAD_ATTR": _Machine._load_attribute,
    "LOAD_METHOD": _Machine._load_method,
    "PUSH_NULL": lambda machine, argument: machine._push(_NULL),
    "POP_TOP": _Machine._pop_top,
    "DUP_TOP": _of(_Machine._copy, 1),
    "COPY": _Machine._copy,
    "SWAP": _Machine._swap,
    "ROT_TWO": _of(_Machine._rotate, 2),
    "ROT_THREE": _of(_Machine._rotate, 3),
    "ROT_FOUR": _of(_Machine._rotate, 4),
    "UNARY_NEGATIVE": _of(_Machine._operate, "negative", 1),
    "UNARY_POSITIVE": _of(_Machine._operate, "positive", 1),
    "UNARY_INVERT": _of(_Machine._operate, "invert", 1),
    "BINARY_OP": _Machine._binary_op,
    "BINARY_SLICE": _Machine._slice_of,
    **_SLICES,
    "COMPARE_OP": _Machine._compare,
    "IS_OP": _Machine._is,
    "CONTAINS_OP": _Machine._contains,
    "BUILD_TUPLE": lambda machine, argument: machine._build(tuple, argument),
    "BUILD_LIST": lambda machine, argument: machine._build(list, argument),
    "BUILD_SLICE": _Machine._build_slice,
    "LIST_EXTEND": _Machine._extend,
    "LIST_APPEND": _Machine._append,
    "LIST_TO_TUPLE": _of(_Machine._build_from_list),
    "CALL_INTRINSIC_1": _Machine._intrinsic,
    "UNPACK_SEQUENCE": _Machine._unpack,
    "IMPORT_NAME": _Machine._import,
    "IMPORT_FROM": _Machine._import_from,
    "CALL_FUNCTION": _Machine._call_function,
    "CALL_FUNCTION_KW": _Machine._call_function_kw,
    "CALL_METHOD": _Machine._call,
    "CALL": _Machine._call,
    "CALL_KW": _Machine._call_kw,
    "KW_NAMES": _Machine._kw_names,
}
"""What each instruction does; operators and jumps stand for themselves."""
