"""Changes to a model and its framework that hold for the length of a `with` block, and are undone whenever it ends.

An interrupt can arrive between any two steps, those of undoing included. So every change is written down before it is made,
what is replaced asks each time whether its block still runs, and whoever comes next undoes what an interrupted block left.
No lock is held that an interrupt could leave locked.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

_holder: dict[str, Block] = {}
"""The one block of the process that may change models, under `_HERE`; `dict.setdefault` is one step, for threads too."""

_HERE = "block"
_PATIENCE = 0.05
"""Seconds until another thread's block is looked at again, in case it was interrupted."""

_MISSING = object()


@dataclass(eq=False)
class Block:
    """The length of a `with` block, and what is changed for it.

    One block of the process is open at a time; others wait for it. A block that is opened inside another one, in the same
    thread, takes its place until it is closed.
    """

    _frame: FrameType | None = None
    _thread: int = 0
    _outer: Block | None = None
    _changes: list[_Change] = field(default_factory=list)
    _closed: threading.Event = field(default_factory=threading.Event)

    def open(self, frame: FrameType | None) -> None:
        """Wait until no other thread has a block, and begin; the block lasts for as long as this frame runs, at most."""
        while frame is not None and frame.f_globals.get("__name__") == "contextlib":
            frame = frame.f_back
        self._frame, self._thread = frame, threading.get_ident()
        while (other := _holder.setdefault(_HERE, self)) is not self:
            if not other._lasts():
                other.close()
            elif other._thread == self._thread:
                self._outer = other
                _holder[_HERE] = self
            else:
                other._closed.wait(_PATIENCE)

    def change(self, owner: Any, name: str, value: Any) -> None:
        """Give an instance, module or class another attribute, past its own `__setattr__`."""
        before = vars(owner).get(name, _MISSING)
        change = _Change(owner, name, before, staticmethod(value) if isinstance(before, staticmethod) else value)
        self._changes.append(change)
        change.make()

    def close(self) -> None:
        """Undo every change and let the next one in; doing it twice does no harm."""
        for change in reversed(tuple(self._changes)):
            change.undo()
        self._changes.clear()
        if _holder.get(_HERE) is self:
            if self._outer is not None:
                _holder[_HERE] = self._outer
            else:
                _holder.pop(_HERE, None)
        self._frame = None
        self._closed.set()

    def is_here(self) -> bool:
        """Tell whether the caller runs inside the block; a block of this thread that was left without being closed is closed."""
        if _holder.get(_HERE) is not self or self._thread != threading.get_ident():
            return False
        if _is_below(self._frame, sys._getframe()):
            return True
        self.close()
        return False

    def _lasts(self) -> bool:
        frame = self._frame
        return frame is not None and _is_below(frame, sys._current_frames().get(self._thread))


@dataclass(frozen=True, eq=False)
class _Change:
    owner: Any
    name: str
    before: Any
    value: Any

    def make(self) -> None:
        self._set(self.value)

    def undo(self) -> None:
        if vars(self.owner).get(self.name) is not self.value:
            return  # undone already
        if self.before is not _MISSING:
            self._set(self.before)
        elif isinstance(self.owner, type):
            delattr(self.owner, self.name)
        else:
            vars(self.owner).pop(self.name, None)

    def _set(self, value: Any) -> None:
        if isinstance(self.owner, type):
            setattr(self.owner, self.name, value)
        else:
            vars(self.owner)[self.name] = value


def repair() -> None:
    """Undo what an interrupted block has left, if one has."""
    block = _holder.get(_HERE)
    if block is not None and not block._lasts():
        block.close()


def _is_below(frame: FrameType | None, top: FrameType | None) -> bool:
    while top is not None and top is not frame:
        top = top.f_back
    return top is not None
